"""Alerts that count log lines: the code really writes what terraform/metrics.yaml looks for."""

import ast
import io
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import yaml

from common.books import NOTIFICATIONS
from common.config import BreakerSettings
from common.domain.events import NotificationRaised
from common.domain.instrument import Venue
from common.domain.notification import Notification, NotificationKind
from common.domain.order import IntentStatus, OrderStatus
from common.domain.scope import PLATFORM_SCOPE, symbol_scope
from common.errors import ConfigurationError, TransientError
from common.execution.telling import tell
from common.how.state_changes import state_writes
from common.how.trading_state import TradingState, TradingStateRecord
from common.notifications import notification_of
from common.ports import Create
from common.where.breaker import Ticket
from common.where.breakers import Breakers
from functions.notify.handler import notify
from infra.gcp.logging import JsonFormatter
from infra.local.store.memory import MemoryStore
from tests.builders import NOON, a_fill, a_notification, a_tick, an_intent, an_order
from tests.fakes.clock import FakeClock
from tests.functions.harness import Bench, body_of
from tests.functions.probes import Seen, settle_app
from tests.shared_data import REPOSITORY

TERRAFORM = REPOSITORY / "terraform"
METRICS: dict[str, dict[str, Any]] = yaml.safe_load((TERRAFORM / "metrics.yaml").read_text())
ALERTS: dict[str, dict[str, Any]] = yaml.safe_load((TERRAFORM / "alerts.yaml").read_text())
OURS = {name: metric["filter"] for name, metric in METRICS.items() if "jsonPayload" in str(metric)}
LEVELS = ("DEFAULT", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Clause:
    """One of the comparisons of Cloud Logging's language that our filters use."""

    path: str
    operator: str
    value: str

    def takes(self, line: Line) -> bool:
        if self.path == "severity":
            return LEVELS.index(line["severity"]) >= LEVELS.index(self.value)
        found = line.get(self.path.removeprefix("jsonPayload."))
        if found is None:
            return False
        match self.operator:
            case "=":
                return str(found) == self.value
            case "=~":
                return re.search(self.value, str(found)) is not None
            case ">=":
                return float(found) >= float(self.value)
        raise AssertionError(self.operator)


def clauses(text: str) -> list[Clause]:
    found = []
    for part in text.split(" AND "):
        match = re.fullmatch(r'([A-Za-z_.]+)(=~|>=|=)"?([^"]*)"?', part)
        assert match, f"not of the language that this test reads: {part}"
        found.append(Clause(*match.groups()))
    return found


def counted(line: Line) -> set[str]:
    """The metrics whose filters take `line`."""
    return {name for name, text in OURS.items() if all(c.takes(line) for c in clauses(text))}


class Log:
    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.setFormatter(JsonFormatter())

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    """What Cloud Logging would be given of our two loggers' lines."""
    log = Log()
    loggers = [logging.getLogger("sapphire"), logging.getLogger("functions")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(log.handler)
        logger.setLevel(logging.INFO)
    yield log
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(log.handler)
        logger.setLevel(level)


async def told(log: Log, notification: Notification) -> set[str]:
    """The metrics that count the line of `notification`, once `notify` was given it."""
    event = NotificationRaised(notification=notification)
    await notify(event, store=MemoryStore(), clock=FakeClock(), messenger=None)
    (line,) = (line for line in log.lines if line.get("code", "").startswith("NOTIFIED"))
    return counted(line)


# --------------------------------------------------------------------------------- entry points
async def test_tick_when_it_is_handled_then_it_is_counted_for_its_function(log: Log) -> None:
    await Bench().post(settle_app(Seen()), body_of(a_tick("settle")))

    (line,) = log.lines
    assert counted(line) == {"ticks"}
    assert line[METRICS["ticks"]["labels"]["function"].removeprefix("jsonPayload.")] == "settle"


async def test_tick_when_a_venue_does_not_answer_then_a_failure_and_no_tick(log: Log) -> None:
    await Bench().post(settle_app(Seen(error=TransientError("x"))), body_of(a_tick("settle")))

    assert [counted(line) for line in log.lines] == [{"failures"}]


async def test_tick_when_a_setting_is_missing_then_the_function_is_broken(log: Log) -> None:
    await Bench().post(settle_app(Seen(error=ConfigurationError("x"))), body_of(a_tick("settle")))

    assert [counted(line) for line in log.lines] == [{"failures", "broken"}]


# -------------------------------------------------------------------------- what people are told
async def test_breaker_when_it_opens_then_counted(log: Log) -> None:
    store = MemoryStore()
    breakers = Breakers(store, FakeClock(), BreakerSettings(failures_to_open=1))
    await breakers.failed(Ticket("GMX", 0, None), "no answer")
    (row,) = store.contents()[NOTIFICATIONS].values()

    assert await told(log, notification_of(row)) == {"breaker_open"}
    assert Venue.GMX in log.lines[0]["message"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (TradingState.HALTED, {"halts"}),
        (TradingState.REDUCING, {"halts"}),
        (TradingState.ACTIVE, set()),
    ],
)
@pytest.mark.parametrize("scope", [PLATFORM_SCOPE, symbol_scope("BTC")])
async def test_state_when_it_stops_trading_then_counted(
    log: Log, scope: Any, state: TradingState, expected: set[str]
) -> None:
    record = TradingStateRecord(
        state=state, epoch=4, reason="news", changed_by="Ada", changed_at=NOON
    )
    writes, _ = state_writes(scope, None, record)
    raised = next(
        notification_of(write.data)
        for write in writes
        if isinstance(write, Create) and write.ref.collection == NOTIFICATIONS
    )

    assert await told(log, raised) == expected


async def test_order_when_it_is_unresolved_then_counted(log: Log) -> None:
    after = an_intent(status=IntentStatus.UNRESOLVED, reason="no answer for ten minutes")
    raised = tell(an_intent(), after, an_order(), (), now=NOON)

    assert raised is not None
    assert await told(log, raised) == {"unresolved"}


async def test_fill_when_it_comes_late_then_counted(log: Log) -> None:
    before = an_intent(status=IntentStatus.EXPIRED)
    order = an_order(status=OrderStatus.FILLED, filled_qty=Decimal("0.3333"))
    raised = tell(before, before, order, (a_fill(),), now=NOON)

    assert raised is not None
    assert await told(log, raised) == {"surprising_fills"}


async def test_fill_when_it_is_too_much_then_counted(log: Log) -> None:
    order = an_order(status=OrderStatus.FILLED, filled_qty=Decimal(9))
    raised = tell(an_intent(), an_intent(), order, (a_fill(),), now=NOON)

    assert raised is not None
    assert await told(log, raised) == {"surprising_fills"}


async def test_trade_when_it_is_ordinary_then_nothing_counts_it(log: Log) -> None:
    assert await told(log, a_notification(text="FLATTEN IS STUCK for x")) == set()


def templates(module: str) -> list[str]:
    """The texts that a module builds, with `x` for what it puts in."""
    tree = ast.parse((REPOSITORY / module).read_text())
    return [
        "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
    ]


@pytest.mark.parametrize(
    ("metric", "module", "texts"),
    [
        ("mismatches", "functions/settle/reconciling.py", 3),
        ("flattens_stuck", "functions/settle/flattening.py", 2),
    ],
)
async def test_texts_when_a_module_writes_them_then_counted(
    metric: str, module: str, texts: int
) -> None:
    found = 0
    for text in templates(module):
        log = Log()
        logger = logging.getLogger("functions")
        logger.addHandler(log.handler)
        try:
            notification = a_notification(kind=NotificationKind.RISK, text=text)
            found += metric in await told(log, notification)
        finally:
            logger.removeHandler(log.handler)

    assert found == texts


# ------------------------------------------------------------------------------------- the files
def test_alerts_when_they_name_a_metric_then_it_is_there() -> None:
    named = {alert["metric"] for alert in ALERTS.values() if "metric" in alert}

    assert named == set(METRICS), "each metric has its alert, each alert its metric"


def test_alerts_when_listed_then_each_says_what_is_wrong_in_one_way() -> None:
    for key, alert in ALERTS.items():
        assert len({"metric", "type", "log"} & set(alert)) == 1, key
        assert len({"above", "below", "log"} & set(alert)) == 1, key
        assert alert["severity"] in {"WARNING", "ERROR", "CRITICAL"}, key


def test_alerts_when_the_issue_asks_for_them_then_they_are_there() -> None:
    assert set(ALERTS) >= {
        "dead-letters",
        "oldest-unacked",
        "unresolved",
        "breaker-open",
        "tick-missing",
        "position-mismatch",
        "kill-set",
        "auth-failures",
        "spend",
    }
    assert ALERTS["oldest-unacked"]["above"] == 120
    assert ALERTS["dead-letters"]["above"] == 0
