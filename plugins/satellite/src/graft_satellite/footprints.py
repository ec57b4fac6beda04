"""Where images lie on the ground, and how large their pixels are there. Torch-free."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rasterio.transform import array_bounds
from rasterio.warp import transform_bounds
from rasterio.windows import transform as transform_in

from graft_satellite.decoder import SatelliteDecoder
from graft_satellite.geotiff import is_geotiff, opened, window_of

_DEGREE = 111_319.49
"""Metres of a degree of longitude at the equator, and nearly of latitude anywhere."""


def footprint(decoder: SatelliteDecoder, path: Path) -> Any | None:
    """Return the box around an image in degrees, a shapely polygon; None where it does not say where it lies.

    Raises:
        BadImage: When its file cannot be read.
    """
    import shapely

    if not is_geotiff(decoder.file(path)):
        return None
    file, region = decoder.scene(path)
    with opened(file) as dataset:
        if dataset.crs is None or dataset.transform.is_identity:
            return None
        bounds = array_bounds(region[2], region[3], transform_in(window_of(region), dataset.transform))
        return shapely.box(*transform_bounds(dataset.crs, "EPSG:4326", *bounds))


def pixel_area(decoder: SatelliteDecoder, path: Path) -> float | None:
    """Return the square metres of an image's pixel, in its middle; None where it does not say where it lies.

    In projected coordinates they are the projection's, in degrees those of a sphere.

    Raises:
        BadImage: When its file cannot be read.
    """
    if not is_geotiff(decoder.file(path)):
        return None
    file, (top, left, height, width) = decoder.scene(path)
    with opened(file) as dataset:
        if dataset.crs is None or dataset.transform.is_identity:
            return None
        area = abs(dataset.transform.determinant)
        if dataset.crs.is_geographic:
            _, latitude = dataset.transform * (left + width / 2, top + height / 2)
            return float(area * _DEGREE**2 * math.cos(math.radians(latitude)))
        return float(area * dataset.crs.linear_units_factor[1] ** 2)
