"""Firestore's errors in our words: who acts next, and which document a conflict is about."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from common.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    RateLimitedError,
    SapphireError,
    TransientError,
)
from common.ports import Create, Delete, Increment, Ref, Update, Write
from infra.document_rules import place

if TYPE_CHECKING:
    from google.api_core.exceptions import GoogleAPICallError

_NO_DATABASE = "does not exist for project"  # how production answers when the database is missing


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Google's errors leave as ours; `operation` says what was tried."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except GoogleAPIError as error:
        raise _api_error(error, f"Firestore {operation}: {_first_line(error)}") from error
    except GoogleAuthError as error:
        message = f"Firestore {operation}: no usable Google credentials ({_first_line(error)})"
        if error.retryable:
            raise TransientError(message) from error
        raise ConfigurationError(message) from error


def is_conflict(error: "GoogleAPICallError") -> bool:
    """Whether a commit was refused for what the documents hold, or lost to another commit."""
    from google.api_core import exceptions as google

    if isinstance(error, google.NotFound):
        return _NO_DATABASE not in str(error)
    return isinstance(error, google.AlreadyExists | google.FailedPrecondition | google.Aborted)


def conditional_refs(writes: Sequence[Write]) -> list[Ref]:
    """The documents whose state a commit depends on."""
    return [
        write.ref for write in writes if not (isinstance(write, Delete) and write.version is None)
    ]


def conflict_named(
    refusal: Exception, writes: Sequence[Write], present: Mapping[Ref, str | None]
) -> ConflictError:
    """The conflict with its document: Firestore's own words often do not name it.

    `present` holds versions read after the refusal; where nothing in them explains it (the cause is
    gone, or nothing was read) the first document that the commit depends on stands for all.
    """
    for write in writes:
        if write.ref in present:
            problem = _unmet(write, present[write.ref])
            if problem:
                return _conflict(write.ref, problem)
    ref = next(iter(conditional_refs(writes)), writes[0].ref)
    return _conflict(ref, f"or another of {len(writes)} writes: {_first_line(refusal)}")


def _unmet(write: Write, present: str | None) -> str | None:
    match write:
        case Create():
            return None if present is None else "exists already"
        case Increment():
            return "does not exist" if present is None else None
        case Update() | Delete():
            if present is None:
                return "does not exist"
            return None if present == write.version else f"is at version {present}"


def _conflict(ref: Ref, problem: str) -> ConflictError:
    return ConflictError(f"{place(ref)} {problem}", collection=ref.collection, document_id=ref.id)


def _api_error(error: Exception, message: str) -> SapphireError:
    from google.api_core import exceptions as google

    if isinstance(error, google.ResourceExhausted):
        return RateLimitedError(message)
    if isinstance(error, google.InvalidArgument):
        return InvalidInputError(message, code="INVALID_DOCUMENT")
    if isinstance(error, google.PermissionDenied | google.Unauthenticated):
        return ConfigurationError(f"{message}; check the service account's roles")
    if isinstance(error, google.FailedPrecondition):
        return ConfigurationError(
            f"{message}; declare the index in common/indexes.py and deploy it"
        )
    if isinstance(error, google.NotFound):
        return ConfigurationError(f"{message}; check the project and the database")
    return TransientError(message)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
