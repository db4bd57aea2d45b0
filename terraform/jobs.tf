# Long work beside the trading: it reads recorded candles and prints a report into the log.
#   gcloud run jobs execute backtest --region=REGION --wait
resource "google_storage_bucket" "candles" {
  # checkov:skip=CKV_GCP_62:who writes is in the audit log (audit.tf); reading is nothing to hide
  project  = var.project_id
  name     = "${var.project_id}-candles"
  location = var.region
  labels   = local.labels

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.protected

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

resource "google_storage_bucket_iam_member" "jobs_read_candles" {
  bucket = google_storage_bucket.candles.name
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${google_service_account.jobs.email}"
}

resource "google_cloud_run_v2_job" "backtest" {
  for_each = toset(var.jobs_image == "" ? [] : ["backtest"])

  project             = var.project_id
  location            = var.region
  name                = each.value
  labels              = local.labels
  deletion_protection = var.protected

  template {
    task_count = 1

    template {
      service_account       = google_service_account.jobs.email
      execution_environment = "EXECUTION_ENVIRONMENT_GEN2"
      max_retries           = 0
      timeout               = "21600s"

      containers {
        image   = var.jobs_image
        command = ["python", "-m", "infra.cli.main"]
        args    = ["backtest", "--replay", "/candles", "--json"]

        resources {
          limits = {
            cpu    = "1"
            memory = "1Gi"
          }
        }

        volume_mounts {
          name       = "candles"
          mount_path = "/candles"
        }
      }

      volumes {
        name = "candles"
        gcs {
          bucket    = google_storage_bucket.candles.name
          read_only = true
        }
      }
    }
  }

  depends_on = [google_storage_bucket_iam_member.jobs_read_candles]
}
