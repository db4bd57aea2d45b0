"""`terraform/indexes.json` from common/indexes.py: what Firestore must be told to build.

python tools/indexes.py           write the file again
python tools/indexes.py --check   exit 1 when it is not what the code says
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INDEX_FILE = ROOT / "terraform" / "indexes.json"


def rendered() -> str:
    """The file's text. `__name__` is left out: Firestore adds it in the last field's direction,
    which is how `FirestoreStore` orders by it.
    """
    from common.indexes import EXPIRING, INDEXES, Index
    from infra.document_rules import EXPIRY_FIELD

    def fields(index: Index) -> list[dict[str, str]]:
        last = "DESCENDING" if index.descending else "ASCENDING"
        return [
            {"path": path, "order": last if path == index.order_by else "ASCENDING"}
            for path in index.paths
        ]

    needed = sorted((index for index in INDEXES if index.composite), key=lambda index: index.name)
    composite = {
        index.name: {"collection": index.collection, "fields": fields(index)} for index in needed
    }
    if len(composite) != len(needed):
        raise SystemExit("common/indexes.py: two composite indexes bear the same name")
    content = {"composite": composite, "expiring": sorted(EXPIRING), "expiry_field": EXPIRY_FIELD}
    return json.dumps(content, indent=2) + "\n"


def main(arguments: Sequence[str], path: Path = INDEX_FILE) -> int:
    if list(arguments) not in ([], ["--check"]):
        sys.stderr.write("usage: python tools/indexes.py [--check]\n")
        return 2
    text = rendered()
    if not arguments:
        path.write_text(text, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{path.name} is stale: run `python tools/indexes.py`\n")
    return 1


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
