# One queue a function that takes messages of a later time. The queue, not the task, says where it
# goes and as whom: whoever may enqueue reaches that function's own address and needs no right over
# the push account.
resource "google_cloud_tasks_queue" "later" {
  for_each = toset(local.later_functions)

  project  = var.project_id
  location = var.region
  name     = "${local.names[each.value]}-later"

  http_target {
    http_method = "POST"

    uri_override {
      scheme                    = "HTTPS"
      host                      = local.hosts[each.value]
      uri_override_enforce_mode = "ALWAYS"

      path_override {
        path = "/"
      }
    }

    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = local.urls[each.value]
    }
  }

  rate_limits {
    max_concurrent_dispatches = local.functions[each.value].max_instances
    max_dispatches_per_second = 100
  }

  # A task has no dead letters: it is tried as long as Pub/Sub keeps a message. Both bounds must be
  # passed before Cloud Tasks gives up.
  retry_config {
    max_attempts       = local.delivery.max_attempts
    max_retry_duration = "604800s"
    min_backoff        = "${local.delivery.backoff_min_s}s"
    max_backoff        = "${local.delivery.backoff_max_s}s"
  }

  # Each attempt is a log line, sampled or not: they are few, and each is an order.
  stackdriver_logging_config {
    sampling_ratio = 1
  }

  depends_on = [module.function, google_service_account_iam_member.minter]
}
