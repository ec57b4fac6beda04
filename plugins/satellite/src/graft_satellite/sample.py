"""Generated land: fields, water, woods, roads and buildings in four bands, as georeferenced GeoTIFFs.

Nobody's data: no licence. The target part is another season and sensor: drier, hazier and noisier.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

from graft_satellite.decoder import BLOCK

BANDS = ("blue", "green", "red", "nir")
COVERS = ("bare", "crops", "water", "woods")
_REFLECTANCE: dict[str, tuple[int, int, int, int]] = {
    "bare": (1100, 1400, 1800, 2400),
    "crops": (500, 900, 600, 3600),
    "water": (700, 600, 400, 200),
    "woods": (300, 500, 350, 2500),
    "road": (1500, 1600, 1650, 1700),
    "roof": (2600, 2500, 2700, 2800),
}
_RESOLUTION = 10.0
_CRS = "EPSG:32633"
_ROW, _EVERY = 50, 8
"""Chips in a row, and a chip is on every so many chips' width: a split's forty lie in more than five blocks."""
_COUNTS = {"train": 1.0, "val": 0.5, "test": 1.0}
_README = """Generated land in four bands (blue, green, red, near infrared) of 16-bit reflectance times 10000, as
GeoTIFFs in UTM 33N with pixels of 10 m. `source` is one season and sensor, `target` another: drier, hazier, noisier,
and with few labels. Made by graft (graft_satellite.sample): nobody's data, no licence, no place on earth.
"""


def write_chips(folder: Path, *, seed: int = 0, size: int = 64, per_class: int = 10) -> int:
    """Write chips of one land cover each, in folders of classes, and return how many."""

    def one(draw: np.random.Generator, cover: str, shifted: bool, path: Path, place: int) -> None:
        values, _, _ = _land(draw, size, [cover] * 3 + list(COVERS), shifted=shifted)
        _save(path.with_suffix(".tif"), values, place, size)

    return _write(folder, seed, size, per_class, lambda split, cover, name: Path(split, cover, name), one, COVERS)


def write_masks(folder: Path, *, seed: int = 0, size: int = 64, per_class: int = 10) -> int:
    """Write chips with masks of land cover and roads, and return how many."""

    def one(draw: np.random.Generator, cover: str, shifted: bool, path: Path, place: int) -> None:
        values, mask, _ = _land(draw, size, list(COVERS), shifted=shifted, road=True)
        split, name = path.parent, path.name
        _save(split / "images" / f"{name}.tif", values, place, size)
        _save(split / "masks" / f"{name}.tif", mask[None], place, size)
        names = [*COVERS, "road"]
        (split.parent / "classes.txt").write_text("\n".join(names) + "\n")

    return _write(folder, seed, size, per_class, lambda split, cover, name: Path(split, name), one, ("land", "more"))


def write_boxes(folder: Path, *, seed: int = 0, size: int = 64, per_class: int = 10) -> int:
    """Write chips with buildings and ponds as GeoJSON beside them, and return how many."""

    def one(draw: np.random.Generator, cover: str, shifted: bool, path: Path, place: int) -> None:
        values, _, boxes = _land(
            draw, size, ["crops", "bare", "woods"], shifted=shifted, things=int(draw.integers(1, 5))
        )
        transform = _save(path.with_suffix(".tif"), values, place, size)
        features = []
        for name, (left, top, right, bottom) in boxes:
            ring = [
                transform @ corner
                for corner in ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
            ]
            geometry = {"type": "Polygon", "coordinates": [[list(point) for point in ring]]}
            features.append({"type": "Feature", "properties": {"class": name}, "geometry": geometry})
        document = {
            "type": "FeatureCollection",
            "crs": {"type": "name", "properties": {"name": _CRS}},
            "features": features,
        }
        path.with_suffix(".geojson").write_text(json.dumps(document))

    return _write(folder, seed, size, per_class, lambda split, cover, name: Path(split, name), one, ("land", "more"))


def _write(
    folder: Path,
    seed: int,
    size: int,
    per_class: int,
    where: Callable[[str, str, str], Path],
    one: Callable[[np.random.Generator, str, bool, Path, int], None],
    kinds: tuple[str, ...],
) -> int:
    draw = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.txt").write_text(_README)
    written = place = 0
    for part, split in product(("source", "target"), _COUNTS):
        # No block of the ground holds chips of two splits.
        place = (-(-place // _ROW) + BLOCK // (_EVERY * size) + 1) * _ROW
        for kind in kinds:
            times = 3 if (part, split) == ("source", "train") else 1
            for number in range(max(2, round(per_class * _COUNTS[split] * times))):
                path = folder / part / where(split, kind, f"{kind}-{number:03d}")
                path.parent.mkdir(parents=True, exist_ok=True)
                one(draw, kind, part == "target", path, place)
                place, written = place + 1, written + 1
    return written


def _land(
    draw: np.random.Generator, size: int, covers: list[str], *, shifted: bool, road: bool = False, things: int = 0
) -> tuple[NDArray[np.uint16], NDArray[np.uint8], list[tuple[str, tuple[int, int, int, int]]]]:
    """Return values `(4, H, W)`, the cover of each pixel, and boxes of things."""
    count = len(covers) + 3
    seeds = draw.uniform(0, size, (count, 2))
    kinds = [covers[index] for index in draw.integers(0, len(covers), count)]
    kinds[0] = covers[0]
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij"), axis=-1).astype(float)
    nearest = np.linalg.norm(grid[:, :, None] - seeds[None, None], axis=-1).argmin(axis=2)
    mask = np.array([COVERS.index(kind) for kind in kinds], np.uint8)[nearest]
    values = np.array([_REFLECTANCE[kind] for kind in kinds], float)[nearest].transpose(2, 0, 1)
    texture = draw.normal(0, 1, (size, size))
    values *= 1 + 0.12 * texture * (mask == COVERS.index("woods")) + 0.05 * texture
    if road:
        slope, start, wide = draw.uniform(-0.6, 0.6), draw.uniform(0.2, 0.8) * size, max(1.5, size / 24)
        on = np.abs(grid[:, :, 0] - start - slope * (grid[:, :, 1] - size / 2)) < wide
        values[:, on] = np.array(_REFLECTANCE["road"])[:, None]
        mask[on] = len(COVERS)
    boxes: list[tuple[str, tuple[int, int, int, int]]] = []
    for _ in range(things):
        name = "building" if draw.random() < 0.6 else "pond"
        height, width = (int(side) for side in draw.integers(max(5, size // 10), max(7, size // 5), 2))
        top, left = int(draw.integers(0, size - height)), int(draw.integers(0, size - width))
        if any(left < b[2] and b[0] < left + width and top < b[3] and b[1] < top + height for _, b in boxes):
            continue
        values[:, top : top + height, left : left + width] = np.array(
            _REFLECTANCE["roof" if name == "building" else "water"], float
        )[:, None, None]
        boxes.append((name, (left, top, left + width, top + height)))
    if shifted:
        values *= np.array([1.0, 0.95, 1.15, 0.75])[:, None, None]
        values = values * 0.85 + 450
        values += draw.normal(0, 90, values.shape)
    values += draw.normal(0, 40, values.shape)
    return values.clip(1, 10_000).astype(np.uint16), mask, boxes


def _save(path: Path, values: NDArray[Any], place: int, size: int) -> Any:
    """Write a chip somewhere of its own, and return its transform."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row, column = divmod(place, _ROW)
    apart = _EVERY * size * _RESOLUTION
    transform = from_origin(400_000 + column * apart, 5_500_000 - row * apart, _RESOLUTION, _RESOLUTION)
    profile = {"driver": "GTiff", "height": size, "width": size, "count": len(values), "dtype": values.dtype}
    with rasterio.open(path, "w", **profile, crs=_CRS, transform=transform, compress="deflate") as written:
        written.write(values)
        if len(values) == len(BANDS):
            for number, name in enumerate(BANDS, 1):
                written.set_band_description(number, name)
    return transform
