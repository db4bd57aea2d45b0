"""Google's real emulators, as `Emulators` starts, resets and stops them."""

import httpx
import pytest

from infra.local.emulators import Emulators

pytestmark = pytest.mark.emulator


async def _status(url: str) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.get(url, timeout=10)).status_code


async def test_emulators_when_started_then_both_answer_and_the_env_names_them(
    emulators: Emulators,
) -> None:
    assert emulators.env == {
        "FIRESTORE_EMULATOR_HOST": emulators.firestore_host,
        "PUBSUB_EMULATOR_HOST": emulators.pubsub_host,
        "GOOGLE_CLOUD_PROJECT": "sapphire-test",
    }
    assert await _status(f"http://{emulators.firestore_host}/") == 200
    assert await _status(f"http://{emulators.pubsub_host}/") == 200


async def test_emulators_when_reset_then_only_that_project_is_empty(emulators: Emulators) -> None:
    documents = f"http://{emulators.firestore_host}/v1/projects/{{}}/databases/(default)/documents"
    pubsub = f"http://{emulators.pubsub_host}/v1/projects"
    async with httpx.AsyncClient() as client:
        for project in ("reset-me", "keep-me"):
            await client.patch(f"{documents.format(project)}/things/one", json={"fields": {}})
            topic = {"topic": f"projects/{project}/topics/news"}
            await client.put(f"{pubsub}/{project}/topics/news", json={})
            await client.put(f"{pubsub}/{project}/subscriptions/reader", json=topic)

        await emulators.reset("reset-me")

        statuses = {
            project: [
                (await client.get(url)).status_code
                for url in (
                    f"{documents.format(project)}/things/one",
                    f"{pubsub}/{project}/topics/news",
                    f"{pubsub}/{project}/subscriptions/reader",
                )
            ]
            for project in ("reset-me", "keep-me")
        }
    assert statuses == {"reset-me": [404, 404, 404], "keep-me": [200, 200, 200]}


@pytest.mark.slow
async def test_emulators_when_the_context_ends_then_nothing_answers(emulators: Emulators) -> None:
    async with Emulators(project="short-lived") as others:
        addresses = {others.firestore_host, others.pubsub_host}
        assert len(addresses | {emulators.firestore_host, emulators.pubsub_host}) == 4
        for address in addresses:
            assert await _status(f"http://{address}/") == 200
    for address in addresses:
        with pytest.raises(httpx.ConnectError):
            await _status(f"http://{address}/")
