"""Small scenes as GeoTIFFs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin

NAMES = ("blue", "green", "red", "nir")


def scene(
    path: Path,
    size: tuple[int, int] = (90, 130),
    *,
    dtype: str = "uint16",
    count: int = 4,
    crs: Any = "EPSG:32633",
    west: float = 400_000,
    resolution: float = 10,
    nodata: float | None = None,
) -> np.ndarray:
    draw = np.random.default_rng(0)
    values = draw.integers(0, 255 if dtype == "uint8" else 4000, (count, *size)).astype(dtype)
    profile = {"driver": "GTiff", "height": size[0], "width": size[1], "count": count, "dtype": dtype, "nodata": nodata}
    transform = from_origin(west, 5_500_000, resolution, resolution)
    with rasterio.open(path, "w", **profile, crs=crs, transform=transform) as written:
        written.write(values)
        for number, name in enumerate(NAMES[:count], 1):
            written.set_band_description(number, name)
    return values
