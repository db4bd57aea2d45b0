"""Alerts: those that the design asks for, each with an entry of the runbook."""

import re
from pathlib import Path

from tools.plan.finding import Finding
from tools.plan.instances import Instance
from tools.plan.plan import Plan, finding

POLICY = "google_monitoring_alert_policy"
RUNBOOK = "docs/RUNBOOK.md"
_LINK = re.compile(re.escape(RUNBOOK) + r"#([a-z0-9_-]+)")


def in_the_runbook(plan: Plan) -> list[Finding]:
    """Whoever is woken finds what to do: each alert names a heading that is there."""
    there = anchors(plan.root / RUNBOOK)
    found = []
    for each in plan.of(POLICY):
        named = _entries(each)
        if not named:
            found.append(finding(each, f"its documentation names no entry of {RUNBOOK}"))
        found += [
            finding(each, f"{RUNBOOK} has no heading #{name}")
            for name in named
            if name not in there
        ]
    if not plan.of(POLICY):
        found.append(Finding(where="terraform", what=POLICY, message="there is none"))
    return found


def _entries(each: Instance) -> list[str]:
    return [
        name
        for block in each.blocks("documentation")
        for name in _LINK.findall(str(block.get("content")))
    ]


def anchors(path: Path) -> set[str]:
    """What links to a Markdown file may end in, as GitHub makes them; empty without the file."""
    if not path.is_file():
        return set()
    headings = re.findall(r"^#{1,6} +(.+?) *#*$", path.read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r"<a (?:id|name)=\"([^\"]+)\"", path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings} | {*named}
