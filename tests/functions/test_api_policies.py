"""A deployment's policy over HTTP: kept in versions, and checked against the platform."""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.books import (
    AUDIT,
    DEPLOYMENT_POLICIES,
    POLICY_VERSIONS,
    RISK_LIMITS,
    VENUE_MARKETS,
)
from common.documents import load
from common.domain.instrument import Venue
from common.domain.policy import Policy, PolicyRules
from common.domain.risk_limits import DeploymentLimits, OrderLimits, RiskLimits
from common.errors import ConflictError
from common.how.limits import Refusal
from common.how.policy import policy_of, policy_ref, rules_problem
from common.ports import Create, Ref, Update
from common.wire import canonical_json, to_document
from functions.api.policies import version_ref
from functions.api.policy_payloads import DAYS, RulesPayload, SetPolicy, rules_view
from tests.builders import NOON, an_instrument_table
from tests.functions.api_client import (
    KEYED_V2,
    KEYED_V3,
    Api,
    assert_problem,
    seed_keyed_deployments,
)

PATH_V3 = f"/api/v3/deployments/{KEYED_V3}/policy"
PATH_V2 = f"/api/deployments/{KEYED_V2}/policy"
RULES: dict[str, Any] = {
    "allowed_symbols": ["eth", "BTC"],
    "denied_symbols": ["PEPE"],
    "allowed_venues": ["OSTIUM", "HYPERLIQUID"],
    "direction": "LONG_ONLY",
    "min_confidence": 0.6,
    "sessions": [
        {"days": ["TUE", "MON"], "start": "22:00", "end": "06:30"},
        {"days": ["FRI"], "start": "09:00", "end": "00:00"},
    ],
    "max_order_notional": "2500",
    "max_exposure": 10_000,
    "max_leverage": "2",
    "size_model": {"type": "kelly", "value": "50"},
    "risk_modifier": "0.5",
    "stop_loss": 2.5,
    "take_profit": "150",
    "trailing_stop": "1.25",
    "time_limit_s": 3600,
}


@pytest.fixture
async def api(api: Api) -> Api:
    """With a deployment in each book that has enabled Hyperliquid and Ostium."""
    await seed_keyed_deployments(api.store)
    return api


async def set_rules(api: Api, path: str = PATH_V3, by: str = "Ada", **rules: Any) -> Any:
    answer = await api.post(path, {"rules": rules, "by": by})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def stored_policy(api: Api, deployment_id: str = KEYED_V3) -> Policy:
    stored = await load(api.store, Policy, policy_ref(deployment_id))
    assert stored is not None
    return stored.value


async def test_policy_when_set_then_fractions_are_kept_and_percents_are_shown(api: Api) -> None:
    shown = await set_rules(api, **RULES)

    rules = (await stored_policy(api)).rules
    assert (rules.stop_loss, rules.take_profit, rules.trailing_stop) == (
        Decimal("0.025"),
        Decimal("1.5"),
        Decimal("0.0125"),
    )
    assert [(each.days, each.start_minute, each.end_minute) for each in rules.sessions] == [
        ((0, 1), 1320, 390),
        ((4,), 540, 1440),
    ]
    assert rules.allowed_venues == (Venue.HYPERLIQUID, Venue.OSTIUM)
    assert shown == {
        "deployment_id": KEYED_V3,
        "version": 1,
        "name": "policy-1",
        "changed_by": "Ada",
        "changed_at": "2026-01-15T12:00:00.000000Z",
        "rules": {
            **RULES,
            "allowed_symbols": ["BTC", "ETH"],
            "allowed_venues": ["HYPERLIQUID", "OSTIUM"],
            "sessions": [
                {"days": ["MON", "TUE"], "start": "22:00", "end": "06:30"},
                {"days": ["FRI"], "start": "09:00", "end": "00:00"},
            ],
            "min_confidence": "0.6",
            "max_exposure": "10000",
            "stop_loss": "2.5",
        },
    }
    assert (await api.get(PATH_V3)).json() == shown


async def test_policy_when_set_then_its_version_and_audit_row_come_in_the_same_commit(
    api: Api,
) -> None:
    commits: list[Sequence[Any]] = []

    async def note(operation: str, argument: Any) -> None:
        if operation == "commit":
            commits.append(argument)

    api.store.after = note
    await set_rules(api, max_leverage="2")

    (commit,) = commits
    assert [write.ref.collection for write in commit] == [
        DEPLOYMENT_POLICIES,
        POLICY_VERSIONS,
        AUDIT,
    ]
    assert all(isinstance(write, Create) for write in commit)
    (audit,) = api.store.contents()[AUDIT].values()
    assert (audit["action"], audit["subject_id"]) == ("policy-set", KEYED_V3)
    rules = canonical_json(to_document(PolicyRules(max_leverage=Decimal(2))))
    assert audit["facts"] == {
        "version": "1",
        "by": "Ada",
        "principal": "operator",
        "rules": rules,
    }


async def test_policy_when_changed_then_the_former_version_can_still_be_read(api: Api) -> None:
    first = await set_rules(api, max_leverage="2")
    api.clock.advance(60)
    second = await set_rules(api, by="Grace", max_leverage="3")

    assert (second["version"], second["name"], second["changed_by"]) == (2, "policy-2", "Grace")
    assert (await api.get(PATH_V3)).json() == second
    assert (await api.get(f"{PATH_V3}?version=1")).json() == first
    assert (await api.get(f"{PATH_V3}?version=2")).json() == second
    assert_problem(await api.get(f"{PATH_V3}?version=3"), 404, "POLICY_NOT_FOUND")


async def test_policy_when_the_same_rules_come_again_then_no_new_version(api: Api) -> None:
    first = await set_rules(api, **RULES)
    before = api.store.contents()
    api.clock.advance(60)
    again = await set_rules(
        api,
        by="Grace",
        **{
            **RULES,
            "allowed_symbols": ["BTC", "ETH"],
            "allowed_venues": ["HYPERLIQUID", "OSTIUM"],
            "sessions": [*reversed(RULES["sessions"]), RULES["sessions"][0]],
            "stop_loss": "2.500",
        },
    )

    assert again == first
    assert api.store.contents() == before


async def test_policy_when_shown_then_sending_it_back_changes_nothing(api: Api) -> None:
    shown = await set_rules(api, **RULES)
    assert await set_rules(api, **shown["rules"]) == shown


async def test_policy_when_none_was_set_then_pass_through_is_shown_as_version_0(api: Api) -> None:
    shown = (await api.get(PATH_V3)).json()

    assert (shown["version"], shown["name"]) == (0, "pass-through-1")
    assert shown["rules"]["risk_modifier"] == "1"
    assert {value for value in shown["rules"].values() if value is not None} == {"1", "BOTH"}


async def test_policy_when_all_rules_are_lifted_then_that_is_a_version_too(api: Api) -> None:
    await set_rules(api, max_leverage="2")
    shown = await set_rules(api)

    assert (shown["version"], shown["rules"]["max_leverage"]) == (2, None)
    assert (await stored_policy(api)).rules == PolicyRules()


async def test_policy_when_nobody_is_named_then_the_operator(api: Api) -> None:
    answer = await api.post(PATH_V3, {"rules": {}})
    assert answer.json()["changed_by"] == "operator over the API"


async def test_policy_when_of_the_other_book_then_kept_for_that_deployment_alone(api: Api) -> None:
    shown = await set_rules(api, PATH_V2, max_leverage="2")

    assert (await api.get(PATH_V2)).json() == shown
    assert (await stored_policy(api, KEYED_V2)).rules.max_leverage == 2
    assert (await api.get(PATH_V3)).json()["version"] == 0
    for path in (
        f"/api/deployments/{KEYED_V3}/policy",
        f"/api/v3/deployments/{KEYED_V2}/policy",
        "/api/v3/deployments/not-there/policy",
    ):
        assert_problem(await api.get(path), 404, "DEPLOYMENT_NOT_FOUND")
        assert_problem(await api.post(path, {"rules": {}}), 404, "DEPLOYMENT_NOT_FOUND")


# ---------------------------------------------------------------------------------------- refused
async def assert_refused(api: Api, rules: dict[str, Any], where: str, code: str) -> None:
    before = api.store.contents()
    answer = await api.post(PATH_V3, {"rules": rules})
    assert_problem(answer, 422, code)
    assert answer.json()["where"] == where
    assert api.store.contents() == before


@pytest.mark.parametrize("field", ["max_order_notional", "max_exposure", "max_leverage"])
@pytest.mark.parametrize("value", [0, -1, "-0.5", "1e3", "1e30", "", None, True, [1]])
async def test_policy_when_a_limit_is_none_then_422(api: Api, field: str, value: Any) -> None:
    """Case 44. Null alone says that there is no such rule."""
    if value is None:
        answer = await api.post(PATH_V3, {"rules": {field: value}})
        assert answer.json()["rules"][field] is None
    else:
        await assert_refused(api, {field: value}, f"body.rules.{field}", "INVALID_FIELD")


@pytest.mark.parametrize(
    ("field", "most", "above"),
    [
        ("max_order_notional", "25000", "25000.01"),
        ("max_exposure", "20000", "20000.000001"),
    ],
)
async def test_policy_when_a_limit_is_above_the_platforms_then_422(
    api: Api, field: str, most: str, above: str
) -> None:
    """Case 44."""
    await assert_refused(api, {field: above}, f"body.rules.{field}", "LIMIT_ABOVE_PLATFORM")
    assert (await set_rules(api, **{field: most}))["rules"][field] == most


def platform_limits(**changes: Any) -> RiskLimits:
    return RiskLimits(
        scope="platform",
        version=1,
        reason="a test",
        changed_by="Ada",
        changed_at=NOON,
        **changes,
    )


@pytest.mark.parametrize(
    ("field", "most", "above"),
    [
        ("max_order_notional", "900", "900.5"),
        ("max_exposure", "20000", "20001"),
        ("max_leverage", "3", "3.1"),
    ],
)
async def test_policy_when_the_platforms_document_is_tighter_then_it_counts(
    api: Api, field: str, most: str, above: str
) -> None:
    """Case 45. The settings still count where the document allows more."""
    limits = platform_limits(
        order=OrderLimits(max_notional=Decimal(900)),
        deployment=DeploymentLimits(max_exposure=Decimal(10**6), max_leverage=Decimal(3)),
    )
    await api.change(Ref(RISK_LIMITS, "platform"), limits)

    await assert_refused(api, {field: above}, f"body.rules.{field}", "LIMIT_ABOVE_PLATFORM")
    await set_rules(api, **{field: most})


async def test_policy_when_the_platforms_document_says_nothing_of_it_then_taken(api: Api) -> None:
    await api.change(Ref(RISK_LIMITS, "platform"), platform_limits())
    await set_rules(api, max_leverage="50", max_order_notional="25000", max_exposure="20000")


@pytest.mark.parametrize(
    ("rules", "where", "code"),
    [
        ({"allowed_symbols": []}, "allowed_symbols", "INVALID_FIELD"),
        ({"denied_symbols": []}, "denied_symbols", "INVALID_FIELD"),
        ({"allowed_symbols": ["ETH", "eth"]}, "allowed_symbols", "INVALID_FIELD"),
        ({"allowed_symbols": ["ETH", "E H"]}, "allowed_symbols.1", "INVALID_FIELD"),
        (
            {"allowed_symbols": ["ETH", "BTC"], "denied_symbols": ["SOL", "btc"]},
            "denied_symbols.1",
            "POLICY_CONTRADICTORY",
        ),
        ({"allowed_venues": []}, "allowed_venues", "INVALID_FIELD"),
        ({"allowed_venues": ["BINANCE"]}, "allowed_venues.0", "INVALID_FIELD"),
        ({"allowed_venues": ["MULTI"]}, "allowed_venues", "INVALID_FIELD"),
        ({"allowed_venues": ["OSTIUM", "GMX"]}, "allowed_venues.1", "VENUE_NOT_ENABLED"),
        ({"direction": "UP"}, "direction", "INVALID_FIELD"),
        ({"direction": None}, "direction", "INVALID_FIELD"),
        ({"min_confidence": "1.01"}, "min_confidence", "INVALID_FIELD"),
        ({"risk_modifier": "0"}, "risk_modifier", "INVALID_FIELD"),
        ({"risk_modifier": "1.01"}, "risk_modifier", "INVALID_FIELD"),
        ({"risk_modifier": None}, "risk_modifier", "INVALID_FIELD"),
        ({"stop_loss": "100"}, "stop_loss", "INVALID_FIELD"),
        ({"stop_loss": "0"}, "stop_loss", "INVALID_FIELD"),
        ({"stop_loss": "250"}, "stop_loss", "INVALID_FIELD"),
        ({"trailing_stop": "100"}, "trailing_stop", "INVALID_FIELD"),
        ({"take_profit": "0"}, "take_profit", "INVALID_FIELD"),
        ({"take_profit": "1000.1"}, "take_profit", "INVALID_FIELD"),
        ({"take_profit": "100"}, "take_profit", "POLICY_CONTRADICTORY"),
        (
            {"take_profit": "100", "direction": "SHORT_ONLY"},
            "take_profit",
            "POLICY_CONTRADICTORY",
        ),
        ({"time_limit_s": 0}, "time_limit_s", "INVALID_FIELD"),
        ({"time_limit_s": 1.5}, "time_limit_s", "INVALID_FIELD"),
        ({"time_limit_s": "60"}, "time_limit_s", "INVALID_FIELD"),
        ({"time_limit_s": 10**9}, "time_limit_s", "INVALID_FIELD"),
        ({"sessions": []}, "sessions", "INVALID_FIELD"),
        ({"size_model": {"type": "kelly", "value": "0"}}, "size_model.kelly.value", None),
        ({"size_model": {"type": "kelly", "value": "101"}}, "size_model.kelly.value", None),
        ({"size_model": {"type": "all"}}, "size_model", "INVALID_FIELD"),
        ({"max_orders": 5}, "", "UNKNOWN_FIELD"),
    ],
)
async def test_policy_when_a_rule_is_none_or_contradicts_another_then_422_and_where(
    api: Api, rules: dict[str, Any], where: str, code: str | None
) -> None:
    """Case 45."""
    path = f"body.rules.{where}" if where else "body.rules"
    await assert_refused(api, rules, path, code or "INVALID_FIELD")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"days": []}, "days"),
        ({"days": ["MON", "MON"]}, "days"),
        ({"days": ["FUNDAY"]}, "days.0"),
        ({"days": [0]}, "days.0"),
        ({"start": "24:00"}, "start"),
        ({"end": "8:00"}, "end"),
        ({"end": "08:60"}, "end"),
        ({"end": "08:00Z"}, "end"),
        ({"start": "٠٨:00"}, "start"),
    ],
)
async def test_policy_when_a_session_never_opens_or_is_no_time_then_422(
    api: Api, changes: dict[str, Any], where: str
) -> None:
    session = {"days": ["MON"], "start": "08:00", "end": "16:00", **changes}
    place = f"body.rules.sessions.0.{where}"
    await assert_refused(api, {"sessions": [session]}, place, "INVALID_FIELD")


async def test_policy_when_no_venue_lists_a_symbol_then_422_once_any_table_is_loaded(
    api: Api,
) -> None:
    """Case 45. A misspelt denial would deny nothing."""
    await set_rules(api, denied_symbols=["NOSUCH"])
    table = an_instrument_table(Venue.GMX, ["BTC", "ETH"])
    await api.put_records((Ref(VENUE_MARKETS, "GMX"), table))

    for field in ("allowed_symbols", "denied_symbols"):
        place = f"body.rules.{field}.1"
        await assert_refused(api, {field: ["ETH", "NOSUCH"]}, place, "SYMBOL_NOT_LISTED")
    await set_rules(api, allowed_symbols=["eth"], denied_symbols=["BTC"])
    await set_rules(api, max_leverage="2")


@pytest.mark.parametrize("body", [{}, {"by": "Ada"}, {"rules": None}])
async def test_policy_when_the_rules_are_left_out_then_422_and_none_is_lifted(
    api: Api, body: dict[str, Any]
) -> None:
    await set_rules(api, max_leverage="2")
    answer = await api.post(PATH_V3, body)

    assert_problem(answer, 422, "MISSING_FIELD" if "rules" not in body else "INVALID_FIELD")
    assert answer.json()["where"] == "body.rules"
    assert (await stored_policy(api)).rules.max_leverage == 2


@pytest.mark.parametrize("version", ["0", "-1", "one", "1e2", "", "99999999999999999999"])
async def test_a_version_when_it_is_none_then_422(api: Api, version: str) -> None:
    assert_problem(await api.get(f"{PATH_V3}?version={version}"), 422)


# ------------------------------------------------------------------------ races and broken records
def once(action: Callable[[], Awaitable[object]]) -> Callable[[str, object], Awaitable[None]]:
    """A hook that runs `action` before the first commit."""
    done = False

    async def hook(operation: str, argument: object) -> None:
        nonlocal done
        if operation == "commit" and not done:
            done = True
            await action()

    return hook


async def test_policy_when_another_is_quicker_then_the_next_version(api: Api) -> None:
    async def quicker() -> None:
        assert (await set_rules(api, by="Grace", max_leverage="3"))["version"] == 1

    api.store.before = once(quicker)
    assert (await set_rules(api, max_leverage="2"))["version"] == 2

    versions = api.store.contents()[POLICY_VERSIONS]
    assert sorted(versions) == [f"{KEYED_V3}:1", f"{KEYED_V3}:2"]
    assert versions[f"{KEYED_V3}:1"]["changed_by"] == "Grace"
    assert (await stored_policy(api)).rules.max_leverage == 2


async def test_policy_when_another_sets_the_same_then_one_version(api: Api) -> None:
    async def quicker() -> None:
        await set_rules(api, by="Grace", max_leverage="2")

    api.store.before = once(quicker)
    shown = await set_rules(api, max_leverage="2")

    assert (shown["version"], shown["changed_by"]) == (1, "Grace")
    assert len(api.store.contents()[POLICY_VERSIONS]) == 1


async def test_policy_when_it_never_wins_then_503_and_nothing_written(api: Api) -> None:
    async def lose(operation: str, argument: object) -> None:
        if operation == "commit":
            raise ConflictError("lost", collection=DEPLOYMENT_POLICIES, document_id=KEYED_V3)

    api.store.before = lose
    assert_problem(await api.post(PATH_V3, {"rules": {}}), 503)
    assert DEPLOYMENT_POLICIES not in api.store.contents()


async def damage(api: Api, **fields: Any) -> None:
    document = await api.store.get(policy_ref(KEYED_V3))
    assert document is not None
    await api.store.commit([Update(document.ref, fields, document.version)])
    assert isinstance(policy_of(await api.store.get(policy_ref(KEYED_V3))), Refusal)


@pytest.mark.parametrize("fields", [{"rules": {"newer": 1}}, {"version": "one"}])
async def test_policy_when_the_stored_one_cannot_be_read_then_new_rules_mend_it(
    api: Api, fields: dict[str, Any]
) -> None:
    for leverage in ("1", "1.5", "2"):
        await set_rules(api, max_leverage=leverage)
    await set_rules(api, PATH_V2, max_leverage="2.9")
    await damage(api, **fields)
    assert_problem(await api.get(PATH_V3), 500)

    assert (await set_rules(api, max_leverage=3))["version"] == 4
    assert (await stored_policy(api)).rules.max_leverage == 3
    assert (await api.get(f"{PATH_V3}?version=3")).json()["rules"]["max_leverage"] == "2"


async def test_policy_when_its_first_version_is_lost_too_then_it_starts_again(api: Api) -> None:
    await api.store.commit([Create(policy_ref(KEYED_V3), {"version": 7})])

    assert (await set_rules(api, max_leverage=3))["version"] == 1
    assert (await stored_policy(api)).rules.max_leverage == 3


async def test_policy_when_a_newer_release_wrote_more_fields_then_409_and_still_unreadable(
    api: Api,
) -> None:
    """An update would keep them: the answer would name rules that are not in force."""
    await set_rules(api, max_leverage=2)
    await damage(api, approved_by="Grace")
    before = api.store.contents()

    assert_problem(await api.post(PATH_V3, {"rules": {}}), 409, "POLICY_UNREADABLE")
    assert api.store.contents() == before


# ---------------------------------------------------------------------------------------- payload
percents = st.decimals("0.000001", "99.999999", places=6)
amounts = st.decimals("0.01", "1000000", places=2)
clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
payloads = st.builds(
    RulesPayload,
    allowed_symbols=st.none() | st.just(["SOL", "ETH"]),
    denied_symbols=st.none() | st.just(["PEPE"]),
    allowed_venues=st.none() | st.permutations([Venue.SPOT, Venue.GMX]).map(list),
    direction=st.sampled_from(["BOTH", "LONG_ONLY", "SHORT_ONLY"]),
    min_confidence=st.none() | st.decimals("0", "1", places=3),
    sessions=st.none()
    | st.lists(
        st.fixed_dictionaries(
            {
                "days": st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
                "start": clocks,
                "end": clocks,
            }
        ),
        min_size=1,
        max_size=3,
    ),
    max_order_notional=st.none() | amounts,
    max_exposure=st.none() | amounts,
    max_leverage=st.none() | amounts,
    size_model=st.none()
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["percentage", "volatility", "kelly"]), "value": percents}
    )
    | st.fixed_dictionaries({"type": st.sampled_from(["fixed", "quantity"]), "value": amounts}),
    risk_modifier=st.decimals("0.001", "1", places=3),
    stop_loss=st.none() | percents,
    take_profit=st.none() | percents,
    trailing_stop=st.none() | percents,
    time_limit_s=st.none() | st.integers(1, 10**6),
)


@given(payload=payloads)
def test_rules_when_taken_then_they_can_be_kept_and_read_back_as_the_same(
    payload: RulesPayload,
) -> None:
    rules = payload.rules()

    assert rules_problem(rules) is None
    again = RulesPayload.model_validate(rules_view(rules))
    assert again.rules() == rules


async def test_the_example_of_the_reference_when_sent_then_taken(api: Api) -> None:
    (example,) = SetPolicy.model_json_schema()["examples"]
    answer = await api.post(PATH_V3, example)

    assert answer.status_code == 200, answer.text
    assert answer.json()["changed_by"] == "Ada"


def test_version_ref_when_versions_or_deployments_differ_then_another_document() -> None:
    refs = {version_ref(name, number).id for name in ("dep_1", "dep_2") for number in (1, 2)}
    assert len(refs) == 4
