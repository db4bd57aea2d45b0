"""The bodies that people send. Numbers may be JSON numbers or text; both become exact Decimals."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from common.domain.agent import KEYED_VENUES
from common.domain.instrument import Venue
from common.domain.parent_order import ExecAlgorithm, ExecutionWish
from common.domain.scope import PLATFORM_SCOPE
from common.errors import InvalidInputError
from common.execution.algorithms.wish import check_wish
from infra.web.fields import (
    Address,
    Amount,
    AmountOrZero,
    AuthenticationTag,
    BelowHundred,
    Cash,
    EncryptedKey,
    Fraction,
    Identifier,
    InitialisationVector,
    KeyedVenue,
    Name,
    Payload,
    Percentage,
    PersonName,
    References,
    ScopeKey,
    Seconds,
    Slices,
    Symbol,
    Text,
    Texts,
    VenueOrder,
)

KEY_FIELDS = ("agent_address", "agent_key_encrypted", "agent_key_iv", "agent_key_tag")


class WeightsPayload(Payload):
    """How much each source counts; together exactly 1."""

    x: Fraction
    research: Fraction

    @model_validator(mode="after")
    def _sum_is_one(self) -> Self:
        if self.x + self.research != Decimal(1):
            raise ValueError("x and research must sum to 1")
        return self


_WALLET = "0x1111111111111111111111111111111111111111"


def _example(**fields: JsonValue) -> ConfigDict:
    """What /docs shows: a body to start from."""
    return ConfigDict(json_schema_extra={"examples": [dict(fields)]})


class CreateAgentV3(Payload):
    model_config = _example(
        creator_wallet=_WALLET,
        name="Momentum",
        x_account_ids=[],
        research_institute_ids=[],
        weights={"x": "0.5", "research": "0.5"},
        profit_receiver_address=_WALLET,
    )

    creator_wallet: Address
    name: Name
    x_account_ids: References
    research_institute_ids: References
    weights: WeightsPayload
    profit_receiver_address: Address


class CreateAgentV2(Payload):
    """Without `venue`, or with MULTI, orders are routed; a single venue is used alone."""

    model_config = _example(creator_wallet=_WALLET, name="Momentum")

    creator_wallet: Address
    name: Name
    venue: Literal["MULTI", "HYPERLIQUID", "OSTIUM", "GMX", "SPOT"] | None = None
    x_account_ids: References = Field(default_factory=list)
    research_institute_ids: References = Field(default_factory=list)
    weights: WeightsPayload | None = None
    profit_receiver_address: Address | None = None


class _Deploy(Payload):
    """A venue's key comes as all four of its fields, or not at all."""

    model_config = _example(agent_id="agt_...", user_wallet=_WALLET)

    agent_id: Identifier
    user_wallet: Address
    capital: Cash | None = None
    hyperliquid_agent_address: Address | None = None
    hyperliquid_agent_key_encrypted: EncryptedKey | None = Field(default=None, repr=False)
    hyperliquid_agent_key_iv: InitialisationVector | None = Field(default=None, repr=False)
    hyperliquid_agent_key_tag: AuthenticationTag | None = Field(default=None, repr=False)
    ostium_agent_address: Address | None = None
    ostium_agent_key_encrypted: EncryptedKey | None = Field(default=None, repr=False)
    ostium_agent_key_iv: InitialisationVector | None = Field(default=None, repr=False)
    ostium_agent_key_tag: AuthenticationTag | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _keys_are_whole(self) -> Self:
        for venue in KEYED_VENUES:
            given = [part is not None for part in self._parts(venue)]
            if any(given) and not all(given):
                fields = ", ".join(f"{venue.lower()}_{field}" for field in KEY_FIELDS)
                raise ValueError(f"all four or none of {fields}")
        return self

    def _parts(self, venue: Venue) -> list[str | None]:
        return [getattr(self, f"{venue.lower()}_{field}", None) for field in KEY_FIELDS]

    def keys(self) -> dict[Venue, dict[str, str]]:
        """The venues that came with a key: its envelope by field name, the address among it."""
        found = {venue: self._parts(venue) for venue in KEYED_VENUES}
        return {
            venue: {name: part for name, part in zip(KEY_FIELDS, parts, strict=True) if part}
            for venue, parts in found.items()
            if all(parts)
        }


class DeployV3(_Deploy):
    """Trades at the venues that come with a key; without any, at Hyperliquid, then Ostium."""


class DeployV2(_Deploy):
    """`enabled_venues` in priority order; ["HYPERLIQUID"], or a single-venue agent's venue."""

    enabled_venues: VenueOrder | None = None
    gmx_agent_address: Address | None = None
    gmx_agent_key_encrypted: EncryptedKey | None = Field(default=None, repr=False)
    gmx_agent_key_iv: InitialisationVector | None = Field(default=None, repr=False)
    gmx_agent_key_tag: AuthenticationTag | None = Field(default=None, repr=False)
    spot_agent_address: Address | None = None
    spot_agent_key_encrypted: EncryptedKey | None = Field(default=None, repr=False)
    spot_agent_key_iv: InitialisationVector | None = Field(default=None, repr=False)
    spot_agent_key_tag: AuthenticationTag | None = Field(default=None, repr=False)
    aster_agent_address: Address | None = None
    aster_agent_key_encrypted: EncryptedKey | None = Field(default=None, repr=False)
    aster_agent_key_iv: InitialisationVector | None = Field(default=None, repr=False)
    aster_agent_key_tag: AuthenticationTag | None = Field(default=None, repr=False)


class RotateKey(Payload):
    """The venue's next key, sealed with the next key version, of an agent never used before."""

    model_config = _example(
        deployment_id="dep_...",
        venue="HYPERLIQUID",
        agent_address="0x2222222222222222222222222222222222222222",
        agent_key_encrypted="00" * 32,
        agent_key_iv="00" * 12,
        agent_key_tag="00" * 16,
    )

    deployment_id: Identifier
    venue: KeyedVenue
    agent_address: Address
    agent_key_encrypted: EncryptedKey = Field(repr=False)
    agent_key_iv: InitialisationVector = Field(repr=False)
    agent_key_tag: AuthenticationTag = Field(repr=False)

    def sealed(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in KEY_FIELDS}


class RevokeKey(Payload):
    model_config = _example(deployment_id="dep_...", venue="HYPERLIQUID")

    deployment_id: Identifier
    venue: KeyedVenue


class WalletNonceWish(Payload):
    """The wallet that is about to sign a message."""

    model_config = _example(wallet=_WALLET)

    wallet: Address


class PercentageSize(Payload):
    """In percent of the deployment's capital: 5 is 5 %."""

    type: Literal["percentage"]
    value: Percentage


class AbsoluteSize(Payload):
    """`fixed`: quote currency. `quantity`: base units."""

    type: Literal["fixed", "quantity"]
    value: Amount


class VolatilitySize(Payload):
    """In percent of the capital that one standard deviation of a day may cost: 1 is 1 %."""

    type: Literal["volatility"]
    value: Percentage


class KellySize(Payload):
    """In percent of the Kelly fraction that the agent's own record gives: 50 is half Kelly."""

    type: Literal["kelly"]
    value: Percentage


class StopModel(Payload):
    """In percent of the price: 2.5 is 2.5 %. A trailing stop follows the best price since entry."""

    type: Literal["trailing-stop", "stop-loss"]
    stop: BelowHundred
    take_profit: BelowHundred | None = None
    time_limit_s: Seconds | None = None


class ExecutionPayload(Payload):
    """How to execute; what is left out is chosen by size and volatility, or configured."""

    algorithm: Literal["MARKET", "LIMIT", "TWAP", "VWAP", "ICEBERG", "SNIPER"] | None = None
    limit_price: Amount | None = None
    duration_s: Seconds | None = None
    slices: Slices | None = None
    visible_quantity: Amount | None = None

    def wish(self) -> ExecutionWish:
        """Raises ValueError: it contradicts itself."""
        wish = ExecutionWish(
            algorithm=ExecAlgorithm(self.algorithm) if self.algorithm else None,
            limit_price=self.limit_price,
            duration_s=self.duration_s,
            slices=self.slices,
            visible_quantity=self.visible_quantity,
        )
        try:
            check_wish(wish, quantity=None, chosen=wish.algorithm)
        except InvalidInputError as error:
            raise ValueError(f"{error.where}: {error.message}") from None
        return wish

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        self.wish()
        return self


class GenerateSignal(Payload):
    model_config = _example(
        agent_id="agt_...",
        token_symbol="ETH",  # noqa: S106 - a traded pair, no password
        side="LONG",
        size_model={"type": "percentage", "value": 5},
        risk_model={"type": "trailing-stop", "stop": "2.5"},
        confidence="0.8",
    )

    agent_id: Identifier
    token_symbol: Symbol
    side: Literal["LONG", "SHORT"]
    size_model: Annotated[
        PercentageSize | AbsoluteSize | VolatilitySize | KellySize, Field(discriminator="type")
    ]
    risk_model: StopModel | None = None
    confidence: Fraction
    source_tweets: Texts = Field(default_factory=list)
    source_research: Texts = Field(default_factory=list)
    execution: ExecutionPayload | None = None


class RoutingConfigV3(Payload):
    """The order in which an agent's (or one deployment's) venues are asked, and how to choose."""

    model_config = _example(agent_id="agt_...", venues=["OSTIUM", "HYPERLIQUID"], mode="PRIORITY")

    agent_id: Identifier | None = None
    deployment_id: Identifier | None = None
    venues: VenueOrder
    mode: Literal["PRIORITY", "COST", "SPLIT"] = "PRIORITY"

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.agent_id is None) == (self.deployment_id is None):
            raise ValueError("name either agent_id or deployment_id")
        return self


class ExecuteTrade(Payload):
    """`order_type` MARKET goes out at once and takes no `price`. LIMIT and SNIPER need one; for
    TWAP, VWAP and ICEBERG it is the worst price ever to accept. AUTO waits for a `price` as a
    SNIPER, and without one goes by size and volatility. TWAP and VWAP take `duration_s` and
    `slices`, ICEBERG `visible_quantity`.
    """

    model_config = _example(symbol="ETH", side="BUY", quantity="0.1", order_type="MARKET")

    symbol: Symbol
    side: Literal["BUY", "SELL"]
    quantity: Amount
    order_type: Literal["MARKET", "AUTO", "LIMIT", "TWAP", "VWAP", "ICEBERG", "SNIPER"]
    price: Amount | None = None
    duration_s: Seconds | None = None
    slices: Slices | None = None
    visible_quantity: Amount | None = None

    def execution(self) -> ExecutionWish:
        """Raises ValueError: it contradicts itself."""
        wish = ExecutionWish(
            algorithm=None if self.order_type == "AUTO" else ExecAlgorithm(self.order_type),
            limit_price=self.price,
            duration_s=self.duration_s,
            slices=self.slices,
            visible_quantity=self.visible_quantity,
        )
        try:
            check_wish(wish, quantity=self.quantity, chosen=wish.algorithm)
        except InvalidInputError as error:
            field = error.where.removeprefix("limit_")  # here it is called the price
            raise ValueError(f"{field}: {error.message}") from None
        return wish

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        self.execution()
        return self


class ChangeTradingState(Payload):
    """`scope` is `platform` (the default), or `venue:GMX`, `agent:v3:agt_...`, `deployment:dep_...`
    or `symbol:BTC`. `by` is the person who asks.
    """

    model_config = _example(reason="news", scope="symbol:BTC", by="Ada")

    reason: Text = "requested by the operator"
    scope: ScopeKey = PLATFORM_SCOPE
    by: PersonName | None = None


class OperatorReason(Payload):
    reason: Text = "requested by the operator"
    by: PersonName | None = None


class SettleByHand(Payload):
    """What a person saw of an UNRESOLVED order at its venue.

    `filled_qty` is what the order has filled there in all, in base units; "0" when the venue never
    had it or nothing filled. `avg_px` and `commission` (quote currency) are of the part that is
    not booked yet, which is all of it unless GET /api/ops/unresolved says otherwise.
    """

    model_config = _example(
        filled_qty="0.5", avg_px="3000", commission="0.9", reason="seen in the venue's own app"
    )

    filled_qty: AmountOrZero
    avg_px: Amount | None = None
    commission: AmountOrZero = Decimal(0)
    reason: Text
