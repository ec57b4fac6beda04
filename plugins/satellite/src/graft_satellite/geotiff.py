"""GeoTIFFs through rasterio, and nothing else that GDAL could open. Torch-free.

GDAL takes many texts for files: URLs, archives, documents that name other files, or run Python. Here a path is a
regular file whose first bytes are TIFF's, and it is opened by that driver alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from graft.data import BadImage

SUFFIXES = (".tif", ".tiff")
_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# A chip that does not say where it lies is as good as any other image.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

_LOCKED = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no file beside it is read
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",
    "GDAL_HTTP_MAX_RETRY": "0",
    "GDAL_PAM_ENABLED": "NO",  # nothing is written beside it
    "GDAL_CACHEMAX": 64,
}


GDAL_ERRORS = (RasterioError, CPLE_BaseError, SystemError)
"""What rasterio raises: its own errors, from some functions those of GDAL, which are none of them, and `SystemError`
where it has lost GDAL's reason."""


def is_geotiff(path: Path) -> bool:
    """Return whether a file is named as a TIFF."""
    return path.suffix.lower() in SUFFIXES


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Give rasterio's dataset of a file.

    Raises:
        BadImage: When it is missing, no regular file, no TIFF, or damaged; also when it turns out to be while read.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
    except FileNotFoundError as error:
        raise BadImage("missing", "no such file") from error
    except (OSError, ValueError) as error:
        raise BadImage("unreadable", getattr(error, "strerror", None) or str(error)) from error
    if not head:
        raise BadImage("empty", "the file is empty")
    if head not in _MARKS:
        raise BadImage("format", "named as a TIFF, but it is none" if is_geotiff(path) else "it is no TIFF")
    try:
        with rasterio.Env(**_LOCKED), rasterio.open(path.absolute(), driver="GTiff", sharing=False) as dataset:
            yield dataset
    except (*GDAL_ERRORS, OSError, ValueError, MemoryError) as error:
        if isinstance(error, BadImage):
            raise
        raise BadImage("corrupt", f"cannot be decoded: {error}") from error


def window_of(region: tuple[int, int, int, int]) -> Window:
    """Return rasterio's window of top, left, height and width."""
    top, left, height, width = region
    return Window(left, top, width, height)
