"""Settings: frozen, validated once, every error reported at once, the unit in each name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches

from common.cloud_settings import (
    CLOUD_NAMES,
    SECRET_VERSION,
    CloudSettings,
    load_cloud_settings,
)
from common.domain.instrument import ALL_VENUES, Venue
from common.domain.market import INTERVAL_MS
from common.domain.money import parse_decimal
from common.domain.parent_order import DURATION_MAX_S, SLICES_MAX
from common.errors import ConfigurationError

VERSION = "0.1.0"
OPERATOR = "operator"
"""The agent and the deployment that the operator's own orders belong to."""
_RAW_KEY = re.compile(r"(0[xX])?[0-9a-fA-F]{64}")
_KEY_NAME = re.compile(
    r"PRIVATE|SECRET|SEED|MNEMONIC|WALLET|AGENT|SIGNER|SAPPHIRE.*KEY|\b(.*_)?PK\b", re.IGNORECASE
)
_URL = re.compile(r"https?://")
_NUMBERED = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmSettings:
    """SW-01, SW-02, SW-04: what the swarm watches, whom it believes, when it acts."""

    agent_id: str = "swarm"
    symbols: tuple[str, ...] = ("BTC", "ETH", "SOL", "DOGE", "PEPE", "WIF")
    interval: str = "5m"
    history_candles: int = 200
    weights: Mapping[str, Decimal] = field(
        default_factory=lambda: {
            "quant_alpha": Decimal("0.35"),
            "risk_guardian": Decimal("0.20"),
            "sentiment_sage": Decimal("0.20"),
            "degen_hunter": Decimal("0.25"),
        }
    )
    threshold_act: Decimal = Decimal("0.60")
    threshold_hold: Decimal = Decimal("0.40")
    agent_timeout_s: float = 5.0
    size_percentage: Decimal = Decimal("10")  # of a deployment's capital
    stop_percentage: Decimal = Decimal("2.5")
    signal_ttl: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """Hard limits that no policy can raise; quote currency and fractions."""

    max_notional_per_order: Decimal = Decimal("25000")
    max_exposure_per_deployment: Decimal = Decimal("20000")
    duplicate_window: timedelta = timedelta(seconds=1)
    snapshot_age_max: timedelta = timedelta(minutes=3)  # beyond the candle interval of the feed
    slippage_max: Decimal = Decimal("0.005")
    max_attempts: int = 3
    unresolved_after: timedelta = timedelta(
        minutes=10
    )  # of asking in vain, then a person is called
    delivery_grace: timedelta = timedelta(minutes=1)  # after a signal's expiry, for late messages
    reconcile_every: timedelta = timedelta(minutes=1)  # a round over all accounts begins
    reconcile_accounts_per_tick: int = 100
    late_fill_lookback: timedelta = timedelta(minutes=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSettings:
    """SW-08, SW-09: which algorithm works an order, and how it hides."""

    small_fraction: Decimal = Decimal("0.001")  # of the average hourly volume: below it, MARKET
    large_fraction: Decimal = Decimal("0.10")  # of the same: from it on, ICEBERG
    high_volatility: Decimal = Decimal("0.80")  # annualised, realised: from it on, TWAP
    duration_s: int = 600  # of a TWAP or VWAP that does not say
    slices: int = 10
    visible_fraction: Decimal = Decimal("0.05")  # of an iceberg that does not say
    rest_for: timedelta = timedelta(hours=1)  # LIMIT, ICEBERG, SNIPER that do not say
    finish_grace: timedelta = timedelta(minutes=3)  # after the last slice, for what did not fill
    catch_up_slices: int = 2  # a late slice is at most so many times the regular one
    failures_max: int = 5  # children in a row that came to nothing, before a parent gives up
    fuzz: Decimal = Decimal("0.02")  # of a child's quantity, either way
    jitter_min_ms: int = 100
    jitter_max_ms: int = 1500
    kelly_starter: Decimal = Decimal("0.01")  # of the capital: Kelly's fraction before a record


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """SW-07."""

    failures_to_open: int = 5
    open_for: timedelta = timedelta(seconds=60)
    successes_to_close: int = 3
    probe_timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramSettings:
    api_url: str = "https://api.telegram.org"
    chat_id: str | None = None
    bot_token_secret: str | None = None  # "name:version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(CloudSettings):
    mode: str = "paper"  # paper, live
    store: str = "sqlite"  # sqlite, firestore
    bus: str = "embedded"  # embedded, pubsub
    project: str = "sapphire-local"
    data_dir: str = ".sapphire"
    feed: str = "simulated"  # simulated, live, replay
    venues: tuple[Venue, ...] = ALL_VENUES
    network: str = ""  # mainnet, testnet: where live orders go
    api_token: str | None = field(default=None, repr=False)
    kek_version: str = "1"  # of the key-encryption key, in the secret store
    default_capital: Decimal = Decimal("10000")
    swarm: SwarmSettings = field(default_factory=SwarmSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    execution: ExecutionSettings = field(default_factory=ExecutionSettings)
    four_eyes: bool = False  # who halted does not resume
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    telegram: TelegramSettings = field(default_factory=TelegramSettings)
    venue_urls: Mapping[Venue, str] = field(default_factory=dict)
    further_urls: Mapping[str, str] = field(default_factory=dict)  # by variable: FURTHER
    api_key_secrets: Mapping[Venue, str] = field(default_factory=dict)  # "name:version"


VOLATILITY_MAX = 10
"""Annualised: 10 is 1,000 %, which no market keeps up; what is above it was meant in percent."""
FURTHER = (
    "ARBITRUM_RPC_URL",
    "ARBITRUM_PRIVATE_RPC_URL",
    "OSTIUM_SUBGRAPH_URL",
    "SPOT_TOKEN_LIST",
    "SYMPHONY_AGENT_ID",
    "SYMPHONY_SMART_ACCOUNT",
)
_CHOICES = {
    "SAPPHIRE_MODE": ("paper", "live"),
    "SAPPHIRE_STORE": ("sqlite", "firestore"),
    "SAPPHIRE_BUS": ("embedded", "pubsub"),
    "SAPPHIRE_FEED": ("simulated", "live", "replay"),
    "SAPPHIRE_FOUR_EYES": ("off", "on"),
}
_NETWORKS = ("mainnet", "testnet")
_PREFIX, _ALIKE = "SAPPHIRE_", 0.8  # of the letters behind the prefix, by difflib
KNOWN = (
    *_CHOICES,
    *CLOUD_NAMES,
    "SAPPHIRE_API_TOKEN",
    "SAPPHIRE_CAPITAL",
    "SAPPHIRE_DATA_DIR",
    "SAPPHIRE_DURATION_S",
    "SAPPHIRE_HIGH_VOLATILITY",
    "SAPPHIRE_INTERVAL",
    "SAPPHIRE_KEK_VERSION",
    "SAPPHIRE_KELLY_STARTER",
    "SAPPHIRE_LARGE_ORDER",
    "SAPPHIRE_NETWORK",
    "SAPPHIRE_SLICES",
    "SAPPHIRE_SMALL_ORDER",
    "SAPPHIRE_SYMBOLS",
    # Read elsewhere: by the command line, the cloud's queue, the local push and the tests.
    "SAPPHIRE_PORT",
    "SAPPHIRE_FUNCTION_URL",
    "SAPPHIRE_TASKS_QUEUE",
    "SAPPHIRE_PUSH_TOKEN",
    "SAPPHIRE_SHARED",
)
"""Every variable of the name SAPPHIRE_... that anything reads."""


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from the environment (design.md, Environment).

    Raises:
        ConfigurationError: names every bad variable at once, never its value where it is a secret.
    """
    problems: list[str] = []
    picked = {name: _choice(environ, name, choices, problems) for name, choices in _CHOICES.items()}
    _check_live(environ, picked, problems)
    _check_no_key(environ, problems)
    _check_venues(environ, problems)
    _check_spelling(environ, problems)
    _check_telegram(environ, picked, problems)
    kek_version = _kek_version(environ, problems)
    swarm = _swarm(environ, problems)
    capital = _decimal(environ, "SAPPHIRE_CAPITAL", Decimal("10000"), problems)
    execution = _execution(environ, problems)
    cloud = load_cloud_settings(environ, problems)
    if problems:
        raise ConfigurationError("; ".join(problems))
    return Settings(
        mode=picked["SAPPHIRE_MODE"],
        store=picked["SAPPHIRE_STORE"],
        bus=picked["SAPPHIRE_BUS"],
        feed=picked["SAPPHIRE_FEED"],
        project=environ.get("GOOGLE_CLOUD_PROJECT") or "sapphire-local",
        data_dir=environ.get("SAPPHIRE_DATA_DIR") or ".sapphire",
        api_token=environ.get("SAPPHIRE_API_TOKEN") or None,
        **{each.name: getattr(cloud, each.name) for each in fields(cloud)},
        kek_version=kek_version,
        default_capital=capital,
        swarm=swarm,
        execution=execution,
        four_eyes=picked["SAPPHIRE_FOUR_EYES"] == "on",
        telegram=TelegramSettings(
            api_url=environ.get("TELEGRAM_API_URL") or TelegramSettings().api_url,
            chat_id=environ.get("TELEGRAM_CHAT_ID") or None,
            bot_token_secret=environ.get("TELEGRAM_BOT_TOKEN_SECRET") or None,
        ),
        venue_urls={
            venue: environ[f"{venue}_API_URL"]
            for venue in ALL_VENUES
            if environ.get(f"{venue}_API_URL")
        },
        network=environ.get("SAPPHIRE_NETWORK") or "",
        further_urls={name: environ[name] for name in FURTHER if environ.get(name)},
        api_key_secrets={
            venue: environ[f"{venue}_API_KEY_SECRET"]
            for venue in ALL_VENUES
            if environ.get(f"{venue}_API_KEY_SECRET")
        },
    )


def _execution(environ: Mapping[str, str], problems: list[str]) -> ExecutionSettings:
    """The thresholds of the selection matrix, and what an algorithm does that is not told more."""
    known = ExecutionSettings()
    small = _decimal(environ, "SAPPHIRE_SMALL_ORDER", known.small_fraction, problems)
    large = _decimal(environ, "SAPPHIRE_LARGE_ORDER", known.large_fraction, problems)
    if small > large:
        problems.append("SAPPHIRE_SMALL_ORDER must not be above SAPPHIRE_LARGE_ORDER")
    volatility = _decimal(environ, "SAPPHIRE_HIGH_VOLATILITY", known.high_volatility, problems)
    fractions = (
        ("SAPPHIRE_SMALL_ORDER", small, 1),
        ("SAPPHIRE_LARGE_ORDER", large, 1),
        ("SAPPHIRE_HIGH_VOLATILITY", volatility, VOLATILITY_MAX),
    )
    problems += [
        f"{name} must be at most {most}: a fraction, 0.05 is 5 %"
        for name, value, most in fractions
        if value > most
    ]
    starter = _decimal(environ, "SAPPHIRE_KELLY_STARTER", known.kelly_starter, problems)
    if starter > 1:
        problems.append("SAPPHIRE_KELLY_STARTER must be at most 1, the whole capital")
    slices = _whole(environ, "SAPPHIRE_SLICES", known.slices, SLICES_MAX, problems)
    duration_s = _whole(environ, "SAPPHIRE_DURATION_S", known.duration_s, DURATION_MAX_S, problems)
    if slices > duration_s:
        problems.append("SAPPHIRE_SLICES must not be above SAPPHIRE_DURATION_S: a second a slice")
    return replace(
        known,
        small_fraction=small,
        large_fraction=large,
        high_volatility=volatility,
        duration_s=duration_s,
        slices=slices,
        kelly_starter=starter,
    )


def _whole(
    environ: Mapping[str, str], name: str, default: int, most: int, problems: list[str]
) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= most):
        problems.append(f"{name} must be a whole number from 1 to {most}")
        return default
    return int(text)


def _check_live(environ: Mapping[str, str], picked: Mapping[str, str], problems: list[str]) -> None:
    """Live trading is never entered by one variable alone."""
    network, feed = environ.get("SAPPHIRE_NETWORK") or "", picked["SAPPHIRE_FEED"]
    if picked["SAPPHIRE_MODE"] != "live":
        if network not in {"", *_NETWORKS}:
            problems.append("SAPPHIRE_NETWORK must be one of mainnet, testnet")
        return
    if network not in _NETWORKS:
        problems.append("SAPPHIRE_MODE=live needs SAPPHIRE_NETWORK=mainnet or testnet")
    if feed != "live":
        reason = f"real orders need real prices, not {feed} ones"
        problems.append(f"SAPPHIRE_MODE=live needs SAPPHIRE_FEED=live: {reason}")


def _check_no_key(environ: Mapping[str, str], problems: list[str]) -> None:
    """A raw private key in the environment would reach every child process and crash report."""
    problems += [
        f"{name} looks like a private key: keys come through `sapphire seal` alone"
        for name, value in environ.items()
        if _RAW_KEY.fullmatch(value.strip())
        and (value.strip()[:2] in {"0x", "0X"} or _KEY_NAME.search(name))
    ]


def _check_venues(environ: Mapping[str, str], problems: list[str]) -> None:
    """Of a URL or a secret's name nothing is repeated: it may hold a provider's key."""
    names = [*(f"{venue}_API_URL" for venue in ALL_VENUES), *FURTHER]
    problems += [
        f"{name} must begin with https:// or http://"
        for name in names
        if name.endswith("_URL") and not _URL.match(environ.get(name) or "https://")
    ]
    secrets = [f"{venue}_API_KEY_SECRET" for venue in ALL_VENUES]
    problems += [
        f"{name} must be NAME:VERSION of a secret, with a version's number"
        for name in secrets
        if environ.get(name) and not SECRET_VERSION.fullmatch(environ[name])
    ]


def _check_spelling(environ: Mapping[str, str], problems: list[str]) -> None:
    """A setting that was misspelt would not hold, and nobody would know. A name that is like none
    of ours is somebody else's, as those that a cluster gives a service called sapphire.
    """
    known = {name.removeprefix(_PREFIX): name for name in KNOWN}
    for name, value in environ.items():
        if not name.startswith(_PREFIX) or name in KNOWN or not value:
            continue
        near = get_close_matches(name.removeprefix(_PREFIX), known, n=1, cutoff=_ALIKE)
        problems += [f"{name} is no setting: do you mean {known[each]}?" for each in near]


def _check_telegram(
    environ: Mapping[str, str], picked: Mapping[str, str], problems: list[str]
) -> None:
    """Half of the two would have nobody told. In the cloud the token is a secret of `notify`
    alone, so that the other functions have the chat without it.
    """
    token, chat = environ.get("TELEGRAM_BOT_TOKEN"), environ.get("TELEGRAM_CHAT_ID")
    if token and not chat:
        problems.append("TELEGRAM_BOT_TOKEN needs TELEGRAM_CHAT_ID: whom would the bot write to")
    if chat and not token and picked["SAPPHIRE_STORE"] != "firestore":
        problems.append("TELEGRAM_CHAT_ID needs TELEGRAM_BOT_TOKEN: which bot would write there")


def _kek_version(environ: Mapping[str, str], problems: list[str]) -> str:
    version = environ.get("SAPPHIRE_KEK_VERSION") or "1"
    if not _NUMBERED.fullmatch(version):
        problems.append("SAPPHIRE_KEK_VERSION must be a version's number such as 1, never latest")
    return version


def _swarm(environ: Mapping[str, str], problems: list[str]) -> SwarmSettings:
    defaults = SwarmSettings()
    interval = environ.get("SAPPHIRE_INTERVAL") or defaults.interval
    if interval not in INTERVAL_MS:
        problems.append(f"SAPPHIRE_INTERVAL must be one of {', '.join(INTERVAL_MS)}")
    names = [name.strip() for name in environ.get("SAPPHIRE_SYMBOLS", "").split(",")]
    symbols = tuple(name for name in names if name) or defaults.symbols
    bad = [name for name in symbols if not (name.isascii() and name.isalnum() and len(name) <= 20)]
    if bad:
        problems.append("SAPPHIRE_SYMBOLS must be letters and digits, such as BTC,ETH")
    if len(set(symbols)) != len(symbols):
        problems.append("SAPPHIRE_SYMBOLS names a symbol twice")
    return SwarmSettings(symbols=symbols, interval=interval)


def _choice(
    environ: Mapping[str, str], name: str, choices: tuple[str, ...], problems: list[str]
) -> str:
    value = environ.get(name) or choices[0]
    if value not in choices:
        problems.append(f"{name} must be one of {', '.join(choices)}")
    return value


def _decimal(
    environ: Mapping[str, str], name: str, default: Decimal, problems: list[str]
) -> Decimal:
    if not environ.get(name):
        return default
    try:
        value = parse_decimal(environ[name])
    except ValueError as error:
        problems.append(f"{name} {error}")
        return default
    if value <= 0:
        problems.append(f"{name} must be above 0")
    return value
