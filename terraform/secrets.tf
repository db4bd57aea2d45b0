# The secrets' names. Their values are added by people (docs/DEPLOY.md), never by Terraform, whose
# state would hold them. Those with a prefix are made while the system runs, or by its operator.
resource "google_secret_manager_secret" "this" {
  for_each = local.single_secrets

  project             = var.project_id
  secret_id           = each.key
  labels              = merge(local.labels, { kind = each.value.kind })
  annotations         = { summary = each.value.summary }
  deletion_protection = var.protected

  # A version that was destroyed by mistake can be enabled again for a week.
  version_destroy_ttl = "604800s"

  replication {
    auto {}
  }

  depends_on = [google_project_service.this]
}

# Who reads the many: only names that begin so. Secret Manager compares with the project's number.
resource "google_project_iam_member" "prefix_reader" {
  for_each = local.prefix_readers

  project = var.project_id
  role    = "roles/secretmanager.secretAccessor"
  member  = module.function[each.value.function].account_member

  condition {
    title       = "${replace(each.value.secret, "-", "_")}_only"
    description = "Secrets named ${local.prefixes[each.value.secret]}..."
    expression  = "resource.name.startsWith(\"projects/${local.project_number}/secrets/${local.prefixes[each.value.secret]}\")"
  }
}

# Who adds to them reads none. Google's own roles for this may also list, read or destroy.
resource "google_project_iam_custom_role" "secret_adder" {
  project     = var.project_id
  role_id     = "sapphireSecretAdder"
  title       = "Sapphire secret adder"
  description = "Adds and disables versions of a secret, and cannot read one."
  permissions = ["secretmanager.versions.add", "secretmanager.versions.disable"]

  depends_on = [google_project_service.this]
}

resource "google_project_iam_member" "prefix_adder" {
  for_each = local.prefix_adders

  project = var.project_id
  role    = google_project_iam_custom_role.secret_adder.name
  member  = module.function[each.value.function].account_member

  condition {
    title       = "${replace(each.value.secret, "-", "_")}_only"
    description = "Secrets named ${local.prefixes[each.value.secret]}..."
    expression  = "resource.name.startsWith(\"projects/${local.project_number}/secrets/${local.prefixes[each.value.secret]}\")"
  }
}

# To create a secret is a right over the project, which has no name to compare: an empty secret of
# any name can be made with it, and nothing be put into one of another prefix.
resource "google_project_iam_custom_role" "secret_creator" {
  project     = var.project_id
  role_id     = "sapphireSecretCreator"
  title       = "Sapphire secret creator"
  description = "Creates secrets, without a right to any version of them."
  permissions = ["secretmanager.secrets.create"]

  depends_on = [google_project_service.this]
}

resource "google_project_iam_member" "secret_creator" {
  for_each = local.prefix_adders

  project = var.project_id
  role    = google_project_iam_custom_role.secret_creator.name
  member  = module.function[each.value.function].account_member
}

# A single secret that a function may add to; none does today.
resource "google_secret_manager_secret_iam_member" "adder" {
  for_each = {
    for grant in local.secret_grants : "${grant.function}/${grant.secret}" => grant
    if grant.access == "add" && contains(keys(local.single_secrets), grant.secret)
  }

  project   = var.project_id
  secret_id = google_secret_manager_secret.this[each.value.secret].secret_id
  role      = "roles/secretmanager.secretVersionAdder"
  member    = module.function[each.value.function].account_member
}
