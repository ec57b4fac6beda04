"""From files to pixels: what a decoder must provide, and the standard one. Torch-free.

A decoder is the one place that knows what is in a file. Training, prediction, evaluation, reports and readers ask it,
and a bundle records it, so that a file means the same pixels everywhere.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from graft.data.decode import MAX_PIXELS, decode, file_digest, mask_values, size_of
from graft.data.readers._files import is_file, is_image
from graft.recipe.schema import Options

if TYPE_CHECKING:
    from graft.plugins import Plugins
    from graft.plugins.descriptors import DecoderSpec

_SHOWN = 3


class Decoder(ABC):
    """Turns image files into pixels. Built as `DecoderClass(options=OptionsModel)`; threads share it.

    A file may hold several images: slices of a volume, tiles of a scene. Each is then a *part* with a path of its own
    below the file's, as in `scan.nii.gz/z=12`, which only the decoder understands.

    It must survive pickling: processes that load images get a copy.
    """

    identity: str = "standard"
    """What its pixels depend on beside the file: plugin, version, name and options. Set by `build_decoder`."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    """Of files that it reads beside those of usual images, as in `.nii.gz`; masks may have them, too."""
    mask_suffixes: ClassVar[tuple[str, ...]] = ()
    """Of files that are masks and no images."""

    def __init__(self, *, options: BaseModel) -> None:
        self.options = options
        self._digests: dict[tuple[Path, int, int], str] = {}

    @property
    @abstractmethod
    def channels(self) -> tuple[int, ...]:
        """The numbers of channels that it can give: `backbone.channels` must be one of them."""

    @abstractmethod
    def reads(self, path: Path) -> bool:
        """Return whether a file is one of its images: by its name, or where names say nothing by its first bytes."""

    @abstractmethod
    def size(self, path: Path) -> tuple[int, int]:
        """Return the (H, W) in pixels of what `decode` gives for a path, reading as little as possible.

        Raises:
            BadImage: When it cannot be read.
        """

    @abstractmethod
    def decode(self, path: Path, *, channels: int, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
        """Return an image as `(H, W, channels)`: uint8 0…255, or float32 0…1 where the file has more than 8 bits.

        Args:
            path: Of a file, or of a part of one.
            channels: One of `self.channels`.
            max_pixels: An image with more pixels is refused before it is decoded.

        Raises:
            BadImage: When it cannot be read as an image, with the reason.
        """

    def parts(self, path: Path) -> Sequence[Path]:
        """Return the paths of the images in a file, in order; of a part, itself. By default a file is one image.

        Raises:
            BadImage: When the file cannot be read.
        """
        return (path,)

    def values(self, path: Path, *, like: Path, colours: bool = False) -> NDArray[Any]:
        """Return what a mask file says for each pixel of an image, uninterpreted.

        Args:
            path: Of the mask file.
            like: Of the image, which may be a part of a file; the mask is brought onto its pixels.
            colours: Whether colours are wanted rather than numbers.

        Returns:
            `(H, W)` of integers, masked (`numpy.ma`) where the file says that nothing is known of a pixel, with the
            number by which it says so as `fill_value`, where there is one; or with `colours` `(H, W, 3)` uint8.

        Raises:
            BadImage: When it cannot be read, does not fit the image, or has colours where numbers are wanted.
        """
        return mask_values(path, colours=colours)

    def picture(self, path: Path) -> NDArray[np.uint8]:
        """Return an image as people look at it, `(H, W, 3)`.

        Raises:
            BadImage: When it cannot be read as an image.
        """
        return self.displayed(self.decode(path, channels=_SHOWN if _SHOWN in self.channels else self.channels[0]))

    def displayed(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """Return pixels `(H, W, C)` as `decode` gives them as people look at them, `(H, W, 3)`.

        By default these are the first three channels, or the first one thrice.
        """
        if pixels.dtype != np.uint8:
            pixels = np.round(pixels * 255).astype(np.uint8)
        return pixels[:, :, :_SHOWN] if pixels.shape[2] >= _SHOWN else np.repeat(pixels[:, :, :1], _SHOWN, axis=2)

    def group(self, path: Path) -> str | None:
        """Return what an image's file says that it belongs together with: a patient, a place. None when nothing.

        Images of one group never go to different splits. The text may end up in a run's files: it must not tell who a
        person is.
        """
        return None

    def stem(self, path: Path) -> str:
        """Return a file's name without its suffix: what an image and its annotation have in common."""
        known = [suffix for suffix in self.suffixes if path.name.lower().endswith(suffix)]
        return path.name[: -max(map(len, known))] if known else path.stem

    def file(self, path: Path) -> Path:
        """Return the file that an image is in: its own path, or of a part the one above it."""
        return next((above for above in (path, *path.parents) if is_file(above)), path)

    def digest(self, path: Path) -> str:
        """Return the SHA-256, in hexadecimal digits, of an image's file, or of a part: of that and the part's name.

        Raises:
            BadImage: `missing` or `unreadable`.
        """
        file = self.file(path)
        if file == path:
            return file_digest(file)
        return hashlib.sha256(f"{self._of_whole(file)}/{path.relative_to(file).as_posix()}".encode()).hexdigest()

    def _of_whole(self, file: Path) -> str:
        """Return the digest of a file of many parts, which is not read anew for each of them."""
        status = file.stat()
        # What changes a file's content changes the last of these, which nobody can set.
        key = (file, status.st_size, status.st_ctime_ns)
        if key not in self._digests:
            self._digests[key] = file_digest(file)
        return self._digests[key]


class StandardDecoder(Decoder):
    """Image files as photographs are kept, as `graft.data.decode` reads them: RGB or grey, 8 or 16 bits."""

    def __init__(self, *, options: BaseModel | None = None) -> None:
        super().__init__(options=Options() if options is None else options)

    @property
    def channels(self) -> tuple[int, ...]:
        """RGB, or luminance."""
        return (3, 1)

    def reads(self, path: Path) -> bool:
        """Return whether a file is named as an image."""
        return is_image(path.name)

    def size(self, path: Path) -> tuple[int, int]:
        """Return its (H, W), upright."""
        return size_of(path)

    def decode(self, path: Path, *, channels: int, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
        """Return an image; see `graft.data.decode.decode`."""
        return decode(path, channels=channels, max_pixels=max_pixels)


STANDARD = StandardDecoder()
"""What reads images where nobody says otherwise."""


def build_decoder(spec: DecoderSpec, options: BaseModel, *, plugins: Plugins) -> Decoder:
    """Return the decoder that a descriptor names.

    Raises:
        PluginError: When something that it requires is not installed, or its code cannot be imported.
    """
    decoder: Decoder = plugins.target(spec)(options=options)
    owner = plugins.owner(spec)
    decoder.identity = f"{owner.name} {owner.version} {spec.name} {options.model_dump_json()}"
    return decoder
