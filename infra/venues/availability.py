"""Where nothing can be traded live, and why; shown wherever venues are listed."""

from common.config import Settings
from common.domain.instrument import Venue
from infra.venues.drift import capabilities as drift

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


def live_refusal(venue: Venue, settings: Settings) -> str | None:
    """Why this venue cannot be traded live with these settings; None when it can."""
    if venue is Venue.DRIFT:
        return drift.CAPABILITIES.live_refusal
    missing = [name for name in _NEEDS.get(venue, ()) if not _is_set(venue, name, settings)]
    if missing:
        return f"{venue.label} is not set up for live trading: {', '.join(missing)} is missing"
    return None


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
