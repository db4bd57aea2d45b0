"""Several calls at once, of which one failure must not keep the others from being made."""

import asyncio
from collections.abc import Awaitable, Iterable

from common.errors import ConfigurationError


async def try_all(calls: Iterable[Awaitable[None]]) -> None:
    """Await all of them, then raise the worst failure: a person's to mend before a passing one."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    failures = [each for each in results if isinstance(each, BaseException)]
    failures.sort(key=lambda failure: not isinstance(failure, ConfigurationError))
    if failures:
        raise failures[0]
