"""The operator's pages: every command, option, variable, path and address in them is real."""

import ast
import re
import runpy
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.config import FURTHER, KNOWN
from functions.api.permissions import ROLES
from infra.cli.main import COMMANDS, _parser
from tests.architecture.doc_commands import Command, blocks, commands, parsed, spans
from tests.shared_data import REPOSITORY
from tools.cost import DOCUMENT, with_blocks
from tools.cost import blocks as cost_tables
from tools.cost_usage import load_counts

DOCS = REPOSITORY / "docs"
PAGES = [DOCS / f"{name}.md" for name in ("COST", "DEPLOY", "RUNBOOK", "SECURITY")]
TERRAFORM = REPOSITORY / "terraform"
OURS = frozenset({"sapphire", "gcloud", "terraform", "make", "python"})
OTHERS = frozenset(
    {
        "base64",
        "call",
        "cat",
        "curl",
        "date",
        "echo",
        "export",
        "git",
        "jq",
        "openssl",
        "printf",
        "rm",
    }
    | {"unset"}
)
"""`call` is the runbook's own, of curl."""
TERRAFORM_VERBS = frozenset(
    {"apply", "destroy", "fmt", "import", "init", "output", "plan", "state", "validate"}
)
_API = re.compile(r"(?<![\w.])/(?:api|health|docs|openapi\.json)[A-Za-z0-9_/{}.-]*")
_PATH = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.*-]+)+/?")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_VARIABLE = re.compile(r"\b(?:SAPPHIRE|TELEGRAM)_[A-Z_]+\b")
_TEST = re.compile(r"`(tests/[A-Za-z0-9_/]+\.py)(?:::(test_[a-z0-9_]+))?`")
_OPEN_ROUTES = {"/health", "/docs", "/openapi.json"}


def of(name: str) -> list[tuple[str, Command]]:
    """The commands called `name`, with the page that each stands in."""
    return [
        (page.name, command)
        for page in PAGES
        for command in commands(page, within_sentences=OURS)
        if command.name == name
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_when_read_then_each_is_one_that_is_checked_here(page: Path) -> None:
    strange = {
        command.name: command.text
        for command in commands(page, within_sentences=OURS)
        if command.name not in OURS | OTHERS
    }
    assert not strange


def test_sapphire_when_called_as_written_then_its_parser_takes_it() -> None:
    found = of("sapphire")
    refused = []
    for page, command in found:
        arguments = command.words[1:]
        if len(arguments) == 1 and arguments[0] in COMMANDS:
            continue  # it is spoken of, or takes nothing
        try:
            _parser().parse_args(arguments)
        except SystemExit as stop:
            if stop.code:
                refused.append(f"{page}: {command.text}")
    assert not refused
    assert len(found) > 20


def test_make_when_called_as_written_then_the_target_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    asked = {word for _, command in of("make") for word in command.words[1:] if "=" not in word}
    assert asked
    assert asked <= targets


def test_python_when_called_as_written_then_the_tool_exists() -> None:
    missing = []
    for page, command in of("python"):
        words = command.words[1:]
        if words[0] == "-c":
            ast.parse(words[1])
            continue
        tool = f"{words[1].replace('.', '/')}.py" if words[0] == "-m" else words[0]
        source = REPOSITORY / tool
        options = [word.split("=")[0] for word in words if word.startswith("--")]
        text = source.read_text() if source.is_file() else ""
        if not text or any(f'"{option}"' not in text for option in options):
            missing.append(f"{page}: {command.text}")
    assert not missing


def test_terraform_when_called_as_written_then_variables_files_and_outputs_exist() -> None:
    variables = _terraform_names("variable", TERRAFORM / "variables.tf")
    outputs = _terraform_names("output", TERRAFORM / "outputs.tf")
    wrong = []
    for page, command in of("terraform"):
        words = [word for word in command.words[1:] if not word.startswith("-chdir=")]
        problem = _terraform_problem(words, variables, outputs)
        if problem:
            wrong.append(f"{page}: {problem}: {command.text}")
    assert not wrong


def _terraform_problem(words: list[str], variables: set[str], outputs: set[str]) -> str:
    if words[0] not in TERRAFORM_VERBS:
        return f"no command {words[0]}"
    for index, word in enumerate(words):
        if word == "-var":
            name = words[index + 1].split("=")[0]
            if name not in variables:
                return f"no variable {name}"
        if word.startswith("-var-file="):
            file = TERRAFORM / word.removeprefix("-var-file=")
            if "$" not in word and not file.is_file():
                return f"no file {file}"
    if words[0] == "output" and not words[-1].startswith("-") and len(words) > 1:
        return "" if words[-1] in outputs else f"no output {words[-1]}"
    return ""


def _terraform_names(kind: str, path: Path) -> set[str]:
    return set(re.findall(rf'^{kind} "([a-z_]+)"', path.read_text(), re.MULTILINE))


@cache
def _gcloud_tree() -> dict[str, Any]:
    """gcloud's own table of commands and flags, which works without a network."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        pytest.skip("gcloud is not installed, so its commands are not checked")
    told = subprocess.run(
        [gcloud, "info", "--format=value(installation.sdk_root)"],
        capture_output=True,
        text=True,
        check=True,
    )
    table = Path(told.stdout.strip()) / "data" / "cli" / "gcloud_completions.py"
    tree: dict[str, Any] = runpy.run_path(str(table))["STATIC_COMPLETION_CLI_TREE"]
    return tree


def test_gcloud_when_called_as_written_then_it_knows_command_and_flags() -> None:
    tree = _gcloud_tree()
    found = of("gcloud")
    wrong = [
        f"{page}: {problem}: {command.text}"
        for page, command in found
        if (problem := _gcloud_problem(list(command.words[1:]), tree))
    ]
    assert not wrong
    assert len(found) > 30


def _gcloud_problem(words: list[str], tree: dict[str, Any]) -> str:
    node, flags = tree, set(tree["flags"])
    rest = list(words)
    while rest and rest[0] in node["commands"]:
        node = node["commands"][rest.pop(0)]
        flags |= set(node["flags"])
    if node["commands"]:
        return f"no command {' '.join(words[:4])}"
    asked = {word.split("=")[0] for word in rest if word.startswith("--")}
    switched_off = {f"--{flag.removeprefix('--no-')}" for flag in asked if flag[:5] == "--no-"}
    unknown = {flag for flag in asked - flags if f"--{flag.removeprefix('--no-')}" not in flags}
    return f"no flag {', '.join(sorted(unknown - switched_off))}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_addresses_when_written_then_the_api_serves_them(page: Path) -> None:
    served = {re.sub(r"\{[^}]*\}", "*", path) for _, path in ROLES} | _OPEN_ROUTES
    text = "\n".join([*blocks(page), *spans(page)])
    asked = {match.rstrip("/.") for match in _API.findall(text)}
    unknown = {path for path in asked if not _is_served(path, served)}
    assert not unknown


def _is_served(path: str, served: set[str]) -> bool:
    parts = path.split("/")
    for each in served:
        known = each.split("/")
        if len(known) == len(parts) and all(
            have in {"*", want} for have, want in zip(known, parts, strict=True)
        ):
            return True
    return path == "/api"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_variables_when_named_then_something_reads_them(page: Path) -> None:
    known = {*KNOWN, *FURTHER}
    read = "\n".join(path.read_text() for path in (REPOSITORY / "common").glob("*settings*.py"))
    read += (REPOSITORY / "common" / "config.py").read_text()
    named = set(_VARIABLE.findall(page.read_text()))
    assert {name for name in named if name not in known and f'"{name}"' not in read} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_paths_when_named_then_they_are_in_the_tree(page: Path) -> None:
    folders = {each.name for each in REPOSITORY.iterdir() if each.is_dir()} - {"build"}
    named = {
        path.rstrip("/")
        for span in spans(page)
        for path in _PATH.findall(span.split("::")[0])
        if path.split("/")[0] in folders
    }
    missing = {path for path in named if not list(REPOSITORY.glob(path))}
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_when_followed_then_page_and_heading_exist(page: Path) -> None:
    broken = []
    for target in _LINK.findall(page.read_text()):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert not broken


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them."""
    headings = _HEADING.findall(page.read_text())
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_runbook_when_an_alert_fires_then_it_has_an_entry_of_the_alerts_key() -> None:
    alerts = yaml.safe_load((TERRAFORM / "alerts.yaml").read_text())
    anchors = _anchors(DOCS / "RUNBOOK.md")
    assert {key for key in alerts if key not in anchors} == set()


def test_runbook_when_an_entry_is_read_then_it_says_what_to_see_do_and_prove() -> None:
    """Each alert's own section has the same four parts, in order."""
    alerts = yaml.safe_load((TERRAFORM / "alerts.yaml").read_text())
    sections = dict(_sections(DOCS / "RUNBOOK.md"))
    parts = ("**It means**", "**Look**", "**Do**", "**Halt**", "**Over when**")
    lacking = {
        key: [part for part in parts if part not in sections[key]]
        for key in alerts
        if key in sections
    }
    assert {key: parts for key, parts in lacking.items() if parts} == {}


def _sections(page: Path) -> list[tuple[str, str]]:
    pieces = re.split(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return list(zip(pieces[1::2], pieces[2::2], strict=True))


def test_security_when_it_cites_a_test_then_that_test_exists() -> None:
    cited = _TEST.findall((DOCS / "SECURITY.md").read_text())
    missing = [
        f"{path}::{name}"
        for path, name in cited
        if not (REPOSITORY / path).is_file()
        or (name and f"def {name}(" not in (REPOSITORY / path).read_text())
    ]
    assert not missing
    assert len(cited) > 20


def test_cost_when_worked_out_again_then_the_page_says_the_same() -> None:
    text = DOCUMENT.read_text()
    assert with_blocks(text, cost_tables(load_counts())) == text


def test_parsed_when_a_line_nests_pipes_and_assigns_then_every_command_is_found() -> None:
    line = 'A=$(gcloud info --format=x) sapphire status --url "$URL" | jq . > file && make check'
    assert [command.words[:2] for command in parsed(line)] == [
        ("gcloud", "info"),
        ("sapphire", "status"),
        ("jq", "."),
        ("make", "check"),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("gcloud secrets versions add key --data-fil=-", "no flag --data-fil"),
        ("gcloud secrets version add key", "no command secrets version add key"),
        ("gcloud builds submit --no-source --quiet", ""),
    ],
)
def test_gcloud_when_it_is_misspelt_then_found(line: str, problem: str) -> None:
    assert _gcloud_problem(line.split()[1:], _gcloud_tree()) == problem


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("apply -var colour=red", "no variable colour"),
        ("output -raw api_uri", "no output api_uri"),
        ("deploy", "no command deploy"),
        ("apply -var paused=false", ""),
    ],
)
def test_terraform_when_it_is_misspelt_then_found(line: str, problem: str) -> None:
    assert _terraform_problem(line.split(), {"paused"}, {"api_url"}) == problem


def test_commands_when_a_block_is_part_of_a_list_or_goes_on_below_then_found(
    tmp_path: Path,
) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "1. Do:\n\n   ```\n   make check \\\n     test\n   ```\n\nSay `sapphire status --json`.\n"
    )
    found = commands(page, within_sentences=OURS)
    assert [command.words for command in found] == [
        ("make", "check", "test"),
        ("sapphire", "status", "--json"),
    ]
