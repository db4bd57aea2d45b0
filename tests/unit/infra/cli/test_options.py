import argparse
import math

import pytest

from infra.cli.options import INTERVALS, port, positive_int, speed, symbols


def test_intervals_when_compared_with_the_domain_then_are_the_same() -> None:
    from common.domain.market import INTERVAL_MS

    assert tuple(INTERVAL_MS) == INTERVALS


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", ""])
def test_positive_int_when_not_positive_then_refuses(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="above 0"):
        positive_int(text)


@pytest.mark.parametrize("text", ["-1", "65536", "x", "", "٨٠"])
def test_port_when_out_of_range_then_refuses(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="0 to 65535"):
        port(text)


def test_port_when_zero_then_any_free_one_is_meant() -> None:
    assert port("0") == 0


@pytest.mark.parametrize("text", ["0", "-2", "nan", "inf", "fast"])
def test_speed_when_not_a_speed_then_refuses(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="max or a number"):
        speed(text)


def test_speed_when_max_then_is_infinite() -> None:
    assert speed("max") == math.inf
    assert speed("2.5") == 2.5


def test_symbols_when_given_in_either_form_then_are_the_same() -> None:
    assert symbols(["BTC,ETH", "SOL"]) == symbols(["BTC", "ETH", "SOL"]) == ("BTC", "ETH", "SOL")
    assert symbols(None) is None
