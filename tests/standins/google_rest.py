"""Google's REST APIs as `sapphire doctor` asks them: answers in the shapes of their references."""

import json
from typing import Any, cast

from common.indexes import INDEXES
from infra.doctor.foundations import APIS
from infra.pipeline import load_pipeline
from tests.standins.serving import Fault, JsonStandIn

PROJECT, REGION = "sapphire-demo", "europe-west1"
_P = f"projects/{PROJECT}"
_L = f"{_P}/locations/{REGION}"


def refusal(code: int, status: str, message: str, reason: str = "") -> Fault:
    """The body of google.rpc.Status over HTTP."""

    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
    error = {"code": code, "message": message, "status": status}
    body = {"error": error | ({"details": [info]} if reason else {})}
    return Fault(status=code, body=json.dumps(body).encode())


NOT_FOUND = refusal(404, "NOT_FOUND", "Requested entity was not found.")


class GoogleStandIn(JsonStandIn):
    """A project where nothing is missing, until a test takes something out of `answers`.

    The keys are "/HOST/PATH"; what is not among them is not found.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Any] = {
            f"/cloudresourcemanager.googleapis.com/v3/{_P}": {
                "name": "projects/123456789012",
                "projectId": PROJECT,
                "state": "ACTIVE",
            },
            f"/cloudbilling.googleapis.com/v1/{_P}/billingInfo": {
                "name": f"{_P}/billingInfo",
                "billingAccountName": "billingAccounts/000000-000000-000000",
                "billingEnabled": True,
            },
            f"/serviceusage.googleapis.com/v1/{_P}/services": {
                "services": [
                    {"config": {"name": f"{api}.googleapis.com"}, "state": "ENABLED"}
                    for api in (*APIS, "bigquery")
                ]
            },
            f"/storage.googleapis.com/storage/v1/b/{PROJECT}-terraform": {
                "kind": "storage#bucket",
                "versioning": {"enabled": True},
            },
            f"/iam.googleapis.com/v1/{_P}/serviceAccounts": {"accounts": self._accounts()},
            f"/firestore.googleapis.com/v1/{_P}/databases/(default)": {
                "name": f"{_P}/databases/(default)",
                "type": "FIRESTORE_NATIVE",
                "locationId": REGION,
                "pointInTimeRecoveryEnablement": "POINT_IN_TIME_RECOVERY_ENABLED",
                "deleteProtectionState": "DELETE_PROTECTION_ENABLED",
            },
            f"/firestore.googleapis.com/v1/{_P}/databases/(default)/collectionGroups/-/indexes": {
                "indexes": [_index(number) for number in range(len(_COMPOSITE))]
            },
            f"/cloudscheduler.googleapis.com/v1/{_L}/jobs": {
                "jobs": [
                    {"name": f"{_L}/jobs/{name}", "state": "ENABLED", "schedule": cron}
                    for name, cron in load_pipeline().scheduled()
                ]
            },
            f"/pubsub.googleapis.com/v1/{_P}/subscriptions/dead-letters": {
                "name": f"{_P}/subscriptions/dead-letters",
                "state": "ACTIVE",
            },
            f"/monitoring.googleapis.com/v3/{_P}/timeSeries": {"timeSeries": [_series("0")]},
            "/api/health": {"status": "ok"},
        }
        for name, version in (("sapphire-api-token", 3), ("key-encryption-key", 2)):
            self.set_secret(name, version, "ENABLED")

    def serve_functions(self, base: str) -> None:
        """The functions' answer names the public one's address, which is this stand-in's."""
        self.answers[f"/cloudfunctions.googleapis.com/v2/{_L}/functions"] = {
            "functions": [_function(name, base) for name in load_pipeline().functions]
        }

    def set_secret(self, name: str, version: int, state: str) -> None:
        place = f"/secretmanager.googleapis.com/v1/{_P}/secrets/{name}/versions/{version}"
        self.answers[place] = {
            "name": f"projects/123456789012/secrets/{name}/versions/{version}",
            "state": state,
        }

    def set_waiting(self, *counts: str) -> None:
        self.answers[f"/monitoring.googleapis.com/v3/{_P}/timeSeries"] = {
            "timeSeries": [_series(*counts)]
        }

    def item(self, service: str, key: str, name: str) -> dict[str, Any]:
        """The entry of the list `key` of `service` whose name, e-mail or API ends with `name`."""
        for path, answer in self.answers.items():
            if path.startswith(f"/{service}.") and key in answer:
                for each in answer[key]:
                    whole = each.get("email") or each.get("config", each)["name"]
                    if whole.endswith(name):
                        return cast("dict[str, Any]", each)
        raise KeyError(name)

    def remove(self, service: str, key: str, name: str) -> None:
        gone = self.item(service, key, name)
        for path, answer in self.answers.items():
            if path.startswith(f"/{service}.") and key in answer:
                answer[key] = [each for each in answer[key] if each is not gone]

    def answer(self, path: str, body: Any) -> Fault | object:
        return cast("Fault | object", self.answers.get(path, NOT_FOUND))

    @staticmethod
    def _accounts() -> list[dict[str, Any]]:
        names = ["sapphire-push", "sapphire-build"]
        names += [f"fn-{name.replace('_', '-')}" for name in load_pipeline().functions]
        domain = f"{PROJECT}.iam.gserviceaccount.com"
        return [
            {"name": f"{_P}/serviceAccounts/{name}@{domain}", "email": f"{name}@{domain}"}
            for name in names
        ]


_COMPOSITE = tuple(index for index in INDEXES if index.composite)


def _index(number: int) -> dict[str, Any]:
    index = _COMPOSITE[number]
    last = "DESCENDING" if index.descending else "ASCENDING"
    fields = [
        {"fieldPath": path, "order": last if path == index.order_by else "ASCENDING"}
        for path in index.paths
    ]
    place = f"{_P}/databases/(default)/collectionGroups/{index.collection}/indexes/CICA{number}"
    return {
        "name": place,
        "queryScope": "COLLECTION",
        "fields": [*fields, {"fieldPath": "__name__", "order": last}],
        "state": "READY",
    }


def _function(name: str, base: str) -> dict[str, Any]:
    service = name.replace("_", "-")
    variables = {"SAPPHIRE_KEK_VERSION": "2", "SAPPHIRE_STORE": "firestore"}
    if name == "api":
        variables["SAPPHIRE_API_TOKEN_SECRET"] = "sapphire-api-token:3"
    return {
        "name": f"{_L}/functions/{service}",
        "state": "ACTIVE",
        "environment": "GEN_2",
        "serviceConfig": {"uri": f"{base}/{service}", "environmentVariables": variables},
    }


def _series(*counts: str) -> dict[str, Any]:
    return {
        "metric": {"type": "pubsub.googleapis.com/subscription/num_undelivered_messages"},
        "points": [{"value": {"int64Value": count}} for count in counts],
    }
