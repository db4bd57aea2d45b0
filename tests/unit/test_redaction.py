import pytest

from common.redaction import excerpt, redact

KEY = "c0ffee" * 10 + "beef"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
BOT = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw_x"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\nIBADAN\n-----END PRIVATE KEY-----"
PHRASE = "legal winner thank year wave sausage worth useful legal winner thank yellow"
CANARIES = (KEY, f"0x{KEY}", KEY.upper(), JWT, BOT, PEM, PHRASE)


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("around", ["{}", '{{"key":"{}"}}', "key={}, next", "a7{}", "x\n{}\ny"])
def test_redact_when_a_secret_stands_anywhere_then_it_is_gone(canary: str, around: str) -> None:
    cleaned = redact(around.format(canary))

    assert canary not in cleaned
    assert "[redacted]" in cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (f"https://api.telegram.org/bot{BOT}/x", "https://api.telegram.org/bot[redacted]/x"),
        ("POST /?token=hunter22&x=1", "POST /?token=[redacted]&x=1"),
        ("Authorization: Bearer abcdefgh1234", "Authorization: Bearer [redacted]"),
        (PEM[:45], "[redacted]"),
    ],
)
def test_redact_when_a_secret_has_a_place_then_the_place_stays(text: str, cleaned: str) -> None:
    assert redact(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "0x" + "ab" * 16,  # a client order id
        "0x" + "11" * 20,  # an address
        "int_0123456789abcdef01234567",
        "market-updated:20260115T120000",
        "ETH available on Hyperliquid (220 pairs)",
    ],
)
def test_redact_when_it_is_no_secret_then_it_stays(text: str) -> None:
    assert redact(text) == text


def test_excerpt_when_the_text_is_long_then_it_is_cut_by_bytes_after_redaction() -> None:
    text = "é " * 1000 + "0x" + KEY + " " + "z" * 10_000

    short = excerpt(text)

    assert len(short.encode()) <= 2048
    assert KEY[:40] not in short


def test_excerpt_when_the_cut_would_halve_a_key_then_no_half_is_left() -> None:
    assert KEY[:10] not in excerpt("- " * 1010 + KEY)


def test_excerpt_when_base64_may_hide_a_key_then_it_is_left_out() -> None:
    assert excerpt(f'{{"data":"{"QUJD" * 30}"}}') == '{"data":"[opaque]"}'
