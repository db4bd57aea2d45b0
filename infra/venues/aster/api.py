"""Aster's V3 futures API over HTTP: signed, within the shared budget of request weight."""

from common.domain.instrument import Venue
from common.errors import (
    ConfigurationError,
    InvalidInputError,
    OutcomeUnknownError,
    RateLimitedError,
    TransientError,
)
from common.execution.nonces import Nonces
from infra.venues.aster.refusals import TOO_MANY
from infra.venues.aster.signing import Parameters, signed
from infra.venues.budget import Purpose, RequestBudget
from infra.venues.fields import as_object
from infra.venues.http import VenueAnswer, VenueHttp
from infra.venues.parts import VenueParts

HOSTS = {
    "mainnet": "https://fapi.asterdex.com",
    "testnet": "https://fapi.asterdex-testnet.com",
}
WEIGHT_PER_MINUTE = 2400  # exchangeInfo, REQUEST_WEIGHT, per IP
NEARLY_ALL = WEIGHT_PER_MINUTE * 9 // 10
USED_WEIGHT = "x-mbx-used-weight-1m"
FORM = {"content-type": "application/x-www-form-urlencoded"}
HTTP_TIMEOUT_S = 4.0


class AsterError(TransientError):
    """The venue answered a query with an error; `code` is its own."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"Aster: {code} {text[:120]}")
        self.code = code


class AsterApi:
    def __init__(self, parts: VenueParts) -> None:
        url = parts.api_url or HOSTS.get(parts.network)
        if url is None:
            raise ConfigurationError(f"Aster has no network {parts.network!r}")
        self._accounts = parts.accounts
        self._nonces = Nonces(parts.store, parts.clock)
        self._budget = RequestBudget(
            parts.store, parts.clock, Venue.ASTER, per_minute=WEIGHT_PER_MINUTE
        )
        self._http = VenueHttp(
            url, label="Aster", timeout_s=HTTP_TIMEOUT_S, transport=parts.transport
        )

    async def form(
        self, account_id: str, parameters: Parameters, *, nonce: int | None = None
    ) -> tuple[int, str, str]:
        """A signed form with its nonce (a new one unless given) and its signer in lower case.

        Raises DeniedError: the account's key is not to be used; TransientError: no nonce now.
        """
        signer = await self._accounts.signer(account_id, Venue.ASTER)
        if nonce is None:
            nonce = await self._nonces.take(Venue.ASTER, signer.address, unit="us")
        return (
            nonce,
            signer.address.lower(),
            signed(parameters, nonce=nonce, account=signer.account),
        )

    async def public(self, path: str, *, weight: int) -> object:
        """Raises TransientError, or InvalidInputError: not JSON."""
        await self._budget.take(weight, Purpose.READ)
        return await self._answer(path)

    async def read(
        self, account_id: str, path: str, parameters: Parameters, *, weight: int
    ) -> object:
        """A signed query.

        Raises:
            AsterError: the venue's own error, with its code.
            TransientError: no usable answer; RateLimitedError with its wait.
        """
        await self._budget.take(weight, Purpose.SETTLE)
        _, _, text = await self.form(account_id, parameters)
        try:
            return await self._answer(f"{path}?{text}")
        except InvalidInputError as error:
            raise TransientError(f"Aster: {error}") from None

    async def place(self, path: str, form: str) -> VenueAnswer:
        """Send an order's form. Raises as `VenueHttp.order`; TransientError: it was not sent."""
        await self._budget.take(1, Purpose.ORDER)
        return await self._seen(await self._http.order("POST", path, content=form, headers=FORM))

    async def change(self, method: str, path: str, form: str) -> object:
        """A cancel or a noop: what came of it must be asked when this raises.

        Raises:
            AsterError: the venue's own error, with its code.
            TransientError: no usable answer.
        """
        await self._budget.take(1, Purpose.SETTLE)
        try:
            answer = await self._http.order(method, path, content=form, headers=FORM)
        except OutcomeUnknownError as error:
            raise TransientError(str(error)) from None
        await self._seen(answer)
        if answer.status in {418, 429}:
            raise RateLimitedError("Aster: too many requests", retry_after_s=answer.retry_after_s)
        if answer.status >= 500:
            raise TransientError(f"Aster: HTTP {answer.status}")
        try:
            return _payload(answer)
        except InvalidInputError as error:
            raise TransientError(f"Aster: {error}") from None

    async def close(self) -> None:
        await self._http.close()

    async def _answer(self, path: str) -> object:
        try:
            answer = await self._http.read("GET", path)
        except RateLimitedError as error:
            await self._budget.drain(error.retry_after_s)
            raise
        return _payload(await self._seen(answer))

    async def _seen(self, answer: VenueAnswer) -> VenueAnswer:
        """Slow everybody down before the venue bans the address, and when it says so."""
        used = answer.headers.get(USED_WEIGHT, "")
        nearly_all = used.isascii() and used.isdigit() and int(used[:9]) >= NEARLY_ALL
        if answer.status in {418, 429} or nearly_all:
            try:
                await self._budget.drain(answer.retry_after_s)
            except TransientError:
                return answer  # the answer counts for more than the pause
        return answer


def _payload(answer: VenueAnswer) -> object:
    try:
        payload = answer.json()
    except ValueError:
        raise InvalidInputError("not JSON", where=f"HTTP {answer.status}") from None
    error = error_of(payload)
    if error is not None:
        code, text = error
        if code in TOO_MANY:
            raise RateLimitedError(f"Aster: {code} {text[:120]}")
        raise AsterError(code, text)
    if answer.status != 200:
        raise TransientError(f"Aster: HTTP {answer.status}")
    return payload


def error_of(payload: object) -> tuple[int, str] | None:
    """`{"code": -1121, "msg": "Invalid symbol."}`; None for any other answer."""
    if not isinstance(payload, dict):
        return None
    answer = as_object(payload, "answer")
    code, text = answer.get("code"), answer.get("msg")
    if type(code) is not int or code >= 0:
        return None
    return code, text if isinstance(text, str) else ""
