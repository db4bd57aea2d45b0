"""Hold the two coverage gates over the JSON report that `make test` has just written.

Lines and branches are gated apart: many covered lines cannot hide an untested branch.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMON_PERCENT = 95.0
OVERALL_PERCENT = 90.0


@dataclass(frozen=True, slots=True)
class Share:
    """Covered parts out of all parts; nothing to cover counts as covered."""

    covered: int
    total: int

    @property
    def percent(self) -> float:
        return 100.0 if self.total == 0 else 100.0 * self.covered / self.total


def measure(report: dict[str, Any], folder: str) -> tuple[Share, Share]:
    """Lines and branches of the files below `folder` (an empty string means every file)."""
    summaries = [
        entry["summary"]
        for path, entry in report["files"].items()
        if not folder or Path(path).parts[0] == folder
    ]
    if not summaries:
        raise SystemExit(f"coverage: no file below {folder or 'the repository'} was measured")
    lines = Share(
        sum(s["covered_lines"] for s in summaries), sum(s["num_statements"] for s in summaries)
    )
    branches = Share(
        sum(s["covered_branches"] for s in summaries), sum(s["num_branches"] for s in summaries)
    )
    return lines, branches


def main(report_path: str) -> int:
    report = json.loads(Path(report_path).read_text(encoding="utf-8"))
    missed = False
    for name, folder, floor in (
        ("common", "common", COMMON_PERCENT),
        ("overall", "", OVERALL_PERCENT),
    ):
        lines, branches = measure(report, folder)
        short = min(lines.percent, branches.percent) < floor
        missed |= short
        print(
            f"coverage {name}: lines {lines.percent:.1f} %, branches {branches.percent:.1f} %, "
            f"floor {floor:.0f} % - {'BELOW' if short else 'ok'}"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
