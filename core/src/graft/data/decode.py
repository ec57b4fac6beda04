"""One decoder for training, prediction and export: an image file in, pixels or a typed refusal out. Torch-free.

What a file's values mean:

- The format is what the first bytes say, never the name, and exactly one Pillow plugin is tried: no format outside
  `FORMATS` reaches a parser. Of files with several frames or pages the first is taken.
- Images stand upright: the EXIF orientation is applied; one that cannot be read counts as absent.
- Transparency, in whatever form, is laid on white.
- CMYK, palette, 1-bit and YCbCr images become RGB or luminance; grey images are repeated over the channels.
- 8 bits per channel give uint8. 16-bit grey gives float32, value / 65535, so that no bit is lost (Pillow's own
  conversion would clip it). 16-bit colour gives uint8, because Pillow reads no more.
- Floating-point pixels must lie in 0…1 and are taken as they are. A file with another range is refused: scaling each
  image by its own minimum and maximum would make the images of a data set incomparable.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

MAX_PIXELS = 100_000_000

_SIGNATURES: tuple[tuple[str, tuple[bytes, ...], Callable[[BinaryIO], Image.Image]], ...] = (
    ("JPEG", (b"\xff\xd8\xff",), JpegImagePlugin.jpeg_factory),
    ("PNG", (b"\x89PNG\r\n\x1a\n",), PngImagePlugin.PngImageFile),
    ("BMP", (b"BM",), BmpImagePlugin.BmpImageFile),
    ("GIF", (b"GIF87a", b"GIF89a"), GifImagePlugin.GifImageFile),
    ("TIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImagePlugin.TiffImageFile),
    ("PPM", (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"), PpmImagePlugin.PpmImageFile),
)
FORMATS = (*(name for name, _, _ in _SIGNATURES), "WEBP")
"""The formats that are read."""

# What Pillow 13 raised on 340 000 damaged files. Anything else is a bug, here or there, and must be seen.
_REFUSALS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    MemoryError,
    OverflowError,
    TypeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112

_NO_PHOTOGRAPH = "unknown pixel mode"
"""What Pillow says of a sound TIFF with other bands or types of value than it has a mode for."""


class BadImage(Exception):
    """A file that gives no pixels.

    Args:
        code: `missing`, `unreadable`, `empty`, `format`, `corrupt`, `truncated`, `oversized`, or of masks `coloured`.
        reason: One sentence for the user, without the file's name.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} [{self.code}]"


def decode(source: Path | BinaryIO, *, channels: int = 3, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Return an image as `(H, W, channels)`, uint8 0…255, or float32 0…1 when the file has more than 8 bits.

    Args:
        source: A regular file, or an open binary stream that can seek.
        channels: 3 for RGB, 1 for luminance.
        max_pixels: Files that declare more are refused before anything is decoded.

    Raises:
        BadImage: When the file cannot be read as an image, with the reason.
        ValueError: For other `channels`: a mistake of the caller, not of the file.
    """
    if channels not in (1, 3):
        raise ValueError(f"images are decoded to 1 or 3 channels, not {channels}")
    stream = io.BytesIO(read_file(source)) if isinstance(source, Path) else source
    with _open(stream) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise BadImage("oversized", f"{width} × {height} pixels are more than data.max_pixels = {max_pixels}")
        try:
            image.load()
            return _pixels(_upright(image), channels)
        except BadImage:
            raise
        except _REFUSALS as error:
            raise _refusal(error) from error


def size_of(path: Path) -> tuple[int, int]:
    """Return the (H, W) of the image that `decode` gives for a file; only its header is read.

    Raises:
        BadImage: When the header cannot be read.
    """
    with _reading(path) as stream, _open(stream) as image:
        width, height = image.size
        try:
            turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        except _REFUSALS:
            turned = False
    return (width, height) if turned else (height, width)


def mask_values(path: Path, *, colours: bool = False) -> NDArray[Any]:
    """Return a mask file's values as they are, `(H, W)` of integers: numbers, or a palette's indices.

    Args:
        path: A regular file.
        colours: Whether to return colours instead, `(H, W, 3)` uint8.

    Raises:
        BadImage: When it cannot be read as an image, or has colours where numbers are wanted.
    """
    with _open(io.BytesIO(read_file(path))) as image:
        try:
            image.load()
            if colours:
                return np.asarray(image.convert("RGB"))
            if image.mode in ("1", "L", "P") or image.mode.startswith("I"):
                return np.asarray(image).astype(np.int64 if image.mode.startswith("I") else np.uint8)
            if image.mode == "F":
                return _whole(np.asarray(image))
            channels = np.asarray(image.convert("RGB"))
        except _REFUSALS as error:
            raise _refusal(error) from error
    if (channels != channels[..., :1]).any():
        raise BadImage("coloured", "it is in colour, where numbers are wanted")
    grey: NDArray[Any] = channels[..., 0]
    return grey


def _whole(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return numbers that are whole, as such."""
    if not (values == np.round(values)).all():  # NaN is not equal to itself
        raise BadImage("format", "it has fractions, where whole numbers are wanted")
    return values.astype(np.int64)


def read_file(path: Path) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        BadImage: `missing` or `unreadable`.
    """
    with _reading(path) as stream:
        return stream.read()


@contextmanager
def _reading(path: Path) -> Iterator[io.BufferedReader]:
    try:
        # A pipe or a device would block for ever, and says nothing about an image.
        if not stat.S_ISREG(path.stat().st_mode):
            raise BadImage("unreadable", "not a regular file")
        with path.open("rb") as stream:
            yield stream
    except FileNotFoundError as error:
        dangling = path.is_symlink()
        raise BadImage("missing", "a link to a file that does not exist" if dangling else "no such file") from error
    except (OSError, ValueError) as error:
        raise BadImage("unreadable", getattr(error, "strerror", None) or str(error)) from error


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a regular file in hexadecimal digits, a piece of it in memory at a time.

    Raises:
        BadImage: `missing` or `unreadable`.
    """
    with _reading(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _open(stream: BinaryIO) -> Image.Image:
    head = stream.read(16)
    stream.seek(-len(head), os.SEEK_CUR)
    if not head:
        raise BadImage("empty", "the file is empty")
    found = [(name, plugin) for name, marks, plugin in _SIGNATURES if head.startswith(marks)]
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        found = [("WEBP", WebPImagePlugin.WebPImageFile)]
    if not found:
        raise BadImage("format", f"not one of {', '.join(FORMATS)}")
    name, plugin = found[0]
    try:
        return plugin(stream)
    except _REFUSALS as error:
        if isinstance(error, Image.DecompressionBombError):
            raise _refusal(error) from error
        if str(error) == _NO_PHOTOGRAPH:
            raise BadImage("format", f"a {name} whose bands or values are no photograph's") from error
        raise BadImage("corrupt", f"starts like {name}, but its header cannot be read") from error


def _refusal(error: Exception) -> BadImage:
    if isinstance(error, Image.DecompressionBombError):
        return BadImage("oversized", str(error))
    if isinstance(error, MemoryError):
        return BadImage("oversized", "not enough memory to decode it")
    text = str(error)
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return BadImage("truncated", "the file ends before the image does")
    return BadImage("corrupt", f"cannot be decoded: {text or type(error).__name__}")


def _upright(image: Image.Image) -> Image.Image:
    # Pillow has already turned a TIFF when it was loaded, and has removed the tag.
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except _REFUSALS:
        return image
    return image if turn is None else image.transpose(turn)


def _pixels(image: Image.Image, channels: int) -> NDArray[Any]:
    if image.mode == "F" or image.mode.startswith("I"):
        grey = _unit(image)
        return np.repeat(grey[:, :, None], channels, axis=2)
    if image.mode in ("LAB", "HSV"):
        raise BadImage("format", f"the colour space {image.mode} is not read")
    if image.has_transparency_data or image.mode in ("La", "RGBa", "PA"):
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    array = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    return array if array.ndim == 3 else array[:, :, None]


def _unit(image: Image.Image) -> NDArray[np.float32]:
    """Return grey pixels of more than 8 bits as `(H, W)` in 0…1."""
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    top = 1.0 if image.mode == "F" else 65535.0
    # Written so that NaN is refused too.
    if not (low >= 0 and high <= top):
        raise BadImage("format", f"pixels from {low:g} to {high:g}; grey pixels of this kind must lie in 0…{top:g}")
    return (values / top).astype(np.float32)
