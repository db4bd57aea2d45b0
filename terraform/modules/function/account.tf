resource "google_service_account" "this" {
  project      = var.project_id
  account_id   = "fn-${var.name}"
  display_name = "Function ${var.name}"
  description  = substr(var.summary, 0, 250)
}
