"""The transaction that the exchange wrote: its frame checked, before its call is read. Pure."""

from dataclasses import dataclass
from typing import Final

from common.errors import RejectedError
from infra.venues.fields import Answer
from infra.venues.spot.permit import ROUTERS
from infra.venues.spot.quote import same_address
from infra.venues.spot.swap import Swap

GAS_LIMIT_MAX: Final = 5_000_000  # Arbitrum counts what the call costs on Ethereum as gas, too
_DATA_TEXT_MAX: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterCall:
    """What will be signed: to a router that we know, without ETH. We set nonce, gas and fees."""

    to: str
    data: bytes


def check_transaction(answer: Answer, swap: Swap) -> RouterCall:
    """Raises RejectedError: TRANSACTION_DIFFERS, and in which field."""
    if answer.get("chainId") != swap.chain_id or isinstance(answer.get("chainId"), bool):
        raise _differs("chainId", f"{answer.get('chainId')!a}, not {swap.chain_id}")
    if not same_address(answer.get("from"), swap.wallet):
        raise _differs("from", "not the wallet that trades")
    to = answer.get("to")
    router = next((item for item in ROUTERS[swap.chain_id] if same_address(to, item)), None)
    if router is None:
        raise _differs("to", "not a Universal Router that we know")
    if _number(answer, "value") != 0:
        raise _differs("value", "it sends ETH along, and the swap is of tokens")
    if answer.get("gasLimit") is not None:
        gas_limit = _number(answer, "gasLimit")
        if not 21_000 <= gas_limit <= GAS_LIMIT_MAX:
            raise _differs("gasLimit", f"{gas_limit}, not in 21000..{GAS_LIMIT_MAX}")
    return RouterCall(to=router, data=_data(answer))


def _number(answer: Answer, field: str) -> int:
    """Decimal or 0x text, or a whole number; the API writes both."""
    value = answer.get(field)
    if isinstance(value, str) and value.isascii() and len(value) <= 80:
        try:
            value = int(value, 16) if value.startswith("0x") else int(value)
        except ValueError:
            value = None
    if type(value) is not int or value < 0:
        raise _differs(field, "not a number")
    return value


def _data(answer: Answer) -> bytes:
    value = answer.get("data")
    if not isinstance(value, str) or not value.startswith("0x") or len(value) > _DATA_TEXT_MAX:
        raise _differs("data", "not 0x and hexadecimal digits")
    try:
        data = bytes.fromhex(value[2:])
    except ValueError:
        raise _differs("data", "not 0x and hexadecimal digits") from None
    if not data:
        raise _differs("data", "empty")
    return data


def _differs(field: str, message: str) -> RejectedError:
    return RejectedError("TRANSACTION_DIFFERS", f"the transaction's {field}: {message}")
