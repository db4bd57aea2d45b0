# Each function's own account is made with it (modules/function).

# The one caller of internal functions: Pub/Sub, the scheduler and the queues mint its tokens.
resource "google_service_account" "push" {
  project      = var.project_id
  account_id   = "sapphire-push"
  display_name = "Calls the functions"
  description  = "Pub/Sub, Cloud Scheduler and Cloud Tasks call internal functions as this account. It holds no other right."

  depends_on = [google_project_service.this]
}

# Builds the functions' images from the zip; what runs is another account.
resource "google_service_account" "build" {
  project      = var.project_id
  account_id   = "sapphire-build"
  display_name = "Builds the functions"
  description  = "Reads the source zip, writes images and build logs."

  depends_on = [google_project_service.this]
}

# Runs long jobs over recorded candles. It sees no secret, no document and no topic.
resource "google_service_account" "jobs" {
  project      = var.project_id
  account_id   = "sapphire-jobs"
  display_name = "Runs long jobs"
  description  = "Reads the candles that a backtest replays."

  depends_on = [google_project_service.this]
}

locals {
  # Google's own accounts that mint the push account's tokens. They come into being with
  # `gcloud beta services identity create` (README.md), and not always with the API.
  minters = {
    pubsub    = "serviceAccount:service-${local.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    scheduler = "serviceAccount:service-${local.project_number}@gcp-sa-cloudscheduler.iam.gserviceaccount.com"
    tasks     = "serviceAccount:service-${local.project_number}@gcp-sa-cloudtasks.iam.gserviceaccount.com"
  }
}

resource "google_service_account_iam_member" "minter" {
  for_each = local.minters

  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = each.value
}
