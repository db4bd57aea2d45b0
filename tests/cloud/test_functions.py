"""Functions, as pipeline.yaml says: made, limited, and closed to everybody else."""

from tests.cloud.tree import Tree
from tools.plan.policies import accounts, completeness, limits, settings, world


def test_functions_when_pipeline_names_them_then_terraform_makes_them(tree: Tree) -> None:
    assert tree.broken(completeness.functions_made) == []


def test_functions_when_made_then_each_runs_as_its_own_account(tree: Tree) -> None:
    assert tree.broken(accounts.own_account) == []


def test_accounts_when_made_then_none_has_a_key(tree: Tree) -> None:
    assert tree.broken(accounts.no_account_keys) == []


def test_functions_when_made_then_their_limits_are_those_of_the_pipeline(tree: Tree) -> None:
    assert tree.broken(limits.limited) == []


def test_execute_when_made_then_it_takes_one_request_at_a_time(tree: Tree) -> None:
    assert tree.broken(limits.one_order_at_a_time) == []
    assert [spec.concurrency for spec in [tree.dev.pipeline.functions["execute"]]] == [1]


def test_functions_when_internal_then_no_request_comes_from_outside(tree: Tree) -> None:
    assert tree.broken(limits.internal_but_the_public) == []


def test_functions_when_made_then_they_are_called_over_http_alone(tree: Tree) -> None:
    assert tree.broken(limits.called_over_http) == []


def test_everybody_when_granted_a_right_then_only_where_the_pipeline_says_public(
    tree: Tree,
) -> None:
    assert tree.broken(world.public_only_where_said) == []


def test_all_authenticated_users_when_granted_anything_then_refused(tree: Tree) -> None:
    assert tree.broken(world.no_all_authenticated) == []


def test_environment_when_set_then_nothing_in_it_looks_like_a_key(tree: Tree) -> None:
    assert tree.broken(settings.no_key_in_environment) == []


def test_environment_when_set_then_the_code_takes_it(tree: Tree) -> None:
    assert tree.broken(settings.taken_by_the_code) == []
