"""What a change of a trading state writes, and whom it tells."""

from dataclasses import replace

import pytest

from common.books import AUDIT, NOTIFICATIONS, OUTBOX, TRADING_STATE
from common.documents import Stored
from common.domain.events import NotificationRaised, TradingStateChanged
from common.domain.scope import PLATFORM_SCOPE, Scope, symbol_scope
from common.how.state_changes import state_writes
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.ports import Create, Update
from tests.builders import NOON

HALTED = TradingStateRecord(
    state=TradingState.HALTED, epoch=4, reason="news", changed_by="Ada", changed_at=NOON
)


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        (PLATFORM_SCOPE, "Trading HALTED by Ada: news"),
        (symbol_scope("BTC"), "Trading HALTED for symbol BTC by Ada: news"),
    ],
)
def test_writes_when_it_halts_then_people_are_told_and_what_rests_is_to_be_canceled(
    scope: Scope, text: str
) -> None:
    writes, (cancels, told) = state_writes(scope, None, HALTED)

    assert [write.ref.collection for write in writes] == [
        TRADING_STATE,
        AUDIT,
        NOTIFICATIONS,
        OUTBOX,
        OUTBOX,
    ]
    assert all(isinstance(write, Create) for write in writes)
    assert writes[0].ref == state_ref(scope)
    assert cancels.event == TradingStateChanged(scope=scope.key, epoch=4)
    assert isinstance(told.event, NotificationRaised)
    assert told.event.notification.text == text
    outbox = {write.ref.id for write in writes if write.ref.collection == OUTBOX}
    assert outbox == {cancels.message_id, told.message_id}


def test_writes_when_it_resumes_then_by_compare_and_set_and_nothing_is_canceled() -> None:
    active = replace(HALTED, state=TradingState.ACTIVE, epoch=5)
    stored = Stored(state_ref(PLATFORM_SCOPE), HALTED, "7")

    writes, messages = state_writes(PLATFORM_SCOPE, stored, active)

    first = writes[0]
    assert isinstance(first, Update)
    assert first.version == "7"
    [told] = messages
    assert isinstance(told.event, NotificationRaised)
    assert told.event.notification.text == "Trading resumed by Ada: news"


def test_writes_when_two_scopes_change_alike_then_their_rows_differ() -> None:
    ids = [
        {(write.ref.collection, write.ref.id) for write in state_writes(scope, None, HALTED)[0]}
        for scope in (PLATFORM_SCOPE, symbol_scope("BTC"), symbol_scope("ETH"))
    ]
    assert len(set.union(*ids)) == sum(map(len, ids))
