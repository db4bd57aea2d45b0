# What a function may do in the project, as its row in pipeline.yaml says.
resource "google_project_iam_member" "function" {
  for_each = local.project_roles

  project = var.project_id
  role    = "roles/${each.value.role}"
  member  = module.function[each.value.function].account_member
}

# Where it may publish: topic by topic.
resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = local.publications

  project = var.project_id
  topic   = google_pubsub_topic.this[each.value.topic].name
  role    = "roles/pubsub.publisher"
  member  = module.function[each.value.function].account_member
}

resource "google_project_iam_member" "build_logs" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = "serviceAccount:${google_service_account.build.email}"
}

# A build fetches the zip from a bucket that Cloud Functions copies it to and names itself: hence a
# role in the project, held to the two buckets by their names.
resource "google_project_iam_member" "build_source" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = "serviceAccount:${google_service_account.build.email}"

  condition {
    title       = "source_only"
    description = "The source zips, and nothing else in storage."
    expression  = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${local.project_number}-\") || resource.name.startsWith(\"projects/_/buckets/${google_storage_bucket.source.name}\")"
  }
}

resource "google_artifact_registry_repository_iam_member" "build" {
  project    = var.project_id
  location   = google_artifact_registry_repository.functions.location
  repository = google_artifact_registry_repository.functions.name
  role       = "roles/artifactregistry.writer"
  member     = "serviceAccount:${google_service_account.build.email}"
}
