"""Where images lie on the ground, and how large their pixels are there. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rasterio.warp import transform as transform_points

from graft_satellite.decoder import SatelliteDecoder
from graft_satellite.geotiff import GDAL_ERRORS, is_geotiff, opened

_DEGREES = "EPSG:4326"
_EDGE = 8
"""Points on each edge: what is straight in a projection is bent in degrees."""
_AXIS, _ECCENTRICITY = 6_378_137.0, 0.00669438
"""Of the ellipsoid of WGS 84: its longer axis in metres, and its eccentricity squared."""


def footprint(decoder: SatelliteDecoder, path: Path) -> Any | None:
    """Return the outline of an image in degrees, of shapely's; None where it says no place, or one not on the earth.

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
        pixel = math.sqrt(abs(dataset.transform.determinant))
        try:
            there = transform_points(dataset.crs, _DEGREES, *zip(*ring, strict=True))
            back = transform_points(_DEGREES, dataset.crs, *there)
        except GDAL_ERRORS:
            return None
    # Where a projection ends within the image, its edge is nowhere on the earth, and does not come back from there.
    points = [
        point
        for point, (x1, y1), (x2, y2) in zip(zip(*there, strict=True), ring, zip(*back, strict=True), strict=True)
        if all(map(math.isfinite, point)) and math.hypot(x1 - x2, y1 - y2) < pixel
    ]
    if len(points) < 3:
        return None
    longitudes = [x for x, _ in points]
    if max(longitudes) - min(longitudes) < 180:
        return shapely.make_valid(shapely.Polygon(points))
    # Across the antimeridian: what is beyond it comes in again at the other side.
    whole = shapely.make_valid(shapely.Polygon([(x + 360 * (x < 0), y) for x, y in points]))
    world = shapely.box(-180, -90, 180, 90)
    beyond = shapely.transform(whole, lambda places: places - (360, 0))
    return shapely.union(shapely.intersection(whole, world), shapely.intersection(beyond, world))


def pixel_area(decoder: SatelliteDecoder, path: Path) -> float | None:
    """Return the square metres of ground that an image's pixel covers, in its middle, on the ellipsoid of WGS 84.

    Projections stretch the ground; in Web Mercator a pixel of 10 m is one of 6 m at 52 degrees. None where the image
    says no place, or one that is not on the earth.

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
        try:
            longitudes, latitudes = transform_points(dataset.crs, _DEGREES, *zip(*points, strict=True))
        except GDAL_ERRORS:
            return None
    if not all(map(math.isfinite, (*longitudes, *latitudes))):
        return None
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
