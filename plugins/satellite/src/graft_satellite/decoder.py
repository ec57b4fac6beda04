"""Scenes and chips as images: GeoTIFFs of any bands, in tiles; usual files as usual. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from graft.data import STANDARD, BadImage, Decoder
from graft_satellite.bands import index_of, numbers_of, scaled
from graft_satellite.geotiff import SUFFIXES, is_geotiff, opened, window_of
from graft_satellite.labels import VECTORS, from_raster, from_vector
from graft_satellite.options import INDICES, SatelliteOptions
from graft_satellite.tiles import Region, part_of, region_of, tiles_of

_MOST_CHANNELS = 64
_MAX_PIXELS = 100_000_000
BLOCK = 2048
"""Pixels on a side of a block of the ground, unless it is given in metres."""
_METRES_PER_DEGREE = 111_320.0
"""Along a meridian; along a parallel, blocks become narrower towards the poles."""


class SatelliteDecoder(Decoder):
    """Reads a scene tile by tile, never as a whole."""

    suffixes = SUFFIXES
    mask_suffixes = VECTORS
    options: SatelliteOptions

    @property
    def channels(self) -> tuple[int, ...]:
        """As many as bands and indices are chosen; any number where none are."""
        extra = len(self.options.indices)
        if self.options.bands:
            return (len(self.options.bands) + extra,)
        return (3 + extra, *(n for n in range(1, _MOST_CHANNELS + 1) if n != 3 + extra))

    def reads(self, path: Path) -> bool:
        """Return whether a file is named as a TIFF, or as a usual image."""
        return is_geotiff(path) or STANDARD.reads(path)

    def parts(self, path: Path) -> Sequence[Path]:
        """Return a scene's tiles, row by row."""
        if region_of(path) is not None or not is_geotiff(path):
            return (path,)
        regions = tiles_of(self.size(path), self.options.tile)
        return [part_of(path, region) for region in regions] if len(regions) > 1 else (path,)

    def size(self, path: Path) -> tuple[int, int]:
        """Return (H, W), from the header."""
        if (region := region_of(path)) is not None:
            return region[2], region[3]
        if not is_geotiff(path):
            return STANDARD.size(path)
        with opened(path) as dataset:
            return dataset.height, dataset.width

    def decode(self, path: Path, *, channels: int, max_pixels: int = _MAX_PIXELS) -> NDArray[Any]:
        """Return a tile or a chip `(h, w, channels)`."""
        if not is_geotiff(self.file(path)):
            return STANDARD.decode(path, channels=channels, max_pixels=max_pixels)
        file, region = self.scene(path)
        if region[2] * region[3] > max_pixels:
            raise BadImage(
                "oversized", f"{region[3]} × {region[2]} pixels are more than data.max_pixels = {max_pixels}"
            )
        return self.read(file, region, channels=channels)

    def read(self, scene: Path, region: Region, *, channels: int) -> NDArray[Any]:
        """Return a region of a scene `(h, w, channels)`, uint8 or float32 0…1.

        Raises:
            BadImage: When it cannot be read, or its bands are not as they should be.
        """
        options = self.options
        with opened(scene) as dataset:
            names = list(options.names or (name or "" for name in dataset.descriptions))
            transparent = dataset.colorinterp[-1] == ColorInterp.alpha
            numbers = numbers_of(options, names, dataset.count, channels, transparent=transparent)
            needed = sorted({need for index in options.indices for need in INDICES[index]})
            extra = [names.index(need) + 1 for need in needed if need in names]
            if len(extra) < len(needed):
                raise BadImage("bands", f"indices need the bands {', '.join(needed)}; it has {', '.join(names)}")
            window = window_of(region)
            values = dataset.read(numbers + extra, window=window)
            valid = dataset.read_masks(numbers + extra, window=window) > 0
        wanted = slice(len(numbers))
        planes = scaled(values[wanted], valid[wanted], options)
        if options.indices:
            given = dict(zip(needed, np.where(valid, values, 0)[len(numbers) :], strict=True))
            unit = planes / np.float32(255) if planes.dtype == np.uint8 else planes
            planes = np.stack([*unit, *(index_of(index, given) for index in options.indices)])
        return np.ascontiguousarray(planes.transpose(1, 2, 0))

    def values(self, path: Path, *, like: Path, colours: bool = False) -> NDArray[Any]:
        """Return labels on an image's pixels: of a raster in any grid that covers it, or of vector shapes."""
        if path.suffix.lower() in VECTORS:
            scene, region = self.scene(like)
            return from_vector(path, scene, region, self.options.attribute)
        if not is_geotiff(path) or not is_geotiff(self.file(like)) or colours:
            return STANDARD.values(path, like=like, colours=colours)
        return from_raster(path, *self.scene(like))

    def group(self, path: Path) -> str | None:
        """Return the block of the ground that an image's middle lies in; None where nothing says where it is.

        Images in one system of coordinates have one grid of blocks, whatever their resolution, where `block` is given.
        """
        file, region = self.scene(path) if is_geotiff(self.file(path)) else (path, None)
        if region is None:
            return None
        with opened(file) as dataset:
            if dataset.crs is None or dataset.transform.is_identity:
                return None
            top, left, height, width = region
            x, y = dataset.transform @ (left + width / 2, top + height / 2)
            metre = 1 / (_METRES_PER_DEGREE if dataset.crs.is_geographic else dataset.crs.linear_units_factor[1])
            pixel = math.sqrt(abs(dataset.transform.determinant)) / metre
            block = self.options.block or float(f"{BLOCK * pixel:.3g}")
            system = ":".join(dataset.crs.to_authority() or ("CRS",))
            return f"{system} {block:g} m {x // (block * metre):.0f},{y // (block * metre):.0f}"

    def displayed(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """Return red, green and blue where bands are called so, else the first; the brightest of floats are white.

        What is dark stays where it is, so that haze shows.
        """
        known = self.options.names
        bands = self.options.bands or range(1, len(known) + 1)
        names = [known[band - 1] if isinstance(band, int) and band <= len(known) else str(band) for band in bands]
        names = names[: pixels.shape[2]]  # of four bands the first three may be read
        if {"red", "green", "blue"} <= set(names):
            pixels = pixels[:, :, [names.index(colour) for colour in ("red", "green", "blue")]]
        if pixels.dtype != np.uint8:
            pixels = (pixels / max(np.percentile(pixels[:, :, :3], 99), 1e-6)).clip(0, 1)
        return super().displayed(pixels)

    def scene(self, path: Path) -> tuple[Path, Region]:
        """Return the file that an image is in, and its region there."""
        region = region_of(path)
        return (path, (0, 0, *self.size(path))) if region is None else (path.parent, region)
