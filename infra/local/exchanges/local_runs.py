"""The stand-ins as `sapphire exchange` serves them: priced, funded, and how to reach them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from common.domain.instrument import Venue
from common.domain.money import plain
from common.errors import InvalidInputError
from common.ports import Clock
from infra.local.exchanges.exchange import Exchange

STAND_INS = ("hyperliquid", "aster", "gmx", "ostium", "uniswap", "symphony")
PORTS = {name: port for port, name in enumerate(STAND_INS, start=8091)}
HYPERLIQUID_MARKS = {
    "BTC": "100000",
    "ETH": "3000",
    "SOL": "150",
    "DOGE": "0.15",
    "kPEPE": "0.0068",
    "WIF": "0.5",
    "PURR/USDC": "0.2",
}
OSTIUM_PRICES = {"BTC/USD": "100000", "ETH/USD": "3000", "EUR/USD": "1.16", "XAU/USD": "4100"}
UNISWAP_PRICES = {"ETH": "3000", "BTC": "100000", "SOL": "150", "LINK": "15", "WIF": "0.5"}
SYMPHONY_AGENT = "00000000-0000-4000-8000-000000000001"
SYMPHONY_API_KEY = "stand-in-key"
_HYPERLIQUID_DECIMALS = {"BTC": 5, "ETH": 4, "SOL": 2, "DOGE": 0, "kPEPE": 0, "WIF": 0}
_THOUSAND = Decimal(1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asked for. `marks` by our symbols; addresses in lower case.

    `network` None: testnet where the stand-in has one.
    """

    network: str | None = None
    marks: Mapping[str, Decimal] = field(default_factory=dict)
    wallet: str | None = None
    agents: tuple[str, ...] = ()
    deposit: Decimal = Decimal(10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """The platform's own key at a stand-in: kept as the secret `name`, told by `variable`."""

    variable: str
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """`addresses` are the variables whose value is the stand-in's URL, `fixed` those with another.

    `accounts` says what was opened, `approval` how one is opened and its agent approved.
    """

    exchange: Exchange
    venue: Venue
    network: str
    marks: Mapping[str, Decimal]
    addresses: tuple[str, ...]
    accounts: tuple[str, ...]
    approval: str
    fixed: Mapping[str, str] = field(default_factory=dict)
    api_key: ApiKey | None = None


def open_stand_in(name: str, wish: Wish, clock: Clock) -> StandIn:
    """Raises InvalidInputError: no such stand-in, or a mark, network or account it cannot have."""
    opened = _OPENED.get(name)
    if opened is None:
        raise InvalidInputError(f"no stand-in {name!r}; there are {', '.join(STAND_INS)}")
    if wish.agents and wish.wallet is None and name != "uniswap":
        raise InvalidInputError("whose agent is it? name the --wallet too", where="--agent")
    return opened(wish, clock)


def _hyperliquid(wish: Wish, clock: Clock) -> StandIn:
    from infra.local.exchanges.candles import QuietCandles
    from infra.local.exchanges.hyperliquid.assets import Listing
    from infra.local.exchanges.hyperliquid.exchange import HyperliquidExchange

    network = _network(wish, "testnet", "mainnet")
    marks = _priced(HYPERLIQUID_MARKS, wish.marks, units={"kPEPE": ("PEPE", _THOUSAND)})
    perps = [
        {"name": coin, "szDecimals": decimals, "maxLeverage": 20}
        for coin, decimals in _HYPERLIQUID_DECIMALS.items()
    ]
    tokens = [
        {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0},
        {"name": "PURR", "szDecimals": 0, "weiDecimals": 5, "index": 1},
    ]
    pair = {"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True}
    exchange = HyperliquidExchange(
        Listing.of({"universe": perps}, {"tokens": tokens, "universe": [pair]}),
        marks=marks,
        candles=QuietCandles(marks, clock),
        is_mainnet=network == "mainnet",
    )
    accounts = []
    if wish.wallet is not None:
        exchange.deposit(wish.wallet, wish.deposit)
        accounts.append(f"{wish.wallet} holds {plain(wish.deposit)} USDC")
        for number, agent in enumerate(wish.agents, start=1):
            try:
                exchange.approve_agent(wish.wallet, agent, clock.now(), name=f"agent {number}")
            except ValueError as error:
                raise InvalidInputError(f"{agent}: {error}", where="--agent") from None
            accounts.append(f"{agent} may trade for it")
    return StandIn(
        exchange=exchange,
        venue=Venue.HYPERLIQUID,
        network=network,
        marks=marks,
        addresses=("HYPERLIQUID_API_URL",),
        accounts=tuple(accounts),
        approval="--wallet MASTER --agent ADDRESS; more agents: --agent again, or the SDK's"
        " Exchange(wallet, URL).approve_agent(name)",
    )


def _aster(wish: Wish, clock: Clock) -> StandIn:
    from infra.local.exchanges.aster.exchange import AsterExchange
    from infra.local.exchanges.aster.markets import default_markets

    listed = {market.base: plain(market.mark) for market in default_markets()}
    units = {"1000PEPE": ("PEPE", _THOUSAND)}
    marks = _priced(listed, wish.marks, units=units)
    exchange = AsterExchange()
    for base, mark in marks.items():
        exchange.set_mark(base, mark, clock.now())
    if wish.wallet is not None:
        exchange.deposit(wish.wallet, wish.deposit)
        for agent in wish.agents:
            exchange.approve(wish.wallet, agent)
    return StandIn(
        exchange=exchange,
        venue=Venue.ASTER,
        network=_network(wish, "testnet", "mainnet"),
        marks=marks,
        addresses=("ASTER_API_URL",),
        accounts=_told(wish, "USDT"),
        approval="--wallet USER --agent ADDRESS",
    )


def _gmx(wish: Wish, clock: Clock) -> StandIn:
    from infra.local.exchanges.gmx.exchange import GmxExchange
    from infra.local.exchanges.gmx.markets import Listing

    listing = Listing()
    listed = {pool.index.symbol: plain(listing.marks[pool.index.symbol]) for pool in listing.pools}
    marks = _priced(listed, wish.marks)
    exchange = GmxExchange(listing)
    for symbol, mark in marks.items():
        exchange.set_mark(symbol, mark, clock.now())
    if wish.wallet is not None:
        exchange.deposit(wish.wallet, wish.deposit)
        for agent in wish.agents:
            exchange.approve_subaccount(wish.wallet, agent)
    return StandIn(
        exchange=exchange,
        venue=Venue.GMX,
        network=_network(wish, "mainnet"),
        marks=marks,
        addresses=("GMX_API_URL",),
        accounts=_told(wish, "USDC"),
        approval="--wallet USER --agent ADDRESS (a subaccount)",
    )


def _ostium(wish: Wish, clock: Clock) -> StandIn:
    from infra.local.exchanges.ostium.exchange import OstiumExchange

    network = _network(wish, "testnet", "mainnet")
    units = {name: (name.removesuffix("/USD"), Decimal(1)) for name in OSTIUM_PRICES}
    marks = _priced(OSTIUM_PRICES, wish.marks, units=units)
    exchange = OstiumExchange(marks, start=clock.now(), network=network)
    if len(wish.agents) > 1:
        raise InvalidInputError("Ostium knows one delegate for a wallet", where="--agent")
    if wish.wallet is not None:
        agent = wish.agents[0] if wish.agents else wish.wallet
        exchange.open_account(wish.wallet, agent, usdc=_whole(wish.deposit))
    return StandIn(
        exchange=exchange,
        venue=Venue.OSTIUM,
        network=network,
        marks=marks,
        addresses=("OSTIUM_API_URL", "ARBITRUM_RPC_URL"),
        accounts=_told(wish, "USDC, allowed to Ostium"),
        approval="--wallet USER --agent ADDRESS (its delegate, with ETH for gas)",
    )


def _uniswap(wish: Wish, clock: Clock) -> StandIn:
    from infra.local.exchanges.uniswap.exchange import API_KEY, UniswapExchange
    from infra.venues.spot.tokens import token_book

    network = _network(wish, "mainnet")
    marks = _priced(UNISWAP_PRICES, wish.marks)
    exchange = UniswapExchange(token_book(network), start=clock.now(), prices=marks)
    for agent in wish.agents:
        exchange.open_account(agent, {"USDC": wish.deposit})
    return StandIn(
        exchange=exchange,
        venue=Venue.SPOT,
        network=network,
        marks=marks,
        addresses=("SPOT_API_URL", "ARBITRUM_RPC_URL"),
        accounts=tuple(
            f"{agent} holds {plain(wish.deposit)} USDC and ETH for gas" for agent in wish.agents
        ),
        approval="--agent ADDRESS: the key's own address is the wallet that swaps",
        api_key=ApiKey(variable="SPOT_API_KEY_SECRET", name="uniswap-stand-in", value=API_KEY),
    )


def _symphony(wish: Wish, clock: Clock) -> StandIn:
    from infra.local.exchanges.symphony.exchange import PRICES, SymphonyExchange

    del clock
    if wish.agents:
        raise InvalidInputError("Symphony signs nothing: there is no agent", where="--agent")
    marks = _priced(PRICES, wish.marks)
    exchange = SymphonyExchange(agent_id=SYMPHONY_AGENT, api_key=SYMPHONY_API_KEY)
    exchange.prices.update(marks)
    fixed = {"SYMPHONY_AGENT_ID": SYMPHONY_AGENT}
    if wish.wallet is not None:
        exchange.subscribe(wish.wallet, wish.deposit)
        fixed["SYMPHONY_SMART_ACCOUNT"] = wish.wallet
    return StandIn(
        exchange=exchange,
        venue=Venue.SYMPHONY,
        network=_network(wish, "testnet", "mainnet"),
        marks=marks,
        addresses=("SYMPHONY_API_URL",),
        accounts=_told(wish, "USDC"),
        approval="--wallet SMART_ACCOUNT: its subscriber, and the deployment's user_wallet",
        fixed=fixed,
        api_key=ApiKey(
            variable="SYMPHONY_API_KEY_SECRET", name="symphony-stand-in", value=SYMPHONY_API_KEY
        ),
    )


_OPENED: Mapping[str, Callable[[Wish, Clock], StandIn]] = {
    "hyperliquid": _hyperliquid,
    "aster": _aster,
    "gmx": _gmx,
    "ostium": _ostium,
    "uniswap": _uniswap,
    "symphony": _symphony,
}


def _network(wish: Wish, *known: str) -> str:
    """The first of `known` unless another was asked for."""
    if wish.network is None:
        return known[0]
    if wish.network not in known:
        raise InvalidInputError(f"this stand-in knows {known[0]} alone", where="--network")
    return wish.network


def _priced(
    listed: Mapping[str, str],
    wished: Mapping[str, Decimal],
    *,
    units: Mapping[str, tuple[str, Decimal]] | None = None,
) -> dict[str, Decimal]:
    """The prices by the venue's names. `units`: a venue's name that is another than ours, and how
    many of ours it holds. Raises InvalidInputError: not listed.
    """
    marks = {name: Decimal(mark) for name, mark in listed.items()}
    ours = {name: (units or {}).get(name, (name, Decimal(1))) for name in listed}
    names = {symbol: (name, unit) for name, (symbol, unit) in ours.items()}
    for symbol, mark in wished.items():
        if symbol not in names:
            raise InvalidInputError(
                f"{symbol} is not listed; there are {_listed(names)}", where="--mark"
            )
        name, unit = names[symbol]
        marks[name] = mark * unit
    return marks


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _told(wish: Wish, what: str) -> tuple[str, ...]:
    if wish.wallet is None:
        return ()
    agents = (f"{agent} may trade for it" for agent in wish.agents)
    return (f"{wish.wallet} holds {plain(wish.deposit)} {what}", *agents)


def _whole(amount: Decimal) -> int:
    if amount != amount.to_integral_value():
        raise InvalidInputError("this stand-in takes whole dollars", where="--deposit")
    return int(amount)
