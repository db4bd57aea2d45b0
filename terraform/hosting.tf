# The dashboard's files: no data and no secret in them. Without a domain nobody outside reads them.
resource "google_storage_bucket" "dashboard" {
  # checkov:skip=CKV_GCP_62:who writes is in the audit log (audit.tf); reading is nothing to hide
  # checkov:skip=CKV_GCP_114:enforced but with a domain, for which its files must be public
  project  = var.project_id
  name     = "${var.project_id}-dashboard"
  location = var.region
  labels   = local.labels

  uniform_bucket_level_access = true
  public_access_prevention    = var.domain == "" ? "enforced" : "inherited"
  force_destroy               = !var.protected

  website {
    main_page_suffix = "index.html"
    not_found_page   = "index.html"
  }

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 30
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_storage_bucket_iam_member" "dashboard_public" {
  # checkov:skip=CKV_GCP_28:with a domain alone: a page that a browser loads before anybody signs in
  for_each = local.domains

  bucket = google_storage_bucket.dashboard.name
  role   = "roles/storage.objectViewer"
  member = "allUsers"
}
