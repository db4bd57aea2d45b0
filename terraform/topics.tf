resource "google_pubsub_topic" "this" {
  # checkov:skip=CKV_GCP_83:a key of our own would cost at idle; Google's keys encrypt at rest, and no message holds a key of a venue
  for_each = local.pipeline.topics

  project = var.project_id
  name    = each.key
  labels  = local.labels

  # Messages speak of people's orders: they stay in the region.
  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.this]
}
