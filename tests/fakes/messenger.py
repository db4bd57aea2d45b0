"""A messenger that remembers, and that fails as told."""

from collections.abc import Iterable, Sequence

from common.domain.notification import Notification


class RecordingMessenger:
    """Raises the next of `errors` at each send while there is one, then sends."""

    def __init__(self, errors: Iterable[Exception] = ()) -> None:
        self.sent: list[Notification] = []
        self.calls = 0
        self._errors = list(errors)

    async def send(self, notifications: Sequence[Notification]) -> None:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        self.sent.extend(notifications)
