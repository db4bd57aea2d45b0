"""Where nothing can be traded live, and why; shown wherever venues are listed."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from common.config import Settings
from common.domain.instrument import Venue
from common.errors import InvalidInputError
from infra.venues.drift import capabilities as drift

if TYPE_CHECKING:
    from infra.venues.spot.tokens import Token

_NEEDS = {
    Venue.OSTIUM: ("ARBITRUM_RPC_URL",),
    Venue.SPOT: ("ARBITRUM_RPC_URL", "SPOT_API_KEY_SECRET"),
    Venue.SYMPHONY: (
        "SYMPHONY_AGENT_ID",
        "SYMPHONY_SMART_ACCOUNT",
        "SYMPHONY_API_KEY_SECRET",
    ),
}
"""The variables without which a venue cannot be reached."""

_LISTED_IN = "SPOT_TOKEN_LIST"


def live_refusal(venue: Venue, settings: Settings) -> str | None:
    """Why this venue cannot be traded live with these settings; None when it can."""
    if venue is Venue.DRIFT:
        return drift.CAPABILITIES.live_refusal
    missing = [name for name in _NEEDS.get(venue, ()) if not _is_set(venue, name, settings)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return f"{venue.label} is not set up for live trading: {', '.join(missing)} {verb} missing"
    if settings.network == "testnet" and not _has_testnet(venue, settings):
        return f"{venue.label} has no testnet"
    return _token_list_refusal(settings) if venue is Venue.SPOT else None


def further_tokens(settings: Settings) -> "tuple[Token, ...]":
    """The user's own spot tokens (SPOT_TOKEN_LIST). Raises InvalidInputError: the list is bad."""
    path = settings.further_urls.get(_LISTED_IN)
    return _read_tokens(Path(path)) if path else ()


@cache
def _read_tokens(path: Path) -> "tuple[Token, ...]":
    from infra.venues.spot.token_list import read_token_list
    from infra.venues.spot.tokens import ARBITRUM

    return read_token_list(path, chain_id=ARBITRUM)


def _token_list_refusal(settings: Settings) -> str | None:
    try:
        further_tokens(settings)
    except InvalidInputError as error:
        return f"{_LISTED_IN} is refused: {error}"
    return None


def _has_testnet(venue: Venue, settings: Settings) -> bool:
    """Symphony's one API moves real money, so on testnet it must be another's: a stand-in's."""
    if venue is Venue.SYMPHONY:
        return venue in settings.venue_urls
    return venue is not Venue.SPOT


def live_refusals(settings: Settings) -> dict[Venue, str]:
    """By venue; empty on paper, where every venue trades."""
    if settings.mode != "live":
        return {}
    found = {venue: live_refusal(venue, settings) for venue in settings.venues}
    return {venue: reason for venue, reason in found.items() if reason is not None}


def _is_set(venue: Venue, name: str, settings: Settings) -> bool:
    if name.endswith("_API_KEY_SECRET"):
        return venue in settings.api_key_secrets
    return name in settings.further_urls
