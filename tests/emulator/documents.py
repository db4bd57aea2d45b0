"""Everything that a project's Firestore holds, over the emulator's REST interface."""

from typing import Any

import httpx

_AS_ADMIN = {"authorization": "Bearer owner"}  # the emulator's word for nobody's rules


async def contents(client: httpx.AsyncClient, host: str, project: str) -> dict[str, Any]:
    """By document name: fields, and the times of creation and of the last write, so that a write
    of the same fields shows as well.
    """
    root = f"http://{host}/v1/projects/{project}/databases/(default)/documents"
    answer = await client.post(
        f"{root}:listCollectionIds", json={"pageSize": 300}, headers=_AS_ADMIN
    )
    listed = answer.raise_for_status().json()
    assert "nextPageToken" not in listed
    found: dict[str, Any] = {}
    for collection in listed.get("collectionIds", []):
        token: str | None = ""
        while token is not None:
            answer = await client.get(
                f"{root}/{collection}",
                params={"pageSize": 300, "pageToken": token},
                headers=_AS_ADMIN,
            )
            page = answer.raise_for_status().json()
            found |= {document["name"]: document for document in page.get("documents", [])}
            token = page.get("nextPageToken")
    return found
