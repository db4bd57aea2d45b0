"""One atomic commit as `decide` makes it for a symbol that acts, on either embedded store."""

from bench.calls import store_named
from bench.figures import Row, row_of
from bench.market import WalkingMarket
from bench.samples import Samples, sampled
from common.books import AUDIT, DECISIONS, INDICATOR_STATES, MARKET_SNAPSHOTS, OUTBOX, V3
from common.ports import Create, DocumentStore, Ref, Update, Write
from common.wire import JsonObject, to_document
from tests.builders import a_signal_record

COUNT = 500
WARMUP = 20


async def run() -> list[Row]:
    rows = []
    for name in ("memory", "sqlite"):
        with store_named(name) as store:
            rows.append(row_of(f"commit of 1 small write, {name}", await _small(store)))
        with store_named(name) as store:
            rows.append(
                row_of(
                    f"commit of 5 writes, {name}",
                    await _batch(store),
                    note="decision, state by compare-and-set, signal, audit, outbox",
                )
            )
    return rows


async def _small(store: DocumentStore) -> Samples:
    async def call(number: int) -> None:
        await store.commit([Create(Ref(AUDIT, f"aud_{number}"), {"subject": "one", "step": 1})])

    return await sampled(call, range(WARMUP + COUNT), warmup=WARMUP)


async def _batch(store: DocumentStore) -> Samples:
    """Reading the state's version before the commit is part of the sample: a commit needs it."""
    snapshot = WalkingMarket(1, bars=0, history=32).event(0, candles=32).snapshots[0]
    decision = {"inputs": {"snapshot": to_document(snapshot)}, "signal_id": "sig_1"}
    signal = to_document(a_signal_record())
    state = Ref(INDICATOR_STATES, "swarm:ETH:5m")
    text: JsonObject = {"state": "0.123456789," * 120, "warm": True}
    await store.commit([Create(state, text), Create(Ref(MARKET_SNAPSHOTS, "ETH"), {})])

    async def call(number: int) -> None:
        former = await store.get(state)
        assert former is not None
        writes: list[Write] = [
            Create(Ref(DECISIONS, f"dec_{number}"), decision),
            Update(state, {**text, "candles": number}, former.version),
            Create(Ref(V3.signals, f"sig_{number}"), signal),
            Create(Ref(AUDIT, f"aud_{number}"), {"subject": f"sig_{number}", "step": 0}),
            Create(Ref(OUTBOX, f"out_{number}"), {"type": "SignalCreated", "data": {}}),
        ]
        await store.commit(writes)

    return await sampled(call, range(WARMUP + COUNT), warmup=WARMUP)
