# An HTTP function: explicit push subscriptions call it (subscriptions.tf), so it has no event
# trigger, and sees the headers that carry the caller's token.
resource "google_cloudfunctions2_function" "this" {
  project     = var.project_id
  location    = var.region
  name        = var.name
  description = var.summary
  labels      = merge(var.labels, { function = var.name })

  build_config {
    runtime           = var.runtime
    entry_point       = var.entry_point
    service_account   = var.build_account_id
    docker_repository = var.build_repository

    source {
      storage_source {
        bucket = var.source_bucket
        object = var.source_object
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.this.email
    available_memory                 = "${var.memory_mb}M"
    available_cpu                    = var.cpu
    timeout_seconds                  = var.timeout_s
    min_instance_count               = 0
    max_instance_count               = var.max_instances
    max_instance_request_concurrency = var.concurrency
    ingress_settings                 = var.public ? var.public_ingress : "ALLOW_INTERNAL_ONLY"
    all_traffic_on_latest_revision   = true
    environment_variables            = var.settings
  }

  # A secret is read at the first request: whoever may not read it yet would answer 500 until then.
  depends_on = [google_secret_manager_secret_iam_member.reader]
}
