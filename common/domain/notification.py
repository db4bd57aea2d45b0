"""Messages for people."""

from dataclasses import dataclass
from enum import StrEnum

from common.domain.moment import UtcDatetime


class NotificationKind(StrEnum):
    STARTUP = "STARTUP"
    TRADE = "TRADE"
    RISK = "RISK"
    STATUS = "STATUS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """The document under `notifications`; `text` is plain, at most 4,096 characters once sent."""

    notification_id: str
    kind: NotificationKind
    text: str
    subject_id: str  # what it speaks of: an intent, a venue, a signal
    created_at: UtcDatetime
