resource "google_pubsub_subscription" "push" {
  for_each = local.subscriptions

  project = var.project_id
  name    = each.key
  topic   = google_pubsub_topic.this[each.value.topic].id
  labels  = merge(local.labels, { function = local.names[each.value.function] })

  # Never shorter than the function may run: it would be called again beside itself.
  ack_deadline_seconds       = max(local.delivery.ack_deadline_s, local.functions[each.value.function].timeout_s)
  message_retention_duration = "604800s"

  push_config {
    push_endpoint = "${local.urls[each.value.function]}/"

    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = local.urls[each.value.function]
    }
  }

  retry_policy {
    minimum_backoff = "${local.delivery.backoff_min_s}s"
    maximum_backoff = "${local.delivery.backoff_max_s}s"
  }

  # Never: the default deletes what was idle for 31 days, and with it everything that comes later.
  expiration_policy {
    ttl = ""
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = local.delivery.max_attempts
  }

  depends_on = [
    module.function,
    google_service_account_iam_member.minter,
    google_pubsub_topic_iam_member.dead_letters_publisher,
  ]
}
