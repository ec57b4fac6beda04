"""Predictions as maps: masks in a scene's own grid, boxes as shapes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import rasterio
from rasterio.warp import transform_geom
from rasterio.windows import Window

from graft.data import BadImage
from graft.errors import UserError
from graft.outputs import Output, Places
from graft_satellite.decoder import SatelliteDecoder
from graft_satellite.geotiff import is_geotiff, opened
from graft_satellite.seams import TILE_OVERLAP, in_scene, merged
from graft_satellite.tiles import overlapping, part_of

if TYPE_CHECKING:
    from graft.outputs import Predictor
    from graft_detection.detections import Detections

_NODATA = 255
_STRIP = 256


class GeoTiff(Output):
    """`geotiff`: class numbers as one band in the grid of the scene, 255 where the scene has no data."""

    def write(self, predictor: Predictor, paths: Iterable[Path], out: Path) -> Iterator[tuple[Path, str | None]]:
        """Write `OUT/NAME.tif` for each scene: read, predicted and written a few rows at a time.

        What was found in a folder keeps its place below it.

        Raises:
            UserError: When the model sees images as a whole, or was not trained with this domain's decoder.
        """
        decoder = _decoder(predictor)
        places = Places(".tif", out)
        for scene, top in _scenes(paths):
            target = places.of(scene, top=top, stem=decoder.stem(scene))
            try:
                self._write(predictor, decoder, scene, target)
            except BadImage as error:
                yield scene, str(error)
            else:
                yield target, None

    def _write(self, predictor: Predictor, decoder: SatelliteDecoder, scene: Path, target: Path) -> None:
        channels = predictor.bundle.preprocess.channels
        with opened(scene) as given:
            profile = {
                "driver": "GTiff",
                "height": given.height,
                "width": given.width,
                "count": 1,
                "dtype": "uint8",
                "crs": given.crs,
                "transform": given.transform,
                "nodata": _NODATA,
                "compress": "deflate",
                "blockysize": _STRIP,
                "bigtiff": "if_safer",
            }
            size = given.height, given.width
        temporary = target.with_name(f".{target.name}.part")
        try:
            with rasterio.open(temporary, "w", **profile) as written, opened(scene) as given:
                written.update_tags(classes=json.dumps(list(predictor.bundle.classes)))
                for top, band in predictor.predict_rows(
                    size, lambda region: decoder.read(scene, region, channels=channels)
                ):
                    if band.mask.ndim != 2:
                        raise BadImage("format", "pixels of several classes at once cannot be written as one map")
                    window = Window(0, top, size[1], band.mask.shape[0])
                    seen = given.dataset_mask(window=window) > 0
                    written.write(np.where(seen, band.mask, _NODATA).astype(np.uint8), 1, window=window)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


class GeoJson(Output):
    """`geojson`: the boxes in a scene as shapes, in degrees, as the format wants (RFC 7946)."""

    def write(self, predictor: Predictor, paths: Iterable[Path], out: Path) -> Iterator[tuple[Path, str | None]]:
        """Write `OUT/NAME.geojson` for each scene: the boxes of its tiles, which overlap, each object once.

        What was found in a folder keeps its place below it.

        Raises:
            UserError: When the model was not trained with this domain's decoder.
        """
        decoder = _decoder(predictor)
        places = Places(".geojson", out)
        for scene, top in _scenes(paths):
            try:
                document = self._document(predictor, decoder, scene)
            except BadImage as error:
                yield scene, str(error)
                continue
            target = places.of(scene, top=top, stem=decoder.stem(scene))
            target.write_text(json.dumps(document), encoding="utf-8")
            yield target, None

    def _document(self, predictor: Predictor, decoder: SatelliteDecoder, scene: Path) -> dict[str, Any]:
        with opened(scene) as dataset:
            crs, transform = dataset.crs, dataset.transform
        if crs is None:
            raise BadImage("grid", "it does not say where it lies")
        tiles = overlapping(decoder.size(scene), decoder.options.tile, TILE_OVERLAP)
        found = []
        parts = [part_of(scene, tile.seen) for tile in tiles]
        for tile, file in zip(tiles, predictor.predict(parts), strict=True):
            if file.error is not None:
                raise BadImage("unreadable", f"{file.path.name}: {file.error}")
            found.append(in_scene(cast("Detections", file.prediction), tile))
        features = []
        for (left, top, right, bottom), label, score in merged(found):
            corners = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
            ring = [transform @ corner for corner in corners]
            geometry = transform_geom(crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]})
            properties = {"class": predictor.bundle.classes[label], "score": round(score, 6)}
            features.append({"type": "Feature", "geometry": geometry, "properties": properties})
        return {"type": "FeatureCollection", "features": features}


def _decoder(predictor: Predictor) -> SatelliteDecoder:
    decoder = predictor.bundle.decoder
    if not isinstance(decoder, SatelliteDecoder):
        raise UserError(
            "this model reads usual images, which do not say where they lie", fix="train --domain satellite"
        )
    return decoder


def _scenes(paths: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield GeoTIFFs and the folders they were found in: files as they are named, and those in folders, sorted."""
    for path in paths:
        if not path.is_dir():
            yield path, path.parent
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            yield from ((Path(folder, name), path) for name in sorted(names) if is_geotiff(Path(name)))
