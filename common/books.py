"""Two books over one code base: V2 and V3 keep their records apart; a book is data."""

from dataclasses import dataclass

from common.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The names of one book's collections."""

    name: str
    agents: str
    deployments: str
    signals: str
    deliveries: str
    positions: str
    routing_history: str
    routing_config: str | None


V2 = Book(
    name="v2",
    agents="agents",
    deployments="agent_deployments",
    signals="signals",
    deliveries="signal_deliveries",
    positions="positions",
    routing_history="agent_routing_history",
    routing_config=None,
)
V3 = Book(
    name="v3",
    agents="agents_v3",
    deployments="agent_deployments_v3",
    signals="signals_v3",
    deliveries="signal_deliveries_v3",
    positions="positions_v3",
    routing_history="venue_routing_history_v3",
    routing_config="venue_routing_config_v3",
)
BOOKS = {book.name: book for book in (V2, V3)}

# Shared by both books, or of neither.
ORDER_INTENTS = "order_intents"
ORDERS = "orders"
SIGNED_REQUESTS = "signed_requests"
SIGNER_NONCES = "signer_nonces"
FILLS = "fills"
EXPOSURES = "exposures"
DECISIONS = "decisions"
INDICATOR_STATES = "indicator_states"
MARKET_SNAPSHOTS = "market_snapshots"
VENUE_MARKETS = "venue_markets"
BREAKERS = "breakers"
TRADING_STATE = "trading_state"
PARENT_ORDERS = "parent_orders"
PLAN_APPROVALS = "plan_approvals"
POSITION_EXITS = "position_exits"
ACCOUNTS = "accounts"
FUNDING_PAYMENTS = "funding_payments"
EQUITY_DAYS = "equity_days"
CANDLE_HOURS = "candle_hours"
DEPLOYMENT_POLICIES = "deployment_policies"
POLICY_VERSIONS = "policy_versions"
RISK_LIMITS = "risk_limits"
RISK_LIMIT_VERSIONS = "risk_limit_versions"
RISK_TOTALS = "risk_totals"
MESSAGE_COUNTS = "message_counts"
AGENT_RECORDS = "agent_records"
MONITOR_ROUNDS = "monitor_rounds"
ORDER_THROTTLES = "order_throttles"
PREFLIGHT_PROBES = "preflight_probes"
FLATTENS = "flattens"
OUTBOX = "outbox"
AUDIT = "audit"
NOTIFICATIONS = "notifications"
REJECTED_EVENTS = "rejected_events"
IDEMPOTENCY_KEYS = "idempotency_keys"
PROCESSED_TICKS = "processed_ticks"
RECONCILIATIONS = "reconciliations"
REQUEST_BUDGETS = "request_budgets"
DUPLICATE_GUARDS = "duplicate_guards"
RETIRED_AGENT_ADDRESSES = "retired_agent_addresses"
SEALED_IVS = "sealed_ivs"
WATCHED_SYMBOLS = "watched_symbols"
TICK_CLAIMS = "tick_claims"
PRINCIPALS = "principals"
WALLET_NONCES = "wallet_nonces"


def book_named(name: str) -> Book:
    try:
        return BOOKS[name]
    except KeyError:
        raise InvalidInputError(f"no book {name!r}", where="book") from None
