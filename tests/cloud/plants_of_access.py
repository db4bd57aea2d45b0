"""Mistakes by which somebody could do what they must not."""

from tests.cloud.planting import Edit, Plant
from tests.shared_data import REPOSITORY

PIPELINE = "pipeline.yaml"
IDENTITIES = "terraform/identities.tf"
INVOKER = "terraform/modules/function/invoker.tf"
SECRETS = "terraform/secrets.tf"
EXTRA = "terraform/extra.tf"
_KEYS = "test_keys_when_anybody_can_read_one_then_only_execute_and_settle"
_INTERNAL = "test_internal_functions_when_called_then_by_the_push_account_alone"


def _project_role(role: str, member: str) -> Edit:
    text = (
        'resource "google_project_iam_member" "extra" {\n'
        f'  project = var.project_id\n  role    = "{role}"\n  member  = {member}\n}}\n'
    )
    return Edit(EXTRA, "", text)


def _without_prefix(name: str) -> tuple[str, str]:
    """The binding's text as it stands, and without the prefix in its condition."""
    head = f'resource "google_project_iam_member" "{name}" {{\n'
    text = (REPOSITORY / SECRETS).read_text(encoding="utf-8")
    block = head + text.partition(head)[2].partition("\n}\n")[0]
    prefix = "/secrets/${local.prefixes[each.value.secret]}"
    return block, block.replace(prefix, "/secrets/")


ACCESS_PLANTS = (
    Plant(
        name="a public invoker of an internal function",
        caught_by="test_everybody_when_granted_a_right_then_only_where_the_pipeline_says_public",
        edits=(Edit(INVOKER, 'var.public ? "allUsers"', 'true ? "allUsers"'),),
    ),
    Plant(
        name="anybody with a Google account",
        caught_by="test_all_authenticated_users_when_granted_anything_then_refused",
        edits=(Edit(INVOKER, '"allUsers"', '"allAuthenticatedUsers"'),),
    ),
    Plant(
        name="a secret at latest",
        caught_by="test_secrets_when_named_to_a_function_then_by_the_number_of_a_version",
        edits=(
            Edit(
                "terraform/settings.tf",
                '"sapphire-api-token:${var.api_token_version}"',
                '"sapphire-api-token:latest"',
            ),
        ),
    ),
    Plant(
        name="a secret's value in the state",
        caught_by="test_secrets_when_made_then_no_value_is_in_the_state",
        edits=(
            Edit(
                EXTRA,
                "",
                'resource "google_secret_manager_secret_version" "kek" {\n'
                '  secret      = google_secret_manager_secret.this["key-encryption-key"].id\n'
                '  secret_data = "x"\n}\n',
            ),
        ),
    ),
    Plant(
        name="a right to every secret of the project",
        caught_by="test_secrets_when_granted_over_the_project_then_by_name_alone",
        edits=(
            _project_role(
                "roles/secretmanager.secretAccessor", 'module.function["execute"].account_member'
            ),
        ),
    ),
    Plant(
        name="the owner's role",
        caught_by="test_roles_when_granted_then_none_is_primitive_or_an_admins",
        edits=(_project_role("roles/owner", "google_service_account.build.member"),),
    ),
    Plant(
        name="the editor's role gives a function all topics",
        caught_by=(
            "test_topics_when_a_row_publishes_them_then_the_account_can_and_no_other_function"
        ),
        edits=(_project_role("roles/editor", 'module.function["notify"].account_member'),),
    ),
    Plant(
        name="a policy that replaces all others",
        caught_by="test_rights_when_granted_then_no_resource_replaces_a_whole_policy",
        edits=(
            Edit(
                EXTRA,
                "",
                'resource "google_project_iam_policy" "all" {\n'
                '  project     = var.project_id\n  policy_data = "{}"\n}\n',
            ),
        ),
    ),
    Plant(
        name="a role that its row does not say",
        caught_by="test_roles_when_a_function_holds_them_then_its_row_says_so",
        edits=(
            _project_role("roles/cloudtasks.enqueuer", 'module.function["notify"].account_member'),
        ),
    ),
    Plant(
        name="notify reads the key-encryption key",
        caught_by=_KEYS,
        edits=(
            Edit(
                EXTRA,
                "",
                'resource "google_secret_manager_secret_iam_member" "extra" {\n'
                "  project   = var.project_id\n"
                '  secret_id = google_secret_manager_secret.this["key-encryption-key"].secret_id\n'
                '  role      = "roles/secretmanager.secretAccessor"\n'
                '  member    = module.function["notify"].account_member\n}\n',
            ),
        ),
    ),
    Plant(
        name="the row of notify says that it reads the key-encryption key",
        caught_by=_KEYS,
        edits=(
            Edit(
                PIPELINE,
                "secrets: {telegram-bot-token: read}",
                "secrets: {telegram-bot-token: read, key-encryption-key: read}",
            ),
        ),
    ),
    Plant(
        name="the adder's role can read",
        caught_by=_KEYS,
        edits=(
            Edit(
                SECRETS,
                '["secretmanager.versions.add", ',
                '["secretmanager.versions.add", "secretmanager.versions.access", ',
            ),
        ),
    ),
    Plant(
        name="relay may be execute",
        caught_by=_KEYS,
        edits=(
            Edit(
                EXTRA,
                "",
                'resource "google_service_account_iam_member" "extra" {\n'
                '  service_account_id = "projects/${var.project_id}/serviceAccounts/'
                '${module.function["execute"].account_email}"\n'
                '  role               = "roles/iam.serviceAccountUser"\n'
                '  member             = module.function["relay"].account_member\n}\n',
            ),
        ),
    ),
    Plant(
        name="a condition on the names of secrets that holds nothing apart",
        caught_by="test_secrets_when_granted_over_the_project_then_by_name_alone",
        edits=(Edit(SECRETS, *_without_prefix("prefix_reader")),),
    ),
    Plant(
        name="a prefix that another one begins with",
        caught_by=(
            "test_secrets_when_the_row_says_read_or_add_then_the_account_can_and_nobody_else"
        ),
        edits=(
            Edit(PIPELINE, "prefix: dep_", "prefix: venue-d"),
            Edit(
                PIPELINE,
                "secrets: {deployment-keys: add, sapphire-api-token: read}",
                "secrets: {venue-api-keys: add, sapphire-api-token: read}",
            ),
        ),
    ),
    Plant(
        name="fetch_market may publish order-planned",
        caught_by=(
            "test_outside_words_when_nobody_answers_for_them_then_their_reader_can_cause_no_order"
        ),
        edits=(
            Edit(
                EXTRA,
                "",
                'resource "google_pubsub_topic_iam_member" "extra" {\n'
                "  project = var.project_id\n"
                '  topic   = google_pubsub_topic.this["order-planned"].name\n'
                '  role    = "roles/pubsub.publisher"\n'
                '  member  = module.function["fetch_market"].account_member\n}\n',
            ),
        ),
    ),
    Plant(
        name="the row of fetch_market says that it fills queues",
        caught_by=(
            "test_outside_words_when_nobody_answers_for_them_then_their_reader_can_cause_no_order"
        ),
        edits=(
            Edit(
                PIPELINE,
                "roles: [datastore.user]\n    outside: [prices]",
                "roles: [datastore.user, cloudtasks.enqueuer]\n    outside: [prices]",
            ),
        ),
    ),
    Plant(
        name="market prices go straight to the router",
        caught_by=(
            "test_outside_words_when_they_lead_to_an_order_then_three_functions_judge_before"
        ),
        edits=(
            Edit(
                PIPELINE,
                "triggers: [{topic: deployment-signal}]",
                "triggers: [{topic: deployment-signal}, {topic: market-updated}]",
            ),
        ),
    ),
    Plant(
        name="a function that may call the others",
        caught_by=_INTERNAL,
        edits=(_project_role("roles/run.invoker", 'module.function["api"].account_member'),),
    ),
    Plant(
        name="a function that mints the push account's tokens",
        caught_by=_INTERNAL,
        edits=(
            Edit(
                EXTRA,
                "",
                'resource "google_service_account_iam_member" "extra" {\n'
                "  service_account_id = google_service_account.push.name\n"
                '  role               = "roles/iam.serviceAccountTokenCreator"\n'
                '  member             = module.function["api"].account_member\n}\n',
            ),
        ),
    ),
    Plant(
        name="whoever builds mints the push account's tokens",
        caught_by="test_push_account_when_its_tokens_are_minted_then_by_googles_own_services",
        edits=(
            _project_role(
                "roles/iam.serviceAccountTokenCreator", "google_service_account.build.member"
            ),
        ),
    ),
    Plant(
        name="whoever runs jobs may be any account of the project",
        caught_by="test_functions_when_their_tokens_are_minted_then_by_nobody",
        edits=(
            _project_role("roles/iam.serviceAccountUser", "google_service_account.jobs.member"),
        ),
    ),
    Plant(
        name="a queue that a function fills without delivering later",
        caught_by="test_queues_when_filled_then_by_functions_that_deliver_later",
        edits=(
            _project_role("roles/cloudtasks.enqueuer", 'module.function["decide"].account_member'),
        ),
    ),
    Plant(
        name="a matrix that is older than the rights",
        caught_by="test_matrix_when_rendered_then_docs_iam_says_the_same",
        edits=(_project_role("roles/logging.logWriter", 'module.function["api"].account_member'),),
    ),
)
