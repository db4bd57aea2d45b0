resource "google_cloud_scheduler_job" "tick" {
  for_each = local.schedules

  project     = var.project_id
  region      = var.region
  name        = each.key
  description = "Ticks ${each.value.function}."
  schedule    = each.value.cron
  time_zone   = "Etc/UTC"
  paused      = var.paused

  attempt_deadline = "${local.functions[each.value.function].timeout_s}s"

  # A second attempt within the minute; then the next tick comes anyway.
  retry_config {
    retry_count          = 1
    min_backoff_duration = "5s"
    max_backoff_duration = "20s"
    max_retry_duration   = "30s"
  }

  http_target {
    http_method = "POST"
    uri         = "${local.urls[each.value.function]}/"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode(jsonencode({ job = each.value.function }))

    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = local.urls[each.value.function]
    }
  }

  depends_on = [module.function, google_service_account_iam_member.minter]
}
