locals {
  metrics = yamldecode(file("${path.module}/metrics.yaml"))
}

resource "google_logging_metric" "this" {
  for_each = local.metrics

  project     = var.project_id
  name        = "sapphire/${each.key}"
  description = each.value.summary
  filter      = "resource.type=\"${each.value.resource}\" AND ${each.value.filter}"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"

    dynamic "labels" {
      for_each = try(each.value.labels, {})
      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  label_extractors = { for label, path in try(each.value.labels, {}) : label => "EXTRACT(${path})" }

  depends_on = [google_project_service.this]
}
