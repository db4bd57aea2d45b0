"""The bodies that change limits and enable throttles. Limits come as text and become Decimals."""

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue

from common.domain.money import parse_decimal
from infra.web.fields import Payload, PersonName, ScopeKey, Symbol, Text

SYMBOLS_MAX = 200


def _exact(value: object) -> object:
    """A JSON number may have been through a float already. How far it may go, the caps say."""
    if not isinstance(value, str):
        raise ValueError('must be text such as "2500.50", not a number')
    return parse_decimal(value)


Limit = Annotated[Decimal, BeforeValidator(_exact, json_schema_input_type=str)]
Quantities = Annotated[dict[Symbol, Limit | None], Field(max_length=SYMBOLS_MAX)]


def _example(**fields: JsonValue) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [dict(fields)]})


class ChangeOrderLimits(Payload):
    """Of each order. Fractions: 0.05 is 5 %."""

    max_notional: Limit | None = None
    max_quantity: Quantities | None = None
    price_collar: Limit | None = None
    period_collar: Limit | None = None
    period_s: int | None = None


class ChangeDeploymentLimits(Payload):
    """Of each deployment within the scope."""

    max_exposure: Limit | None = None
    max_leverage: Limit | None = None
    max_concentration: Limit | None = None
    max_open_orders: int | None = None
    max_messages_per_minute: int | None = None
    repeats_max: int | None = None
    repeats_window_s: int | None = None
    max_daily_loss: Limit | None = None
    max_drawdown: Limit | None = None
    losses_in_row_max: int | None = None
    cool_down_s: int | None = None
    margin_fraction: Limit | None = None
    margin_buffer: Limit | None = None
    liquidation_buffer: Limit | None = None


class ChangeTotalLimits(Payload):
    """Of the scope as a whole."""

    max_exposure: Limit | None = None
    max_open_orders: int | None = None
    max_messages_per_second: int | None = None
    max_messages_per_minute: int | None = None
    max_daily_loss: Limit | None = None


class ChangeLimits(Payload):
    """`scope` is platform, venue:GMX, agent:v3:agt_... or deployment:dep_...

    What is named is changed, and null takes a limit away; what is not named stays as it is.
    """

    model_config = _example(
        scope="venue:GMX",
        order={"max_notional": "5000"},
        total={"max_exposure": "100000", "max_open_orders": 200},
        reason="thin books this week",
        by="Ada",
    )

    scope: ScopeKey
    order: ChangeOrderLimits | None = None
    deployment: ChangeDeploymentLimits | None = None
    total: ChangeTotalLimits | None = None
    reason: Text
    by: PersonName | None = None

    def named(self) -> dict[str, dict[str, object]]:
        """The fields that the body names, by block; a null among them."""
        blocks = {"order": self.order, "deployment": self.deployment, "total": self.total}
        return {
            block: {name: getattr(given, name) for name in sorted(given.model_fields_set)}
            for block, given in blocks.items()
            if given is not None
        }


class EnableThrottle(Payload):
    """A person says that the orders were meant; nobody and nothing else enables them again."""

    model_config = _example(by="Ada", reason="the feed repeated itself, and is mended")

    by: PersonName
    reason: Text
