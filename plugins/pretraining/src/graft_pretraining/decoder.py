"""Files that describe images, which are drawn when they are needed. Torch-free."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from graft.data import BadImage, StandardDecoder
from graft.data.decode import MAX_PIXELS, read_file
from graft.errors import did_you_mean
from graft_pretraining.generators import draw
from graft_pretraining.grey import luminance
from graft_pretraining.options import Drawn, Kind

_SUFFIX = ".toml"


class GeneratedDecoder(StandardDecoder):
    """Draws the images of `leaves.toml`, which are its parts: `leaves.toml/0000012`. Usual files are read as usual.

    Nothing but the description is ever on a disk, and processes that load images draw in parallel.
    """

    suffixes = (_SUFFIX,)

    def reads(self, path: Path) -> bool:
        """Return whether a file is named as a description, or as an image."""
        return path.suffix.lower() == _SUFFIX or super().reads(path)

    def parts(self, path: Path) -> Sequence[Path]:
        """Return a path for each image that a file describes."""
        if not self._describes(path):
            return (path,)
        return [path / f"{index:07d}" for index in range(_described(path).count)]

    def size(self, path: Path) -> tuple[int, int]:
        """Return (H, W)."""
        if not self._within(path):
            return super().size(path)
        side = _described(self.file(path)).size
        return side, side

    def decode(self, path: Path, *, channels: int, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
        """Return an image `(H, W, channels)`, uint8; of a description as a whole, its first."""
        if not self._within(path):
            return super().decode(path, channels=channels, max_pixels=max_pixels)
        file = self.file(path)
        said = _described(file)
        if said.size**2 > max_pixels:
            raise BadImage("oversized", f"{said.size} × {said.size} pixels are more than data.max_pixels={max_pixels}")
        index = 0 if file == path else _index(path, said.count)
        pixels = draw(said.kind, index, size=said.size, seed=said.seed)
        return luminance(pixels) if channels == 1 else pixels

    def group(self, path: Path) -> str | None:
        """Return a group of its own for each image: they have nothing to do with each other."""
        return f"{path.parent.name}/{path.name}" if self._within(path) else None

    def _describes(self, path: Path) -> bool:
        return path.suffix.lower() == _SUFFIX

    def _within(self, path: Path) -> bool:
        return self._describes(path) or self._describes(path.parent)


def _described(file: Path) -> Drawn:
    try:
        return Drawn.model_validate(tomllib.loads(read_file(file).decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadImage("corrupt", f"is no TOML: {error}") from error
    except ValidationError as error:
        said = "; ".join(_worded(one) for one in error.errors(include_url=False))
        raise BadImage("corrupt", f"describes no images: {said}") from error


def _worded(error: ErrorDetails) -> str:
    """Return one mistake of a description: where, what was given, what fits, and what may have been meant."""
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{key} is missing"
    if error["type"] == "extra_forbidden":
        known = list(Drawn.model_fields)
        return f"{key} is an unknown key ({did_you_mean(key, known) or 'known are ' + ', '.join(known)})"
    hint = did_you_mean(str(error["input"]), get_args(Kind)) if key == "kind" else None
    fits = error["msg"].removeprefix("Input ")
    return f"{key} {fits}, and is {error['input']!r}" + (f" ({hint})" if hint else "")


def _index(part: Path, count: int) -> int:
    if part.name.isdecimal() and int(part.name) < count:
        return int(part.name)
    raise BadImage("missing", f"the file describes {count} images, and {part.name} is none of them")
