"""The record of an event that no retry can mend: kept once, with its reason, for a person."""

from datetime import datetime, timedelta

from common.books import REJECTED_EVENTS
from common.domain.identifiers import prefixed_id
from common.domain.moment import iso
from common.ports import Create, Ref
from common.redaction import excerpt, redact

KEPT_FOR = timedelta(days=30)


def rejection_write(
    *, function: str, subject: str, code: str, reason: str, text: str, now: datetime
) -> Create:
    """One document for one `subject` (a message's id, or its data where it has none) and code.

    A second delivery gives the same id, so that its create fails and nothing is recorded twice.
    `text` is what arrived; at most 2 KiB of it are kept, without secrets.
    """
    return Create(
        Ref(REJECTED_EVENTS, prefixed_id("rej", function, subject, code)),
        {
            "function": function,
            "code": code,
            "reason": redact(reason)[:500],
            "excerpt": excerpt(text),
            "size": len(text.encode(errors="replace")),
            "at": iso(now),
        },
        expires_at=now + KEPT_FOR,
    )
