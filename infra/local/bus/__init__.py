"""The embedded bus: Pub/Sub's promises in one process."""
