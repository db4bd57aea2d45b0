"""A quote of the Trading API: what is asked, and what its answer must say. Pure.

Source: api-docs.uniswap.org, POST /quote (read 2026-11). A quote lives about 30 s; it is never used
again, only asked for again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from common.errors import InvalidInputError, RejectedError
from infra.venues.fields import Answer, as_list, as_object, text
from infra.venues.spot.swap import Swap
from infra.venues.spot.tokens import Token

LIFE = timedelta(seconds=30)
PROTOCOLS = ("V2", "V3")  # pools whose calls we can read before signing; no auctions (UniswapX)
FIRST_SLIPPAGE = Decimal("0.10")  # percent; what others may take from a swap, too
UNITS_MAX = 2**160 - 1  # what Permit2 can count


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    raw: Answer  # handed back to /swap as it came
    permit: Answer | None  # what the wallet must sign first; None: it has signed before
    amount_in: int
    amount_out: int
    slippage: Decimal  # percent, as asked
    expires_at: datetime

    def guaranteed(self, swap: Swap) -> int:
        """The worst of the quote token with this slippage: what the call will carry."""
        if swap.buys:
            return int(self.amount_in * (100 + self.slippage) / 100)
        return int(self.amount_out * (100 - self.slippage) / 100)


def quote_request(swap: Swap, slippage: Decimal) -> dict[str, Any]:
    """EXACT permit: the wallet's signature allows this swap's amount, not every later one."""
    return {
        "type": swap.kind,
        "amount": str(swap.amount),
        "tokenIn": swap.token_in.address,
        "tokenOut": swap.token_out.address,
        "tokenInChainId": swap.chain_id,
        "tokenOutChainId": swap.chain_id,
        "swapper": swap.wallet,
        "slippageTolerance": float(slippage),
        "routingPreference": "BEST_PRICE",
        "protocols": list(PROTOCOLS),
        "permitAmount": "EXACT",
        "generatePermitAsTransaction": False,
    }


def parse_quote(answer: object, swap: Swap, *, slippage: Decimal, asked_at: datetime) -> Quote:
    """The quote, every field of it as asked.

    Raises:
        InvalidInputError: not the shape of a quote.
        RejectedError: another swap than ours, an unknown routing, or beyond the order's price.
    """
    body = as_object(answer, "quote answer")
    routing = text(body, "routing", "quote answer")
    if routing != "CLASSIC":
        raise RejectedError("ROUTING_NOT_SUPPORTED", f"routing {routing!a}; only CLASSIC is traded")
    raw = as_object(body.get("quote"), "quote")
    _check_terms(raw, swap, slippage)
    paid = _side(raw, "input", swap.token_in)
    got = _side(raw, "output", swap.token_out)
    exact, other = (got, paid) if swap.buys else (paid, got)
    if exact != swap.amount:
        raise _differs(f"amount {exact}, not {swap.amount}")
    if other > swap.bound if swap.buys else other < swap.bound:
        raise RejectedError(
            "NOT_FILLED_WITHIN_BOUND",
            f"quoted {other} base units of {_quote_token(swap).symbol}, the bound is {swap.bound}",
        )
    permit = body.get("permitData")
    return Quote(
        raw=raw,
        permit=None if permit is None else as_object(permit, "permitData"),
        amount_in=paid,
        amount_out=got,
        slippage=slippage,
        expires_at=asked_at + LIFE,
    )


def tighter_slippage(quote: Quote, swap: Swap) -> Decimal | None:
    """The slippage (percent, two decimals, down) that just keeps the bound; None: it is kept."""
    worst = quote.guaranteed(swap)
    if worst <= swap.bound if swap.buys else worst >= swap.bound:
        return None
    quoted = quote.amount_in if swap.buys else quote.amount_out
    room = abs(Decimal(swap.bound) - quoted) / quoted * 100
    return room.quantize(Decimal("0.01"), rounding=ROUND_FLOOR)


def _check_terms(raw: Answer, swap: Swap, slippage: Decimal) -> None:
    if raw.get("chainId") != swap.chain_id:
        raise _differs(f"chain {raw.get('chainId')!a}, not {swap.chain_id}")
    if raw.get("tradeType") != swap.kind:
        raise _differs(f"trade type {raw.get('tradeType')!a}, not {swap.kind}")
    if not same_address(raw.get("swapper"), swap.wallet):
        raise _differs("it is for another wallet")
    recipient = as_object(raw.get("output"), "quote.output").get("recipient")
    if not same_address(recipient, swap.wallet):
        raise _differs("its output goes to another wallet")
    told = raw.get("slippage")
    percent = Decimal(str(told)) if type(told) in {int, float} else Decimal("NaN")
    if not percent.is_finite() or percent > slippage:
        raise _differs(f"slippage {told!a} %, not {slippage} %")
    if raw.get("portionBips") not in {None, 0}:
        raise _differs("it takes a fee that nobody agreed to")
    for number, output in enumerate(as_list(raw.get("aggregatedOutputs") or [], "outputs")):
        row = as_object(output, f"quote.aggregatedOutputs[{number}]")
        if not same_address(row.get("recipient"), swap.wallet):
            raise _differs("a part of its output goes to another wallet")


def _side(raw: Answer, name: str, token: Token) -> int:
    side = as_object(raw.get(name), f"quote.{name}")
    if not same_address(side.get("token"), token.address):
        raise _differs(f"its {name} is not {token.symbol}")
    return units(side, "amount", f"quote.{name}")


def units(answer: Answer, field: str, where: str, *, most: int = UNITS_MAX) -> int:
    """Base units: decimal digits as text, or a whole number, in 1..`most`."""
    value = answer.get(field)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 78:
        value = int(value)
    if type(value) is not int or not 0 < value <= most:
        raise InvalidInputError(f"not base units in 1..{most}", where=f"{where}.{field}")
    return value


def same_address(told: object, ours: str) -> bool:
    return isinstance(told, str) and told.lower() == ours.lower()


def _quote_token(swap: Swap) -> Token:
    return swap.token_in if swap.buys else swap.token_out


def _differs(message: str) -> RejectedError:
    return RejectedError("QUOTE_DIFFERS", f"the quote is not what was asked: {message}")
