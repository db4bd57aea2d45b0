"""The repository's own Terraform, expanded once."""

import pytest

from tests.cloud.tree import Tree


@pytest.fixture(scope="session")
def tree() -> Tree:
    return Tree()
