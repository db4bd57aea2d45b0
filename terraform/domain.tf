# One load balancer for the dashboard and the API, when there is a domain. It is the only thing here
# that costs at idle, beside storage.
locals {
  domains = toset(var.domain == "" ? [] : [var.domain])
}

resource "google_compute_global_address" "this" {
  for_each = local.domains

  project = var.project_id
  name    = "sapphire"
  labels  = local.labels

  depends_on = [google_project_service.this]
}

resource "google_compute_managed_ssl_certificate" "this" {
  for_each = local.domains

  project = var.project_id
  name    = "sapphire"

  managed {
    domains = [each.value]
  }

  depends_on = [google_project_service.this]
}

resource "google_compute_backend_bucket" "dashboard" {
  for_each = local.domains

  project     = var.project_id
  name        = "sapphire-dashboard"
  bucket_name = google_storage_bucket.dashboard.name
  enable_cdn  = false

  custom_response_headers = [
    "Strict-Transport-Security: max-age=31536000; includeSubDomains",
    "X-Content-Type-Options: nosniff",
    "Referrer-Policy: no-referrer",
    "Content-Security-Policy: default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
  ]

  depends_on = [google_project_service.this]
}

resource "google_compute_region_network_endpoint_group" "api" {
  for_each = local.domains

  project               = var.project_id
  region                = var.region
  name                  = "sapphire-api"
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = module.function["api"].name
  }

  depends_on = [google_project_service.this]
}

# Against floods from one address; the API itself limits each principal.
resource "google_compute_security_policy" "api" {
  # checkov:skip=CKV_GCP_73:there is no Java behind it
  for_each = local.domains

  project     = var.project_id
  name        = "sapphire-api"
  description = "At most 600 requests a minute from one address."

  rule {
    action      = "throttle"
    priority    = 1000
    description = "Per address"

    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }

    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"

      rate_limit_threshold {
        count        = 600
        interval_sec = 60
      }
    }
  }

  rule {
    action      = "allow"
    priority    = 2147483647
    description = "The rule that every policy must end with"

    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_compute_backend_service" "api" {
  for_each = local.domains

  project               = var.project_id
  name                  = "sapphire-api"
  protocol              = "HTTPS"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  security_policy       = google_compute_security_policy.api[each.key].id

  backend {
    group = google_compute_region_network_endpoint_group.api[each.key].id
  }

  log_config {
    enable      = true
    sample_rate = 1
  }
}

resource "google_compute_url_map" "this" {
  for_each = local.domains

  project         = var.project_id
  name            = "sapphire"
  default_service = google_compute_backend_bucket.dashboard[each.key].id

  host_rule {
    hosts        = [each.value]
    path_matcher = "all"
  }

  path_matcher {
    name            = "all"
    default_service = google_compute_backend_bucket.dashboard[each.key].id

    path_rule {
      paths   = ["/api/*", "/health", "/docs", "/openapi.json"]
      service = google_compute_backend_service.api[each.key].id
    }
  }
}

resource "google_compute_target_https_proxy" "this" {
  for_each = local.domains

  project          = var.project_id
  name             = "sapphire"
  url_map          = google_compute_url_map.this[each.key].id
  ssl_certificates = [google_compute_managed_ssl_certificate.this[each.key].id]
}

# HTTPS alone: port 80 is not answered.
resource "google_compute_global_forwarding_rule" "https" {
  for_each = local.domains

  project               = var.project_id
  name                  = "sapphire"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this[each.key].address
  ip_protocol           = "TCP"
  port_range            = "443"
  target                = google_compute_target_https_proxy.this[each.key].id
  labels                = local.labels
}
