"""The one place where ports meet adapters. Nothing is built or imported before it is asked for."""

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from common.config import Settings, load_settings
from common.domain.instrument import Capabilities, Venue
from common.errors import ConfigurationError
from common.ports import (
    Clock,
    DocumentStore,
    Instruments,
    MarketFeed,
    Messenger,
    Publisher,
    SecretStore,
    TokenVerifier,
    Venues,
)

if TYPE_CHECKING:
    from infra.keys.adder import SecretAdder
    from infra.venues.accounts import Accounts
    from infra.venues.parts import VenueParts

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Everything a handler may be given; what `make_...` makes is built at its first use."""

    settings: Settings
    clock: Clock
    store: DocumentStore
    publisher: Publisher
    verifier: TokenVerifier
    make_feed: Callable[[], MarketFeed]
    make_venues: Callable[[], Venues]
    make_instruments: Callable[[], Instruments]
    make_capabilities: Callable[[], Mapping[Venue, Capabilities]]
    make_secrets: Callable[[], SecretStore]
    make_secret_adder: "Callable[[], SecretAdder]"  # all of the secret store that the api gets
    make_accounts: "Callable[[], Accounts]"
    make_messenger: Callable[[], Messenger | None]  # None: no token, messages stay in the store
    read_api_token: Callable[[], Awaitable[str]]  # of the built-in admin; ConfigurationError: none


_current: ContextVar[Runtime] = ContextVar("sapphire_runtime")


def current() -> Runtime:
    """The runtime of this call: what `use` set, else the one that the environment describes."""
    try:
        return _current.get()
    except LookupError:
        return _from_environment()


@contextmanager
def use(runtime: Runtime) -> Iterator[Runtime]:
    """Run in-process calls on `runtime`: the local stack, tests and the simulation."""
    token = _current.set(runtime)
    try:
        yield runtime
    finally:
        _current.reset(token)


@cache
def _from_environment() -> Runtime:
    """Raises ConfigurationError: also for an address that no function in the cloud should call."""
    settings = load_settings(os.environ)
    if "K_SERVICE" in os.environ:  # which Cloud Run sets, and nobody else
        from infra.outside.cloud import check_outside

        check_outside(settings, os.environ)
    return build(settings)


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    store: DocumentStore | None = None,
    publisher: Publisher | None = None,
    verifier: TokenVerifier | None = None,
    make_feed: Callable[[], MarketFeed] | None = None,
) -> Runtime:
    """A runtime for `settings`; what is passed in replaces the adapter that the settings name."""
    clock = clock or _clock()
    store = store or _store(settings)
    make_secrets = _once(lambda: secret_store(settings))
    return Runtime(
        settings=settings,
        clock=clock,
        store=store,
        publisher=publisher or _publisher(settings, clock),
        verifier=verifier or _verifier(settings, clock),
        make_feed=_once(make_feed or (lambda: _feed(settings, clock))),
        make_venues=_once(lambda: _venues(settings, store, clock, make_secrets)),
        make_instruments=_once(lambda: _instruments(store, clock)),
        make_capabilities=_once(lambda: _capabilities(settings)),
        make_secrets=make_secrets,
        make_secret_adder=_once(lambda: _secret_adder(make_secrets())),
        make_accounts=_once(lambda: _accounts(settings, store, make_secrets(), clock)),
        make_messenger=_once(lambda: _messenger(settings, make_secrets)),
        read_api_token=_api_token_reader(settings, clock, make_secrets),
    )


def _once(make: Callable[[], T]) -> Callable[[], T]:
    return cache(make)


def _clock() -> Clock:
    from infra.local.clock import SystemClock

    return SystemClock()


def _store(settings: Settings) -> DocumentStore:
    if settings.store == "firestore":
        from infra.gcp.firestore import FirestoreStore

        return FirestoreStore(project=settings.project)
    from infra.local.store.sqlite import STORE_FILE, SqliteStore

    return SqliteStore(Path(settings.data_dir) / STORE_FILE)


def _publisher(settings: Settings, clock: Clock) -> Publisher:
    if settings.bus == "pubsub":
        from infra.gcp.pubsub import PubSubPublisher
        from infra.gcp.tasks import TimedPublisher

        at_once = PubSubPublisher(project=settings.project)
        return TimedPublisher(at_once, _once(_delaying_publisher))
    from infra.local.bus.embedded import BUS_FILE, EmbeddedBus

    return EmbeddedBus(Path(settings.data_dir) / BUS_FILE, clock=clock)


def _delaying_publisher() -> Publisher:
    from infra.gcp.tasks import tasks_publisher
    from infra.pipeline import load_pipeline

    pipeline = load_pipeline()
    return tasks_publisher(
        os.environ,
        subscribers=pipeline.subscribers,
        deadline_s=max(
            pipeline.delivery.ack_deadline_s,
            *(spec.timeout_s for spec in pipeline.functions.values()),
        ),
    )


def _verifier(settings: Settings, clock: Clock) -> TokenVerifier:
    if settings.push_audience and settings.push_service_account:
        from infra.gcp.oidc import CERTS_URL, ISSUERS, OidcVerifier, fetch_google_certs

        url = settings.push_certs_url or CERTS_URL
        return OidcVerifier(
            audience=settings.push_audience,
            email=settings.push_service_account,
            clock=clock,
            fetch_certs=lambda: fetch_google_certs(url),
            issuers={settings.push_issuer} if settings.push_issuer else ISSUERS,
        )
    from infra.local.tokens import SharedTokenVerifier

    return SharedTokenVerifier(os.environ.get("SAPPHIRE_PUSH_TOKEN", ""))


def _feed(settings: Settings, clock: Clock) -> MarketFeed:
    from infra.feeds.registry import make_feed

    return make_feed(settings, clock)


def _venues(
    settings: Settings, store: DocumentStore, clock: Clock, make_secrets: Callable[[], SecretStore]
) -> Venues:
    from infra.venues.registry import make_live_venues, make_venues

    if settings.mode != "live":
        return make_venues(settings, store, clock)
    secrets = make_secrets()
    accounts, instruments = (
        _accounts(settings, store, secrets, clock),
        _instruments(store, clock),
    )

    def parts_of(venue: Venue) -> "VenueParts":
        from infra.venues.parts import VenueParts

        return VenueParts(
            accounts=accounts,
            store=store,
            clock=clock,
            instruments=instruments,
            network=settings.network,
            api_url=settings.venue_urls.get(venue),
            urls=settings.further_urls,
            api_key=_api_key_reader(settings, secrets),
        )

    return make_live_venues(settings, parts_of)


def _api_key_reader(settings: Settings, secrets: SecretStore) -> Callable[[Venue], Awaitable[str]]:
    """The platform's own key at a venue, read when it is first needed."""

    async def read(venue: Venue) -> str:
        name, _, version = settings.api_key_secrets.get(venue, "").partition(":")
        if not (name and version):
            raise ConfigurationError(f"{venue}_API_KEY_SECRET must be NAME:VERSION of a secret")
        return (await secrets.access(name, version)).decode().strip()

    return read


def _instruments(store: DocumentStore, clock: Clock) -> Instruments:
    from infra.venues.instruments import StoredInstruments

    return StoredInstruments(store, clock)


def _capabilities(settings: Settings) -> Mapping[Venue, Capabilities]:
    from infra.venues.abilities import venue_capabilities

    return venue_capabilities(settings)


def secret_store(settings: Settings) -> SecretStore:
    """Secret Manager in the cloud, files of this machine elsewhere, beside the emulators too."""
    if settings.store == "firestore" and settings.push_audience:
        from infra.gcp.secrets import SecretManagerStore

        return SecretManagerStore(project=settings.project)
    from infra.keys.local_store import LocalSecretStore

    return LocalSecretStore(Path(settings.data_dir) / "secrets")


def _secret_adder(secrets: SecretStore) -> "SecretAdder":
    from infra.keys.adder import AddOnly

    return AddOnly(secrets)


def _accounts(
    settings: Settings, store: DocumentStore, secrets: SecretStore, clock: Clock
) -> "Accounts":
    from infra.keys.vault import KeyVault

    return KeyVault(store, secrets, clock, settings.kek_version)


def _messenger(settings: Settings, make_secrets: Callable[[], SecretStore]) -> Messenger | None:
    """Paced by the machine's clock: a replay's hour is still one second of Telegram's limits."""
    telegram, token = settings.telegram, os.environ.get("TELEGRAM_BOT_TOKEN")
    if token or not (telegram.chat_id and telegram.bot_token_secret):
        from infra.telegram.messenger import make_messenger

        return make_messenger(telegram, token, _clock())
    from infra.secret_settings import SecretText
    from infra.telegram.late_messenger import LateMessenger

    place = telegram.bot_token_secret
    secret = SecretText("TELEGRAM_BOT_TOKEN_SECRET", place, make_secrets, _clock())
    return LateMessenger(telegram, secret.read, _clock())


def _api_token_reader(
    settings: Settings, clock: Clock, make_secrets: Callable[[], SecretStore]
) -> Callable[[], Awaitable[str]]:
    """SAPPHIRE_API_TOKEN where it is set, else what SAPPHIRE_API_TOKEN_SECRET names."""
    if settings.api_token_secret and not settings.api_token:
        from infra.secret_settings import SecretText

        place = settings.api_token_secret
        return SecretText("SAPPHIRE_API_TOKEN_SECRET", place, make_secrets, clock).read

    async def read() -> str:
        if not settings.api_token:
            raise ConfigurationError(
                "SAPPHIRE_API_TOKEN or SAPPHIRE_API_TOKEN_SECRET must be set; nobody can sign in"
            )
        return settings.api_token

    return read
