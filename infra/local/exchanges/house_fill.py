"""What a stand-in knows of one fill: the oracle for our books, which must hold each once."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseFill:
    """In tokens; `trade_id` is the one that our adapter gives the fill."""

    trade_id: str
    symbol: str
    side: str  # BUY, SELL
    quantity: Decimal
    price: Decimal
    account: str
    client_order_id: str = ""  # where the venue knows it
