"""Shapes on a map as boxes in images. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import shapely
from pydantic import BaseModel
from rasterio.windows import transform as transform_in

from graft.data import BadImage, Catalogue, Reader, Sample
from graft.data.readers import SPLIT_WORDS, is_hidden, require_path
from graft.errors import DataError, Problem
from graft_detection.objects import Objects
from graft_satellite.decoder import SatelliteDecoder
from graft_satellite.geotiff import is_geotiff, opened, window_of
from graft_satellite.labels import VECTORS, shapes_in
from graft_satellite.options import VectorBoxOptions

_VISIBLE = 0.2
"""Share of a box's area that must be in a tile for the box, cut at its edge, to count there; or the share of the tile
that it fills, of an object that is larger than a tile."""


class VectorBoxReader(Reader):
    """Reads `NAME.tif` with `NAME.geojson` or `NAME.gpkg` beside it; each tile of a scene is a sample.

    A shape's box is the smallest one around it in the image's pixels. A tile without shapes has no objects.
    """

    def detect(self, path: Path) -> str | None:
        """Return why this is such a folder."""
        found = next(iter(_pairs(path)), None) if path.is_dir() else None
        return None if found is None else f"there is {found[1].name} beside {found[0].name}"

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return the images with the boxes of what lies in them.

        Raises:
            DataError: With every file that is wrong.
        """
        if not isinstance(options, VectorBoxOptions):
            raise TypeError(f"VectorBoxOptions are needed, not {type(options).__name__}")
        require_path(path, "data")
        pairs = _pairs(path) if path.is_dir() else []
        if not pairs or not isinstance(self.decoder, SatelliteDecoder):
            raise DataError(
                f"{path}: there is no GeoTIFF with a file of shapes of its name beside it, or the decoder reads none",
                fix="name a folder with scene.tif and scene.geojson in it, and --domain satellite",
            )
        samples: list[Sample] = []
        problems: list[Problem] = []
        for image, labels in pairs:
            try:
                samples += self._samples(image, labels, options.attribute, path)
            except BadImage as error:
                problems.append(Problem(labels.relative_to(path).as_posix(), str(error)))
        if problems:
            raise DataError(f"{path} cannot be used", problems=problems, fix="correct these files")
        classes = sorted({label for sample in samples for label in sample.target.labels})
        return Catalogue(
            samples=tuple(sorted(samples, key=lambda sample: sample.id)),
            classes=tuple(classes),
            reader="vector-boxes",
            root=path,
        )

    def _samples(self, image: Path, labels: Path, attribute: str, root: Path) -> list[Sample]:
        """Return a sample for each tile of a scene."""
        with opened(image) as dataset:
            if dataset.crs is None:
                raise BadImage("grid", f"{image.name} does not say where it lies")
            crs, transform = dataset.crs, dataset.transform
        shapes: list[tuple[Any, str]] = []
        for shape, properties in shapes_in(labels, crs):
            if not isinstance(name := properties.get(attribute), str) or not name.strip():
                there = ", ".join(properties) or "none"
                raise BadImage(
                    "attribute", f"a shape has no text '{attribute}' (data.reader.attribute); it has {there}"
                )
            shapes.append((shape, name.strip()))
        assert isinstance(self.decoder, SatelliteDecoder)
        samples = []
        for part in self.decoder.parts(image):
            _, region = self.decoder.scene(part)
            top = part.relative_to(root).parts[0].casefold()
            back = ~transform_in(window_of(region), transform)
            boxes, names = [], []
            for shape, name in shapes:
                box = _box_of(shape, back, (region[2], region[3]))
                if box is not None:
                    boxes.append(box)
                    names.append(name)
            samples.append(
                Sample(
                    id=part.relative_to(root).as_posix(),
                    path=part,
                    target=Objects.of(boxes, names, size=(region[2], region[3])),
                    split=SPLIT_WORDS.get(top),
                    where=labels.relative_to(root).as_posix(),
                    group=self.decoder.group(part) or image.relative_to(root).as_posix(),
                )
            )
        return samples


def _pairs(root: Path) -> list[tuple[Path, Path]]:
    """Return the images with their files of shapes, in and below a folder."""
    pairs = []
    for image in sorted(root.rglob("*")):
        if is_geotiff(image) and not is_hidden(image.name):
            labels = next((image.with_suffix(end) for end in VECTORS if image.with_suffix(end).is_file()), None)
            if labels is not None:
                pairs.append((image, labels))
    return pairs


def _box_of(shape: Any, back: Any, size: tuple[int, int]) -> list[float] | None:
    """Return the box around a shape in a tile's pixels, cut at its edge; None where it is hardly in it."""
    points = [back @ (x, y) for x, y in shapely.get_coordinates(shape).tolist()]
    if not points:
        return None
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    box = [max(left, 0.0), max(top, 0.0), min(right, float(size[1])), min(bottom, float(size[0]))]
    kept = max(box[2] - box[0], 0) * max(box[3] - box[1], 0)
    enough = _VISIBLE * min((right - left) * (bottom - top), size[0] * size[1])
    return box if kept >= enough > 0 else None
