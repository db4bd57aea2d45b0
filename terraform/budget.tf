# A budget tells; it stops nothing. `paused` does, and max_instances bounds what one burst costs.
resource "google_billing_budget" "month" {
  for_each = toset(var.billing_account == "" ? [] : [var.billing_account])

  billing_account = each.value
  display_name    = "Sapphire ${var.environment} (${var.project_id})"

  budget_filter {
    projects        = ["projects/${local.project_number}"]
    calendar_period = "MONTH"
  }

  amount {
    specified_amount {
      units = tostring(var.monthly_budget)
    }
  }

  threshold_rules {
    threshold_percent = 0.5
  }
  threshold_rules {
    threshold_percent = 0.9
  }
  threshold_rules {
    threshold_percent = 1
  }
  threshold_rules {
    threshold_percent = 1.2
    spend_basis       = "FORECASTED_SPEND"
  }

  # Without a channel the billing account's administrators alone are told.
  dynamic "all_updates_rule" {
    for_each = length(var.alert_emails) == 0 ? [] : ["told"]
    content {
      monitoring_notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]
      disable_default_iam_recipients   = false
    }
  }

  depends_on = [google_project_service.this]
}
