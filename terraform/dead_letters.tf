# One topic for all, as in the emulator (infra/gcp/pubsub.py): each message bears its source.
resource "google_pubsub_topic" "dead_letters" {
  # checkov:skip=CKV_GCP_83:a key of our own would cost at idle; Google's keys encrypt at rest, and no message holds a key of a venue
  project = var.project_id
  name    = "dead-letters"
  labels  = local.labels

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.this]
}

# Without it what arrives would be lost at once.
resource "google_pubsub_subscription" "dead_letters" {
  project = var.project_id
  name    = "dead-letters"
  topic   = google_pubsub_topic.dead_letters.id
  labels  = local.labels

  ack_deadline_seconds       = local.delivery.ack_deadline_s
  message_retention_duration = "${local.delivery.dead_letter_retention_d * 86400}s"

  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub itself moves the messages: it takes them from each subscription and publishes them here.
resource "google_pubsub_topic_iam_member" "dead_letters_publisher" {
  project = var.project_id
  topic   = google_pubsub_topic.dead_letters.name
  role    = "roles/pubsub.publisher"
  member  = local.minters["pubsub"]
}

resource "google_pubsub_subscription_iam_member" "dead_letters_subscriber" {
  for_each = local.subscriptions

  project      = var.project_id
  subscription = google_pubsub_subscription.push[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = local.minters["pubsub"]
}
