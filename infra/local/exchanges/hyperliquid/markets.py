"""Answers of /info about what is listed and at what prices it trades."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from infra.local.exchanges.hyperliquid.assets import Asset
from infra.local.exchanges.hyperliquid.engine import Engine
from infra.local.exchanges.hyperliquid.numbers import MalformedError, wire

CANDLES_MAX = 5000

Candles = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
"""Rows as candleSnapshot gives them, oldest first, by (coin, interval)."""


def meta(engine: Engine, body: Mapping[str, Any], now_ms: int) -> object:
    del now_ms
    dex = body.get("dex") or ""
    return engine.listing.dex_metas.get(dex) if dex else engine.listing.meta


def meta_and_contexts(engine: Engine, body: Mapping[str, Any], now_ms: int) -> object:
    del body, now_ms
    contexts = [_context(engine, asset) for asset in engine.listing.perps]
    return [engine.listing.meta, contexts]


def _context(engine: Engine, asset: Asset) -> object:
    book = engine.books[asset.coin]
    mark = _text(book.mark) or "0.0"
    return {
        "funding": "0.0",
        "openInterest": "0.0",
        "prevDayPx": mark,
        "dayNtlVlm": "0.0",
        "premium": None,
        "oraclePx": mark,
        "markPx": mark,
        "midPx": _text(book.mid),
        "impactPxs": None,
        "dayBaseVlm": "0.0",
    }


def spot_meta(engine: Engine, body: Mapping[str, Any], now_ms: int) -> object:
    del body, now_ms
    return engine.listing.spot_meta


def spot_meta_and_contexts(engine: Engine, body: Mapping[str, Any], now_ms: int) -> object:
    del body, now_ms
    contexts = [
        {
            "coin": asset.coin,
            "markPx": _text(engine.books[asset.coin].mark) or "0.0",
            "midPx": _text(engine.books[asset.coin].mid),
            "prevDayPx": _text(engine.books[asset.coin].mark) or "0.0",
            "dayNtlVlm": "0.0",
            "circulatingSupply": "0.0",
        }
        for asset in engine.listing.spots
    ]
    return [engine.listing.spot_meta, contexts]


def all_mids(engine: Engine, body: Mapping[str, Any], now_ms: int) -> object:
    del now_ms
    if body.get("dex"):
        return {}
    mids = {coin: book.mid for coin, book in engine.books.items()}
    return {coin: wire(mid) for coin, mid in mids.items() if mid is not None}


def l2_book(engine: Engine, body: Mapping[str, Any], now_ms: int) -> object:
    """None, as the venue says it, for a coin it does not have."""
    book = engine.books.get(str(body.get("coin")))
    if book is None:
        return None
    levels = [
        [{"px": wire(px), "sz": wire(sz), "n": n} for px, sz, n in book.levels(bids=bids)]
        for bids in (True, False)
    ]
    return {"coin": book.asset.coin, "time": now_ms, "levels": levels}


def perp_dexs(engine: Engine, body: Mapping[str, Any], now_ms: int) -> object:
    """The first, the venue's own, is null."""
    del body, now_ms
    return [None, *({"name": name, "fullName": name} for name in engine.listing.dex_metas)]


def candle_snapshot(candles: Candles, body: Mapping[str, Any]) -> object:
    try:
        request = body["req"]
        start, end = int(request["startTime"]), int(request["endTime"])
        rows = candles.get((request["coin"], request["interval"]), ())
    except (KeyError, TypeError, ValueError):
        raise MalformedError("candleSnapshot needs coin, interval, startTime, endTime") from None
    return [row for row in rows if start <= row["t"] <= end][-CANDLES_MAX:]


def _text(value: Decimal | None) -> str | None:
    return None if value is None else wire(value)


MARKET_QUERIES: Mapping[str, Callable[[Engine, Mapping[str, Any], int], object]] = {
    "meta": meta,
    "metaAndAssetCtxs": meta_and_contexts,
    "spotMeta": spot_meta,
    "spotMetaAndAssetCtxs": spot_meta_and_contexts,
    "allMids": all_mids,
    "l2Book": l2_book,
    "perpDexs": perp_dexs,
}
