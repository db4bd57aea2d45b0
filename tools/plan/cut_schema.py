"""`python -m tools.plan.cut_schema FACTS`: our own table of the resources that terraform/ uses.

FACTS is the provider's schema as reference/platform.md describes it; the table is
provider_schema.json beside this file. Run again when a resource of another type is used.
"""

import json
import sys
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from tools.plan.plan import REPOSITORY
from tools.plan.schema import TABLE_FILE
from tools.plan.source import read_source

AMENDED: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("google_firestore_backup_schedule", "daily_recurrence"), {"required": False, "block": {}}),
    (("google_firestore_field", "ttl_config"), {"required": False, "block": {}}),
    (
        (
            "google_compute_security_policy",
            "rule",
            "rate_limit_options",
            "rate_limit_threshold",
            "count",
        ),
        {"required": True},
    ),
)
"""What the facts lost of the provider's schema: blocks without attributes, and a nested `count`."""


def used_types(root: Path = REPOSITORY) -> list[str]:
    """The types of resource in any .tf file below terraform/."""
    folders = {path.parent for path in (root / "terraform").rglob("*.tf")}
    sources = [read_source(folder, root) for folder in sorted(folders)]
    return sorted({kind for source in sources for kind, _ in source.resources()})


def cut(facts: Mapping[str, Any], kinds: list[str]) -> dict[str, Any]:
    """Raises KeyError: a type that the facts do not know."""
    resources = {kind: deepcopy(facts["resources"][kind]) for kind in kinds}
    for (kind, *path, name), field in AMENDED:
        if kind in resources:
            fields = resources[kind]
            for step in path:
                fields = fields[step]["block"]
            fields[name] = field
    return {"provider_version": facts["provider_version"], "resources": resources}


def render(table: Mapping[str, Any]) -> str:
    """A line for each attribute of each resource, so that a change reads well."""
    lines = [
        "{",
        f'  "provider_version": {json.dumps(table["provider_version"])},',
        '  "resources": {',
    ]
    resources = table["resources"]
    for place, (kind, attributes) in enumerate(sorted(resources.items()), 1):
        lines.append(f"    {json.dumps(kind)}: {{")
        rows = [f"      {json.dumps(name)}: {json.dumps(attributes[name])}" for name in attributes]
        lines += [row + ("," if row != rows[-1] else "") for row in rows]
        lines.append("    }" + ("," if place < len(resources) else ""))
    return "\n".join([*lines, "  }", "}"]) + "\n"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m tools.plan.cut_schema FACTS")
        return 2
    facts = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    kinds = used_types()
    unknown = [kind for kind in kinds if kind not in facts["resources"]]
    if unknown:
        print(f"the facts know no {', '.join(unknown)}")
        return 1
    TABLE_FILE.write_text(render(cut(facts, kinds)), encoding="utf-8")
    print(f"{TABLE_FILE.name}: {len(kinds)} resources")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
