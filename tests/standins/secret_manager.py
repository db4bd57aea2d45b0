"""Secret Manager over gRPC: generic handlers around the installed client's own messages."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.cloud import secretmanager_v1 as api
from google.cloud.secretmanager_v1 import SecretManagerServiceAsyncClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceGrpcAsyncIOTransport,
)

SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"
State = api.SecretVersion.State


class SecretManager:
    """Keeps secrets in memory; the next of `faults` (a grpc.StatusCode) is answered instead."""

    def __init__(self) -> None:
        self.secrets: dict[str, list[tuple[bytes, int]]] = {}
        self.calls: list[str] = []
        self.faults: deque[grpc.StatusCode] = deque()

    async def create_secret(self, request: Any, context: Any) -> api.Secret:
        path = f"{request.parent}/secrets/{request.secret_id}"
        if path in self.secrets:
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, path)
        self.secrets[path] = []
        return api.Secret(name=path)

    async def add_secret_version(self, request: Any, context: Any) -> api.SecretVersion:
        if request.parent not in self.secrets:
            await context.abort(grpc.StatusCode.NOT_FOUND, request.parent)
        versions = self.secrets[request.parent]
        versions.append((request.payload.data, State.ENABLED))
        return api.SecretVersion(name=f"{request.parent}/versions/{len(versions)}")

    async def access_secret_version(
        self, request: Any, context: Any
    ) -> api.AccessSecretVersionResponse:
        data, state = await self._version(request.name, context)
        if state is not State.ENABLED:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "is in DISABLED state")
        return api.AccessSecretVersionResponse(name=request.name, payload={"data": data})

    async def disable_secret_version(self, request: Any, context: Any) -> api.SecretVersion:
        data, _ = await self._version(request.name, context)
        path, _, number = request.name.rpartition("/versions/")
        self.secrets[path][int(number) - 1] = (data, State.DISABLED)
        return api.SecretVersion(name=request.name, state=State.DISABLED)

    async def _version(self, name: str, context: Any) -> tuple[bytes, int]:
        path, _, number = name.rpartition("/versions/")
        versions = self.secrets.get(path, [])
        if not 0 < int(number) <= len(versions):
            await context.abort(grpc.StatusCode.NOT_FOUND, name)
        return versions[int(number) - 1]

    def handlers(self) -> Any:
        requests: dict[str, tuple[Any, Any, Any]] = {
            "CreateSecret": (api.CreateSecretRequest, api.Secret, self.create_secret),
            "AddSecretVersion": (
                api.AddSecretVersionRequest,
                api.SecretVersion,
                self.add_secret_version,
            ),
            "AccessSecretVersion": (
                api.AccessSecretVersionRequest,
                api.AccessSecretVersionResponse,
                self.access_secret_version,
            ),
            "DisableSecretVersion": (
                api.DisableSecretVersionRequest,
                api.SecretVersion,
                self.disable_secret_version,
            ),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    self._counted(name, answer),
                    request_deserializer=request.deserialize,
                    response_serializer=response.serialize,
                )
                for name, (request, response, answer) in requests.items()
            },
        )

    def _counted(self, name: str, answer: Any) -> Any:
        async def counted(request: Any, context: Any) -> Any:
            self.calls.append(name)
            if self.faults:
                await context.abort(self.faults.popleft(), "as told, with s3cret inside")
            return await answer(request, context)

        return counted


@asynccontextmanager
async def secret_manager_client(
    server: SecretManager,
) -> AsyncIterator[SecretManagerServiceAsyncClient]:
    """The real client, connected to `server` on loopback."""
    listening = grpc.aio.server()
    listening.add_generic_rpc_handlers((server.handlers(),))
    port = listening.add_insecure_port("127.0.0.1:0")
    await listening.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    transport = SecretManagerServiceGrpcAsyncIOTransport(channel=channel)
    try:
        yield SecretManagerServiceAsyncClient(transport=transport)
    finally:
        await channel.close()
        await listening.stop(grace=None)
