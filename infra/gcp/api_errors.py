"""Google's errors in our words: what a person must mend, and what may pass by itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import ConfigurationError, TransientError


def our_error(error: Exception, action: str) -> Exception:
    """`action` completes "cannot ...". NotFound is a person's to mend here: a missing resource."""
    from google.api_core import exceptions as api
    from google.auth.exceptions import DefaultCredentialsError

    mend = (
        api.NotFound,
        api.PermissionDenied,
        api.Unauthenticated,
        api.InvalidArgument,
        api.FailedPrecondition,
        DefaultCredentialsError,
    )
    text = f"cannot {action}: {type(error).__name__}: {error}"
    return ConfigurationError(text) if isinstance(error, mend) else TransientError(text)


@contextmanager
def told_as_ours(action: str) -> Iterator[None]:
    """Raise Google's API and credential errors as ours."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except (GoogleAPIError, GoogleAuthError) as error:
        raise our_error(error, action) from error
