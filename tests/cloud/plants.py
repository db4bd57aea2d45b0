"""What is planted: each a mistake that somebody could make, and the test that must find it."""

from tests.cloud.planting import Edit, Plant
from tests.cloud.plants_of_access import ACCESS_PLANTS
from tests.cloud.plants_of_delivery import DELIVERY_PLANTS

FUNCTION = "terraform/modules/function/function.tf"
FIRESTORE = "terraform/firestore.tf"
PIPELINE = "pipeline.yaml"

SOURCE_PLANTS = (
    Plant(
        name="a wrong attribute name",
        caught_by="test_resources_when_compared_with_the_provider_then_they_fit_its_schema",
        edits=(Edit(FUNCTION, "max_instance_count  ", "max_instances_count "),),
    ),
    Plant(
        name="a required attribute missing",
        caught_by="test_resources_when_compared_with_the_provider_then_they_fit_its_schema",
        edits=(Edit(FIRESTORE, '  type        = "FIRESTORE_NATIVE"\n', ""),),
    ),
    Plant(
        name="a type of resource that the provider has not",
        caught_by="test_resources_when_compared_with_the_provider_then_they_fit_its_schema",
        edits=(
            Edit(
                "terraform/topics.tf",
                'resource "google_pubsub_topic" "this"',
                'resource "google_pubsub_topics" "this"',
            ),
        ),
    ),
    Plant(
        name="another version of the provider",
        caught_by="test_resources_when_compared_with_the_provider_then_they_fit_its_schema",
        edits=(Edit("terraform/versions.tf", '"6.50.0"', '">= 6.0"'),),
    ),
    Plant(
        name="a reference to a resource that is not declared",
        caught_by="test_references_when_followed_then_each_leads_somewhere_and_nothing_is_unused",
        edits=(
            Edit(
                "terraform/tasks.tf",
                "google_service_account.push.email",
                "google_service_account.pusher.email",
            ),
        ),
    ),
    Plant(
        name="a variable that nobody uses",
        caught_by="test_references_when_followed_then_each_leads_somewhere_and_nothing_is_unused",
        edits=(Edit("terraform/extra.tf", "", 'variable "forgotten" {\n  default = 1\n}\n'),),
    ),
    Plant(
        name="an unknown variable in the tfvars",
        caught_by="test_plan_when_expanded_then_every_value_is_told_or_waits_for_the_apply",
        edits=(Edit("terraform/environments/prod.tfvars", "four_eyes ", "for_eyes "),),
    ),
    Plant(
        name="a version by the name latest",
        caught_by="test_plan_when_expanded_then_every_value_is_told_or_waits_for_the_apply",
        edits=(
            Edit(
                "terraform/environments/prod.tfvars",
                'environment = "prod"',
                'environment = "prod"\nkek_version = "latest"',
            ),
        ),
    ),
)

FUNCTION_PLANTS = (
    Plant(
        name="a function of pipeline.yaml without Terraform",
        caught_by="test_functions_when_pipeline_names_them_then_terraform_makes_them",
        edits=(
            Edit(
                "terraform/functions.tf",
                "for_each = local.functions",
                'for_each = { for n, spec in local.functions : n => spec if n != "monitor" }',
            ),
        ),
    ),
    Plant(
        name="functions that share an account",
        caught_by="test_functions_when_made_then_each_runs_as_its_own_account",
        edits=(
            Edit(
                FUNCTION,
                "google_service_account.this.email",
                'split(":", var.invoker)[1]',
            ),
        ),
    ),
    Plant(
        name="a key of a service account",
        caught_by="test_accounts_when_made_then_none_has_a_key",
        edits=(
            Edit(
                "terraform/extra.tf",
                "",
                'resource "google_service_account_key" "push" {\n'
                "  service_account_id = google_service_account.push.name\n}\n",
            ),
        ),
    ),
    Plant(
        name="no max instances",
        caught_by="test_functions_when_made_then_their_limits_are_those_of_the_pipeline",
        edits=(Edit(FUNCTION, "    max_instance_count               = var.max_instances\n", ""),),
    ),
    Plant(
        name="a timeout of nine minutes",
        caught_by="test_functions_when_made_then_their_limits_are_those_of_the_pipeline",
        edits=(Edit(FUNCTION, "= var.timeout_s", "= 540"),),
    ),
    Plant(
        name="execute takes 80 requests at once",
        caught_by="test_execute_when_made_then_it_takes_one_request_at_a_time",
        edits=(Edit(FUNCTION, "= var.concurrency", "= 80"),),
    ),
    Plant(
        name="an internal function open to all networks",
        caught_by="test_functions_when_internal_then_no_request_comes_from_outside",
        edits=(Edit(FUNCTION, '"ALLOW_INTERNAL_ONLY"', '"ALLOW_ALL"'),),
    ),
    Plant(
        name="an event trigger, whose subscription has no dead letters",
        caught_by="test_functions_when_made_then_they_are_called_over_http_alone",
        edits=(
            Edit(
                FUNCTION,
                "  build_config {",
                '  event_trigger {\n    event_type = "x"\n  }\n\n  build_config {',
            ),
        ),
    ),
    Plant(
        name="a bot's token in clear in the environment",
        caught_by="test_environment_when_set_then_nothing_in_it_looks_like_a_key",
        edits=(
            Edit(
                "terraform/settings.tf",
                "    SAPPHIRE_MODE ",
                f'    TELEGRAM_BOT_TOKEN = "1234567890:{"A" * 35}"\n    SAPPHIRE_MODE ',
            ),
        ),
    ),
    Plant(
        name="a private key in clear in the environment",
        caught_by="test_environment_when_set_then_nothing_in_it_looks_like_a_key",
        edits=(
            Edit(
                "terraform/settings.tf",
                "    SAPPHIRE_MODE ",
                f'    HYPERLIQUID_SIGNER = "0x{"ab" * 32}"\n    SAPPHIRE_MODE ',
            ),
        ),
    ),
    Plant(
        name="a misspelt setting",
        caught_by="test_environment_when_set_then_the_code_takes_it",
        edits=(Edit("terraform/settings.tf", "SAPPHIRE_SYMBOLS ", "SAPPHIRE_SYMBOL "),),
    ),
)

DATA_PLANTS = (
    Plant(
        name="another database than the code opens",
        caught_by="test_database_when_made_then_it_is_the_one_that_the_code_opens",
        edits=(Edit(FIRESTORE, '"(default)"', '"sapphire"'),),
    ),
    Plant(
        name="point-in-time recovery off",
        caught_by="test_database_when_made_then_every_minute_can_be_restored",
        edits=(Edit(FIRESTORE, "RECOVERY_ENABLED", "RECOVERY_DISABLED"),),
    ),
    Plant(
        name="delete protection off",
        caught_by="test_database_when_made_then_it_is_protected_from_deletion",
        edits=(Edit(FIRESTORE, "PROTECTION_ENABLED", "PROTECTION_DISABLED"),),
    ),
    Plant(
        name="no daily backup",
        caught_by="test_database_when_made_then_it_is_backed_up_daily",
        edits=(
            Edit(FIRESTORE, "daily_recurrence {}", 'weekly_recurrence {\n    day = "SUNDAY"\n  }'),
        ),
    ),
    Plant(
        name="an index that the code needs and Terraform lacks",
        caught_by="test_queries_when_collected_from_the_code_then_each_has_its_index",
        edits=(Edit("terraform/indexes.json", '"path": "submitted_at"', '"path": "created_at"'),),
    ),
    Plant(
        name="a new query without an index",
        caught_by="test_queries_when_collected_from_the_code_then_each_has_its_index",
        edits=(
            Edit(
                "functions/api/throttles.py",
                "Query(ORDER_THROTTLES, (_IS_DISABLED,), limit=limit, cursor=cursor)",
                'Query(ORDER_THROTTLES, (_IS_DISABLED,), order_by="disabled_at", limit=limit)',
            ),
        ),
    ),
    Plant(
        name="an index in another direction than the code declares",
        caught_by="test_indexes_when_declared_in_the_code_then_terraform_builds_those_alone",
        edits=(
            Edit(
                "terraform/indexes.tf",
                "= fields.value.order",
                '= "ASCENDING"',
            ),
        ),
    ),
    Plant(
        name="documents that never end",
        caught_by="test_documents_when_they_expire_then_firestore_is_told_where_to_look",
        edits=(Edit("terraform/indexes.tf", "  ttl_config {}\n", ""),),
    ),
    Plant(
        name="a secret of pipeline.yaml without Terraform",
        caught_by="test_secrets_when_pipeline_names_them_then_terraform_makes_them",
        edits=(
            Edit(
                "terraform/secrets.tf",
                "  for_each = local.single_secrets\n",
                "  for_each = { for n, spec in local.single_secrets : n => spec"
                ' if spec.kind == "key" }\n',
            ),
        ),
    ),
    Plant(
        name="a public bucket",
        caught_by="test_buckets_when_made_then_none_is_public_but_the_dashboards",
        edits=(Edit("terraform/source.tf", '= "enforced"', '= "inherited"'),),
    ),
    Plant(
        name="a bucket with rights of single objects",
        caught_by="test_buckets_when_made_then_rights_come_by_iam_alone",
        edits=(
            Edit(
                "terraform/source.tf",
                "uniform_bucket_level_access = true",
                "uniform_bucket_level_access = false",
            ),
        ),
    ),
    Plant(
        name="a topic without labels",
        caught_by="test_resources_when_they_take_labels_then_they_have_ours",
        edits=(Edit("terraform/topics.tf", "  labels  = local.labels\n", ""),),
    ),
    Plant(
        name="an alert without an entry of the runbook",
        caught_by="test_alerts_when_one_fires_then_the_runbook_says_what_to_do",
        edits=(Edit("terraform/alerts.yaml", "\nbreaker-open:\n", "\nbreaker-opened:\n"),),
    ),
    Plant(
        name="a budget that tells nobody before it is spent",
        caught_by="test_spending_when_a_billing_account_is_named_then_a_budget_tells",
        edits=(
            Edit("terraform/budget.tf", "threshold_percent = 0.5", "threshold_percent = 1.5"),
            Edit("terraform/budget.tf", "threshold_percent = 0.9", "threshold_percent = 1.5"),
        ),
    ),
    Plant(
        name="reads of secrets are not logged",
        caught_by="test_secrets_when_accessed_then_the_audit_log_says_by_whom",
        edits=(Edit("terraform/audit.tf", '"DATA_READ"', '"ADMIN_WRITE"'),),
    ),
)

PLANTS = (
    *SOURCE_PLANTS,
    *FUNCTION_PLANTS,
    *DELIVERY_PLANTS,
    *DATA_PLANTS,
    *ACCESS_PLANTS,
)
