"""The Terraform is sound: it expands, fits the provider's schema, and refers to what is there."""

import json
import shutil
import subprocess

import pytest

from tests.cloud.tree import Tree
from tests.shared_data import REPOSITORY, shared_path
from tools.plan import cut_schema
from tools.plan.references import reference_findings
from tools.plan.schema import TABLE_FILE, provider_table, schema_findings

FACTS = "data/terraform/google_provider_6.50.0_schema_subset.json"


def test_plan_when_expanded_then_every_value_is_told_or_waits_for_the_apply(tree: Tree) -> None:
    for plan in tree.plans:
        assert plan.problems == ()


def test_resources_when_compared_with_the_provider_then_they_fit_its_schema(tree: Tree) -> None:
    assert tree.broken(schema_findings) == []


def test_references_when_followed_then_each_leads_somewhere_and_nothing_is_unused(
    tree: Tree,
) -> None:
    assert tree.broken(reference_findings) == []


def test_everything_on_when_expanded_then_no_resource_is_left_out(tree: Tree) -> None:
    made = {(each.kind, each.name) for each in tree.whole.instances}
    declared = {pair for source in tree.whole.sources().values() for pair in source.resources()}
    empty = {("google_secret_manager_secret_iam_member", "adder")}  # none is added to today
    assert declared - made == empty


def test_schema_table_when_the_facts_are_there_then_it_is_cut_from_them() -> None:
    facts = json.loads(shared_path(FACTS).read_text(encoding="utf-8"))
    table = cut_schema.cut(facts, cut_schema.used_types())
    assert TABLE_FILE.read_text(encoding="utf-8") == cut_schema.render(table)


def test_schema_table_when_read_then_it_holds_exactly_the_types_in_use() -> None:
    assert sorted(provider_table()["resources"]) == cut_schema.used_types()


def test_files_when_terraform_formats_them_then_nothing_changes() -> None:
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("terraform is not on this machine")
    done = subprocess.run(
        [terraform, "fmt", "-check", "-recursive", "-no-color", str(REPOSITORY / "terraform")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
