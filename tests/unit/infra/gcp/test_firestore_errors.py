"""Each of Firestore's answers, and who acts next."""

from collections.abc import Mapping
from typing import Any

import pytest
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions

from common.errors import (
    ConfigurationError,
    InvalidInputError,
    RateLimitedError,
    SapphireError,
    TransientError,
)
from common.ports import Create, Delete, Increment, Ref, Update, Write
from infra.gcp.firestore_errors import conflict_named, is_conflict, translated

google: Any = exceptions  # their constructors have no annotations
auth: Any = auth_exceptions
FIRST, SECOND, THIRD = (Ref("orders", f"o-{n}") for n in range(3))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (google.ServiceUnavailable("down"), TransientError),
        (google.DeadlineExceeded("late"), TransientError),
        (google.InternalServerError("oops"), TransientError),
        (google.Unknown("?"), TransientError),
        (google.Cancelled("gone"), TransientError),
        (google.Aborted("contended"), TransientError),
        (google.RetryError("gave up", google.ServiceUnavailable("down")), TransientError),
        (google.ResourceExhausted("quota"), RateLimitedError),
        (google.InvalidArgument("too big"), InvalidInputError),
        (google.PermissionDenied("no"), ConfigurationError),
        (google.Unauthenticated("who"), ConfigurationError),
        (google.FailedPrecondition("The query requires an index"), ConfigurationError),
        (google.NotFound("The database (default) does not exist"), ConfigurationError),
        (auth.DefaultCredentialsError("none found"), ConfigurationError),
        (auth.TransportError("metadata server", retryable=True), TransientError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_error_when_google_raises_then_ours_with_the_operation(
    error: Exception, expected: type[SapphireError]
) -> None:
    with pytest.raises(SapphireError, match=r"^Firestore read: ") as caught, translated("read"):
        raise error
    assert type(caught.value) is expected
    assert caught.value.__cause__ is error


def test_error_when_not_googles_then_untouched() -> None:
    with pytest.raises(ZeroDivisionError), translated("read"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (google.AlreadyExists("x"), True),
        (google.FailedPrecondition("x"), True),
        (google.Aborted("x"), True),
        (google.NotFound("No document to update: projects/p/databases/(default)/x"), True),
        (google.NotFound("The database (default) does not exist for project p"), False),
        (google.ServiceUnavailable("x"), False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_conflict_when_a_commit_is_refused_then_told_from_other_errors(
    error: exceptions.GoogleAPICallError, expected: bool
) -> None:
    assert is_conflict(error) is expected


@pytest.mark.parametrize(
    ("write", "present", "problem"),
    [
        (Create(SECOND, {}), "v1", "exists already"),
        (Update(SECOND, {"a": 1}, "v1"), "v2", "is at version v2"),
        (Update(SECOND, {"a": 1}, "v1"), None, "does not exist"),
        (Increment(SECOND, "n"), None, "does not exist"),
        (Delete(SECOND, "v1"), "v2", "is at version v2"),
        (Delete(SECOND, "v1"), None, "does not exist"),
    ],
)
def test_conflict_when_the_documents_were_read_then_names_the_one_at_fault(
    write: Write, present: str | None, problem: str
) -> None:
    writes: list[Write] = [Delete(THIRD), Update(FIRST, {"a": 1}, "v1"), write]
    conflict = conflict_named(google.Aborted("x"), writes, {FIRST: "v1", SECOND: present})
    assert (conflict.collection, conflict.document_id) == ("orders", "o-1")
    assert str(conflict) == f"orders/o-1 {problem}"


def test_conflict_when_nothing_explains_it_then_the_first_condition_stands_for_all() -> None:
    writes: list[Write] = [Delete(THIRD), Update(FIRST, {"a": 1}, "v1"), Create(SECOND, {})]
    readings: list[Mapping[Ref, str | None]] = [{}, {FIRST: "v1", SECOND: None}]
    for present in readings:
        conflict = conflict_named(google.Aborted("contended"), writes, present)
        assert conflict.document_id == FIRST.id
        assert "another of 3 writes" in str(conflict)
