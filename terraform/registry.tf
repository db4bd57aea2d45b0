# Images of the functions, which Cloud Functions builds, and of jobs.
resource "google_artifact_registry_repository" "functions" {
  # checkov:skip=CKV_GCP_84:images hold source that holds no secret; a key of our own would cost at idle
  project       = var.project_id
  location      = var.region
  repository_id = "sapphire"
  format        = "DOCKER"
  description   = "Images of functions and jobs."
  labels        = local.labels

  cleanup_policies {
    id     = "keep-the-newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 5
    }
  }

  cleanup_policies {
    id     = "delete-after-a-month"
    action = "DELETE"
    condition {
      older_than = "2592000s"
    }
  }

  depends_on = [google_project_service.this]
}
