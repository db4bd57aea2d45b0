# What the functions write goes to the project's own bucket, and is kept for so long.
resource "google_logging_project_bucket_config" "default" {
  project        = var.project_id
  location       = "global"
  bucket_id      = "_Default"
  retention_days = var.log_retention_days
  description    = "The functions' lines and requests."

  depends_on = [google_project_service.this]
}

# What a person may have to prove later: accesses to secrets, changes of rights.
resource "google_logging_project_bucket_config" "audit" {
  project        = var.project_id
  location       = var.region
  bucket_id      = "sapphire-audit"
  retention_days = var.audit_retention_days
  locked         = var.audit_locked
  description    = "Audit logs of secrets and rights."

  depends_on = [google_project_service.this]
}

resource "google_logging_project_sink" "audit" {
  project                = var.project_id
  name                   = "sapphire-audit"
  destination            = "logging.googleapis.com/${google_logging_project_bucket_config.audit.id}"
  filter                 = "logName:\"cloudaudit.googleapis.com\""
  unique_writer_identity = true
}
