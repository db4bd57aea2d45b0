"""What is kept: the database, its indexes, secrets, buckets, and who is told of trouble."""

from tests.cloud.tree import Tree
from tools.plan.policies import (
    alerts,
    auditing,
    buckets,
    completeness,
    firestore,
    indexes,
    labels,
    roles,
    secrets,
    spending,
)


def test_database_when_made_then_it_is_the_one_that_the_code_opens(tree: Tree) -> None:
    assert tree.broken(firestore.one_database) == []


def test_database_when_made_then_every_minute_can_be_restored(tree: Tree) -> None:
    assert tree.broken(firestore.restorable) == []


def test_database_when_made_then_it_is_protected_from_deletion(tree: Tree) -> None:
    assert tree.broken(firestore.protected) == []


def test_database_when_made_then_it_is_backed_up_daily(tree: Tree) -> None:
    assert tree.broken(firestore.backed_up_daily) == []


def test_queries_when_collected_from_the_code_then_each_has_its_index(tree: Tree) -> None:
    assert [str(each) for each in indexes.every_query_served(tree.dev)] == []


def test_indexes_when_declared_in_the_code_then_terraform_builds_those_alone(tree: Tree) -> None:
    assert tree.broken(indexes.declared_built) == []


def test_documents_when_they_expire_then_firestore_is_told_where_to_look(tree: Tree) -> None:
    assert [str(each) for each in indexes.documents_end(tree.dev)] == []


def test_secrets_when_pipeline_names_them_then_terraform_makes_them(tree: Tree) -> None:
    assert tree.broken(completeness.secrets_made) == []


def test_secrets_when_named_to_a_function_then_by_the_number_of_a_version(tree: Tree) -> None:
    assert tree.broken(secrets.pinned_versions) == []


def test_secrets_when_made_then_no_value_is_in_the_state(tree: Tree) -> None:
    assert tree.broken(secrets.no_values_in_state) == []


def test_secrets_when_granted_over_the_project_then_by_name_alone(tree: Tree) -> None:
    assert tree.broken(secrets.bound_by_name) == []


def test_roles_when_granted_then_none_is_primitive_or_an_admins(tree: Tree) -> None:
    assert tree.broken(roles.no_primitive_role) == []


def test_rights_when_granted_then_no_resource_replaces_a_whole_policy(tree: Tree) -> None:
    assert tree.broken(roles.nothing_replaced) == []


def test_roles_when_a_function_holds_them_then_its_row_says_so(tree: Tree) -> None:
    assert tree.broken(roles.roles_of_the_row) == []


def test_buckets_when_made_then_rights_come_by_iam_alone(tree: Tree) -> None:
    assert tree.broken(buckets.uniform_access) == []


def test_buckets_when_made_then_none_is_public_but_the_dashboards(tree: Tree) -> None:
    assert tree.broken(buckets.kept_private) == []


def test_resources_when_they_take_labels_then_they_have_ours(tree: Tree) -> None:
    assert tree.broken(labels.labelled) == []


def test_alerts_when_one_fires_then_the_runbook_says_what_to_do(tree: Tree) -> None:
    assert tree.broken(alerts.in_the_runbook) == []


def test_spending_when_a_billing_account_is_named_then_a_budget_tells(tree: Tree) -> None:
    assert tree.broken(spending.budgeted) == []


def test_secrets_when_accessed_then_the_audit_log_says_by_whom(tree: Tree) -> None:
    assert tree.broken(auditing.accesses_logged) == []
