# Generated from common/indexes.py by tools/indexes.py: what the code's queries need, and which
# collections hold documents that end by themselves.
locals {
  indexes = jsondecode(file("${path.module}/indexes.json"))
}

resource "google_firestore_index" "this" {
  for_each = local.indexes.composite

  project     = var.project_id
  database    = google_firestore_database.this.name
  collection  = each.value.collection
  query_scope = "COLLECTION"

  # Firestore itself adds __name__, in the direction of the last field, as the queries order it.
  dynamic "fields" {
    for_each = each.value.fields
    content {
      field_path = fields.value.path
      order      = fields.value.order
    }
  }
}

# Nothing asks by the time of expiry, and an index of ever rising times would bound the writes.
resource "google_firestore_field" "expiry" {
  for_each = toset(local.indexes.expiring)

  project    = var.project_id
  database   = google_firestore_database.this.name
  collection = each.value
  field      = local.indexes.expiry_field

  ttl_config {}
  index_config {}
}
