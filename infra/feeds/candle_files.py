"""Recorded candles, `SYMBOL_INTERVAL.csv`: read exactly; an error names file and line."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from common.domain.market import INTERVAL_MS, Candle
from common.domain.moment import from_ms
from common.errors import InvalidInputError
from infra.feeds.symbols import Listing, listing, tidy

COLUMNS = ("open_time_ms", "open", "high", "low", "close", "volume")
_NUMBER = re.compile(r"[+-]?([0-9]{1,30}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,2})?")
_INTEGER = re.compile(r"[0-9]{1,15}", re.ASCII)
_MILLISECONDS = range(100_000_000_000, 253_402_300_800_000)  # 1973 to 9999; seconds fall below
_VALUES = (Decimal("1e-30"), Decimal("1e24"))
"""Within these, and with `_DECIMALS_MAX`, messages carry a value, even one of 1,000 tokens."""
_DECIMALS_MAX = 50
_SYMBOL = re.compile(r"[A-Za-z0-9]{1,20}", re.ASCII)
_Row = tuple[int, list[str]]


def load_candles(
    directory: Path, interval: str, symbols: Sequence[str] | None = None
) -> dict[str, tuple[Candle, ...]]:
    """Every requested symbol's candles, oldest first, gap-free; without `symbols`, all there are.

    A file of 1,000 tokens (1000PEPE) is known as its token, exactly rescaled.

    Raises:
        InvalidInputError: the first problem found; `where` is the file's name and, where one is
            to blame, its line.
    """
    if interval not in INTERVAL_MS:
        raise InvalidInputError(
            f"unknown interval {interval!r}; known are {', '.join(INTERVAL_MS)}", where="interval"
        )
    files = _files(directory, interval)
    wanted = list(symbols) if symbols else sorted(files)
    for symbol in wanted:
        if listing(symbol).symbol not in files:
            raise InvalidInputError(_absent(directory, symbol, interval), where=symbol)
        path, named = files[listing(symbol).symbol]
        if not _SYMBOL.fullmatch(named.symbol):
            detail = f"a name is SYMBOL_{interval}.csv, the symbol of 1 to 20 letters and digits"
            raise InvalidInputError(detail, where=path.name)
    if not wanted:
        raise InvalidInputError(_absent(directory, "any symbol", interval), where=directory.name)
    return {
        listing(symbol).symbol: _read(*files[listing(symbol).symbol], interval) for symbol in wanted
    }


def _files(directory: Path, interval: str) -> Mapping[str, tuple[Path, Listing]]:
    if not directory.is_dir():
        raise InvalidInputError("is not a directory", where=str(directory))
    suffix = f"_{interval}.csv"
    found: dict[str, tuple[Path, Listing]] = {}
    for path in sorted(directory.glob(f"*{suffix}")):
        named = listing(path.name.removesuffix(suffix))
        if named.symbol in found:
            other = found[named.symbol][0].name
            raise InvalidInputError(f"{named.symbol} is in {other} as well", where=path.name)
        found[named.symbol] = (path, named)
    return found


def _absent(directory: Path, symbol: str, interval: str) -> str:
    names = sorted(path.name for path in directory.glob("*_*.csv"))
    there = ", ".join(names) if names else "no SYMBOL_INTERVAL.csv at all"
    return f"no file for {symbol} at {interval} in {directory}; there is {there}"


def _read(path: Path, named: Listing, interval: str) -> tuple[Candle, ...]:
    rows = _rows(path)
    header = next(rows, None)
    if header is None:
        raise InvalidInputError("the file is empty", where=path.name)
    columns = _columns(path, header)
    step = INTERVAL_MS[interval]
    candles: list[Candle] = []
    for line, row in rows:
        where = f"{path.name}:{line}"
        if len(row) <= max(columns):
            raise InvalidInputError(f"{len(row)} columns, the header has more", where=where)
        candle = _candle([row[column].strip() for column in columns], named, where)
        _check_time(candle.open_time_ms, candles[-1] if candles else None, step, interval, where)
        candles.append(candle)
    if not candles:
        raise InvalidInputError("the file has a header and no candle", where=f"{path.name}:1")
    return tuple(candles)


def _rows(path: Path) -> Iterator[_Row]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot be read: {error.strerror}", where=path.name) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInputError("is not UTF-8 text", where=f"{path.name}:{line}") from None
    reader = csv.reader(io.StringIO(text.rstrip("\r\n"), newline=""), strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise InvalidInputError(str(error), where=f"{path.name}:{reader.line_num}") from None


def _columns(path: Path, header: _Row) -> tuple[int, ...]:
    line, row = header
    names = [name.strip() for name in row]
    missing = [name for name in COLUMNS if names.count(name) != 1]
    if missing:
        raise InvalidInputError(
            f"needs the columns {','.join(COLUMNS)}, each once; wrong: {', '.join(missing)}",
            where=f"{path.name}:{line}",
        )
    return tuple(names.index(name) for name in COLUMNS)


def _candle(texts: list[str], named: Listing, where: str) -> Candle:
    if not _INTEGER.fullmatch(texts[0]) or int(texts[0]) not in _MILLISECONDS:
        raise InvalidInputError("open_time_ms is not a time in milliseconds", where=where)
    opened, high, low, close, volume = (
        _number(name, text, where) for name, text in zip(COLUMNS[1:], texts[1:], strict=True)
    )
    if min(opened, high, low, close) <= 0:
        raise InvalidInputError("a price is zero or negative", where=where)
    if volume < 0:
        raise InvalidInputError("the volume is negative", where=where)
    if high < low:
        raise InvalidInputError("high is below low", where=where)
    if not (low <= opened <= high and low <= close <= high):
        raise InvalidInputError("open or close is outside low and high", where=where)
    return Candle(
        open_time_ms=int(texts[0]),
        open=named.price(opened),
        high=named.price(high),
        low=named.price(low),
        close=named.price(close),
        volume=tidy(named.quantity(volume)),
    )


def _number(name: str, text: str, where: str) -> Decimal:
    if not text:
        raise InvalidInputError(f"{name} is empty", where=where)
    if not _NUMBER.fullmatch(text):
        raise InvalidInputError(f"{name} is not a finite decimal number", where=where)
    value = Decimal(text)
    smallest, largest = _VALUES
    exponent = value.as_tuple().exponent
    fits = isinstance(exponent, int) and -exponent <= _DECIMALS_MAX
    if not fits or not (value == 0 or smallest <= abs(value) < largest):
        raise InvalidInputError(
            f"{name} is out of range: 1e-30 to 1e24, {_DECIMALS_MAX} decimals", where=where
        )
    return tidy(value) if "e" in text or "E" in text else value


def _check_time(
    opened_ms: int, previous: Candle | None, step: int, interval: str, where: str
) -> None:
    if opened_ms % step:
        raise InvalidInputError(f"open_time_ms does not begin a {interval} bar", where=where)
    if previous is None:
        return
    distance = opened_ms - previous.open_time_ms
    if distance == 0:
        raise InvalidInputError("the bar is there twice", where=where)
    if distance < 0:
        raise InvalidInputError("the bars are not in order of time", where=where)
    if distance != step:
        absent = f"{distance // step - 1} x {interval} missing before {moment_text(opened_ms)}"
        raise InvalidInputError(f"a gap in the bars: {absent}", where=where)


def moment_text(milliseconds: int) -> str:
    return f"{from_ms(milliseconds):%Y-%m-%d %H:%M} UTC"
