"""The secrets of this machine, which make their own key-encryption key at its first use."""

import secrets

from common.errors import NotFoundError
from infra.keys.private_key import KEY_BYTES
from infra.keys.sealed_keys import KEK_SECRET
from infra.local.secrets import FileSecretStore

FIRST_VERSION = "1"


class LocalSecretStore(FileSecretStore):
    """`SecretStore` in files. In the cloud a person creates the key-encryption key; here nobody
    has to, so that `sapphire seal` and the executor work on a machine that has nothing yet.
    """

    async def access(self, name: str, version: str) -> bytes:
        try:
            return await super().access(name, version)
        except NotFoundError:
            if (name, version) != (KEK_SECRET, FIRST_VERSION):
                raise
        if not self._was_made(name):
            await self.add(name, secrets.token_bytes(KEY_BYTES))
        # Another process may have been quicker; then its version 1 is the one that counts.
        return await super().access(name, version)

    def _was_made(self, name: str) -> bool:
        return any(self._directory.glob(f"{name}.*"))
