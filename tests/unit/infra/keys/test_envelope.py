"""Sealing and opening: bound to one use, and silent about why it does not open."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from common.domain.agent import KeyCode
from common.domain.instrument import Venue
from common.wire import canonical_json
from infra.keys.envelope import Envelope, KeyRefused, KeyUse, open_envelope, seal
from infra.keys.private_key import KeyEncryptionKey
from tests.builders.keys import A_KEK, a_private_key, a_use, an_envelope

OTHER_USES: dict[str, dict[str, Any]] = {
    "agent": {"agent_id": "agt_other"},
    "wallet": {"wallet": "0x" + "99" * 20},
    "venue": {"venue": Venue.OSTIUM},
    "key version": {"key_version": 2},
}


def test_open_when_sealed_for_this_then_the_key() -> None:
    assert open_envelope(an_envelope(), under=A_KEK, use=a_use()) == a_private_key()


def test_open_when_the_wallet_is_written_in_another_case_then_the_same_use() -> None:
    use = a_use(wallet="0x" + "AB" * 20)
    envelope = an_envelope(use=use)
    lower = replace(use, wallet=use.wallet.lower())
    assert open_envelope(envelope, under=A_KEK, use=lower) == a_private_key()


@pytest.mark.parametrize("name", OTHER_USES)
def test_open_when_sealed_for_something_else_then_refused(name: str) -> None:
    """Case 40."""
    envelope = an_envelope(use=a_use(**OTHER_USES[name]))
    with pytest.raises(KeyRefused) as caught:
        open_envelope(envelope, under=A_KEK, use=a_use())
    assert caught.value.code == KeyCode.AUTHENTICATION_FAILED


@pytest.mark.parametrize("field", ["ciphertext", "iv", "tag"])
def test_open_when_any_bit_was_changed_then_refused_in_the_same_words(field: str) -> None:
    """Case 39: no detail."""
    envelope = an_envelope()
    told = set()
    raw = bytes.fromhex(getattr(envelope, field))
    for bit in range(0, 8 * len(raw), 7):
        changed = (int.from_bytes(raw, "big") ^ (1 << bit)).to_bytes(len(raw), "big").hex()
        with pytest.raises(KeyRefused) as caught:
            open_envelope(replace(envelope, **{field: changed}), under=A_KEK, use=a_use())
        told.add(str(caught.value))
    assert told == {"KEY_AUTHENTICATION_FAILED: the envelope does not open"}


def test_open_when_the_key_encryption_key_is_another_then_refused() -> None:
    with pytest.raises(KeyRefused, match="KEY_AUTHENTICATION_FAILED"):
        open_envelope(an_envelope(), under=KeyEncryptionKey(b"\x09" * 32), use=a_use())


def test_seal_when_read_with_a_plain_cipher_then_as_the_decision_record_says() -> None:
    """docs/adr/0010-keys.md: what another program has to do to seal."""
    use = KeyUse(agent_id="agt_1", wallet="0xAb", venue=Venue.GMX, key_version=12)
    assert use.authenticated_data() == b"5:agt_14:0xab3:GMX2:12"
    envelope = an_envelope(use=use)
    sealed = bytes.fromhex(envelope.ciphertext + envelope.tag)
    opened = AESGCM(A_KEK.reveal()).decrypt(
        bytes.fromhex(envelope.iv), sealed, b"5:agt_14:0xab3:GMX2:12"
    )
    assert opened == a_private_key().reveal()


PARTS = st.builds(
    KeyUse,
    agent_id=st.text("a:1", max_size=4),
    wallet=st.text("a:1", max_size=4),
    venue=st.sampled_from(Venue),
    key_version=st.integers(1, 30),
)


@given(st.sets(PARTS, min_size=2, max_size=12))
def test_authenticated_data_when_uses_differ_then_it_differs(uses: set[KeyUse]) -> None:
    for one, other in combinations(uses, 2):
        assert one.authenticated_data() != other.authenticated_data()


@pytest.mark.parametrize("size", [0, 11, 13, 16])
def test_seal_when_the_iv_has_another_length_then_refused(size: int) -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        seal(a_private_key(), under=A_KEK, use=a_use(), iv=b"1" * size)


def test_from_secret_when_it_is_what_the_api_stored_then_the_envelope() -> None:
    envelope = an_envelope()
    stored = canonical_json({"agent_address": "0x1", **envelope.to_fields()}).encode()
    assert Envelope.from_secret(stored) == envelope


@pytest.mark.parametrize(
    "changes",
    [
        {"agent_key_iv": "00" * 11},
        {"agent_key_iv": "00" * 13},
        {"agent_key_tag": "00" * 4},
        {"agent_key_tag": "00" * 8},
        {"agent_key_tag": "00" * 12},
        {"agent_key_encrypted": "00" * 31},
        {"agent_key_encrypted": "0" * 63},
        {"agent_key_encrypted": "zz" * 32},
        {"agent_key_encrypted": None},
        {"agent_key_encrypted": 12},
    ],
)
def test_from_fields_when_a_size_is_wrong_then_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(KeyRefused) as caught:
        Envelope.from_fields({**an_envelope().to_fields(), **changes})
    assert caught.value.code == KeyCode.MALFORMED


@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b"{}", b"12", b"{"])
def test_from_secret_when_it_is_no_envelope_then_malformed(value: bytes) -> None:
    with pytest.raises(KeyRefused, match="KEY_MALFORMED"):
        Envelope.from_secret(value)


def test_fingerprint_when_any_part_differs_then_another() -> None:
    envelope, use = an_envelope(), a_use()
    others = [
        an_envelope(iv=b"\x02" * 12).fingerprint(use),
        an_envelope(a_private_key(2)).fingerprint(use),
        envelope.fingerprint(a_use(key_version=2)),
    ]
    assert envelope.fingerprint(use) not in others
    assert envelope.fingerprint(use) == an_envelope().fingerprint(a_use())
