"""What the settings say, and what others answer: prices, Telegram, the time."""

from datetime import timedelta

from common.how.limits import check_price_age
from common.reporting.preflight_ports import PreflightLine, PreflightPorts, green, red, said
from common.text import price

SKEW_MAX = timedelta(seconds=2)
_HALF_A_SECOND = timedelta(milliseconds=500)
_NOT_ON_PAPER = "not needed on paper"


async def check_mode(ports: PreflightPorts) -> PreflightLine:
    settings = ports.settings
    if not ports.live:
        return green("mode", f"paper, {settings.feed} prices: no order leaves this machine")
    if settings.network not in {"mainnet", "testnet"} or settings.feed != "live":
        return red(
            "mode",
            f"live on {settings.network or 'no network'} with {settings.feed} prices",
            "set SAPPHIRE_NETWORK=testnet (or mainnet) and SAPPHIRE_FEED=live",
        )
    return green("mode", f"live on {settings.network}: orders go to the venues")


async def check_prices(ports: PreflightPorts) -> PreflightLine:
    if ports.settings.feed == "replay":
        return green("prices", "a recording: none is asked for")
    symbol = ports.settings.swarm.symbols[0]
    snapshot = await ports.make_feed().snapshot(symbol, candles=1)
    now = ports.clock.now()
    refusal = check_price_age(snapshot, now=now, limits=ports.settings.limits)
    if refusal is not None:
        return red(
            "prices",
            refusal.reason,
            "see whether the source of prices works, and whether this machine's clock is right",
        )
    age = max(0, int((now - snapshot.observed_at).total_seconds()))
    return green("prices", f"{symbol} {price(snapshot.mark)}, {age} s old ({snapshot.source})")


async def check_telegram(ports: PreflightPorts) -> PreflightLine:
    told = await ports.check_messenger()
    if told is not None:
        return green("telegram", said(told))
    if not ports.live:
        return green("telegram", f"not set: {_NOT_ON_PAPER}")
    return red(
        "telegram",
        "not set: nobody would be told of a loss or a halt",
        "set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID; `sapphire exchange` prints those of a"
        " stand-in",
    )


async def check_api_token(ports: PreflightPorts) -> PreflightLine:
    if ports.settings.api_token:
        return green("api token", "set")
    if ports.settings.store == "sqlite":
        return green("api token", "none yet: the first start makes one and prints it")
    return red(
        "api token", "not set: nobody can sign in, so nobody can halt", "set SAPPHIRE_API_TOKEN"
    )


async def check_push(ports: PreflightPorts) -> PreflightLine:
    """In the cloud everybody can reach the functions; only our own bus and scheduler may."""
    settings, name = ports.settings, "push authentication"
    if settings.store != "firestore":
        return green(name, "not needed: the bus is on this machine")
    wanted = {
        "SAPPHIRE_PUSH_AUDIENCE": settings.push_audience,
        "SAPPHIRE_PUSH_SERVICE_ACCOUNT": settings.push_service_account,
    }
    missing = [variable for variable, value in wanted.items() if not value]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return red(name, f"{' and '.join(missing)} {verb} not set", f"set {' and '.join(missing)}")
    return green(name, f"tokens of {said(settings.push_service_account or '')}")


async def check_time(ports: PreflightPorts) -> PreflightLine:
    """An HTTP Date is cut to the second: the moment meant is half a second later on average."""
    name = "clock"
    if not ports.live:
        return green(name, _NOT_ON_PAPER)
    told = await ports.told_time()
    if told is None:
        return green(name, "nobody outside told the time")
    ours = told.asked_at + (told.answered_at - told.asked_at) / 2
    ahead = ours - told.moment - _HALF_A_SECOND
    words = f"{abs(ahead).total_seconds():.1f} s {'ahead of' if ahead > timedelta() else 'behind'}"
    if abs(ahead) <= SKEW_MAX:
        return green(name, f"{words} {said(told.source)}")
    return red(
        name,
        f"{words} {said(told.source)}: venues refuse what is signed at another time",
        "set this machine's clock by NTP (`timedatectl set-ntp true`)",
    )
