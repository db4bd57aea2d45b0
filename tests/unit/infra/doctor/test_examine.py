"""The doctor against a stand-in of Google's REST APIs, over HTTP."""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from common.errors import ConfigurationError, TransientError
from infra.doctor.examine import CHECKS, examine
from infra.doctor.foundations import APIS
from infra.doctor.line import Line
from infra.doctor.rest import GoogleRest
from infra.doctor.target import LookError, Target, listed
from tests.shared_data import REPOSITORY
from tests.standins.google_rest import PROJECT, REGION, GoogleStandIn, refusal
from tests.standins.serving import Fault, serving

TARGET = Target(project=PROJECT, region=REGION, now=datetime(2026, 11, 20, 9, tzinfo=UTC))


class Clinic:
    def __init__(self, google: GoogleStandIn, base: str) -> None:
        self.google = google
        self.base = base

    async def lines(self, *names: str) -> list[Line]:
        async with GoogleRest(PROJECT, base=self.base, token="a-token") as cloud:
            return await examine(cloud, TARGET, names)

    async def only(self, name: str) -> Line:
        """The one line of a check that found something."""
        lines = [line for line in await self.lines(name) if not line.ok]
        assert len(lines) == 1, lines
        return lines[0]


@pytest.fixture
async def clinic() -> AsyncIterator[Clinic]:
    google = GoogleStandIn()
    async with serving(google) as base:
        google.serve_functions(base)
        yield Clinic(google, base)


async def test_doctor_when_nothing_is_missing_then_every_line_is_ok(clinic: Clinic) -> None:
    lines = await clinic.lines()
    assert [line for line in lines if not line.ok] == []
    assert [line.name for line in lines] == [
        *("project", "billing", "services", "state", "accounts", "secrets", "database"),
        *("indexes", "functions", "health", "schedules", "dead letters"),
    ]
    assert all(line.todo == "" for line in lines)


async def test_doctor_when_it_looks_then_it_reads_no_value_of_a_secret(clinic: Clinic) -> None:
    await clinic.lines()
    asked = [path for path, _ in clinic.google.requests]
    assert [path for path in asked if "/secrets/" in path] == [
        f"/secretmanager.googleapis.com/v1/projects/{PROJECT}/secrets/{name}"
        for name in ("key-encryption-key/versions/2", "sapphire-api-token/versions/3")
    ]
    assert not [path for path in asked if ":access" in path]


@pytest.mark.parametrize("name", CHECKS)
async def test_doctor_when_the_project_is_empty_then_each_check_says_what_to_do(
    clinic: Clinic, name: str
) -> None:
    clinic.google.answers.clear()
    lines = await clinic.lines(name)
    assert not any(line.ok for line in lines)
    assert all(line.detail and line.todo for line in lines)


@pytest.mark.parametrize("name", CHECKS)
async def test_doctor_when_an_answer_has_another_shape_then_that_line_says_so(
    clinic: Clinic, name: str
) -> None:
    for path in clinic.google.answers:
        clinic.google.answers[path] = {
            key: [1] for key in ("services", "jobs", "indexes", "timeSeries")
        }
    lines = await clinic.lines(name)
    assert lines
    assert not any(line.ok for line in lines)


# -------------------------------------------------------------------------------- foundations
async def test_project_when_google_does_not_say_then_not_there_or_not_yours(
    clinic: Clinic,
) -> None:
    path = f"/cloudresourcemanager.googleapis.com/v3/projects/{PROJECT}"
    clinic.google.answers[path] = refusal(403, "PERMISSION_DENIED", "may not exist")
    line = await clinic.only("project")
    assert "not there, or not yours to see" in line.detail
    assert line.todo == f"gcloud projects create {PROJECT}"


async def test_project_when_it_is_being_deleted_then_missing(clinic: Clinic) -> None:
    path = f"/cloudresourcemanager.googleapis.com/v3/projects/{PROJECT}"
    clinic.google.answers[path]["state"] = "DELETE_REQUESTED"
    assert "DELETE_REQUESTED" in (await clinic.only("project")).detail


async def test_billing_when_it_is_off_then_how_to_link_one(clinic: Clinic) -> None:
    path = f"/cloudbilling.googleapis.com/v1/projects/{PROJECT}/billingInfo"
    clinic.google.answers[path] = {"name": f"projects/{PROJECT}/billingInfo"}
    assert (await clinic.only("billing")).todo.startswith("gcloud billing projects link")


async def test_services_when_two_are_off_then_one_command_enables_both(clinic: Clinic) -> None:
    clinic.google.remove("serviceusage", "services", "run.googleapis.com")
    clinic.google.remove("serviceusage", "services", "firestore.googleapis.com")
    line = await clinic.only("services")
    assert line.todo == (
        f"gcloud services enable firestore.googleapis.com run.googleapis.com --project={PROJECT}"
    )


def test_services_when_terraform_enables_them_then_they_are_these() -> None:
    source = (REPOSITORY / "terraform" / "services.tf").read_text()
    always, _, _ = source.partition("var.")  # the first that depends on a variable ends the list
    assert tuple(re.findall(r'"([a-z]+)\.googleapis\.com"', always)) == APIS


async def test_state_when_the_bucket_keeps_no_versions_then_missing(clinic: Clinic) -> None:
    path = f"/storage.googleapis.com/storage/v1/b/{PROJECT}-terraform"
    clinic.google.answers[path] = {"kind": "storage#bucket"}
    assert (await clinic.only("state")).todo.endswith("--versioning")


# ----------------------------------------------------------------------------------- database
async def test_database_when_recovery_is_off_then_missing(clinic: Clinic) -> None:
    path = f"/firestore.googleapis.com/v1/projects/{PROJECT}/databases/(default)"
    clinic.google.answers[path]["pointInTimeRecoveryEnablement"] = "POINT_IN_TIME_RECOVERY_DISABLED"
    clinic.google.answers[path]["type"] = "DATASTORE_MODE"
    detail = (await clinic.only("database")).detail
    assert "DATASTORE_MODE" in detail
    assert "recovery is off" in detail


async def test_indexes_when_one_is_missing_or_has_another_direction_then_named(
    clinic: Clinic,
) -> None:
    index = clinic.google.item("firestore", "indexes", "CICA3")
    index["fields"][-2]["order"] = "CONTAINS"
    line = await clinic.only("indexes")
    assert "1 of" in line.detail
    assert line.detail.endswith(
        f"by__{index['name'].split('/')[-3]}__"
        + "__".join(field["fieldPath"].replace(".", "_") for field in index["fields"][:-1])
    )
    assert "terraform" in line.todo


async def test_indexes_when_one_is_being_built_then_wait(clinic: Clinic) -> None:
    clinic.google.item("firestore", "indexes", "CICA0")["state"] = "CREATING"
    line = await clinic.only("indexes")
    assert "still being built" in line.detail
    assert "gcloud firestore indexes composite list" in line.todo


# ------------------------------------------------------------------------------------ runtime
async def test_accounts_when_one_is_missing_or_disabled_then_both_named(clinic: Clinic) -> None:
    clinic.google.remove("iam", "accounts", f"fn-settle@{PROJECT}.iam.gserviceaccount.com")
    push = clinic.google.item("iam", "accounts", f"sapphire-push@{PROJECT}.iam.gserviceaccount.com")
    push["disabled"] = True
    assert "sapphire-push, fn-settle" in (await clinic.only("accounts")).detail


async def test_functions_when_one_is_not_deployed_then_named(clinic: Clinic) -> None:
    clinic.google.remove("cloudfunctions", "functions", "/fan-out")
    assert (await clinic.only("functions")).detail == "not deployed: fan-out"


async def test_functions_when_one_failed_then_where_to_look(clinic: Clinic) -> None:
    clinic.google.item("cloudfunctions", "functions", "/execute")["state"] = "FAILED"
    line = await clinic.only("functions")
    assert line.detail == "execute is FAILED"
    assert line.todo.startswith("gcloud functions describe execute --gen2")


async def test_functions_when_the_api_answers_an_error_then_its_log_is_named(
    clinic: Clinic,
) -> None:
    clinic.google.answers["/api/health"] = Fault(status=503, body=b"{}")
    line = await clinic.only("functions")
    assert "api answers 503" in line.detail
    assert line.todo.startswith("gcloud functions logs read api")


async def test_functions_when_nobody_listens_then_it_does_not_answer(clinic: Clinic) -> None:
    api = clinic.google.item("cloudfunctions", "functions", "/api")
    api["serviceConfig"]["uri"] = "http://127.0.0.1:1"
    assert "does not answer" in (await clinic.only("functions")).detail


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
async def test_secrets_when_the_pinned_version_is_off_then_how_to_enable_it(
    clinic: Clinic, state: str
) -> None:
    clinic.google.set_secret("key-encryption-key", 2, state)
    line = await clinic.only("secrets")
    assert line.detail == f"version 2 of key-encryption-key is {state}"
    assert "versions enable 2 --secret=key-encryption-key" in line.todo


async def test_secrets_when_nothing_is_deployed_then_the_first_version_of_each(
    clinic: Clinic,
) -> None:
    clinic.google.serve_functions("http://127.0.0.1:1")
    path = f"/cloudfunctions.googleapis.com/v2/projects/{PROJECT}/locations/{REGION}/functions"
    clinic.google.answers[path] = {}
    clinic.google.set_secret("key-encryption-key", 1, "ENABLED")
    lines = await clinic.lines("secrets")
    assert [line.detail.split()[3] for line in lines] == [
        "sapphire-api-token",
        "telegram-bot-token",
    ]
    assert all("gcloud secrets versions add" in line.todo for line in lines)


async def test_schedules_when_paused_or_failing_then_each_said(clinic: Clinic) -> None:
    clinic.google.item("cloudscheduler", "jobs", "/relay")["state"] = "PAUSED"
    clinic.google.item("cloudscheduler", "jobs", "/settle")["status"] = {"code": 7}
    clinic.google.remove("cloudscheduler", "jobs", "/monitor")
    details = [line.detail for line in await clinic.lines("schedules")]
    assert details == ["not there: monitor", "paused: relay", "the last tick of settle failed, 7"]


async def test_dead_letters_when_some_wait_then_how_many(clinic: Clinic) -> None:
    clinic.google.set_waiting("3", "0")  # the newest point first
    line = await clinic.only("dead-letters")
    assert line.detail.startswith("3 wait")
    assert "gcloud pubsub subscriptions pull dead-letters" in line.todo


async def test_dead_letters_when_monitoring_has_no_point_then_it_says_so(clinic: Clinic) -> None:
    clinic.google.set_waiting()
    lines = await clinic.lines("dead-letters")
    assert [(line.ok, line.detail) for line in lines] == [(True, "none that Monitoring knows of")]


# -------------------------------------------------------------------------------- being refused
async def test_check_when_its_api_is_off_then_the_command_that_enables_it(clinic: Clinic) -> None:
    path = f"/iam.googleapis.com/v1/projects/{PROJECT}/serviceAccounts"
    clinic.google.answers[path] = refusal(
        403,
        "PERMISSION_DENIED",
        "The API iam.googleapis.com has not been used in project 1 before or it is disabled.",
        "SERVICE_DISABLED",
    )
    line = await clinic.only("accounts")
    assert line.todo == f"gcloud services enable iam.googleapis.com --project={PROJECT}"


@pytest.mark.parametrize(
    ("status", "todo"),
    [(401, "gcloud auth application-default login"), (403, "--role=roles/viewer")],
)
async def test_check_when_we_may_not_look_then_what_to_do(
    clinic: Clinic, status: int, todo: str
) -> None:
    path = f"/iam.googleapis.com/v1/projects/{PROJECT}/serviceAccounts"
    clinic.google.answers[path] = refusal(status, "PERMISSION_DENIED", "no")
    line = await clinic.only("accounts")
    assert line.detail == "cannot be seen: no"
    assert todo in line.todo


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503, body=b'{"error": {}}'),
        Fault(status=429, body=b"{}"),
        Fault(status=200, body=b"<html>"),
        Fault(status=200, body=b"[]"),
    ],
)
async def test_check_when_google_does_not_answer_well_then_once_more(
    clinic: Clinic, fault: Fault
) -> None:
    clinic.google.answers[f"/iam.googleapis.com/v1/projects/{PROJECT}/serviceAccounts"] = fault
    assert "cannot be seen now" in (await clinic.only("accounts")).detail


async def test_rest_when_nobody_listens_then_transient() -> None:
    async with GoogleRest(PROJECT, base="http://127.0.0.1:1", token="t") as cloud:
        with pytest.raises(TransientError, match=r"iam\.googleapis\.com cannot be reached"):
            await cloud.get("https://iam.googleapis.com/v1/x")
        assert await cloud.status_of("http://127.0.0.1:1/health") == 0


async def test_rest_when_nobody_is_signed_in_then_how_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    def nobody(**_: object) -> None:
        raise DefaultCredentialsError("Your default credentials were not found.")  # type: ignore[no-untyped-call] # Google's, unannotated

    monkeypatch.setattr(google.auth, "default", nobody)
    with pytest.raises(ConfigurationError, match="gcloud auth application-default login"):
        await GoogleRest(PROJECT).__aenter__()


async def test_rest_when_used_before_it_is_entered_then_an_error_of_ours() -> None:
    with pytest.raises(RuntimeError, match="outside its"):
        await GoogleRest(PROJECT).get("https://iam.googleapis.com/v1/x")


async def test_list_when_it_has_pages_then_all_are_read() -> None:
    class Paged:
        async def get(self, url: str, **query: str) -> Mapping[str, Any]:
            if query.get("pageToken") == "second":
                return {"jobs": [{"name": "b"}]}
            return {"jobs": [{"name": "a"}], "nextPageToken": "second"}

        async def status_of(self, url: str) -> int:
            raise AssertionError(url)

    assert [each["name"] for each in await listed(Paged(), "https://x", "jobs")] == ["a", "b"]


def test_refusal_when_told_then_it_carries_status_and_reason() -> None:
    error = LookError("no", status=403, reason="SERVICE_DISABLED")
    assert (str(error), error.status, error.reason) == ("no", 403, "SERVICE_DISABLED")
