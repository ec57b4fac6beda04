"""What is in a bundle, without building it. Torch-free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from graft.errors import RunError

FORMAT = 1
"""Version of the layout of `bundle.json`. A reader refuses newer ones and migrates older ones."""

TENSORS = "model.safetensors"
DOCUMENT = "bundle.json"


def find_bundle(path: Path) -> Path:
    """Return the bundle folder that `path` is, or that lies in the run folder `path`.

    Raises:
        RunError: When there is none.
    """
    for folder in (path, path / "bundle"):
        if (folder / DOCUMENT).is_file():
            return folder
    if not path.exists():
        raise RunError(f"{path} does not exist", fix="name a run folder or a bundle folder")
    unfinished = (path / "recipe.toml").is_file()
    raise RunError(
        f"{path} holds no bundle: there is no {DOCUMENT} in it or in {path / 'bundle'}",
        fix=f"finish the run first: graft resume {path}" if unfinished else "name a run folder or a bundle folder",
    )


def read_info(folder: Path) -> dict[str, Any]:
    """Return `bundle.json` of a bundle folder, after checking its version and its digest.

    Raises:
        RunError: When it is damaged or made by a newer Graft.
    """
    file = folder / DOCUMENT
    again = f"copy the bundle again; {DOCUMENT} is not meant to be edited"
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{file}: cannot be read ({type(error).__name__})", fix=again) from error
    if not isinstance(info, dict) or not isinstance(info.get("format"), int):
        raise RunError(f"{file}: this describes no bundle", fix=again)
    if info["format"] > FORMAT:
        raise RunError(
            f"{folder}: made by a newer Graft ({info.get('graft', 'unknown')}): its format is {info['format']}, "
            f"and this Graft ({version('graft-core')}) reads up to {FORMAT}",
            fix="pip install --upgrade graft-core",
        )
    digests = info.get("digests")
    if not isinstance(digests, dict) or digests.get(DOCUMENT) != digest(info):
        raise RunError(f"{file}: damaged: its content does not have the digest that was recorded", fix=again)
    return info


def digest(info: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a document's values, apart from the one that this becomes."""
    digests = {name: value for name, value in info["digests"].items() if name != DOCUMENT}
    return hashlib.sha256(json.dumps({**info, "digests": digests}, sort_keys=True).encode()).hexdigest()
