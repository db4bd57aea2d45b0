"""How much of each priced thing a month takes, from the counts of tools/measure_cost.py.

Counts come from the code; what only Google's side could tell (latency, its own log lines) is
assumed, each assumption by name.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import yaml

from common.config import LimitSettings
from functions.fetch_market.handler import HELD_MAX
from functions.monitor.rounds import BUDGET
from infra.pipeline import FunctionSpec, load_pipeline

COUNTS_FILE = Path(__file__).with_name("cost_counts.json")
TERRAFORM = Path(__file__).resolve().parent.parent / "terraform"
DAYS = 30
MINUTES = DAYS * 24 * 60
SIGNALS = DAYS * 24  # one an hour
DEPLOYMENTS = 10_000
BACKUPS = 14  # days that a backup is kept: the variable's default
GIB = Decimal(1024**3)
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Assumed:
    """What was not measured, and what it is of."""

    value: int
    unit: str
    what: str


ASSUMED = {
    "call_ms": Assumed(10, "ms", "a round trip to Firestore in the same region"),
    "publish_ms": Assumed(20, "ms", "a publish to Pub/Sub"),
    "fetch_market_ms": Assumed(3000, "ms", "prices of six symbols (pipeline.yaml)"),
    "execute_ms": Assumed(300, "ms", "a venue takes an order"),
    "settle_ms": Assumed(400, "ms", "venues asked by one sweep"),
    "notify_ms": Assumed(300, "ms", "Telegram takes a message"),
    "request_log_bytes": Assumed(900, "bytes", "Cloud Run's own line of a request"),
    "scheduler_log_bytes": Assumed(1400, "bytes", "the scheduler's two lines of a tick"),
    "audit_log_bytes": Assumed(3000, "bytes", "the line of a secret's access, in two buckets"),
    "outside_bytes": Assumed(20_000, "bytes", "sent to price sources and venues in a minute"),
    "order_bytes": Assumed(3000, "bytes", "sent to a venue for an order"),
    "reads_a_day": Assumed(288, "accesses", "of a token by api, by notify: one every five minutes"),
    "image_mb": Assumed(200, "MB", "of images: eleven functions share nearly all of it"),
    "zips_mib": Assumed(40, "MiB", "of source zips, twenty of two MiB"),
    "metric_series": Assumed(
        30, "series", "of metrics from logs, with a point of 8 bytes a minute"
    ),
}
_CPU_OF_MEMORY = {128: "0.083", 256: "0.1667", 512: "0.3333", 1024: "0.5833", 2048: "1"}

Month = dict[str, dict[str, Decimal]]
"""What each function does in a month, by name."""


@dataclass(slots=True)
class Usage:
    """Quantities by the names of tools/prices.py, and how each came about."""

    title: str
    month: Month = field(default_factory=dict)
    quantities: dict[str, Decimal] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)

    def put(self, what: str, quantity: Decimal | int, how: str) -> None:
        self.quantities[what] = Decimal(quantity)
        self.sums[what] = how

    def total(self, what: str) -> Decimal:
        return sum((of.get(what, ZERO) for of in self.month.values()), ZERO)


def load_counts(path: Path = COUNTS_FILE) -> dict[str, Any]:
    counts: dict[str, Any] = json.loads(path.read_text())
    return counts


def assumed(name: str) -> int:
    return ASSUMED[name].value


def usages(counts: Mapping[str, Any]) -> tuple[Usage, ...]:
    """At idle; at six symbols; at 10,000 deployments on paper, and live."""
    return (_idle(counts), six_symbols(counts), *many_deployments(counts))


def _idle(counts: Mapping[str, Any]) -> Usage:
    """Paused after a month of trading at six symbols: what lies there costs, nothing runs."""
    usage = Usage("At idle")
    _storage(usage, *_kept_a_month(counts["six_symbols"]), written=ZERO)
    _fixed(usage, secret_versions=3)
    return usage


def six_symbols(counts: Mapping[str, Any]) -> Usage:
    usage = Usage("At six symbols")
    six = counts["six_symbols"]
    scale = Decimal(MINUTES) / six["minutes"]
    usage.month = {name: _scaled(of, scale) for name, of in six["functions"].items()}
    bus = sum(2 * of["bytes"] * scale for of in six["topics"].values())
    _running(usage, bus_bytes=Decimal(bus), paper=True)
    document, indexes = _kept_a_month(six)
    _storage(usage, document, indexes, written=usage.total("written_bytes"))
    _fixed(usage, secret_versions=3)
    return usage


def many_deployments(counts: Mapping[str, Any]) -> Iterator[Usage]:
    """One signal an hour to all of them, each with a position, beside what six symbols take."""
    slopes = counts["deployments"]
    signals = Decimal(DEPLOYMENTS * SIGNALS) / slopes["deployments"]
    topics = sum(2 * of["bytes"] * signals for of in slopes["topics"].values())
    for live in (False, True):
        usage = Usage(f"At 10,000 deployments, {'live' if live else 'on paper'}")
        base = six_symbols(counts)
        usage.month = base.month
        _add(usage.month, _signal_month(slopes, signals))
        _add(usage.month, _quiet_month(counts))
        bus = base.quantities["bus_gib"] * GIB + Decimal(topics)
        _running(usage, bus_bytes=bus, paper=not live)
        kept = _kept(slopes["stored_bytes"], signals)
        before = _kept_a_month(counts["six_symbols"])
        document, indexes = (old + new for old, new in zip(before, kept, strict=True))
        _storage(usage, document, indexes, written=usage.total("written_bytes"))
        _fixed(usage, secret_versions=3 + DEPLOYMENTS * live)
        if live:
            _keys(usage)
        yield usage


def accounts_a_tick(counts: Mapping[str, Any]) -> dict[str, int]:
    """How many of the accounts each function looks at in a minute, whatever there are."""
    slopes = counts["deployments"]
    monitor, share = slopes["quiet"]["monitor"], slopes["deployments"] * slopes["minutes"]
    cpu = cpu_share(load_pipeline().functions["monitor"])
    waiting = Decimal(monitor["calls"]) / share * assumed("call_ms")
    computing = Decimal(monitor["cpu_us"]) / share / 1000 / cpu
    # CPU time differs from run to run: two figures of the result are what it is worth.
    found = int(Decimal(BUDGET.total_seconds() * 1000) / (waiting + computing))
    return {
        "fetch_market": HELD_MAX,
        "settle": LimitSettings().reconcile_accounts_per_tick,
        "monitor": found // 100 * 100,
    }


def cpu_share(spec: FunctionSpec) -> Decimal:
    """vCPUs of an instance: its row's own, or the platform's share for its memory.

    https://cloud.google.com/run/docs/configuring/services/memory-limits
    """
    return Decimal(spec.cpu) if spec.cpu else Decimal(_CPU_OF_MEMORY[spec.memory_mb])


def billed_seconds(name: str, of: Mapping[str, Decimal]) -> Decimal:
    """Of all invocations: round trips, publishing, what is waited for outside, CPU on its share;
    each rounded up to 100 ms.
    """
    spec, times = load_pipeline().functions[name], of["invocations"]
    outside = assumed(f"{name}_ms") if f"{name}_ms" in ASSUMED else 0
    total_ms = (
        times * outside
        + of.get("calls", ZERO) * assumed("call_ms")
        + of.get("published", ZERO) * assumed("publish_ms")
        + of.get("cpu_us", ZERO) / 1000 / min(Decimal(1), cpu_share(spec))
    )
    return (total_ms / times / 100).to_integral_value(ROUND_CEILING) / 10 * times


def _signal_month(slopes: Mapping[str, Any], signals: Decimal) -> Month:
    """What a signal adds for a deployment, the quiet minutes around it taken away."""
    found: Month = {}
    for name, of in slopes["with_signal"].items():
        quiet = slopes["quiet"].get(name, {})
        added = {what: max(0, count - quiet.get(what, 0)) for what, count in of.items()}
        if added.get("invocations"):
            found[name] = _scaled(added, signals)
    return found


def _quiet_month(counts: Mapping[str, Any]) -> Month:
    slopes = counts["deployments"]
    share = Decimal(slopes["deployments"] * slopes["minutes"])
    return {
        name: _scaled(
            {what: max(0, count) for what, count in slopes["quiet"][name].items()},
            min(DEPLOYMENTS, accounts) * MINUTES / share,
        )
        for name, accounts in accounts_a_tick(counts).items()
    }


def _running(usage: Usage, *, bus_bytes: Decimal, paper: bool) -> None:
    requests = usage.total("invocations")
    usage.put("requests", requests, "pushes, ticks and tasks of all functions")
    seconds = {name: billed_seconds(name, of) for name, of in usage.month.items()}
    specs = load_pipeline().functions
    usage.put(
        "vcpu_s",
        sum((each * cpu_share(specs[name]) for name, each in seconds.items()), ZERO),
        "seconds of each function x its vCPUs",
    )
    usage.put(
        "gib_s",
        sum((each * specs[name].memory_mb / 1024 for name, each in seconds.items()), ZERO),
        "seconds of each function x its memory",
    )
    for what in ("reads", "writes", "deletes"):
        own, papers = usage.total(what), usage.total(f"paper_{what}") if paper else ZERO
        usage.put(what, own + papers, f"{_n(own)} + {_n(papers)} of the paper venues")
    usage.put("ttl_deletes", usage.total("expiring"), "documents made with an expiry")
    usage.put("bus_gib", bus_bytes / GIB, "published once, pushed once; 1,000 bytes at least each")
    usage.put("task_operations", 2 * usage.total("tasks"), "2 x messages for later")
    ticks = len(load_pipeline().scheduled()) * MINUTES
    lines = usage.total("log_bytes") + requests * assumed("request_log_bytes")
    lines += ticks * assumed("scheduler_log_bytes")
    usage.put(
        "log_gib", lines / GIB, f"our lines + {_n(requests)} requests + {_n(Decimal(ticks))} ticks"
    )
    usage.put("spans", requests, "one a request")
    points = assumed("metric_series") * MINUTES * 8
    usage.put("metric_mib", Decimal(points) / 1024**2, "metric_series x minutes x 8 bytes")
    orders = usage.month.get("execute", {}).get("invocations", ZERO)
    sent = MINUTES * assumed("outside_bytes") + orders * assumed("order_bytes")
    usage.put("egress_gib", sent / GIB, "outside_bytes a minute + order_bytes an order")
    usage.put("secret_reads", 2 * DAYS * assumed("reads_a_day"), "2 x days x reads_a_day")
    usage.put("alert_conditions", len(watched_metrics()), "metrics that alerts.yaml watches")
    usage.put("alert_series", _series() * DAYS * 2880, "their series x 2,880 looks a day")


def _storage(usage: Usage, documents: Decimal, indexes: Decimal, *, written: Decimal) -> None:
    """At the end of a month; what is kept is kept for ever, so the next month adds as much."""
    how = f"{_gib(documents)} of documents + {_gib(indexes)} of indexes, after one month"
    usage.put("stored_gib", (documents + indexes) / GIB, how)
    week = written / DAYS * 7
    usage.put("pitr_gib", week / GIB, "what seven days write")
    usage.put("backup_gib", documents * BACKUPS / GIB, f"documents x {BACKUPS} days")


def _fixed(usage: Usage, *, secret_versions: int) -> None:
    usage.put("scheduler_jobs", len(load_pipeline().scheduled()), "schedules of pipeline.yaml")
    usage.put("secret_versions", secret_versions, "key-encryption key, API and bot token; keys")
    usage.put("image_gb", Decimal(assumed("image_mb")) / 1000, "image_mb")
    usage.put("bucket_gib", Decimal(assumed("zips_mib")) / 1024, "zips_mib")


def _keys(usage: Usage) -> None:
    """An upper bound: a key is kept for five minutes, and its order's stop may find it open."""
    opened = 2 * usage.month["execute"]["invocations"]
    usage.put("secret_reads", usage.quantities["secret_reads"] + opened, "2 an order: key, its key")
    more = opened * assumed("audit_log_bytes") / GIB
    usage.put("log_gib", usage.quantities["log_gib"] + more, "as on paper + accesses to secrets")


def watched_metrics() -> dict[str, dict[str, Any]]:
    """Alerts with a condition on a metric; those on a line of the audit log look at no series."""
    found: dict[str, dict[str, Any]] = yaml.safe_load((TERRAFORM / "alerts.yaml").read_text())
    return {key: alert for key, alert in found.items() if "log" not in alert}


def _series() -> int:
    """One a condition, or one for each value of its label."""
    functions = load_pipeline().functions
    subscriptions = sum(len(spec.topics) for spec in functions.values())
    of = {
        "resource.labels.subscription_id": subscriptions,
        "metric.labels.function": len(functions),
        "metric.labels.service": len(functions),
    }
    return sum(of[alert["per"]] if "per" in alert else 1 for alert in watched_metrics().values())


def _kept_a_month(six: Mapping[str, Any]) -> tuple[Decimal, Decimal]:
    return _kept(six["stored_bytes"], Decimal(MINUTES) / six["minutes"])


def _kept(stored: Mapping[str, int], scale: Decimal) -> tuple[Decimal, Decimal]:
    return max(0, stored["kept"]) * scale, max(0, stored["kept_indexes"]) * scale


def _scaled(of: Mapping[str, int], scale: Decimal) -> dict[str, Decimal]:
    return {what: count * scale for what, count in of.items()}


def _add(month: Month, more: Month) -> None:
    for name, of in more.items():
        mine = month.setdefault(name, {})
        for what, count in of.items():
            mine[what] = mine.get(what, ZERO) + count


def _n(number: Decimal) -> str:
    return f"{number:,.0f}"


def _gib(size: Decimal) -> str:
    return f"{size / GIB:,.2f} GiB"
