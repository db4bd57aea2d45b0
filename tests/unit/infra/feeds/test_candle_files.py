"""Recorded candle files: what is read, and where each kind of damage is reported."""

from decimal import Decimal
from pathlib import Path

import pytest

from common.errors import InvalidInputError
from infra.feeds.candle_files import load_candles

HEADER = "open_time_ms,open,high,low,close,volume"
STEP = 300_000
FIRST = 1_760_874_900_000


def bar(number: int, rest: str = "100.0,110.0,90.0,105.0,12.5") -> str:
    return f"{FIRST + number * STEP},{rest}"


def write(directory: Path, *lines: str, name: str = "ETH_5m.csv") -> Path:
    path = directory / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_load_when_file_is_sound_then_prices_are_the_text_exactly(tmp_path: Path) -> None:
    write(tmp_path, HEADER, bar(0, "0.193,0.19339,0.1929,0.19318,6347983.0"), bar(1))

    candles = load_candles(tmp_path, "5m")["ETH"]

    assert [candle.open_time_ms for candle in candles] == [FIRST, FIRST + STEP]
    assert candles[0].high == Decimal("0.19339")
    assert str(candles[0].volume) == "6347983"


def test_load_when_priced_per_thousand_then_becomes_the_token_exactly(tmp_path: Path) -> None:
    line = bar(0, "0.006872,0.006888,0.00687,0.006877,37882800.0")
    write(tmp_path, HEADER, line, name="1000PEPE_5m.csv")

    for symbols in (None, ["PEPE"], ["1000PEPE"]):
        candle = load_candles(tmp_path, "5m", symbols)["PEPE"][0]
        assert candle.close == Decimal("0.000006877")
        assert str(candle.volume) == "37882800000"


def test_load_when_numbers_have_exponents_then_reads_them(tmp_path: Path) -> None:
    write(tmp_path, HEADER, bar(0, "6.5e-06,6.6E-6,6.4e-6,6.5e-6,1.5e+3"))

    candle = load_candles(tmp_path, "5m")["ETH"][0]

    assert (str(candle.open), str(candle.volume)) == ("0.0000065", "1500")


def test_load_when_columns_are_reordered_or_more_then_finds_them_by_name(tmp_path: Path) -> None:
    write(tmp_path, "note,volume,close,low,high,open,open_time_ms", f"x,7,105,90,110,100,{FIRST}")

    candle = load_candles(tmp_path, "5m")["ETH"][0]

    assert [candle.open, candle.close, candle.volume] == [100, 105, 7]


def test_load_when_saved_by_a_spreadsheet_then_byte_order_mark_and_crlf_are_fine(
    tmp_path: Path,
) -> None:
    (tmp_path / "ETH_5m.csv").write_bytes(f"\ufeff{HEADER}\r\n{bar(0)}\r\n{bar(1)}\r\n".encode())

    assert len(load_candles(tmp_path, "5m")["ETH"]) == 2


@pytest.mark.parametrize(
    ("lines", "where", "words"),
    [
        ([], "ETH_5m.csv", "empty"),
        ([HEADER], "ETH_5m.csv:1", "no candle"),
        (["open_time_ms,open,high,low,close", bar(0)], "ETH_5m.csv:1", "volume"),
        ([HEADER + ",close", bar(0)], "ETH_5m.csv:1", "close"),
        ([HEADER, bar(0), bar(0)], "ETH_5m.csv:3", "twice"),
        ([HEADER, bar(1), bar(0)], "ETH_5m.csv:3", "order of time"),
        ([HEADER, bar(0), bar(1), bar(3)], "ETH_5m.csv:4", "gap in the bars: 1 x 5m"),
        ([HEADER, f"{FIRST + 1},1,1,1,1,1"], "ETH_5m.csv:2", "does not begin a 5m bar"),
        ([HEADER, f"{FIRST // 1000},1,1,1,1,1"], "ETH_5m.csv:2", "milliseconds"),
        ([HEADER, "soon,1,1,1,1,1"], "ETH_5m.csv:2", "milliseconds"),
        ([HEADER, bar(0), bar(1, "NaN,1,1,1,1")], "ETH_5m.csv:3", "open is not a finite"),
        ([HEADER, bar(0, "1,inf,1,1,1")], "ETH_5m.csv:2", "high is not a finite"),
        ([HEADER, bar(0, "1,1,,1,1")], "ETH_5m.csv:2", "low is empty"),
        ([HEADER, bar(0, "1,1,1,1e999,1")], "ETH_5m.csv:2", "close is not a finite"),
        ([HEADER, bar(0, "1,1,1,1,1e99")], "ETH_5m.csv:2", "volume is out of range"),
        ([HEADER, bar(0, "1,1e24,1,1,1")], "ETH_5m.csv:2", "high is out of range"),
        ([HEADER, bar(0, "1,1,1e-31,1,1")], "ETH_5m.csv:2", "low is out of range"),
        ([HEADER, bar(0, f"1.{'0' * 39}1e-20,2,1,1,1")], "ETH_5m.csv:2", "open is out of range"),
        ([HEADER, bar(0, "1_0,10,10,10,1")], "ETH_5m.csv:2", "open is not a finite"),
        ([HEADER, bar(0, "-1,1,-1,1,1")], "ETH_5m.csv:2", "zero or negative"),
        ([HEADER, bar(0, "0,1,0,1,1")], "ETH_5m.csv:2", "zero or negative"),
        ([HEADER, bar(0, "1,1,1,1,-1")], "ETH_5m.csv:2", "volume is negative"),
        ([HEADER, bar(0, "100,90,110,100,1")], "ETH_5m.csv:2", "high is below low"),
        ([HEADER, bar(0, "100,101,99,102,1")], "ETH_5m.csv:2", "outside low and high"),
        ([HEADER, bar(0, "1,1,1,1")], "ETH_5m.csv:2", "5 columns"),
        ([HEADER, bar(0), "", bar(1)], "ETH_5m.csv:3", "0 columns"),
        ([HEADER, f'{FIRST},"1,1,1,1,1'], "ETH_5m.csv:2", "unexpected end"),
    ],
)
def test_load_when_file_is_damaged_then_error_names_file_and_line(
    tmp_path: Path, lines: list[str], where: str, words: str
) -> None:
    (tmp_path / "ETH_5m.csv").write_text("\n".join(lines))

    with pytest.raises(InvalidInputError, match=words) as caught:
        load_candles(tmp_path, "5m")
    assert caught.value.where == where


@pytest.mark.parametrize("name", ["_5m.csv", "B C_5m.csv", "BTC_ETH_5m.csv"])
def test_load_when_a_name_has_no_symbol_then_error_names_the_file(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text(f"{HEADER}\n{bar(0)}\n")

    with pytest.raises(InvalidInputError, match="a name is SYMBOL_5m") as caught:
        load_candles(tmp_path, "5m")
    assert caught.value.where == name


def test_load_when_not_utf8_then_error_names_the_line(tmp_path: Path) -> None:
    content = f"{HEADER}\n{bar(0)}\n".encode() + b"\xff\xfe,1,1,1,1,1\n"
    (tmp_path / "ETH_5m.csv").write_bytes(content)

    with pytest.raises(InvalidInputError, match="UTF-8") as caught:
        load_candles(tmp_path, "5m")
    assert caught.value.where == "ETH_5m.csv:3"


def test_load_when_symbol_has_no_file_then_says_what_is_there(tmp_path: Path) -> None:
    write(tmp_path, HEADER, bar(0))

    with pytest.raises(InvalidInputError, match=r"no file for WIF at 5m .* there is ETH_5m\.csv"):
        load_candles(tmp_path, "5m", ["ETH", "WIF"])


def test_load_when_nothing_is_there_then_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"no SYMBOL_INTERVAL\.csv at all"):
        load_candles(tmp_path, "5m")
    with pytest.raises(InvalidInputError, match="is not a directory"):
        load_candles(tmp_path / "absent", "5m")


def test_load_when_interval_is_unknown_then_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"unknown interval '7m'.*5m"):
        load_candles(tmp_path, "7m")


def test_load_when_token_is_in_two_files_then_refuses(tmp_path: Path) -> None:
    write(tmp_path, HEADER, bar(0), name="1000PEPE_5m.csv")
    write(tmp_path, HEADER, bar(0), name="PEPE_5m.csv")

    with pytest.raises(InvalidInputError, match=r"PEPE is in 1000PEPE_5m\.csv as well"):
        load_candles(tmp_path, "5m")


def test_load_when_path_is_a_folder_then_error_names_it(tmp_path: Path) -> None:
    (tmp_path / "ETH_5m.csv").mkdir()

    with pytest.raises(InvalidInputError, match="cannot be read"):
        load_candles(tmp_path, "5m")
