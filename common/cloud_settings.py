"""Settings of the cloud and of who may call: tokens of pushes, people's access, secrets by name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

SECRET_VERSION = re.compile(r"[A-Za-z0-9_-]{1,200}:[1-9][0-9]{0,8}", re.ASCII)
"""`NAME:VERSION` of a secret, with a version's number."""

RATE_DEFAULT, RATE_MAX = 600, 1_000_000
CLOUD_NAMES = (
    "SAPPHIRE_PUSH_AUDIENCE",
    "SAPPHIRE_PUSH_SERVICE_ACCOUNT",
    "SAPPHIRE_PUSH_ISSUER",
    "SAPPHIRE_PUSH_CERTS_URL",
    "SAPPHIRE_API_TOKEN_SECRET",
    "SAPPHIRE_API_AUDIENCE",
    "SAPPHIRE_CORS_ORIGINS",
    "SAPPHIRE_WALLET_PROOF",
    "SAPPHIRE_WALLET_DOMAIN",
    "SAPPHIRE_RATE_PER_MINUTE",
)
_SECRETS = ("SAPPHIRE_API_TOKEN_SECRET", "TELEGRAM_BOT_TOKEN_SECRET")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?", re.ASCII)
_HTTPS = re.compile(r"https://[^\s/]+(/\S*)?", re.ASCII)
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?(/\S*)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudSettings:
    push_audience: str | None = None  # the URL that OIDC tokens must be minted for
    push_service_account: str | None = None
    push_issuer: str | None = None  # None: Google
    push_certs_url: str | None = None  # of that issuer's keys
    api_token_secret: str | None = None  # "name:version"
    api_audience: str | None = None  # of Google's identity tokens of people
    cors_origins: tuple[str, ...] = ()
    wallet_proof: bool = False  # create, deploy and rotate need a message signed by the wallet
    wallet_domain: str | None = None  # that such a message is for
    rate_per_minute: int = RATE_DEFAULT  # requests of one principal


def load_cloud_settings(environ: Mapping[str, str], problems: list[str]) -> CloudSettings:
    """What is wrong is added to `problems`; of a secret's name nothing is repeated."""
    audience = environ.get("SAPPHIRE_PUSH_AUDIENCE") or None
    problems += [
        f"{name} must be NAME:VERSION of a secret, with a version's number"
        for name in _SECRETS
        if environ.get(name) and not SECRET_VERSION.fullmatch(environ[name])
    ]
    issuer, certs_url = _issuer(environ, problems)
    proof, domain = _wallet(environ, problems)
    return CloudSettings(
        push_audience=audience,
        push_service_account=environ.get("SAPPHIRE_PUSH_SERVICE_ACCOUNT") or None,
        push_issuer=issuer,
        push_certs_url=certs_url,
        api_token_secret=environ.get("SAPPHIRE_API_TOKEN_SECRET") or None,
        api_audience=environ.get("SAPPHIRE_API_AUDIENCE") or None,
        cors_origins=_origins(environ, problems),
        wallet_proof=proof,
        wallet_domain=domain,
        rate_per_minute=_rate(environ, problems),
    )


def _issuer(environ: Mapping[str, str], problems: list[str]) -> tuple[str | None, str | None]:
    """A stand-in for Google, which whoever may set a variable could make: never with real money."""
    issuer = environ.get("SAPPHIRE_PUSH_ISSUER") or None
    certs_url = environ.get("SAPPHIRE_PUSH_CERTS_URL") or None
    if (issuer is None) != (certs_url is None):
        problems.append("SAPPHIRE_PUSH_ISSUER and SAPPHIRE_PUSH_CERTS_URL go together")
    if (issuer or certs_url) and environ.get("SAPPHIRE_MODE") == "live":
        problems.append("SAPPHIRE_MODE=live takes Google's push tokens alone, no other issuer's")
    if certs_url and not (_HTTPS.fullmatch(certs_url) or _LOOPBACK.fullmatch(certs_url)):
        problems.append("SAPPHIRE_PUSH_CERTS_URL must be https, or http on 127.0.0.1")
    return issuer, certs_url


def _wallet(environ: Mapping[str, str], problems: list[str]) -> tuple[bool, str | None]:
    """On by default where pushes are verified, which is the cloud."""
    wish = environ.get("SAPPHIRE_WALLET_PROOF") or ""
    if wish not in {"", "on", "off"}:
        problems.append("SAPPHIRE_WALLET_PROOF must be one of on, off")
    in_cloud = environ.get("SAPPHIRE_STORE") == "firestore" and bool(
        environ.get("SAPPHIRE_PUSH_AUDIENCE")
    )
    domain = environ.get("SAPPHIRE_WALLET_DOMAIN") or None
    if domain is not None and not _DOMAIN.fullmatch(domain):
        problems.append("SAPPHIRE_WALLET_DOMAIN must be a host such as api.example.com")
    return wish == "on" or (wish == "" and in_cloud), domain


def _origins(environ: Mapping[str, str], problems: list[str]) -> tuple[str, ...]:
    names = [name.strip() for name in (environ.get("SAPPHIRE_CORS_ORIGINS") or "").split(",")]
    origins = tuple(name for name in names if name)
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        problems.append(
            "SAPPHIRE_CORS_ORIGINS must be origins such as https://app.example.com, by commas"
        )
    return origins


def _rate(environ: Mapping[str, str], problems: list[str]) -> int:
    text = environ.get("SAPPHIRE_RATE_PER_MINUTE") or str(RATE_DEFAULT)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= RATE_MAX):
        problems.append(f"SAPPHIRE_RATE_PER_MINUTE must be a whole number from 1 to {RATE_MAX}")
        return RATE_DEFAULT
    return int(text)
