"""Where Graft keeps what outlives a run, and whether it may use the network."""

from __future__ import annotations

import os
from pathlib import Path

from graft.errors import OfflineError


def home() -> Path:
    """Return `$GRAFT_HOME`, or the platform's cache folder for Graft. It may not exist yet."""
    given = os.environ.get("GRAFT_HOME")
    if given:
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("graft"))


def offline() -> bool:
    """Return whether `--offline`, `GRAFT_OFFLINE` or `HF_HUB_OFFLINE` forbids the network."""
    return any(
        os.environ.get(name, "").lower() in {"1", "true", "yes", "on"} for name in ("GRAFT_OFFLINE", "HF_HUB_OFFLINE")
    )


def require_network(what: str, *, fix: str) -> None:
    """Raise unless the network may be used for `what`.

    Raises:
        OfflineError: In offline mode; `fix` says which file to bring, and how.
    """
    if offline():
        raise OfflineError(f"{what} would need the network, and Graft is offline", fix=fix)
