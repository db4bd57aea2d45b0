# The number is part of every run.app address and of the service agents' names.
data "google_project" "this" {
  project_id = var.project_id
}
