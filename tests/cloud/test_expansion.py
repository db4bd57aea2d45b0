"""Small trees of Terraform, expanded: what comes out, and what is told of a wrong one."""

from pathlib import Path

import pytest

from tests.shared_data import REPOSITORY
from tools.plan.faults import PlanError
from tools.plan.hcl import read_text
from tools.plan.nodes import Literal
from tools.plan.plan import Plan
from tools.plan.references import reference_findings
from tools.plan.schema import schema_findings

PROVIDER = """
terraform {
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "6.50.0"
    }
  }
}

variable "project_id" {
  type = string
}

provider "google" {
  project = var.project_id
}
"""


def plan_of(folder: Path, main: str, *, module: str = "", tfvars: str = "") -> Plan:
    files = {
        "terraform/main.tf": PROVIDER + main,
        "terraform/environments/dev.tfvars": tfvars,
        "pipeline.yaml": (REPOSITORY / "pipeline.yaml").read_text(encoding="utf-8"),
    }
    if module:
        files["terraform/modules/m/main.tf"] = module
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Plan(folder, "dev")


def topic(body: str) -> str:
    return f'resource "google_pubsub_topic" "t" {{\n{body}\n}}\n'


def test_resources_when_counted_or_for_each_then_one_instance_each(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        topic('for_each = toset(["b", "a"])\nname = each.key')
        + 'resource "google_service_account" "s" {\n'
        + 'count = 2\naccount_id = "s-${count.index}"\n}\n',
    )
    assert [each.address for each in plan.instances] == [
        'google_pubsub_topic.t["a"]',
        'google_pubsub_topic.t["b"]',
        "google_service_account.s[0]",
        "google_service_account.s[1]",
    ]
    assert plan.problems == ()
    assert plan.instances[3].get("account_id") == "s-1"


def test_attributes_when_another_resource_tells_them_then_foretold(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        'resource "google_service_account" "s" {\naccount_id = "who"\n}\n'
        + topic("name = google_service_account.s.unique_id\n")
        + 'resource "google_pubsub_topic_iam_member" "g" {\n'
        + 'topic = google_pubsub_topic.t.id\nrole = "roles/x"\n'
        + "member = google_service_account.s.member\n}\n",
    )
    grant = plan.of("google_pubsub_topic_iam_member")[0]
    assert grant.get("member") == "serviceAccount:who@sapphire-dev.iam.gserviceaccount.com"
    assert grant.get("topic") == "projects/sapphire-dev/topics/<unique id of who>"


def test_module_when_called_for_each_then_its_outputs_are_maps(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        'module "m" {\nsource = "./modules/m"\nfor_each = { a = 1, b = 2 }\n'
        "size = each.value\n}\n"
        'output "all" {\nvalue = { for k, m in module.m : k => m.said }\n}\n',
        module='variable "size" {\ntype = string\n}\n'
        + topic('name = "n${var.size}"\nlabels = { "n" = var.size }')
        + 'output "said" {\nvalue = google_pubsub_topic.t.name\n}\n',
    )
    assert plan.module.attribute("all") == {"a": "n1", "b": "n2"}
    assert [each.address for each in plan.instances] == [
        'module.m["a"].google_pubsub_topic.t',
        'module.m["b"].google_pubsub_topic.t',
    ]


def test_dynamic_block_when_expanded_then_one_for_each_element(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        topic(
            'name = "t"\ndynamic "message_storage_policy" {\nfor_each = ["x", "y"]\n'
            "content {\nallowed_persistence_regions = [message_storage_policy.value]\n}\n}"
        ),
    )
    assert plan.instances[0].blocks("message_storage_policy") == [
        {"allowed_persistence_regions": ["x"]},
        {"allowed_persistence_regions": ["y"]},
    ]
    assert schema_findings(plan) == []


def test_heredoc_when_read_then_dedented_and_filled(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        'locals {\nwho = "me"\n}\n'
        + topic("name = <<-EOT\n    a ${local.who}\n      $${b}\n  EOT"),
    )
    assert plan.instances[0].get("name") == "a me\n  ${b}\n"


@pytest.mark.parametrize(
    ("main", "problem"),
    [
        (topic('for_each = ["a"]\nname = "x"'), "for_each takes a map or a set, not a list"),
        (
            'resource "google_service_account" "s" {\naccount_id = "s"\n}\n'
            + topic("for_each = toset([google_service_account.s.email])\nname = each.key"),
            "for_each over keys that only the apply knows",
        ),
        ("locals {\na = local.b\nb = local.a\n}\n" + topic("name = local.a"), "refers to itself"),
        ('variable "v" {\n}\n' + topic("name = var.v"), "the root has no value for var.v"),
        (
            'variable "v" {\ntype = number\ndefault = "x"\n}\n' + topic('name = "t${var.v}"'),
            "'x' is no number",
        ),
        (
            'variable "v" {\ndefault = "x"\nvalidation {\ncondition = var.v == "y"\n'
            'error_message = "v must be y."\n}\n}\n' + topic("name = var.v"),
            "var.v: v must be y.",
        ),
    ],
)
def test_tree_when_it_cannot_be_expanded_then_the_place_and_the_reason(
    tmp_path: Path, main: str, problem: str
) -> None:
    problems = "\n".join(plan_of(tmp_path, main).problems)
    assert problem in problems
    assert "terraform/main.tf:" in problems or "the root" in problems


@pytest.mark.parametrize(
    ("main", "message"),
    [
        ('resource "google_pubsub_topic" "t" {\n', "not Terraform"),
        ("x = 1\n", "x stands in no block"),
        ('resource "google_pubsub_topic" {\nname = "x"\n}\n', "a resource takes 2 labels"),
        ('resourse "google_pubsub_topic" "t" {\n}\n', "resourse is no block of Terraform"),
        (topic('name = "x"') * 2, r"resource\.google_pubsub_topic\.t stands at terraform/main\.tf"),
        ("locals {\na = 1\na = 2\n}\n", r"local\.a stands at"),
    ],
)
def test_file_when_it_is_no_terraform_then_refused_with_its_line(
    tmp_path: Path, main: str, message: str
) -> None:
    with pytest.raises(PlanError, match=r"terraform/main\.tf:\d+: .*" + message):
        plan_of(tmp_path, main)


@pytest.mark.parametrize(
    ("main", "what"),
    [
        (topic("name = var.none"), "var.none: is not declared"),
        (topic("name = local.none"), "local.none: is not declared"),
        (topic("name = module.none.x"), "module.none.x: is not declared"),
        (topic("name = google_pubsub_topic.u.name"), "google_pubsub_topic.u.name: is not declared"),
        (topic("name = each.key"), "each.key: only inside a for_each"),
        (topic("name = count.index"), "count.index: only inside a count"),
        (topic("name = google_pubsub_topic.t.nam"), "google_pubsub_topic has no nam"),
        (topic("name = data.google_project.p.number"), "is not declared"),
        (topic("name = path.moduel"), "path.moduel: no such path"),
        ("locals {\na = 1\n}\n", "local.a: nobody uses it"),
        (topic('name = "x"\ndepends_on = [google_pubsub_topic.u]'), "is not declared"),
    ],
)
def test_reference_when_it_leads_nowhere_then_found(tmp_path: Path, main: str, what: str) -> None:
    assert what in "\n".join(map(str, reference_findings(plan_of(tmp_path, main))))


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ('name = "t"\nnaem = "u"', "there is no attribute naem"),
        ("", "name is required"),
        ('name = "t"\nmessage_storage_policy = []', "message_storage_policy is a block"),
        ('name = "t"\nlabels {\n}', "labels is an attribute"),
        ('name = "t"\nmessage_storage {\n}', "there is no block message_storage"),
        ('name = "t"\nmessage_storage_policy {\n}', "allowed_persistence_regions is required"),
    ],
)
def test_resource_when_it_does_not_fit_the_schema_then_found(
    tmp_path: Path, body: str, what: str
) -> None:
    found = schema_findings(plan_of(tmp_path, topic(body)))
    assert what in "\n".join(map(str, found))
    assert all(each.where.startswith("terraform/main.tf:") for each in found)


def test_meta_arguments_when_any_resource_has_them_then_they_fit(tmp_path: Path) -> None:
    body = (
        'name = "t"\ncount = 1\ndepends_on = []\nprovider = google\n'
        'lifecycle {\nprevent_destroy = true\n}\ntimeouts {\ncreate = "5m"\n}'
    )
    plan = plan_of(tmp_path, topic(body))
    assert schema_findings(plan) == []
    assert plan.problems == ()


def test_tfvars_when_they_refer_to_something_then_refused(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        'variable "v" {\n}\n' + topic("name = var.v"),
        tfvars="v = var.project_id\n",
    )
    assert "a file of tfvars takes no references" in "\n".join(plan.problems)


def test_place_when_a_block_is_read_then_its_line() -> None:
    body = read_text('# one\nlocals {\n  a = "b"\n}\n', "x.tf")
    assert str(body.blocks[0].place) == "x.tf:2"
    assert body.blocks[0].body.attributes[0].value == Literal("b")
    assert str(body.blocks[0].body.attributes[0].place) == "x.tf:3"
