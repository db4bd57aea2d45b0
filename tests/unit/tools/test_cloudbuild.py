"""The two builds: their order, what they run on and as, and what their scripts decide."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.shared_data import REPOSITORY

PLANS, DEPLOYS = "cloudbuild.yaml", "cloudbuild.deploy.yaml"
BUILT_IN = {"PROJECT_ID", "BUILD_ID", "COMMIT_SHA"}
IMAGES = {"_PYTHON_IMAGE", "_NODE_IMAGE", "_TERRAFORM_IMAGE", "_GCLOUD_IMAGE"}
GOOD = {
    **dict.fromkeys(IMAGES, "registry.example/image@sha256:" + "0a" * 32),
    "_ENVIRONMENT": "dev",
    "_REGION": "europe-west1",
    "_PLAN": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "_DEPLOY_TRIGGER": "sapphire-deploy",
    "PROJECT_ID": "sapphire-demo",
    "BUILD_ID": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "COMMIT_SHA": "0a" * 20,
}


@cache
def build(name: str) -> dict[str, Any]:
    content = yaml.safe_load((REPOSITORY / name).read_text())
    assert isinstance(content, dict)
    return content


def steps(name: str) -> dict[str, dict[str, Any]]:
    return {step["id"]: step for step in build(name)["steps"]}


# --------------------------------------------------------------------------------- the builds
def test_steps_when_planning_then_nothing_is_planned_before_it_is_checked_and_tested() -> None:
    assert list(steps(PLANS)) == [
        *("settings", "check", "test", "checkov", "dashboard", "bundle", "plan", "keep", "ask"),
    ]


def test_steps_when_deploying_then_the_former_source_is_at_hand_before_and_smoke_comes_after() -> (
    None
):
    assert list(steps(DEPLOYS)) == [
        *("settings", "fetch", "former", "fetch-former", "deploy", "smoke", "dashboard"),
        "roll-back",
    ]


def test_planning_when_it_ends_then_it_applies_nothing() -> None:
    assert "terraform apply" not in (REPOSITORY / PLANS).read_text()


def test_deploying_when_it_applies_then_the_plan_that_was_read() -> None:
    script = steps(DEPLOYS)["deploy"]["args"][-1]
    assert "terraform apply -input=false -no-color ../build/plan" in script
    assert "-auto-approve" not in script
    assert "--require-approval" in (REPOSITORY / DEPLOYS).read_text()


def test_deploying_when_a_step_fails_then_only_those_before_the_rollback_may() -> None:
    assert [each["id"] for each in steps(DEPLOYS).values() if each.get("allowFailure")] == [
        "deploy",
        "smoke",
    ]
    assert not any(each.get("allowFailure") for each in steps(PLANS).values())


@pytest.mark.parametrize("name", [PLANS, DEPLOYS])
def test_build_when_read_then_images_account_timeouts_and_logs_are_as_they_must(name: str) -> None:
    content = build(name)
    for step in content["steps"]:
        assert step["name"] in {f"${{{image}}}" for image in IMAGES}
        assert re.fullmatch(r"\d+s", step["timeout"])
        assert "secretEnv" not in step
    assert content["serviceAccount"] == "${_BUILDER}"
    assert content["options"]["logging"] == "CLOUD_LOGGING_ONLY"
    assert re.fullmatch(r"\d+s", content["timeout"])
    assert "availableSecrets" not in content
    assert "waitFor" not in str(content)
    assert ":latest" not in (REPOSITORY / name).read_text()
    assert set(content["substitutions"].values()) == {""}  # no invented digest, and no secret


@pytest.mark.parametrize("name", [PLANS, DEPLOYS])
def test_build_when_it_has_an_environment_then_no_value_of_a_secret(name: str) -> None:
    environments = {step["id"]: step["env"] for step in build(name)["steps"] if "env" in step}
    assert environments == ({"checkov": ["CI=true"]} if name == PLANS else {})


@pytest.mark.parametrize("name", [PLANS, DEPLOYS])
def test_build_when_it_names_variables_then_they_are_declared_used_and_explained(
    name: str,
) -> None:
    content = build(name)
    used = set(
        re.findall(r"(?<!\$)\$\{?(\w+)\}?", str(content["steps"]) + content["serviceAccount"])
    )
    declared = set(content["substitutions"])
    assert used - BUILT_IN == declared
    comments = [row for row in (REPOSITORY / name).read_text().splitlines() if row.startswith("#")]
    assert all(variable in "\n".join(comments) for variable in declared)


# -------------------------------------------------------------------------------- the scripts
def script(name: str, step: str, values: dict[str, str]) -> str:
    """As Cloud Build hands it to the shell: variables replaced, `$$` a dollar."""
    text: str = steps(name)[step]["args"][-1]
    pattern = re.compile(r"\$\$|\$\{(\w+)\}|\$([A-Z]\w*)")
    return pattern.sub(lambda m: "$" if m[0] == "$$" else values.get(m[1] or m[2], ""), text)


def run(
    text: str, folder: Path, *, path: str = "/usr/bin:/bin"
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-euc", text],
        cwd=folder,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("name", [PLANS, DEPLOYS])
def test_settings_when_all_are_good_then_the_build_goes_on(name: str, tmp_path: Path) -> None:
    done = run(script(name, "settings", GOOD), tmp_path)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", [PLANS, DEPLOYS])
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("_TERRAFORM_IMAGE", ""),
        ("_GCLOUD_IMAGE", "google/cloud-sdk:slim"),
        ("_TERRAFORM_IMAGE", "hashicorp/terraform@sha256:1234"),
        ("_PYTHON_IMAGE", "python"),
        ("_ENVIRONMENT", "test"),
        ("_REGION", ""),
    ],
)
def test_settings_when_one_is_wrong_then_the_build_ends_and_names_it(
    name: str, tmp_path: Path, variable: str, value: str
) -> None:
    done = run(script(name, "settings", {**GOOD, variable: value}), tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{variable} must be")
    assert f"not '{value}'" in done.stdout


def test_settings_when_several_are_missing_then_all_are_named(tmp_path: Path) -> None:
    done = run(script(DEPLOYS, "settings", {}), tmp_path)
    assert [row.split()[0] for row in done.stdout.splitlines()] == [
        *("_PYTHON_IMAGE", "_TERRAFORM_IMAGE", "_GCLOUD_IMAGE", "_ENVIRONMENT", "_REGION", "_PLAN"),
    ]


class Workspace:
    """A checkout whose terraform only writes down how it was called."""

    def __init__(self, folder: Path) -> None:
        self.build = folder / "build"
        self.terraform = folder / "terraform"
        self.called = folder / "called"
        self.state = folder / "state"
        programs = folder / "bin"
        for each in (self.build, self.terraform, programs):
            each.mkdir()
        self.path = f"{programs}:/usr/bin:/bin"
        program = programs / "terraform"
        answer = f'if [ "$1" = state ]; then cat {self.state}; exit; fi'
        program.write_text(f'#!/bin/sh\n{answer}\necho "$@" >> {self.called}\n')
        program.chmod(0o755)
        self.state.write_text('{"serial": 8}')
        (self.build / "state-before").write_text('{"serial": 7}')

    def roll_back(self) -> "subprocess.CompletedProcess[str]":
        return run(script(DEPLOYS, "roll-back", GOOD), self.terraform, path=self.path)

    def calls(self) -> list[str]:
        return self.called.read_text().splitlines() if self.called.exists() else []


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_rollback_when_the_smoke_test_passed_then_nothing_is_touched(workspace: Workspace) -> None:
    (workspace.build / "smoke-passed").touch()
    (workspace.build / "former.zip").touch()
    assert workspace.roll_back().returncode == 0
    assert workspace.calls() == []


def test_rollback_when_it_failed_then_the_former_zip_is_applied_and_the_build_fails(
    workspace: Workspace,
) -> None:
    (workspace.build / "former.zip").touch()
    (workspace.build / "former").write_text("functions/abc.zip")
    done = workspace.roll_back()
    assert done.returncode == 1
    assert "rolled back to functions/abc.zip" in done.stdout
    (call,) = workspace.calls()
    assert call.startswith("apply ")
    assert "-var=source_zip=../build/former.zip" in call
    assert "-var-file=environments/dev.tfvars" in call
    assert "-target=module.function" in call


def test_rollback_when_the_plan_was_refused_then_nothing_is_applied_and_the_build_fails(
    workspace: Workspace,
) -> None:
    (workspace.build / "former.zip").touch()
    workspace.state.write_text('{"serial": 7}')
    done = workspace.roll_back()
    assert done.returncode == 1
    assert "nothing was changed" in done.stdout
    assert workspace.calls() == []


def test_rollback_when_nothing_ran_before_then_the_build_fails_and_says_so(
    workspace: Workspace,
) -> None:
    done = workspace.roll_back()
    assert done.returncode == 1
    assert "nothing ran before it" in done.stdout
    assert workspace.calls() == []


def test_smoke_when_it_was_not_deployed_then_it_fails_without_asking(tmp_path: Path) -> None:
    done = run(script(DEPLOYS, "smoke", GOOD), tmp_path)
    assert done.returncode == 1
    assert "it was not deployed" in done.stdout


def test_dashboard_when_there_is_none_then_the_step_says_so(tmp_path: Path) -> None:
    done = run(script(PLANS, "dashboard", GOOD), tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "there is no dashboard to build")


@pytest.mark.parametrize("name", [PLANS, DEPLOYS])
def test_scripts_when_a_shell_reads_them_then_each_parses(name: str, tmp_path: Path) -> None:
    for step in steps(name):
        if steps(name)[step]["entrypoint"] in {"bash", "sh"}:
            text = script(name, step, GOOD)
            done = subprocess.run(
                [steps(name)[step]["entrypoint"], "-n"],
                input=text,
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
            assert (done.returncode, done.stderr) == (0, ""), step
