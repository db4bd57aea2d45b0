"""What a resource's computed attributes will be, where names alone decide it."""

from collections.abc import Callable

from tools.plan.values import Symbol, Value, text

Read = Callable[[str], Value]
"""A configured attribute of the resource by name; `project` of the provider where it has none."""

PROJECT_NUMBER = Symbol("<project number>")
"""The one thing of a project that its owner does not choose."""

_OF = {
    ("google_service_account", "email"): "{account_id}@{project}.iam.gserviceaccount.com",
    ("google_service_account", "member"): (
        "serviceAccount:{account_id}@{project}.iam.gserviceaccount.com"
    ),
    ("google_service_account", "name"): (
        "projects/{project}/serviceAccounts/{account_id}@{project}.iam.gserviceaccount.com"
    ),
    ("google_service_account", "id"): (
        "projects/{project}/serviceAccounts/{account_id}@{project}.iam.gserviceaccount.com"
    ),
    ("google_service_account", "unique_id"): "<unique id of {account_id}>",
    ("google_pubsub_topic", "id"): "projects/{project}/topics/{name}",
    ("google_pubsub_subscription", "id"): "projects/{project}/subscriptions/{name}",
    ("google_secret_manager_secret", "id"): "projects/{project}/secrets/{secret_id}",
    ("google_secret_manager_secret", "name"): "projects/{project}/secrets/{secret_id}",
    ("google_cloud_tasks_queue", "id"): "projects/{project}/locations/{location}/queues/{name}",
    ("google_cloudfunctions2_function", "id"): (
        "projects/{project}/locations/{location}/functions/{name}"
    ),
    ("google_project_iam_custom_role", "id"): "projects/{project}/roles/{role_id}",
    ("google_project_iam_custom_role", "name"): "projects/{project}/roles/{role_id}",
    ("google_artifact_registry_repository", "id"): (
        "projects/{project}/locations/{location}/repositories/{repository_id}"
    ),
    ("google_artifact_registry_repository", "name"): "{repository_id}",
    ("google_storage_bucket", "id"): "{name}",
    ("google_storage_bucket", "url"): "gs://{name}",
    ("google_storage_bucket", "self_link"): "https://www.googleapis.com/storage/v1/b/{name}",
    ("google_firestore_database", "id"): "projects/{project}/databases/{name}",
}

COMPUTED = frozenset(_OF) | {
    ("google_cloudfunctions2_function", "url"),
    ("google_firestore_database", "uid"),
    ("google_logging_project_sink", "writer_identity"),
    ("google_monitoring_notification_channel", "name"),
    ("google_storage_bucket_object", "md5hash"),
}
"""Attributes that are told and cannot be set: the facts list those alone that can be."""


def foretold(kind: str, name: str, read: Read, address: str) -> Symbol:
    """The attribute as it will be, or its address in angle brackets."""
    pattern = _OF.get((kind, name))
    return Symbol(pattern.format_map(_Fields(read)) if pattern else f"<{address}.{name}>")


class _Fields(dict[str, str]):
    def __init__(self, read: Read) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, name: str) -> str:
        return text(self._read(name))
