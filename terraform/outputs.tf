output "api_url" {
  description = "Where people and the dashboard call the API."
  value       = local.api_url
}

output "function_urls" {
  description = "Each function's own address, which is the audience of its tokens."
  value       = local.urls
}

output "function_accounts" {
  description = "The account that each function runs as."
  value       = { for name, function in module.function : name => function.account_email }
}

output "push_service_account" {
  description = "The one caller of internal functions."
  value       = google_service_account.push.email
}

output "queues" {
  description = "Queues of messages of a later time, by function."
  value       = { for name, queue in google_cloud_tasks_queue.later : name => queue.id }
}

output "dead_letters" {
  description = "The subscription that keeps what no function acknowledged."
  value       = google_pubsub_subscription.dead_letters.id
}

output "secrets" {
  description = "Secrets whose values a person adds."
  value       = [for secret in google_secret_manager_secret.this : secret.secret_id]
}

output "source_object" {
  description = "The zip that is deployed."
  value       = google_storage_bucket_object.source.name
}

output "dashboard_bucket" {
  description = "Where the dashboard's files go."
  value       = google_storage_bucket.dashboard.name
}

output "candles_bucket" {
  description = "Where recorded candles for backtests go."
  value       = google_storage_bucket.candles.name
}

output "repository" {
  description = "Where images of jobs go."
  value       = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.functions.repository_id}"
}

output "address" {
  description = "What the domain's A record must say; empty without a domain."
  value       = [for address in google_compute_global_address.this : address.address]
}
