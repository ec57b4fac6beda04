from __future__ import annotations

import pytest

from graft.plugins import Plugins
from toys import toy_plugins


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    """Core, and a plugin with the tasks `sorting` and `counting`."""
    return toy_plugins()
