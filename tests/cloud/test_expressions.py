"""Expressions have the values that Terraform 1.11 gives them: asked of it, and kept here."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.plan.evaluate import Scope, evaluate
from tools.plan.faults import PlanError
from tools.plan.hcl import read_text
from tools.plan.values import Symbol, Value

EXPRESSIONS: list[tuple[str, object]] = [
    ("1 + 2 * 3 - 4 / 2", 5),
    ("7 % 3", 1),
    ("-(2 - 5)", 3),
    ("10 / 4", 2.5),
    ("1 == 1.0", True),
    ('"1" == 1', False),
    ("true && !false || false", True),
    ('3 >= 3 ? "yes" : "no"', "yes"),
    ("null == null", True),
    ('"a" != "b"', True),
    ('"x-${1.5}-${true}-$${no}"', "x-1.5-true-${no}"),
    ('"tab\\tquote\\"uml\\u00fc"', 'tab\tquote"umlü'),
    ('"${[1, 2][1]}"', 2),
    ('[1, "a", true, null,]', [1, "a", True, None]),
    ('{ a = 1, "b" : 2, ("c") = [3] }', {"a": 1, "b": 2, "c": [3]}),
    ('[for v in ["b", "a"] : upper(v)]', ["B", "A"]),
    ('[for i, v in ["b", "a"] : "${i}${v}"]', ["0b", "1a"]),
    ('[for k, v in { b = 1, a = 2 } : "${k}${v}"]', ["a2", "b1"]),
    ('{ for v in ["x", "y"] : v => length(v) if v != "x" }', {"y": 1}),
    ('{ for v in ["ax", "ay", "bz"] : substr(v, 0, 1) => v... }', {"a": ["ax", "ay"], "b": ["bz"]}),
    ('[for v in toset(["b", "a", "b"]) : v]', ["a", "b"]),
    ("[{ a = 1 }, { a = 2 }][*].a", [1, 2]),
    ("{ a = { b = [5, 6] } }.a.b[1]", 6),
    ("flatten([[1, [2]], [], [[3]]])", [1, 2, 3]),
    ("merge({ a = 1 }, { a = 2, b = 3 })", {"a": 2, "b": 3}),
    ("concat([1], [], [2, 3])", [1, 2, 3]),
    ("distinct([1, 2, 1])", [1, 2]),
    ('contains(["a"], "a")', True),
    ("keys({ b = 1, a = 2 })", ["a", "b"]),
    ("values({ b = 1, a = 2 })", [2, 1]),
    ('lookup({ a = 1 }, "b", 0)', 0),
    ('try({ a = 1 }.b, "none")', "none"),
    ('can(regex("^[0-9]+$", "12x"))', False),
    ('coalesce("", "b")', "b"),
    ("one([])", None),
    ('sort(["b", "a", "C"])', ["C", "a", "b"]),
    ('join("-", ["a", "b"], ["c"])', "a-b-c"),
    ('split(",", "a,b,,c")', ["a", "b", "", "c"]),
    ('replace("a_b_c", "_", "-")', "a-b-c"),
    ('replace("abc", "/(b)/", "<$1>")', "a<b>c"),
    ('format("%s|%05d|%q|%%", "a", 42, "q")', 'a|00042|"q"|%'),
    ('startswith("abc", "ab")', True),
    ('endswith("abc", "bc")', True),
    ('trimprefix("abc", "a")', "bc"),
    ('tonumber("12")', 12),
    ("tostring(12.50)", "12.5"),
    ("tostring(true)", "true"),
    ('jsonencode({ b = [1, true, null], a = "x" })', '{"a":"x","b":[1,true,null]}'),
    ('jsondecode("{\\"a\\": [1]}")', {"a": [1]}),
    ('yamldecode("a: [1, b]")', {"a": [1, "b"]}),
    ('setproduct(["a", "b"], [1, 2])', [["a", 1], ["a", 2], ["b", 1], ["b", 2]]),
    ('base64encode("hello")', "aGVsbG8="),
    ('sha256("hello")', "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
    ('element(["a", "b"], 3)', "b"),
    ('length("uml")', 3),
    ("length({ a = 1 })", 1),
    ('alltrue([true, "true"])', True),
    ("anytrue([])", False),
    ('compact(["a", "", null])', ["a"]),
    ("max(1, 5, 3)", 5),
    ("range(3)", [0, 1, 2]),
    ("slice([1, 2, 3], 1, 2)", [2]),
    ('zipmap(["a"], [1])', {"a": 1}),
    ("floor(2.7) + ceil(2.1)", 5),
    ('regex("([a-z]+)-([0-9]+)", "ab-12")', ["ab", "12"]),
    ('title("hello world")', "Hello World"),
    ('trimspace("  a ")', "a"),
    ('setsubtract(["a", "b"], ["a"])', ["b"]),
    ("max([1, 9, 3]...)", 9),
    ('basename("/a/b.txt")', "b.txt"),
    ('toset(["b","a"])', ["a", "b"]),
    ('tolist(toset(["b","a"]))', ["a", "b"]),
    ("reverse([1, 2])", [2, 1]),
    ("sum([1, 2.5])", 3.5),
    ('strcontains("abc", "b")', True),
    ("abs(-3)", 3),
    ("1e3 + 0.5", 1000.5),
    ('lower("ABC")', "abc"),
    ('[for k, v in { a = [1, 2] } : [for w in v : "${k}${w}"]]', [["a1", "a2"]]),
    ('"${"nested ${"deep"}"}"', "nested deep"),
    ('tobool("true")', True),
]


class Names:
    """`known` is what only the apply tells; anything else has no meaning."""

    def root(self, name: str) -> Value:
        if name == "known_later":
            return Symbol("<later>")
        raise PlanError(f"nothing is called {name}")


def value_of(expression: str) -> Value:
    attribute = read_text(f"x = {expression}\n", "x.tf").attributes[0]
    return evaluate(attribute.value, Scope(roots=Names()))


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS)
def test_expression_when_evaluated_then_as_terraform_does(
    expression: str, expected: object
) -> None:
    assert json.loads(json.dumps(value_of(expression))) == expected


def test_expressions_when_terraform_is_asked_then_it_says_what_is_kept_here(
    tmp_path: Path,
) -> None:
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("terraform is not on this machine")
    whole = f"jsonencode([{', '.join(expression for expression, _ in EXPRESSIONS)}])\n"
    done = subprocess.run(
        [terraform, "console"],
        cwd=tmp_path,
        input=whole,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith('"')]
    assert answers, done.stdout + done.stderr
    assert json.loads(json.loads(answers[-1])) == [expected for _, expected in EXPRESSIONS]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("nothing", "nothing is called nothing"),
        ("{ a = 1 }.b", "there is no 'b' among a"),
        ("[1][1]", "there is no element 1 of 1"),
        ('toset(["a"])[0]', "a set has no numbered elements"),
        ("unheard(1)", r"the function unheard\(\) is not known"),
        ("upper()", r"upper\(\)"),
        ("one([1, 2])", "at most one element"),
        ('lookup({}, "a")', "finds no 'a'"),
        ('"a${[1]}"', "a list is no text"),
        ("[] + 1", "a list is no number"),
        ('"x" * 2', "'x' is no number"),
        ("1 ? 2 : 3", "a number is neither true nor false"),
        ("[for x in 3 : x]", "a number is no collection"),
        ('{ for x in [1, 2] : "k" => x }', "two elements of a for expression have the key 'k'"),
        ("keys([])", "a list is no map"),
        ('format("%s", 1, 2)', "arguments left over"),
        ('file("no/such/file")', "there is no file"),
        ('coalesce("", null)', "finds nothing"),
        ('known_later == "x" ? 1 : 2', "a condition that only the apply knows"),
        ("{ (known_later) = 1 }", "a key that only the apply knows"),
    ],
)
def test_expression_when_wrong_then_told_why(expression: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        value_of(expression)


@pytest.mark.parametrize(
    "expression",
    ['"a-${known_later}"', "upper(known_later)", 'join(",", ["a", known_later])', "known_later.x"],
)
def test_text_when_made_of_what_the_apply_tells_then_it_waits_too(expression: str) -> None:
    assert isinstance(value_of(expression), Symbol)


def test_equality_when_the_unknown_part_cannot_matter_then_decided() -> None:
    assert value_of('"https://${known_later}" == ""') is False
    assert value_of('"https://${known_later}" != "ftp://x"') is True
    assert isinstance(value_of('"https://${known_later}" == "https://x"'), Symbol)
