"""The weights store, `$GRAFT_HOME/weights`: files that a user brought, with what is known of them. Torch-free."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graft import atomic
from graft.errors import WeightsError, did_you_mean
from graft.home import home
from graft.preprocess import Preprocess

FORMAT = 1
RESERVED = ("pretrained", "none", "embedded")
"""What `backbone.weights` means something else by."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Weights in the store.

    Args:
        name: What `backbone.weights` calls them.
        architecture: In full, as in `torchvision:mobilenet_v2`.
        upto: The last stage that they hold, when they do not hold all.
        licence: As the user stated it.
        preprocess: What they were trained with.
        imported_from: Name of the file that was imported.
        digest: SHA-256 of the stored file.
    """

    name: str
    architecture: str
    upto: str | None
    licence: str | None
    preprocess: Preprocess
    imported_from: str
    digest: str

    @property
    def path(self) -> Path:
        """The stored file."""
        return folder(self.name) / "weights.safetensors"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"format": FORMAT, **asdict(self), "preprocess": self.preprocess.to_json()}


def folder(name: str) -> Path:
    """Return where weights of this name are, or would be.

    Raises:
        WeightsError: When it cannot be a name.
    """
    if not _NAME.fullmatch(name) or name in RESERVED:
        raise WeightsError(
            f"'{name}' cannot be a name of weights",
            fix=f"letters, digits, '.', '_' and '-', at most 64, and none of {', '.join(RESERVED)}",
        )
    return home() / "weights" / name


def free(name: str) -> Path:
    """Return where weights of this name would be.

    Raises:
        WeightsError: When there are some, or it cannot be a name.
    """
    target = folder(name)
    if target.exists():
        raise WeightsError(
            f"there are weights '{name}' already", fix=f"choose another name, or first: graft backbones remove {name}"
        )
    return target


def put(
    name: str,
    *,
    write: Callable[[Path], None],
    architecture: str,
    upto: str | None,
    licence: str | None,
    preprocess: Preprocess,
    imported_from: str,
) -> Stored:
    """Add weights, whole or not at all.

    Args:
        name: What they are to be called.
        write: Writes the safetensors file at the path that it is given.
        architecture: As in `Stored`.
        upto: As in `Stored`.
        licence: As in `Stored`.
        preprocess: As in `Stored`.
        imported_from: As in `Stored`.

    Raises:
        WeightsError: When the name is taken or cannot be one.
    """
    target = free(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic.sweep(target.parent)
    temporary = atomic.temporary_beside(target)
    temporary.mkdir()
    try:
        file = temporary / "weights.safetensors"
        write(file)
        stored = Stored(
            name=name,
            architecture=architecture,
            upto=upto,
            licence=licence,
            preprocess=preprocess,
            imported_from=imported_from,
            digest=_digest(file),
        )
        (temporary / "weights.json").write_text(json.dumps(stored.to_json(), indent=2), encoding="utf-8")
        atomic.replace_folder(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return stored


def get(name: str) -> Stored:
    """Return what is known of stored weights, the file itself unread.

    Raises:
        WeightsError: When there are none of this name, with the closest one, or their description is damaged.
    """
    about = folder(name) / "weights.json"
    if not about.exists():
        known = [stored.name for stored in listed()]
        hint = did_you_mean(name, (*known, *RESERVED))
        raise WeightsError(
            f"no weights '{name}'" + (f": {hint}" if hint else ""),
            fix="pretrained, none, embedded, hf-hub:owner/name, a file (.safetensors, .pth), or weights that were "
            "imported: " + (", ".join(known) or f"graft backbones import FILE --name {name} --arch ARCH"),
        )
    return _read(about)


def verified(stored: Stored) -> Path:
    """Return the stored file, if it is what was imported.

    Raises:
        WeightsError: When it is missing or has changed.
    """
    again = _again(stored.path)
    if not stored.path.exists():
        raise WeightsError(f"{stored.path} is missing", fix=again)
    if _digest(stored.path) != stored.digest:
        raise WeightsError(f"{stored.path} is not the file that was imported (its SHA-256 differs)", fix=again)
    return stored.path


def listed() -> list[Stored]:
    """Return all stored weights by name; damaged entries are left out."""
    found = []
    for about in sorted((home() / "weights").glob("*/weights.json")):
        try:
            found.append(_read(about))
        except WeightsError:
            continue
    return found


def remove(name: str) -> None:
    """Delete stored weights, damaged ones too.

    Raises:
        WeightsError: When there are none of this name.
    """
    target = folder(name)
    if not target.exists():
        get(name)  # raises, with the closest name
    shutil.rmtree(target)


def _read(about: Path) -> Stored:
    try:
        values = json.loads(about.read_text(encoding="utf-8"))
        version = values.pop("format")
        if version != FORMAT:
            raise WeightsError(f"{about} was written by another version of Graft (format {version})", fix=_again(about))
        return Stored(**{**values, "name": about.parent.name, "preprocess": Preprocess.from_json(values["preprocess"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{about} is damaged ({error})", fix=_again(about)) from error


def _again(about: Path) -> str:
    return f"graft backbones remove {about.parent.name}, then import it again"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
