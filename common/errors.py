"""Errors, on one axis: who acts next.

SapphireError
├── TransientError            nothing was done; deliver again                    -> redeliver
│   ├── RateLimitedError      ... after `retry_after_s`                          -> redeliver
│   └── ConflictError         a compare-and-set lost; read again and retry       -> redeliver
├── RejectedError             the venue proves it said no; final                 -> acknowledge
├── OutcomeUnknownError       sent, no proof of the result; `settle` asks        -> acknowledge
├── DeniedError               our own limit said no, with its code               -> acknowledge
│   └── LockedError           ... because somebody has stopped trading           -> acknowledge
├── StaleError                too old to act on                                  -> acknowledge
├── InvalidInputError         input that can never be right, with its place      -> acknowledge
├── NotFoundError             what was named does not exist                      -> acknowledge
├── UnauthenticatedError      the caller did not prove who it is                 -> refuse (401)
└── ConfigurationError        a person must act                                  -> redeliver
"""


class SapphireError(Exception):
    """Base of every error that Sapphire raises on purpose."""


class TransientError(SapphireError):
    """Nothing was changed; the same call may succeed later."""


class RateLimitedError(TransientError):
    """The other side asked us to wait."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ConflictError(TransientError):
    """A precondition of an atomic commit did not hold; nothing of it was written."""

    def __init__(self, message: str, *, collection: str, document_id: str) -> None:
        super().__init__(message)
        self.collection = collection
        self.document_id = document_id


class RejectedError(SapphireError):
    """The venue proves that it refused; `code` is its reason in our words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class OutcomeUnknownError(SapphireError):
    """A request left us and nothing proves what became of it. Never a failure."""


class DeniedError(SapphireError):
    """One of our own limits refused; `code` is machine-readable (common/how/denial.py)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class LockedError(DeniedError):
    """Trading is stopped, so nothing of this kind is taken at all."""


class StaleError(SapphireError):
    """The message or the price is older than its limit."""

    def __init__(self, message: str, *, code: str = "STALE") -> None:
        super().__init__(message)
        self.code = code


class InvalidInputError(SapphireError):
    """Input that no retry can mend. `where` names the field, file and line, or document."""

    def __init__(self, message: str, *, code: str = "INVALID_INPUT", where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.code = code
        self.where = where
        self.message = message


class NotFoundError(SapphireError):
    """What was named does not exist."""

    def __init__(self, message: str, *, code: str = "NOT_FOUND") -> None:
        super().__init__(message)
        self.code = code


class UnauthenticatedError(SapphireError):
    """The caller's token is missing or does not verify."""


class ConfigurationError(SapphireError):
    """The deployment is wrong; the message says which setting and what to do."""
