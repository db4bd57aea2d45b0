locals {
  alerts = yamldecode(file("${path.module}/alerts.yaml"))

  counted_alerts = { for key, alert in local.alerts : key => alert if try(alert.log, "") == "" }
  matched_alerts = { for key, alert in local.alerts : key => alert if try(alert.log, "") != "" }

  # A metric of ours has the resource that metrics.yaml says.
  alert_filters = {
    for key, alert in local.counted_alerts : key => join(" AND ", concat(
      [
        "metric.type = \"${try("logging.googleapis.com/user/sapphire/${alert.metric}", alert.type)}\"",
        "resource.type = \"${try(alert.resource, local.metrics[alert.metric].resource)}\"",
      ],
      [for further in [try(alert.where, "")] : further if further != ""],
    ))
  }
}

resource "google_monitoring_alert_policy" "this" {
  for_each = { for key, alert in local.counted_alerts : key => alert if var.alerts }

  project      = var.project_id
  display_name = "Sapphire ${var.environment}: ${each.value.title}"
  combiner     = "OR"
  severity     = each.value.severity
  enabled      = !(var.paused && try(each.value.running, false))
  user_labels  = merge(local.labels, { alert = each.key })

  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  conditions {
    display_name = each.value.title

    condition_threshold {
      filter                  = local.alert_filters[each.key]
      comparison              = try(each.value.below, null) == null ? "COMPARISON_GT" : "COMPARISON_LT"
      threshold_value         = try(each.value.below, each.value.above)
      duration                = "${try(each.value.for_s, 0)}s"
      evaluation_missing_data = try(each.value.missing, false) ? "EVALUATION_MISSING_DATA_ACTIVE" : null

      aggregations {
        alignment_period     = "${try(each.value.window_s, 60)}s"
        per_series_aligner   = try(each.value.aligner, "ALIGN_SUM")
        cross_series_reducer = try(each.value.reducer, "REDUCE_SUM")
        group_by_fields      = [for label in [try(each.value.per, "")] : label if label != ""]
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Sapphire ${var.environment}: ${each.value.title}"
    content   = "What to do: docs/RUNBOOK.md#${each.key} in the repository."
  }

  # A policy can only name a metric that is there, and a new one takes minutes to be seen, as the
  # functions' builds do.
  depends_on = [google_logging_metric.this, module.function]
}

# One line of the audit log is enough. Who may read which secret is what pipeline.yaml says.
resource "google_monitoring_alert_policy" "matched" {
  for_each = local.matched_alerts

  project      = var.project_id
  display_name = "Sapphire ${var.environment}: ${each.value.title}"
  combiner     = "OR"
  severity     = each.value.severity
  enabled      = true
  user_labels  = merge(local.labels, { alert = each.key })

  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  conditions {
    display_name = each.value.title

    condition_matched_log {
      filter = join(" AND ", concat([each.value.log], [
        for grant in try(each.value.except, "") == "secret_readers" ? local.secret_grants : [] :
        "NOT (protoPayload.authenticationInfo.principalEmail=\"${module.function[grant.function].account_email}\" AND protoPayload.resourceName:\"/secrets/${lookup(local.prefixes, grant.secret, grant.secret)}\")"
        if grant.access == "read"
      ]))
    }
  }

  alert_strategy {
    auto_close = "86400s"

    notification_rate_limit {
      period = "300s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Sapphire ${var.environment}: ${each.value.title}"
    content   = "What to do: docs/RUNBOOK.md#${each.key} in the repository."
  }

  depends_on = [google_project_service.this]
}
