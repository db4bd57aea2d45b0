module "function" {
  source   = "./modules/function"
  for_each = local.functions

  project_id  = var.project_id
  region      = var.region
  name        = local.names[each.key]
  entry_point = each.key
  summary     = each.value.summary
  labels      = local.labels

  runtime          = var.runtime
  source_bucket    = google_storage_bucket.source.name
  source_object    = google_storage_bucket_object.source.name
  build_account_id = google_service_account.build.id
  build_repository = google_artifact_registry_repository.functions.id

  memory_mb     = each.value.memory_mb
  cpu           = try(tostring(each.value.cpu), null)
  timeout_s     = each.value.timeout_s
  max_instances = each.value.max_instances
  concurrency   = try(each.value.concurrency, 1)
  settings      = local.settings[each.key]

  public = contains(local.public_functions, each.key)
  # A public function that has a domain is reached through its load balancer alone.
  public_ingress = var.domain == "" ? "ALLOW_ALL" : "ALLOW_INTERNAL_AND_GCLB"
  invoker        = "serviceAccount:${google_service_account.push.email}"
  readable_secrets = {
    for secret, access in each.value.secrets : secret => google_secret_manager_secret.this[secret].secret_id
    if access == "read" && contains(keys(local.single_secrets), secret)
  }

  depends_on = [
    google_project_service.this,
    google_project_iam_member.build_logs,
    google_project_iam_member.build_source,
    google_artifact_registry_repository_iam_member.build,
  ]
}
