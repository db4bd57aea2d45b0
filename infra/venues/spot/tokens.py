"""The tokens that may be swapped, written by hand: chain, address, decimals, symbol.

A token is never found by searching its symbol at an exchange: anyone can name a token anything.
Addresses and decimals as in GMX's own token fixtures (gmx-io/gmx-interface, arbitrumTokens.json),
non-synthetic entries alone; `trades_as` is the name that our agents use for it. What Arbitrum holds
of SOL, OP, WIF and APE came over a bridge and trades thinly: the order's price bound decides.
"""

from dataclasses import dataclass, field

from common.errors import ConfigurationError

ARBITRUM = 42161
CHAIN_IDS = {"mainnet": ARBITRUM}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    chain_id: int
    address: str  # with its EIP-55 checksum
    decimals: int
    symbol: str  # the contract's own: WETH
    trades_as: str  # ours: ETH


USDC = Token(
    chain_id=ARBITRUM,
    address="0xaf88d065e77c8cC2239327C5EDb3A432268e5831",  # native, not the bridged USDC.e
    decimals=6,
    symbol="USDC",
    trades_as="USDC",
)

_ARBITRUM = """
BTC    WBTC   8  0x2f2a2543B76A4166549F7aaB2e75Bef0aefC5B0f
ETH    WETH   18 0x82aF49447D8a07e3bd95BD0d56f35241523fBab1
SOL    SOL    9  0x2bcC6D6CdBbDC0a4071e48bb3B969b06B3330c07
LINK   LINK   18 0xf97f4df75117a78c1A5a0DBb814Af92458539FB4
UNI    UNI    18 0xFa7F8980b0f1E64A2062791cc3b0871572f1F7f0
AAVE   AAVE   18 0xba5DdD1f9d7F570dc94a51479a000E3BCE967196
ARB    ARB    18 0x912CE59144191C1204E64559FE8253a0e49E6548
OP     OP     18 0xaC800FD6159c2a2CB8fC31EF74621eB430287a5A
PENDLE PENDLE 18 0x0c880f6761F1af8d9Aa9C466984b80DAb9a8c9e8
GMX    GMX    18 0xfc5A1A6EB076a2C7aD06eD22C90d7E710E35ad0a
PEPE   PEPE   18 0x25d887Ce7a35172C62FeBFD67a1856F20FaEbB00
WIF    WIF    6  0xA1b91fe9FD52141Ff8cac388Ce3F10BFDc1dE79d
APE    APE    18 0x7f9FBf9bDd3F4105C478b996B648FE6e828a1e98
"""


def _curated() -> tuple[Token, ...]:
    rows = (line.split() for line in _ARBITRUM.strip().splitlines())
    return tuple(
        Token(
            chain_id=ARBITRUM,
            address=address,
            decimals=int(decimals),
            symbol=symbol,
            trades_as=ours,
        )
        for ours, symbol, decimals, address in rows
    )


CURATED = _curated()


@dataclass(frozen=True, slots=True)
class TokenBook:
    """The tokens of one chain, and the dollar that they are bought with."""

    chain_id: int
    quote: Token
    tokens: tuple[Token, ...]
    _by_symbol: dict[str, Token] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = {token.trades_as: token for token in self.tokens}
        object.__setattr__(self, "_by_symbol", table)

    def find(self, symbol: str) -> Token | None:
        """By our own name, in this list alone."""
        return self._by_symbol.get(symbol)


def token_book(network: str, further: tuple[Token, ...] = ()) -> TokenBook:
    """The curated tokens and `further` ones of the user's own list (`token_list.py`).

    Raises ConfigurationError: the network has no curated list.
    """
    if network not in CHAIN_IDS:
        raise ConfigurationError(f"SPOT: no token list for the network {network!r}; use mainnet")
    return TokenBook(CHAIN_IDS[network], USDC, (*CURATED, *further))
