"""Mistakes by which messages would be lost, forged, or never come."""

from tests.cloud.planting import Edit, Plant

SUBSCRIPTIONS = "terraform/subscriptions.tf"
DEAD_LETTERS = "terraform/dead_letters.tf"
SCHEDULES = "terraform/schedules.tf"
TASKS = "terraform/tasks.tf"
_TOKEN = """    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = local.urls[each.value.function]
    }
"""

DELIVERY_PLANTS = (
    Plant(
        name="a topic of pipeline.yaml without Terraform",
        caught_by="test_topics_when_pipeline_names_them_then_terraform_makes_them",
        edits=(
            Edit(
                "terraform/topics.tf",
                "for_each = local.pipeline.topics",
                'for_each = { for name, spec in local.pipeline.topics : "${name}s" => spec }',
            ),
        ),
    ),
    Plant(
        name="a subscription missing",
        caught_by="test_topics_when_a_function_takes_them_then_they_are_pushed_to_it",
        edits=(
            Edit(
                SUBSCRIPTIONS,
                "for_each = local.subscriptions",
                "for_each = { for name, pair in local.subscriptions : name => pair"
                ' if pair.function != "notify" }',
            ),
        ),
    ),
    Plant(
        name="pushes without a token",
        caught_by="test_pushes_when_posted_then_with_a_token_for_the_functions_own_url",
        edits=(Edit(SUBSCRIPTIONS, _TOKEN, ""),),
    ),
    Plant(
        name="tokens for another function's audience",
        caught_by="test_pushes_when_posted_then_with_a_token_for_the_functions_own_url",
        edits=(
            Edit(
                SUBSCRIPTIONS,
                "audience              = local.urls[each.value.function]",
                'audience              = local.urls["api"]',
            ),
        ),
    ),
    Plant(
        name="tokens of another account",
        caught_by="test_pushes_when_posted_then_with_a_token_for_the_functions_own_url",
        edits=(
            Edit(
                SUBSCRIPTIONS,
                "google_service_account.push.email",
                "google_service_account.build.email",
            ),
        ),
    ),
    Plant(
        name="no retry policy",
        caught_by="test_pushes_when_refused_then_retried_with_the_pipelines_backoff",
        edits=(
            Edit(
                SUBSCRIPTIONS,
                "  retry_policy {\n",
                '  dynamic "retry_policy" {\n    for_each = []\n    content {\n',
            ),
            Edit(
                SUBSCRIPTIONS,
                '    maximum_backoff = "${local.delivery.backoff_max_s}s"\n',
                '    maximum_backoff = "${local.delivery.backoff_max_s}s"\n    }\n',
            ),
        ),
    ),
    Plant(
        name="a subscription that expires after 31 days",
        caught_by="test_subscriptions_when_idle_then_they_never_expire",
        edits=(Edit(SUBSCRIPTIONS, 'ttl = ""', 'ttl = "2678400s"'),),
    ),
    Plant(
        name="pushes without dead letters",
        caught_by="test_pushes_when_given_up_then_their_messages_go_to_the_dead_letters",
        edits=(
            Edit(
                SUBSCRIPTIONS,
                """  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = local.delivery.max_attempts
  }
""",
                "",
            ),
        ),
    ),
    Plant(
        name="no subscription of the dead letters",
        caught_by="test_dead_letters_when_they_arrive_then_a_subscription_keeps_them",
        edits=(
            Edit(
                DEAD_LETTERS,
                "topic   = google_pubsub_topic.dead_letters.id",
                'topic   = google_pubsub_topic.this["notifications"].id',
            ),
        ),
    ),
    Plant(
        name="dead letters kept for a day",
        caught_by="test_dead_letters_when_they_arrive_then_a_subscription_keeps_them",
        edits=(
            Edit(
                DEAD_LETTERS, "dead_letter_retention_d * 86400", "dead_letter_retention_d * 12343"
            ),
        ),
    ),
    Plant(
        name="Pub/Sub may not publish to the dead letters",
        caught_by="test_dead_letters_when_moved_then_pubsubs_own_account_may",
        edits=(Edit(DEAD_LETTERS, '"roles/pubsub.publisher"', '"roles/pubsub.viewer"'),),
    ),
    Plant(
        name="a schedule without its job",
        caught_by="test_schedules_when_pipeline_names_them_then_a_job_ticks_each",
        edits=(
            Edit(
                SCHEDULES,
                "for_each = local.schedules",
                'for_each = { for n, job in local.schedules : n => job if n != "monitor" }',
            ),
        ),
    ),
    Plant(
        name="a scheduler job without a token",
        caught_by="test_jobs_when_they_tick_then_with_a_token_for_the_functions_own_url",
        edits=(Edit(SCHEDULES, _TOKEN, ""),),
    ),
    Plant(
        name="a function that takes later messages without its queue",
        caught_by="test_later_topics_when_delivered_later_then_each_subscriber_has_a_queue",
        edits=(Edit(TASKS, "toset(local.later_functions)", 'toset(["execute"])'),),
    ),
    Plant(
        name="a queue whose tasks say where they go",
        caught_by="test_queues_when_filled_then_they_reach_their_own_function_alone",
        edits=(Edit(TASKS, '"ALWAYS"', '"IF_NOT_EXISTS"'),),
    ),
)
