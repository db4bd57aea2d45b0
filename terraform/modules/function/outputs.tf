output "name" {
  description = "The function's and its service's name."
  value       = google_cloudfunctions2_function.this.name
}

output "account_email" {
  description = "The account that it runs as."
  value       = google_service_account.this.email
}

output "account_member" {
  description = "The same as an IAM member."
  value       = "serviceAccount:${google_service_account.this.email}"
}
