"""The Permit2 message that lets the router take this swap's tokens: read, checked, rebuilt. Pure.

The exchange sends what we are to sign. Nothing of it is signed as it came: each field is compared
with what the swap needs, and the typed data is built anew from Permit2's own types.
Source: Uniswap/permit2, IAllowanceTransfer.PermitSingle and EIP712.sol.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from common.errors import InvalidInputError, RejectedError
from infra.venues.fields import Answer, as_object
from infra.venues.spot.quote import same_address, units
from infra.venues.spot.swap import Swap

PERMIT2: Final = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
ROUTERS: Final = {  # Universal Router 2.0 (Uniswap/universal-router, deploy-addresses)
    42161: ("0xA51afAFe0263b40EdaEf0Df8781eA9aa03E381a3",),
}
ROUTER_VERSION: Final = "2.0"
EXPIRATION_MAX = timedelta(days=30, hours=1)  # the API's own 30 days; the amount is this swap's
SIGNATURE_LIFE_MAX = timedelta(hours=1)
AMOUNT_FACTOR_MAX = 2  # of what the swap pays at most
_UINT48 = 2**48 - 1

TYPES: Final = {
    "EIP712Domain": [
        {"name": "name", "type": "string"},
        {"name": "chainId", "type": "uint256"},
        {"name": "verifyingContract", "type": "address"},
    ],
    "PermitSingle": [
        {"name": "details", "type": "PermitDetails"},
        {"name": "spender", "type": "address"},
        {"name": "sigDeadline", "type": "uint256"},
    ],
    "PermitDetails": [
        {"name": "token", "type": "address"},
        {"name": "amount", "type": "uint160"},
        {"name": "expiration", "type": "uint48"},
        {"name": "nonce", "type": "uint48"},
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    token: str
    amount: int
    expiration: int
    nonce: int
    spender: str
    sig_deadline: int

    def typed_data(self, chain_id: int) -> dict[str, Any]:
        """EIP-712, whole, as eth_account's `encode_typed_data(full_message=...)` takes it."""
        return {
            "types": TYPES,
            "primaryType": "PermitSingle",
            "domain": {"name": "Permit2", "chainId": chain_id, "verifyingContract": PERMIT2},
            "message": {
                "details": {
                    "token": self.token,
                    "amount": self.amount,
                    "expiration": self.expiration,
                    "nonce": self.nonce,
                },
                "spender": self.spender,
                "sigDeadline": self.sig_deadline,
            },
        }


def check_permit(data: Answer, swap: Swap, *, pays: int, nonce: int, now: datetime) -> Permit:
    """The permit, field by field what the swap needs.

    `pays` is what the call may take at most, `nonce` is Permit2's own next one for this wallet,
    token and router.

    Raises:
        InvalidInputError: not the shape of a permit.
        RejectedError: PERMIT_DIFFERS, and in which field.
    """
    _check_domain(as_object(data.get("domain"), "permitData.domain"), swap)
    _check_types(as_object(data.get("types"), "permitData.types"))
    values = as_object(data.get("values"), "permitData.values")
    details = as_object(values.get("details"), "permitData.values.details")
    if not same_address(details.get("token"), swap.token_in.address):
        raise _differs("details.token", f"not {swap.token_in.symbol}")
    amount = units(details, "amount", "permitData.values.details", most=2**160 - 1)
    if not pays <= amount <= AMOUNT_FACTOR_MAX * max(pays, swap.pays_most):
        raise _differs("details.amount", f"{amount}, and the swap pays {pays}")
    spender = values.get("spender")
    router = next((item for item in ROUTERS[swap.chain_id] if same_address(spender, item)), None)
    if router is None:
        raise _differs("spender", "not a Universal Router that we know")
    return Permit(
        token=swap.token_in.address,
        amount=amount,
        expiration=_moment(details, "expiration", "details.", now, EXPIRATION_MAX),
        nonce=_nonce(details, nonce),
        spender=router,
        sig_deadline=_moment(values, "sigDeadline", "", now, SIGNATURE_LIFE_MAX),
    )


def _check_domain(domain: Answer, swap: Swap) -> None:
    if domain.get("name") != "Permit2" or set(domain) != {"name", "chainId", "verifyingContract"}:
        raise _differs("domain", "not Permit2's")
    if domain.get("chainId") != swap.chain_id or isinstance(domain.get("chainId"), bool):
        raise _differs("domain.chainId", f"{domain.get('chainId')!a}, not {swap.chain_id}")
    if not same_address(domain.get("verifyingContract"), PERMIT2):
        raise _differs("domain.verifyingContract", f"not {PERMIT2}")


def _check_types(types: Answer) -> None:
    for name in ("PermitSingle", "PermitDetails"):
        if types.get(name) != TYPES[name]:
            raise _differs(f"types.{name}", "not Permit2's")
    if set(types) - set(TYPES):
        raise _differs("types", "more types than Permit2 has")


def _moment(answer: Answer, field: str, prefix: str, now: datetime, longest: timedelta) -> int:
    value = units(answer, field, f"permitData.values.{prefix}".rstrip("."), most=_UINT48)
    started = int(now.timestamp())
    if not started < value <= started + longest.total_seconds():
        raise _differs(f"{prefix}{field}", f"{value}: over, or more than {longest} away")
    return value


def _nonce(details: Answer, nonce: int) -> int:
    told = details.get("nonce")
    if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) <= 15:
        told = int(told)
    if type(told) is not int:
        raise InvalidInputError("not a whole number", where="permitData.values.details.nonce")
    if told != nonce:
        raise _differs("details.nonce", f"{told}, and Permit2's next is {nonce}")
    return nonce


def _differs(field: str, message: str) -> RejectedError:
    return RejectedError("PERMIT_DIFFERS", f"the permit's {field}: {message}")
