"""Labels of another grid, or of shapes, on an image's pixels. Torch-free."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import CRSError
from rasterio.features import rasterize
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_geom
from rasterio.windows import transform as transform_in

from graft.data import BadImage
from graft_satellite.geotiff import GDAL_ERRORS, opened, window_of
from graft_satellite.tiles import Region

VECTORS = (".geojson", ".gpkg")
_MOST = 65_536
"""Class numbers, as many as 16 bits tell apart."""
_WGS84 = CRS.from_epsg(4326)
_EPSG = re.compile(r"(?:urn:ogc:def:crs:)?EPSG:(?:[\d.]*:)?(\d{1,6})", re.IGNORECASE)
_CRS84 = re.compile(r"(?:urn:ogc:def:crs:)?OGC:(?:[\d.]*:)?CRS84", re.IGNORECASE)
_WKT = re.compile(r"(?:GEOG|PROJ|GEOD|COMPD|COMPOUND|BOUND|LOCAL_|ENG|DERIVED)[A-Z]*\[")


def from_raster(path: Path, scene: Path, region: Region) -> np.ma.MaskedArray[Any, Any]:
    """Return a label raster's values on a region of a scene `(h, w)`; another grid is brought onto it, to the nearest.

    Where it has no data it is masked; the number that says so, where one does, is the array's `fill_value`.

    Raises:
        BadImage: When it has several bands, does not cover the region, or says no place and is of another size.
    """
    with opened(scene) as image, opened(path) as labels:
        if labels.count != 1:
            raise BadImage("bands", f"labels have one band, and it has {labels.count}")
        if _same_grid(labels, image):
            return _whole(labels.read(1, window=window_of(region), masked=True), _said(labels))
        if labels.crs is None or image.crs is None:
            if (labels.height, labels.width) == (image.height, image.width):
                return _whole(labels.read(1, window=window_of(region), masked=True), _said(labels))
            raise BadImage("grid", "it is of another size than the image, and one of them does not say where it lies")
        window = window_of(region)
        with WarpedVRT(
            labels,
            crs=image.crs,
            transform=transform_in(window, image.transform),
            height=region[2],
            width=region[3],
            resampling=Resampling.nearest,
            # What has no data is a value like others on the way: the mask is of what the labels do not cover.
            src_nodata=None,
            add_alpha=True,
        ) as warped:
            values = warped.read(1)
            seen = warped.dataset_mask()
            nodata = labels.nodata
    if not seen.all():
        top, left, height, width = region
        where = f"rows {top} to {top + height} and columns {left} to {left + width} of the image"
        raise BadImage("grid", f"it covers {(seen > 0).mean():.0%} of {where}, and labels cover all of an image")
    empty = (
        np.zeros(values.shape, bool) if nodata is None else np.isnan(values) if np.isnan(nodata) else values == nodata
    )
    return _whole(np.ma.masked_array(values, empty), nodata)


def from_vector(path: Path, scene: Path, region: Region, attribute: str | None) -> NDArray[np.int64]:
    """Return shapes on a region of a scene `(h, w)`: their attribute, a whole number, or 1; elsewhere 0.

    Raises:
        BadImage: When it cannot be read, or has no such attribute.
    """
    with opened(scene) as image:
        if image.crs is None:
            raise BadImage("grid", "the image does not say where it lies")
        crs, transform = image.crs, transform_in(window_of(region), image.transform)
    burnt = []
    for shape, properties in shapes_in(path, crs):
        if attribute is not None and attribute not in properties:
            raise BadImage("attribute", f"a shape has no attribute '{attribute}'; it has {', '.join(properties)}")
        value = 1 if attribute is None else properties[attribute]
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadImage(
                "attribute",
                f"{attribute} is {value!r}, and a class is a whole number here: data.decoder.attribute names one",
            )
        if not 0 <= value < _MOST:
            raise BadImage("attribute", f"{attribute} is {value}, and a class is a number from 0 to {_MOST - 1}")
        burnt.append((shape, value))
    if not burnt:
        return np.zeros(region[2:], np.int64)
    filled: NDArray[Any] = rasterize(burnt, out_shape=region[2:], transform=transform, dtype="int32")
    return filled.astype(np.int64)


def shapes_in(path: Path, crs: CRS) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the shape in `crs`, of shapely's, and the attributes of each in a GeoJSON or GeoPackage file.

    Raises:
        BadImage: When it cannot be read.
    """
    own, features = _geojson(path) if path.suffix.lower() == ".geojson" else _geopackage(path)
    for feature in features:
        geometry = feature.get("geometry")
        if not geometry:
            continue
        try:
            shape = shapely.geometry.shape(geometry)
            if own != crs:
                shape = shapely.geometry.shape(transform_geom(own, crs, shapely.geometry.mapping(shape)))
            properties = dict(feature.get("properties") or {})
            if not shape.is_empty and not all(map(math.isfinite, shape.bounds)):
                raise ValueError("it has a place that is no finite number")
        except (*GDAL_ERRORS, shapely.errors.ShapelyError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadImage("corrupt", f"a shape cannot be read: {error}") from error
        if not shape.is_empty:
            yield shape, properties


def _geojson(path: Path) -> tuple[CRS, list[dict[str, Any]]]:
    try:
        document = json.loads(path.read_text("utf-8-sig"))
        features = document["features"]
        # Older files name another system; the standard knows one.
        named = (document.get("crs") or {}).get("properties", {}).get("name")
        crs = _WGS84 if named is None else _system(named)
        if not all(isinstance(feature, dict) for feature in features):
            raise TypeError("a feature is no object")
    except FileNotFoundError as error:
        raise BadImage("missing", "no such file") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, CRSError) as error:
        raise BadImage("corrupt", f"no GeoJSON: {type(error).__name__} {error}") from error
    return crs, features


def _system(named: Any) -> CRS:
    """Return the system of coordinates that a file names: by a number of EPSG's, or as WKT.

    GDAL takes many other texts for one, a URL or a file among them, which it then reads.

    Raises:
        CRSError: When it is neither.
    """
    text = str(named).strip()
    if found := _EPSG.fullmatch(text):
        return CRS.from_epsg(int(found[1]))
    if _CRS84.fullmatch(text):
        return _WGS84
    if _WKT.match(text):
        return CRS.from_wkt(text)
    raise CRSError(f"the system of coordinates {text[:60]!r} is not read; EPSG:4326, say, is")


def _geopackage(path: Path) -> tuple[CRS, list[dict[str, Any]]]:
    import pyogrio

    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadImage("missing", "no such file") from error
    # Whoever reads it next would try every format that there is.
    if content[:16] != b"SQLite format 3\0" or content[68:72] != b"GPKG":
        raise BadImage("format", "named as a GeoPackage, but it is none")
    try:
        meta, _, geometries, columns = pyogrio.raw.read(content)
        crs = _system(meta["crs"])
    except (ValueError, CRSError, pyogrio.errors.DataSourceError) as error:
        raise BadImage("corrupt", f"no GeoPackage: {error}") from error
    names = [str(name) for name in meta["fields"]]
    rows = zip(*(column.tolist() for column in columns), strict=True) if columns else ((),) * len(geometries)
    return crs, [
        {"geometry": shapely.geometry.mapping(shape), "properties": dict(zip(names, row, strict=True))}
        for shape, row in zip(shapely.from_wkb(geometries), rows, strict=True)
        if shape is not None
    ]


def _same_grid(labels: Any, image: Any) -> bool:
    same = (labels.height, labels.width, labels.crs) == (image.height, image.width, image.crs)
    return same and labels.transform.almost_equals(image.transform, precision=1e-6 * abs(image.transform.a))


def _said(labels: Any) -> float | None:
    """Return the number that says that there is no data; None where a mask beside the values does, or nothing."""
    return labels.nodata if MaskFlags.nodata in labels.mask_flag_enums[0] else None


def _whole(values: np.ma.MaskedArray[Any, Any], nodata: float | None) -> np.ma.MaskedArray[Any, Any]:
    """Return labels that are whole numbers, as such.

    Raises:
        BadImage: When they are fractions.
    """
    known = values.filled(0)
    if np.issubdtype(values.dtype, np.floating) and not (known == np.round(known)).all():
        raise BadImage("format", "it has fractions, where whole numbers are wanted")
    said = None if nodata is None or not float(nodata).is_integer() else int(nodata)
    return np.ma.masked_array(known.astype(np.int64), np.ma.getmaskarray(values), fill_value=said)
