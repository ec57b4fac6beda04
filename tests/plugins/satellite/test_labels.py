"""Labels of the same grid, of another one, and of shapes, on an image's pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.transform import from_origin
from rasterio.warp import transform_geom

from graft.data import BadImage
from graft_satellite.boxes import VectorBoxReader
from graft_satellite.decoder import SatelliteDecoder
from graft_satellite.options import SatelliteOptions, VectorBoxOptions
from graft_segmentation.masks import IGNORE, BadMask, Coding, MaskFile
from graft_segmentation.options import MaskFolderOptions
from graft_segmentation.readers.folder import MaskFolderReader
from scenes import scene

MASK = np.zeros((90, 130), np.uint8)
MASK[10:40, 20:70] = 3


def decoder(**options: Any) -> SatelliteDecoder:
    return SatelliteDecoder(options=SatelliteOptions(high=1, tile=45, **options))


def labels(
    path: Path,
    mask: np.ndarray,
    *,
    crs: Any = "EPSG:32633",
    west: float = 400_000,
    pixel: float = 10,
    nodata: float | None = None,
) -> Path:
    profile = {"driver": "GTiff", "height": mask.shape[0], "width": mask.shape[1], "count": 1, "dtype": mask.dtype}
    profile["nodata"] = nodata
    with rasterio.open(path, "w", **profile, crs=crs, transform=from_origin(west, 5_500_000, pixel, pixel)) as written:
        written.write(mask, 1)
    return path


def put_together(one: SatelliteDecoder, image: Path, mask: Path) -> np.ndarray:
    whole = np.full(MASK.shape, -1)
    for part in one.parts(image):
        _, (top, left, height, width) = one.scene(part)
        whole[top : top + height, left : left + width] = one.values(mask, like=part)
    return whole


def test_raster__of_the_same_grid(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif")
    np.testing.assert_array_equal(put_together(decoder(), tmp_path / "a.tif", labels(tmp_path / "m.tif", MASK)), MASK)


def test_raster__of_another_grid_is_brought_onto_the_images(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif")
    finer = labels(tmp_path / "m.tif", np.kron(MASK, np.ones((2, 2), np.uint8)), pixel=5)
    np.testing.assert_array_equal(put_together(decoder(), tmp_path / "a.tif", finer), MASK)


@pytest.mark.parametrize(
    ("west", "said"), [(500_000, "covers 0% of rows 0 to 45"), (400_300, "it covers .* of the image")]
)
def test_raster__that_does_not_cover_the_image_is_refused(tmp_path: Path, west: float, said: str) -> None:
    scene(tmp_path / "a.tif")
    with pytest.raises(BadImage, match=said):
        put_together(decoder(), tmp_path / "a.tif", labels(tmp_path / "m.tif", MASK, west=west))


def test_raster__without_a_place_fits_by_its_size_alone(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif")
    same = labels(tmp_path / "m.tif", MASK, crs=None)
    np.testing.assert_array_equal(put_together(decoder(), tmp_path / "a.tif", same), MASK)
    with pytest.raises(BadImage, match="of another size than the image"):
        put_together(decoder(), tmp_path / "a.tif", labels(tmp_path / "n.tif", MASK[:50], crs=None))


@pytest.mark.parametrize("pixel", [10, 5])
@pytest.mark.parametrize(("dtype", "nodata"), [("uint8", 9), ("int16", -1), ("float32", float("nan"))])
def test_raster__what_has_no_data_counts_nowhere(tmp_path: Path, pixel: float, dtype: str, nodata: float) -> None:
    scene(tmp_path / "a.tif")
    given = MASK.astype(dtype)
    given[:8] = nodata
    path = labels(tmp_path / "m.tif", np.kron(given, np.ones((10 // pixel,) * 2, dtype)), pixel=pixel, nodata=nodata)
    one = decoder()
    part = one.parts(tmp_path / "a.tif")[0]
    mask = MaskFile(path, part, Coding({"else": 0, "road": 3}), one).read({"else": 0, "road": 1}, multi=False)
    height, width = mask.shape
    assert (mask[:8] == IGNORE).all()
    np.testing.assert_array_equal(mask[8:], MASK[8:height, :width] == 3)


def test_raster__no_data_is_not_taken_for_a_class(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    scene(tmp_path / "images" / "a.tif")
    given = MASK.copy()
    given[:8] = 77
    labels(tmp_path / "masks" / "a.tif", given, nodata=77)
    found = MaskFolderReader(decoder=decoder()).read(tmp_path, MaskFolderOptions())
    assert len(found.classes) == 2


@pytest.mark.parametrize("pixel", [10, 5])
@pytest.mark.parametrize("crs", ["EPSG:32633", None])
def test_raster__whose_no_data_is_a_classs_number_is_refused(tmp_path: Path, pixel: int, crs: str | None) -> None:
    scene(tmp_path / "a.tif")
    mask = MASK if crs is None else np.kron(MASK, np.ones((10 // pixel,) * 2, np.uint8))
    path = labels(tmp_path / "m.tif", mask, pixel=pixel, crs=crs, nodata=0)
    one = decoder()
    part = one.parts(tmp_path / "a.tif")[0]
    with pytest.raises(BadMask, match=r"m\.tif: its no-data value 0 is the value of 'else': \d+ pixels"):
        MaskFile(path, part, Coding({"else": 0, "road": 3}), one).read({"else": 0, "road": 1}, multi=False)
    # Where it is none of the classes, it is what it says.
    mask = MaskFile(path, part, Coding({"road": 3}), one).read({"road": 0}, multi=False)
    assert set(np.unique(mask)) == {0, IGNORE}


def test_raster__two_values_with_zero_as_no_data_are_refused_before_training(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    scene(tmp_path / "images" / "a.tif")
    labels(tmp_path / "masks" / "a.tif", (MASK > 0).astype(np.uint8), nodata=0)
    found = MaskFolderReader(decoder=decoder()).read(tmp_path, MaskFolderOptions())
    assert found.classes == ("background", "foreground")
    with pytest.raises(BadMask, match="the value of 'background'"):
        found.samples[0].target.of_part(decoder().parts(tmp_path / "images" / "a.tif")[0]).read(
            {"background": 0, "foreground": 1}, multi=False
        )


def test_raster__a_mask_beside_the_values_says_it_without_a_number(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif")
    path = labels(tmp_path / "m.tif", MASK, nodata=None)
    with rasterio.open(path, "r+") as written:
        seen = np.full(MASK.shape, 255, np.uint8)
        seen[:8] = 0
        written.write_mask(seen)
    one = decoder()
    part = one.parts(tmp_path / "a.tif")[0]
    mask = MaskFile(path, part, Coding({"else": 0, "road": 3}), one).read({"else": 0, "road": 1}, multi=False)
    assert (mask[:8] == IGNORE).all()
    assert not (mask[8:] == IGNORE).any()


def shapes(path: Path, *, attribute: Any = 3, crs: str | None = "EPSG:32633") -> Path:
    left, top, right, bottom = 400_000 + 200, 5_500_000 - 100, 400_000 + 700, 5_500_000 - 400
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    geometry: Any = {"type": "Polygon", "coordinates": [ring]}
    if crs is None:
        geometry = transform_geom("EPSG:32633", "EPSG:4326", geometry)
    document: dict[str, Any] = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {"cover": attribute}, "geometry": geometry}],
    }
    if crs is not None:
        document["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("crs", ["EPSG:32633", None])
def test_shapes__are_drawn_in_the_images_pixels(tmp_path: Path, crs: str | None) -> None:
    scene(tmp_path / "a.tif")
    found = put_together(decoder(attribute="cover"), tmp_path / "a.tif", shapes(tmp_path / "s.geojson", crs=crs))
    assert (found != MASK).sum() <= (0 if crs else 3 * (50 + 30)), "degrees are rounded at the edges"
    every = put_together(decoder(), tmp_path / "a.tif", tmp_path / "s.geojson")
    assert set(np.unique(every)) == {0, 1}


def test_shapes__of_a_geopackage(tmp_path: Path) -> None:
    import pyogrio.raw
    import shapely

    scene(tmp_path / "a.tif")
    box = shapely.box(400_200, 5_500_000 - 400, 400_700, 5_500_000 - 100)
    pyogrio.raw.write(
        str(tmp_path / "s.gpkg"),
        geometry=np.array([shapely.to_wkb(box)]),
        field_data=[np.array([3])],
        fields=["cover"],
        crs="EPSG:32633",
        geometry_type="Polygon",
    )
    found = put_together(decoder(attribute="cover"), tmp_path / "a.tif", tmp_path / "s.gpkg")
    np.testing.assert_array_equal(found, MASK)
    (tmp_path / "b.gpkg").write_bytes(b"<OGRVRTDataSource/>" + b" " * 200)
    with pytest.raises(BadImage, match="named as a GeoPackage, but it is none"):
        put_together(decoder(), tmp_path / "a.tif", tmp_path / "b.gpkg")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "no GeoJSON"),
        ("[]", "no GeoJSON"),
        ('{"features": [3]}', "no GeoJSON"),
        ('{"features": [{"geometry": {"type": "Polygon", "coordinates": [["x"]]}}]}', "cannot be read"),
    ],
)
def test_shapes__that_are_damaged_are_refused(tmp_path: Path, content: str, said: str) -> None:
    scene(tmp_path / "a.tif")
    (tmp_path / "s.geojson").write_text(content)
    with pytest.raises(BadImage, match=said):
        put_together(decoder(), tmp_path / "a.tif", tmp_path / "s.geojson")


def test_shapes__without_the_attribute_or_with_a_text(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif")
    with pytest.raises(BadImage, match="no attribute 'kind'; it has cover"):
        put_together(decoder(attribute="kind"), tmp_path / "a.tif", shapes(tmp_path / "s.geojson"))
    with pytest.raises(BadImage, match="cover is 'wood', and a class is a whole number"):
        put_together(decoder(attribute="cover"), tmp_path / "a.tif", shapes(tmp_path / "s.geojson", attribute="wood"))


def test_shapes__numbers_that_are_no_classes(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif")
    for value in (-1, 2**40):
        with pytest.raises(BadImage, match=f"cover is {value}, and a class is a number from 0 to 65535"):
            put_together(
                decoder(attribute="cover"), tmp_path / "a.tif", shapes(tmp_path / "s.geojson", attribute=value)
            )


@pytest.mark.parametrize(
    "name", ["http://127.0.0.1:9/crs.wkt", "/vsicurl/http://127.0.0.1:9/crs.wkt", "{folder}/crs.wkt"]
)
def test_shapes__the_name_of_their_system_opens_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "crs.wkt").write_text(CRS.from_epsg(32633).to_wkt())
    scene(tmp_path / "a.tif")
    path = shapes(tmp_path / "s.geojson", crs=name.format(folder=tmp_path))
    with pytest.raises(BadImage, match=r"the system of coordinates .* is not read; EPSG:4326, say, is"):
        put_together(decoder(), tmp_path / "a.tif", path)


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:EPSG::32633", "epsg:32633", CRS.from_epsg(32633).to_wkt()])
def test_shapes__the_usual_names_of_a_system_are_read(tmp_path: Path, name: str) -> None:
    scene(tmp_path / "a.tif")
    found = put_together(decoder(attribute="cover"), tmp_path / "a.tif", shapes(tmp_path / "s.geojson", crs=name))
    np.testing.assert_array_equal(found, MASK)


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326"])
@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
        {"type": "Polygon", "coordinates": [[[400_000, 5_499_000], [400_100, "x"], [400_100, 5_499_100]]]},
        {"type": "Blob", "coordinates": [1, 2]},
        {"type": "Polygon"},
        {"coordinates": [1, 2]},
        {"type": "Point", "coordinates": [1e400, 2]},
        {"type": "Point", "coordinates": [4e9, 5e9]},
    ],
    ids=["two points", "a text", "no kind", "no places", "no type", "infinite", "metres as degrees"],
)
def test_shapes__that_are_malformed_are_refused_in_any_system(tmp_path: Path, crs: str, geometry: Any) -> None:
    scene(tmp_path / "a.tif")
    document = json.loads(shapes(tmp_path / "s.geojson", crs=crs).read_text())
    document["features"][0]["geometry"] = geometry
    (tmp_path / "s.geojson").write_text(json.dumps(document))
    if crs == "EPSG:32633" and geometry.get("coordinates") == [4e9, 5e9]:
        assert (put_together(decoder(), tmp_path / "a.tif", tmp_path / "s.geojson") == 0).all()  # far away, no more
        return
    with pytest.raises(BadImage, match="a shape cannot be read"):
        put_together(decoder(), tmp_path / "a.tif", tmp_path / "s.geojson")


def test_boxes__an_object_larger_than_a_tile_is_in_all_that_it_fills(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif", (90, 130))
    shapes(tmp_path / "a.geojson", attribute="lake")  # 30 x 50 pixels, of which no tile of 20 has a fifth
    reader = VectorBoxReader(decoder=SatelliteDecoder(options=SatelliteOptions(high=1, tile=20)))
    catalogue = reader.read(tmp_path, VectorBoxOptions(attribute="cover"))
    covered = [sample for sample in catalogue.samples if len(sample.target)]
    assert catalogue.classes == ("lake",)
    assert len(covered) >= 4
    areas = [float(sample.target.areas.sum()) for sample in covered]
    assert 0.85 * 30 * 50 <= sum(areas) <= 30 * 50
