"""The guard in the cloud. On a person's machine stand-ins of venues are on loopback, and may be."""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from common.config import Settings
from common.errors import ConfigurationError
from infra.outside.urls import outside_host

if TYPE_CHECKING:
    import httpx

_EMULATORS = ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST")


def guarding_transport(limits: "httpx.Limits") -> "httpx.AsyncBaseTransport | None":
    """For a client of httpx that asks the outside: on Cloud Run the guard, elsewhere None, which
    is httpx's own.
    """
    if "K_SERVICE" not in os.environ:  # which Cloud Run sets, and nobody else
        return None
    from infra.outside.transport import OutsideTransport

    return OutsideTransport(limits=limits)


def check_outside(settings: Settings, environ: Mapping[str, str]) -> None:
    """Whether every address in the settings of a function in the cloud is one of the outside.

    Raises:
        ConfigurationError: names each variable and what is wrong, never the address.
    """
    problems = [
        f"{name} is set, and would send everything to an emulator"
        for name in _EMULATORS
        if environ.get(name)
    ]
    for name, url in _addresses(settings):
        try:
            outside_host(url)
        except ValueError as error:
            problems.append(f"{name} {error}")
    if problems:
        raise ConfigurationError("; ".join(problems))


def _addresses(settings: Settings) -> Iterator[tuple[str, str]]:
    for venue, url in settings.venue_urls.items():
        yield f"{venue}_API_URL", url
    for name, text in settings.further_urls.items():
        if name.endswith("_URL"):
            yield name, text
    yield "TELEGRAM_API_URL", settings.telegram.api_url
    if settings.push_certs_url:
        yield "SAPPHIRE_PUSH_CERTS_URL", settings.push_certs_url
