import pytest

from common.errors import UnauthenticatedError
from infra.bearer import bearer_token
from infra.local.tokens import SharedTokenVerifier


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Authorization": "Bearer s3cret"}, {}),
        ({"authorization": "bearer s3cret"}, {}),
        ({}, {"token": "s3cret"}),
        ({"authorization": "Basic dXNlcg=="}, {"token": "s3cret"}),
    ],
)
async def test_verify_when_the_token_is_shown_either_way_then_it_passes(
    headers: dict[str, str], query: dict[str, str]
) -> None:
    await SharedTokenVerifier("s3cret").verify(headers=headers, query=query)


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, {}),
        ({"Authorization": "Bearer other"}, {}),
        ({"Authorization": "s3cret"}, {}),
        ({"Authorization": "Bearer "}, {}),
        ({"Authorization": "Bearer other"}, {"token": "s3cret"}),
        ({}, {"token": "s3cret "}),
        ({}, {"token": "\ud800"}),
        ({"X-CloudScheduler": "true"}, {}),
    ],
)
async def test_verify_when_the_token_is_missing_or_wrong_then_refused(
    headers: dict[str, str], query: dict[str, str]
) -> None:
    with pytest.raises(UnauthenticatedError):
        await SharedTokenVerifier("s3cret").verify(headers=headers, query=query)


@pytest.mark.parametrize("query", [{}, {"token": ""}])
async def test_verify_when_no_token_is_configured_then_everything_is_refused(
    query: dict[str, str],
) -> None:
    with pytest.raises(UnauthenticatedError):
        await SharedTokenVerifier("").verify(headers={"Authorization": "Bearer "}, query=query)


def test_bearer_token_when_another_scheme_is_used_then_there_is_none() -> None:
    assert bearer_token({"Authorization": "Basic abc"}) == ""
