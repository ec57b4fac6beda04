"""Where images lie on the ground, and how large their pixels are there. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rasterio.warp import transform as transform_points
from rasterio.warp import transform_geom

from graft_satellite.decoder import SatelliteDecoder
from graft_satellite.geotiff import is_geotiff, opened

_DEGREES = "EPSG:4326"
_EDGE = 8
"""Points on each edge: what is straight in a projection is bent in degrees."""
_AXIS, _ECCENTRICITY = 6_378_137.0, 0.00669438
"""Of the ellipsoid of WGS 84: its longer axis in metres, and its eccentricity squared."""


def footprint(decoder: SatelliteDecoder, path: Path) -> Any | None:
    """Return the outline of an image in degrees, a shapely polygon; None where it does not say where it lies.

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
        ring = [dataset.transform @ point for point in _outline(*region)]
        outline = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
        return shapely.geometry.shape(transform_geom(dataset.crs, _DEGREES, outline))


def pixel_area(decoder: SatelliteDecoder, path: Path) -> float | None:
    """Return the square metres of ground that an image's pixel covers, in its middle, on the ellipsoid of WGS 84.

    Projections stretch the ground; in Web Mercator a pixel of 10 m is one of 6 m at 52 degrees. None where the image
    does not say where it lies.

    Raises:
        BadImage: When its file cannot be read.
    """
    if not is_geotiff(decoder.file(path)):
        return None
    file, (top, left, height, width) = decoder.scene(path)
    with opened(file) as dataset:
        if dataset.crs is None or dataset.transform.is_identity:
            return None
        # The middle, and half of the image to the right of it and below: far enough apart for the numbers' precision.
        row, column = top + height / 2, left + width / 2
        points = [dataset.transform @ at for at in ((column, row), (left + width, row), (column, top + height))]
        longitudes, latitudes = transform_points(dataset.crs, _DEGREES, *zip(*points, strict=True))
    latitude = math.radians(latitudes[0])
    bent = 1 - _ECCENTRICITY * math.sin(latitude) ** 2
    east = math.radians(1) * _AXIS / math.sqrt(bent) * math.cos(latitude)
    north = math.radians(1) * _AXIS * (1 - _ECCENTRICITY) / bent**1.5
    (x1, y1), (x2, y2) = (
        ((longitudes[place] - longitudes[0]) * east, (latitudes[place] - latitudes[0]) * north) for place in (1, 2)
    )
    return float(abs(x1 * y2 - x2 * y1) / (width / 2 * height / 2))


def _outline(top: int, left: int, height: int, width: int) -> Iterator[tuple[float, float]]:
    """Yield points around a region, column and row, clockwise from its corner."""
    corners = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        for step in range(_EDGE):
            yield x1 + (x2 - x1) * step / _EDGE, y1 + (y2 - y1) * step / _EDGE
