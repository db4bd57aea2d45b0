"""What Aster's error codes prove (asterdex/api-docs, V3 futures, Error Codes).

A code that is not in the table proves nothing, and neither does any text that speaks of a
duplicate: a duplicate means that the first one may have been taken. -4225 ("Nonce Expired") is
said both of a nonce that is too old and of one that was used, so it proves nothing as well.
"""

from common.errors import (
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    SapphireError,
)

NO_SUCH_ORDER = -2013
CANCEL_REJECTED = -2011
TOO_MANY = frozenset({-1003, -1015})  # "too many requests", "too many new orders"

_BY_CODE: dict[str, tuple[int, ...]] = {
    "ORDER_INVALID": (
        *(-1013, -1014, -1020, -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1111, -1114),
        *(-1115, -1116, -1117, -1128, -1130, -1136, -4015, -4029, -4030, -4062),
    ),
    "NOT_AUTHORIZED": (-1002, -1011, -2014, -2015, -4088),
    "SIGNATURE_REFUSED": (-1022,),
    "INSTRUMENT_NOT_LISTED": (-1121,),
    "MARKET_CLOSED": (-2016, -4140, -4141),
    "REFUSED_BY_VENUE": (-2010,),
    "INSUFFICIENT_MARGIN": (-2018, -2019, -2027, -2028, -4050, -4051),
    "NOT_FILLED_WITHIN_BOUND": (-1112, -2020, -4131),
    "TRIGGER_ALREADY_PASSED": (-2021, -4142),
    "REDUCE_ONLY": (-2022, -2024, -2026, -4087, -4118),
    "IN_LIQUIDATION": (-2023,),
    "TOO_MANY_OPEN_ORDERS": (-2025, -4045),
    "PRICE_OUT_OF_RANGE": (-4001, -4002, -4006, -4007, -4013, -4016, -4024, -4183, -4184),
    "PRICE_NOT_ON_TICK": (-4014,),
    "QUANTITY_BELOW_MINIMUM": (-4003, -4004),
    "QUANTITY_EXCEEDS_MAXIMUM": (-4005,),
    "QUANTITY_NOT_ON_LOT": (-4023,),
    "POSITION_MODE": (-4060, -4061),
    "NOTIONAL_BELOW_MINIMUM": (-4164,),
}
_DEFINITIVE = {number: code for code, numbers in _BY_CODE.items() for number in numbers}


def verdict(code: int, text: str, *, retry_after_s: float | None = None) -> SapphireError:
    """The error that an order's answer with this code and text is.

    Never more than a short part of the text is repeated.
    """
    said = f"Aster: {code} {text[:120]}"
    if code in TOO_MANY:
        return RateLimitedError(said, retry_after_s=retry_after_s)
    ours = _DEFINITIVE.get(code)
    if ours is None or "duplicat" in text.lower():
        return OutcomeUnknownError(said)
    return RejectedError(ours, said)
