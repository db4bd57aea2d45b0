"""Several calls at once: all are made, and the worst failure is told."""

import pytest

from common.errors import ConfigurationError, TransientError
from infra.gcp.try_all import try_all


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        ([None, TransientError("later"), ConfigurationError("mend it")], ConfigurationError),
        ([ConfigurationError("mend it"), TransientError("later"), None], ConfigurationError),
        ([None, TransientError("later"), None], TransientError),
    ],
)
async def test_try_all_when_some_fail_then_all_were_made_and_a_persons_failure_counts(
    failures: list[Exception | None], told: type[Exception]
) -> None:
    made: list[int] = []

    async def call(number: int, failure: Exception | None) -> None:
        made.append(number)
        if failure:
            raise failure

    with pytest.raises(told):
        await try_all(call(number, failure) for number, failure in enumerate(failures))
    assert made == [0, 1, 2]


async def test_try_all_when_there_is_nothing_to_do_then_nothing_happens() -> None:
    await try_all([])
