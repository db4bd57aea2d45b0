resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.alert_emails)

  project      = var.project_id
  type         = "email"
  display_name = each.value
  labels       = { email_address = each.value }
  user_labels  = local.labels

  depends_on = [google_project_service.this]
}
