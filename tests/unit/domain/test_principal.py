"""Who may do what, until when, and under which name."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from common.domain.principal import SOMEBODY, Principal, PrincipalKind, Role, built_in
from tests.builders import NOON


def a_principal(**changes: Any) -> Principal:
    fields: dict[str, Any] = {
        "principal_id": "tok_1",
        "kind": PrincipalKind.TOKEN,
        "name": "Ada",
        "role": Role.VIEWER,
        "email": None,
        "created_by": "Grace",
        "created_at": NOON,
        "expires_at": None,
    }
    return Principal(**(fields | changes))


def test_a_role_when_another_is_needed_then_it_covers_that_one_and_what_is_below() -> None:
    covered = {(had, needed) for had, needed in product(Role, Role) if had.covers(needed)}
    assert covered == {
        (Role.VIEWER, Role.VIEWER),
        (Role.TRADER, Role.VIEWER),
        (Role.TRADER, Role.TRADER),
        (Role.ADMIN, Role.VIEWER),
        (Role.ADMIN, Role.TRADER),
        (Role.ADMIN, Role.ADMIN),
    }


@pytest.mark.parametrize(
    ("changes", "active"),
    [
        ({}, True),
        ({"expires_at": NOON + timedelta(microseconds=1)}, True),
        ({"expires_at": NOON}, False),
        ({"revoked_at": NOON + timedelta(days=1)}, False),
        ({"revoked_at": NOON, "expires_at": NOON + timedelta(days=1)}, False),
    ],
)
def test_a_principal_when_revoked_or_over_then_no_longer_active(
    changes: dict[str, Any], active: bool
) -> None:
    assert a_principal(**changes).is_active(NOON) is active


@pytest.mark.parametrize("told", [None, "", "Grace", SOMEBODY])
def test_a_name_when_told_then_only_the_built_in_token_may_tell_another(told: str | None) -> None:
    assert a_principal().acts_as(told) == "Ada"
    assert built_in(NOON).acts_as(told) == (told or SOMEBODY)
