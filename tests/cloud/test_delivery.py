"""Messages arrive: subscriptions, dead letters, schedules and queues."""

from tests.cloud.tree import Tree
from tools.plan.policies import completeness, dead_letters, queues, schedules, subscriptions


def test_topics_when_pipeline_names_them_then_terraform_makes_them(tree: Tree) -> None:
    assert tree.broken(completeness.topics_made) == []


def test_topics_when_a_function_takes_them_then_they_are_pushed_to_it(tree: Tree) -> None:
    assert tree.broken(subscriptions.every_topic_arrives) == []


def test_pushes_when_posted_then_with_a_token_for_the_functions_own_url(tree: Tree) -> None:
    assert tree.broken(subscriptions.pushed_with_token) == []


def test_pushes_when_refused_then_retried_with_the_pipelines_backoff(tree: Tree) -> None:
    assert tree.broken(subscriptions.retried) == []


def test_subscriptions_when_idle_then_they_never_expire(tree: Tree) -> None:
    assert tree.broken(subscriptions.never_expire) == []


def test_pushes_when_given_up_then_their_messages_go_to_the_dead_letters(tree: Tree) -> None:
    assert tree.broken(dead_letters.dead_lettered) == []


def test_dead_letters_when_they_arrive_then_a_subscription_keeps_them(tree: Tree) -> None:
    assert tree.broken(dead_letters.kept) == []


def test_dead_letters_when_moved_then_pubsubs_own_account_may(tree: Tree) -> None:
    assert tree.broken(dead_letters.moved_by_the_agent) == []


def test_schedules_when_pipeline_names_them_then_a_job_ticks_each(tree: Tree) -> None:
    assert tree.broken(schedules.every_schedule_ticks) == []


def test_jobs_when_they_tick_then_with_a_token_for_the_functions_own_url(tree: Tree) -> None:
    assert tree.broken(schedules.ticks_with_token) == []


def test_later_topics_when_delivered_later_then_each_subscriber_has_a_queue(tree: Tree) -> None:
    assert tree.broken(queues.every_later_has_a_queue) == []


def test_queues_when_filled_then_they_reach_their_own_function_alone(tree: Tree) -> None:
    assert tree.broken(queues.queues_override) == []
