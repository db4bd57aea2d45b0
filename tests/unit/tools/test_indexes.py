"""terraform/indexes.json says what the code's queries and writes need."""

import ast
import json
from pathlib import Path

import pytest

from common import books, indexes
from common.indexes import EXPIRING, INDEXES, Index
from infra.document_rules import EXPIRY_FIELD
from tests.shared_data import REPOSITORY
from tools.indexes import INDEX_FILE, main, rendered

# Where a document with a time to live is created, and into which collections it goes.
CREATES = {
    "common/execution/approval.py": {books.PLAN_APPROVALS},
    "common/execution/day_results.py": {books.RISK_TOTALS},
    "common/how/message_counts.py": {books.MESSAGE_COUNTS},
    "common/rejection.py": {books.REJECTED_EVENTS},
    "functions/fetch_market/candle_hours.py": {books.CANDLE_HOURS},
    "functions/fetch_market/handler.py": {books.PROCESSED_TICKS},
    "functions/route/handler.py": {books.WATCHED_SYMBOLS},
    "infra/wallets/nonces.py": {books.WALLET_NONCES},
    "infra/web/idempotency.py": {books.IDEMPOTENCY_KEYS},
}


def creating(path: Path) -> bool:
    """Whether a file makes a document that expires, or has one made."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return any(
        isinstance(call.func, ast.Name)
        and call.func.id in {"Create", "ensure"}
        and any(keyword.arg == "expires_at" for keyword in call.keywords)
        for call in calls
    )


def test_file_when_checked_then_it_is_what_the_code_says() -> None:
    assert INDEX_FILE.read_text() == rendered()
    assert main(["--check"]) == 0


def test_composite_when_rendered_then_every_index_of_two_fields_is_there() -> None:
    composite = json.loads(rendered())["composite"]

    assert set(composite) == {index.name for index in INDEXES if index.composite}
    assert composite["by__fills__deployment_id__recorded_at"] == {
        "collection": "fills",
        "fields": [
            {"path": "deployment_id", "order": "ASCENDING"},
            {"path": "recorded_at", "order": "DESCENDING"},
        ],
    }


def test_rendered_when_two_indexes_differ_in_direction_alone_then_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    twins = (Index("fills", ("a",), "b"), Index("fills", ("a",), "b", descending=True))
    monkeypatch.setattr(indexes, "INDEXES", twins)

    with pytest.raises(SystemExit, match="the same name"):
        rendered()


def test_expiring_when_the_code_creates_such_documents_then_their_collections_are_named() -> None:
    folders = ("common", "functions", "infra")
    paths = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")]
    found = {str(path.relative_to(REPOSITORY)) for path in paths if creating(path)}

    assert found == set(CREATES), "say in CREATES and in common/indexes.py where it goes"
    assert set().union(*CREATES.values()) == set(EXPIRING)
    assert json.loads(rendered())["expiry_field"] == EXPIRY_FIELD


def test_check_when_the_file_is_stale_then_it_says_so_and_writing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "indexes.json"
    path.write_text("{}")

    assert main(["--check"], path) == 1
    assert "indexes.json is stale" in capsys.readouterr().err
    assert main([], path) == 0
    assert main(["--check"], path) == 0


def test_main_when_the_argument_is_unknown_then_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--chek"]) == 2
    assert "usage" in capsys.readouterr().err
