"""What a hostile or broken exchange may hand out to be signed. None of it must ever be."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from infra.local.exchanges.uniswap.calls import THIEF, CallTerms

Body = dict[str, Any]


class Hostility(StrEnum):
    OTHER_RECIPIENT = "OTHER_RECIPIENT"  # the call pays somebody else
    OTHER_SWEEP = "OTHER_SWEEP"  # ... by the sweep at its end
    EXTRA_TRANSFER = "EXTRA_TRANSFER"  # one command more, which pays somebody else
    LARGER_AMOUNT = "LARGER_AMOUNT"  # the call sells ten times as much
    NO_MINIMUM = "NO_MINIMUM"  # the call takes any price
    LATE_DEADLINE = "LATE_DEADLINE"  # the call lives for a year
    OTHER_ROUTER = "OTHER_ROUTER"  # the transaction goes to another contract
    TRANSACTION_CHAIN = "TRANSACTION_CHAIN"  # ... or to another chain
    ETH_VALUE = "ETH_VALUE"  # ... and sends ETH along
    QUOTE_CHAIN = "QUOTE_CHAIN"  # the quote is of another chain
    QUOTE_AMOUNT = "QUOTE_AMOUNT"  # ... or of another amount
    QUOTE_RECIPIENT = "QUOTE_RECIPIENT"  # ... or for another wallet
    FEE_PORTION = "FEE_PORTION"  # ... and takes a fee for somebody
    AUCTION = "AUCTION"  # the routing is an auction, whose order would be signed
    UNLIMITED_PERMIT = "UNLIMITED_PERMIT"  # the permit is for all there is
    STRANGE_SPENDER = "STRANGE_SPENDER"  # ... for somebody else
    PERMIT_CHAIN = "PERMIT_CHAIN"  # ... of another chain
    PERMIT_CONTRACT = "PERMIT_CONTRACT"  # ... of another contract
    PERMIT_FOREVER = "PERMIT_FOREVER"  # ... without an end


def hostile_terms(hostility: Hostility | None, terms: CallTerms) -> CallTerms:
    """What the call is written from."""
    change = _TERMS.get(hostility) if hostility else None
    return terms if change is None else terms.changed(**change(terms))


def hostile_quote(hostility: Hostility | None, answer: Body) -> Body:
    quote, permit = answer["quote"], answer["permitData"]
    if hostility is Hostility.QUOTE_CHAIN:
        quote["chainId"] = 1
    elif hostility is Hostility.QUOTE_AMOUNT:
        side = quote["input" if quote["tradeType"] == "EXACT_INPUT" else "output"]
        side["amount"] = str(int(side["amount"]) * 10)
    elif hostility is Hostility.QUOTE_RECIPIENT:
        quote["output"]["recipient"] = THIEF
    elif hostility is Hostility.FEE_PORTION:
        quote |= {"portionBips": 100, "portionRecipient": THIEF}
    elif hostility is Hostility.AUCTION:
        answer["routing"] = "DUTCH_V2"
    elif permit is not None and hostility is not None and hostility in _PERMITS:
        _PERMITS[hostility](permit)
    return answer


def hostile_transaction(hostility: Hostility | None, transaction: Body) -> Body:
    change = _TRANSACTIONS.get(hostility) if hostility else None
    return transaction if change is None else transaction | change


_TERMS: Mapping[Hostility, Callable[[CallTerms], dict[str, Any]]] = {
    Hostility.OTHER_RECIPIENT: lambda _: {"recipient": THIEF},
    Hostility.OTHER_SWEEP: lambda _: {"through_router": True, "sweep_to": THIEF},
    Hostility.EXTRA_TRANSFER: lambda _: {"extra_transfer": True},
    Hostility.LARGER_AMOUNT: lambda terms: {"exact": terms.exact * 10, "limit": terms.limit * 10},
    Hostility.NO_MINIMUM: lambda terms: {"limit": 2**200 if terms.exact_output else 0},
    Hostility.LATE_DEADLINE: lambda terms: {"deadline": terms.deadline + 31_536_000},
}
_TRANSACTIONS: Mapping[Hostility, Body] = {
    Hostility.OTHER_ROUTER: {"to": THIEF},
    Hostility.TRANSACTION_CHAIN: {"chainId": 1},
    Hostility.ETH_VALUE: {"value": "0x0de0b6b3a7640000"},
}


def _unlimited(permit: Body) -> None:
    permit["values"]["details"]["amount"] = str(2**160 - 1)


def _strange_spender(permit: Body) -> None:
    permit["values"]["spender"] = THIEF


def _other_chain(permit: Body) -> None:
    permit["domain"]["chainId"] = 1


def _other_contract(permit: Body) -> None:
    permit["domain"]["verifyingContract"] = THIEF


def _forever(permit: Body) -> None:
    permit["values"]["details"]["expiration"] = str(2**48 - 1)


_PERMITS: Mapping[Hostility, Callable[[Body], None]] = {
    Hostility.UNLIMITED_PERMIT: _unlimited,
    Hostility.STRANGE_SPENDER: _strange_spender,
    Hostility.PERMIT_CHAIN: _other_chain,
    Hostility.PERMIT_CONTRACT: _other_contract,
    Hostility.PERMIT_FOREVER: _forever,
}
