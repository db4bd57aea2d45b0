resource "google_firestore_database" "this" {
  project     = var.project_id
  name        = "(default)"
  location_id = var.firestore_location == "" ? var.region : var.firestore_location
  type        = "FIRESTORE_NATIVE"

  # Every version of the last seven days can be read, and exported, as of any minute.
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  delete_protection_state           = var.protected ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy                   = var.protected ? "ABANDON" : "DELETE"

  depends_on = [google_project_service.this]
}

resource "google_firestore_backup_schedule" "daily" {
  project   = var.project_id
  database  = google_firestore_database.this.name
  retention = "${var.backup_retention_days * 86400}s"

  daily_recurrence {}
}
