"""Errors of the house as problem documents."""

import json

import pytest

from common.errors import (
    ConfigurationError,
    ConflictError,
    DeniedError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    SapphireError,
    TransientError,
    UnauthenticatedError,
)
from infra.web.problems import Problem, http_problem, problem_of, validation_problem

WORDS = "words that are not for the caller"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Problem(418, "TEAPOT", "short and stout"), 418, "TEAPOT"),
        (UnauthenticatedError(WORDS), 401, "UNAUTHENTICATED"),
        (InvalidInputError("bad", code="BAD", where="body.x"), 422, "BAD"),
        (InvalidInputError("bad", code="INVALID_ID"), 400, "INVALID_ID"),
        (InvalidInputError(WORDS, code="INVALID_DOCUMENT", where="Agent"), 500, "INTERNAL"),
        (NotFoundError("no such agent", code="AGENT_NOT_FOUND"), 404, "AGENT_NOT_FOUND"),
        (DeniedError("AGENT_PAUSED", "it is paused"), 409, "AGENT_PAUSED"),
        (ConflictError(WORDS, collection="a", document_id="b"), 409, "CONFLICT"),
        (RateLimitedError(WORDS, retry_after_s=2.6), 503, "BUSY"),
        (TransientError(WORDS), 503, "STORE_UNAVAILABLE"),
        (ConfigurationError(WORDS), 503, "CONFIGURATION"),
        (OutcomeUnknownError(WORDS), 500, "INTERNAL"),
    ],
)
def test_problem_when_an_error_is_told_then_its_status_and_code(
    error: SapphireError, status: int, code: str
) -> None:
    response = problem_of(error).response()
    body = json.loads(bytes(response.body))
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert WORDS not in str(body)


def test_problem_when_the_store_is_busy_then_it_says_when_to_come_back() -> None:
    assert problem_of(RateLimitedError("x", retry_after_s=2.6)).headers == {"Retry-After": "3"}
    assert problem_of(RateLimitedError("x")).headers == {"Retry-After": "1"}


@pytest.mark.parametrize(
    ("finding", "status", "code", "where"),
    [
        (
            {"type": "extra_forbidden", "loc": ("body", "mine"), "msg": ""},
            422,
            "UNKNOWN_FIELD",
            "body",
        ),
        ({"type": "missing", "loc": ("body", "a"), "msg": ""}, 422, "MISSING_FIELD", "body.a"),
        (
            {"type": "value_error", "loc": ("body", "a", 0), "msg": "x"},
            422,
            "INVALID_FIELD",
            "body.a.0",
        ),
        (
            {"type": "int_parsing", "loc": ("path", "id"), "msg": "x"},
            400,
            "INVALID_FIELD",
            "path.id",
        ),
        (
            {
                "type": "union_tag_invalid",
                "loc": ("body", "a"),
                "msg": "mine",
                "ctx": {"expected_tags": "'x', 'y'"},
            },
            422,
            "INVALID_FIELD",
            "body.a",
        ),
    ],
)
def test_validation_when_it_fails_then_the_place_without_the_input(
    finding: dict[str, object], status: int, code: str, where: str
) -> None:
    problem = validation_problem([finding])
    assert (problem.status, problem.code, problem.where) == (status, code, where)
    assert "mine" not in str(json.loads(bytes(problem.response().body)))


def test_http_problem_when_the_framework_has_another_status_then_its_name_is_the_code() -> None:
    assert http_problem(418, None).code == "IM_A_TEAPOT"
    assert http_problem(404, None).code == "NO_SUCH_PATH"
