resource "google_storage_bucket" "source" {
  # checkov:skip=CKV_GCP_62:who writes is in the audit log (audit.tf); the builder alone reads
  project  = var.project_id
  name     = "${var.project_id}-source"
  location = var.region
  labels   = local.labels

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.protected

  # What was deployed before stays at hand for a rollback.
  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 90
    }
  }

  depends_on = [google_project_service.this]
}

# Named by its hash: other code is another object, so that Terraform deploys it.
resource "google_storage_bucket_object" "source" {
  bucket = google_storage_bucket.source.name
  name   = "functions/${filesha256(var.source_zip)}.zip"
  source = var.source_zip
}
