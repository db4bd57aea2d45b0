"""URLs that may be asked, and every way to write one that may not."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.outside.urls import outside_host
from tests.shared_data import REPOSITORY

TAKEN = {
    "https://api.hyperliquid.xyz": "api.hyperliquid.xyz",
    "https://api.hyperliquid.xyz/": "api.hyperliquid.xyz",
    "https://API.Example.COM/v1?x=a@b:c&y=[1]": "api.example.com",
    "https://arb-mainnet.g.alchemy.com/v2/a-KEY_of~somebody": "arb-mainnet.g.alchemy.com",
    "https://api.example.com:443/x": "api.example.com",
    "https://api.example.com./x": "api.example.com",
    "https://xn--bcher-kva.example/": "xn--bcher-kva.example",
    "https://1e100.net?x": "1e100.net",
}
REFUSED = {
    "begin with https": [
        "",
        "api.example.com",
        "//api.example.com",
        "http://api.example.com",
        "HTTPS://api.example.com",
        "ftp://api.example.com",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "unix:/var/run/docker.sock",
        " https://api.example.com",
        "https:/api.example.com",
        "https:api.example.com",
        "https://api.example.com/" + "x" * 2048,
    ],
    "name a user": [
        "https://user@api.example.com",
        "https://user:word@api.example.com/x",
        "https://api.example.com@169.254.169.254/",
        "https://@api.example.com",
    ],
    "not an address": [
        "https://169.254.169.254/computeMetadata/v1/",
        "https://10.0.0.1",
        "https://8.8.8.8",
        "https://127.0.0.1:443/x",
        "https://127.1",
        "https://2852039166/",
        "https://0xa9fea9fe/",
        "https://0xa9.0xfe.0xa9.0xfe/",
        "https://0251.0376.0251.0376/",
        "https://0x7f.1",
        "https://[::1]",
        "https://[::ffff:169.254.169.254]/",
        "https://[fd20:ce::254]:443/",
        "https://[fe80::1%25eth0]/",
        "https://evil.example.1",
    ],
    "inside a network": [
        "https://metadata.google.internal/computeMetadata/v1/",
        "https://METADATA.google.INTERNAL",
        "https://metadata.google.internal./x",
        "https://metadata",
        "https://localhost:443",
        "https://db.localhost",
        "https://vm.c.project.internal",
        "https://printer.local",
        "https://router.lan",
        "https://1.0.0.127.in-addr.arpa",
        "https://x.test",
        "https://x.onion",
    ],
    "use port 443": [
        "https://api.example.com:80",
        "https://api.example.com:8443/x",
        "https://api.example.com:22",
        "https://api.example.com:99999",
        "https://api.example.com:444/",
    ],
    "plain ASCII": [
        "https://",
        "https:///x",
        "https://.example.com",
        "https://api..example.com",
        "https://-api.example.com",
        "https://api_x.example.com",
        "https://api.example.com\\@169.254.169.254",
        "https://api.example.com\\x",
        "https://api.example.com:",
        "https://api.example.com:x",
        "https://api.example.com#x",
        "https://api.example.com/a b",
        "https://api.example.com/\r\nX: y",
        "https://api.example.com/\n",
        "https://api.example.com\u3002evil.example",
        "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
        "https://api.ex\u0430mple.com",
        "https://api%2eexample.com",
        "https://%31%32%37.0.0.1",
        "https://api.example.com/\u00e9",
        "https://" + "a" * 64 + ".example.com",
        "https://" + "a." * 130 + "com",
    ],
}


@pytest.mark.parametrize(("url", "host"), TAKEN.items())
def test_host_when_the_url_is_of_the_outside_then_its_name(url: str, host: str) -> None:
    assert outside_host(url) == host


@pytest.mark.parametrize(
    ("reason", "url"), [(reason, url) for reason, urls in REFUSED.items() for url in urls]
)
def test_host_when_the_url_is_anything_else_then_the_reason_without_an_echo(
    reason: str, url: str
) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        outside_host(url)
    assert "169" not in str(caught.value)
    assert "evil" not in str(caught.value)


def test_host_when_another_port_is_allowed_then_taken() -> None:
    assert outside_host("https://api.example.com:8443", ports={443, 8443}) == "api.example.com"
    with pytest.raises(ValueError, match="443 or 8443"):
        outside_host("https://api.example.com:8444", ports={443, 8443})


@given(st.text(max_size=40))
def test_host_when_any_text_follows_https_then_a_dotted_name_or_refused(text: str) -> None:
    try:
        host = outside_host(f"https://{text}")
    except ValueError:
        return
    assert "." in host
    assert host == host.lower()
    assert not host.rpartition(".")[2].isdigit()
    assert text.lower().startswith(host)


def own_addresses() -> list[tuple[str, str]]:
    """Every URL that stands as a text of its own in a module that asks the outside."""
    folders = [REPOSITORY / "infra" / name for name in ("venues", "feeds", "telegram")]
    paths: list[Path] = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return [
        (str(path.relative_to(REPOSITORY)), node.value)
        for path in [*paths, REPOSITORY / "common" / "config.py"]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith("https://")
        and len(node.value) > len("https://")
    ]


def test_host_when_it_is_one_of_the_defaults_then_taken() -> None:
    """In the cloud every venue is reached at its usual address."""
    found = own_addresses()
    assert len(found) > 8
    for place, url in found:
        assert outside_host(url), place
