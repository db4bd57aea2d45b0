# Budgets are asked for in the name of a project: without these two lines a person's own
# credentials are refused there.
provider "google" {
  project               = var.project_id
  region                = var.region
  user_project_override = true
  billing_project       = var.project_id
}
