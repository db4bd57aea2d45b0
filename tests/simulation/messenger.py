"""A chat whose other end sees everything that comes, also what comes twice."""

from collections.abc import Sequence
from datetime import datetime

from common.domain.notification import Notification
from common.errors import TransientError
from tests.simulation.world import Crash, World


class SimMessenger:
    """Fits `Messenger`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.visible: dict[str, list[datetime]] = {}  # by notification id, each time it came
        self.texts: list[str] = []

    async def send(self, notifications: Sequence[Notification]) -> None:
        await self._world.step("chat")
        if self._world.chance("chat_down"):
            raise TransientError("the chat is not reachable")
        for notification in notifications:
            name = notification.notification_id
            self.visible.setdefault(name, []).append(self._world.now())
            self.texts.append(notification.text)
        if self._world.chance("crash_after"):
            raise Crash
