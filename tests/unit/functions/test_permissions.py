"""Every route of the application has its least role."""

from common.domain.principal import Role
from functions.api.application import NOUNS
from functions.api.permissions import PERMISSIONS, ROLES
from infra.web.authorisation import flat_routes
from infra.web.guard import PUBLIC_PATHS

SERVED = {
    (method, route.path)
    for route in flat_routes(noun.router for noun in NOUNS)
    for method in route.methods or ()
    if route.path not in PUBLIC_PATHS
}


def test_a_route_when_it_is_served_then_it_has_a_least_role_and_no_other_has() -> None:
    assert ROLES.keys() - SERVED == set()
    assert SERVED - ROLES.keys() == set()


def test_a_viewer_when_it_may_use_a_route_then_that_one_only_reads() -> None:
    assert {method for (method, _), role in ROLES.items() if role is Role.VIEWER} == {"GET"}


def test_a_route_when_nobody_gave_it_a_role_then_it_needs_an_admin() -> None:
    assert PERMISSIONS.least_role("POST", "/api/new") is Role.ADMIN


def test_what_is_never_held_up_when_listed_then_it_is_what_lowers_risk() -> None:
    paths = {path for method, path in PERMISSIONS.urgent if method == "POST"}
    assert paths == {"/api/ops/halt", "/api/ops/reduce", "/api/ops/flatten"}
    assert all(ROLES[each] is Role.TRADER for each in PERMISSIONS.urgent)
