"""Scenes of four bands from files to a map in their own grid, and what stands on both sides of a split."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from graft.features import DeepFeatures
from graft.runs.predict import Predictor
from graft.testing.commands import Graft
from scenes import NAMES, scene

FOUR = (
    "--domain=satellite",
    'data.decoder.bands=["blue","green","red","nir"]',
    *("data.decoder.high=4000", "backbone.channels=4", "backbone.size=32", "train.batch=4", "evaluation.bootstrap=0"),
    *("--device=cpu", "-q"),
)


@pytest.fixture(scope="module")
def graft(tmp_path_factory: pytest.TempPathFactory) -> Graft:
    graft = Graft(tmp_path_factory.mktemp("satellite"))
    for verb in ("segment", "detect", "classify"):
        words = ("--domain", "satellite", "--size", "32", "--per-class", "4", "-q")
        assert graft("data", "sample", verb, verb, *words).code == 0
    return graft


@pytest.fixture(scope="module")
def model(graft: Graft) -> Path:
    done = graft("segment", "train", "segment/target", *FOUR, "train.epochs=3", "--name", "land")
    assert done.code == 0, done.err
    return graft.folder / "runs" / "land"


def test_segment__a_map_in_the_scenes_own_grid(graft: Graft, model: Path) -> None:
    assert "Area on the ground" in (model / "report.html").read_text()
    path = graft.folder / "scene.tif"
    scene(path, (90, 130), nodata=0)
    with rasterio.open(path, "r+") as written:
        values = written.read()
        values[:, :7] = 0
        written.write(values)
    done = graft("segment", "predict", model, path, "--format", "geotiff", "--out", "maps", "--device", "cpu")
    assert done.code == 0, done.err
    with rasterio.open(path) as image, rasterio.open(graft.folder / "maps" / "scene.tif") as mapped:
        assert (mapped.crs, mapped.transform, mapped.shape) == (image.crs, image.transform, image.shape)
        assert mapped.nodata == 255
        found = mapped.read(1)
        assert json.loads(mapped.tags()["classes"])[-1] == "road"
    assert (found[:7] == 255).all()
    done = graft("segment", "predict", model, path, "--format", "png", "--out", "pictures", "--device", "cpu")
    assert done.code == 0, done.err
    from PIL import Image

    (picture,) = (graft.folder / "pictures").rglob("*.png")
    np.testing.assert_array_equal(np.asarray(Image.open(picture))[7:], found[7:])
    (graft.folder / "broken.tif").write_bytes(b"II*\0")
    done = graft("segment", "predict", model, "broken.tif", "--format", "geotiff", "--out", "maps")
    assert done.code == 2
    assert "broken.tif: cannot be decoded" in done.err


def test_classify_and_detect__train_on_their_samples(graft: Graft) -> None:
    done = graft("classify", "train", "classify/target", *FOUR, "train.epochs=1", "--name", "chips")
    assert done.code == 0, done.err
    done = graft("detect", "train", "detect/target", *FOUR, "train.epochs=1", "head.kind=ssd", "--name", "boxes")
    assert done.code == 0, done.err
    image = sorted((graft.folder / "detect" / "target" / "test").glob("*.tif"))[0]
    done = graft("detect", "predict", "runs/boxes", image, "--format", "geojson", "--out", "shapes", "--device", "cpu")
    assert done.code == 0, done.err
    document = json.loads((graft.folder / "shapes" / f"{image.stem}.geojson").read_text())
    for feature in document["features"]:
        (ring,) = feature["geometry"]["coordinates"]
        assert all(10 < x < 20 and 35 < y < 60 for x, y in ring), "degrees"


def test_export__takes_the_bands_that_the_decoder_gives(graft: Graft, model: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    done = graft("segment", "export", model, "--format", "onnx", "--output", "land.onnx")
    assert done.code == 0, done.err
    session = onnxruntime.InferenceSession(graft.folder / "land.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    options = json.loads(metadata["decoder"])["options"]
    assert (options["bands"], options["high"]) == (list(NAMES), 4000)
    image = sorted((graft.folder / "segment" / "target" / "test" / "images").glob("*.tif"))[0]
    with rasterio.open(image) as opened:
        pixels = (opened.read().astype(np.float32) / options["high"]).clip(0, 1)
    (scores,) = session.run(["scores"], {"images": pixels[None]})
    (found,) = Predictor.from_path(model, device="cpu").predict([image])
    np.testing.assert_array_equal(scores[0].argmax(axis=0), found.prediction.mask)


def test_features__of_scenes_are_read_as_a_run_reads_them(graft: Graft, model: Path) -> None:
    words = ("features", "extract", "classify/target", "--size", "32", "--device", "cpu", "--out")
    done = graft(*words, "refused.npz")
    assert done.code == 2
    assert "--like RUN" in done.err
    done = graft(*words, "f.npz", "--like", model)
    assert done.code == 0, done.err
    with np.load(graft.folder / "f.npz") as file:
        found, ids = file["embedding"], file["ids"].tolist()
    paths = [graft.folder / "classify" / "target" / name for name in ids]
    ours = DeepFeatures(size=32, device="cpu", like=model, cache=False).fit_transform(paths)
    np.testing.assert_array_equal(found, ours)
    arrays = [Predictor.from_path(model).bundle.decoder.decode(path, channels=4) for path in paths[:3]]
    given = DeepFeatures(size=32, device="cpu", like=model, cache=False).fit_transform(arrays)
    np.testing.assert_allclose(given, ours[:3], atol=1e-5)


def test_leaks__ground_on_both_sides_of_a_split_is_named(graft: Graft) -> None:
    folder = graft.folder / "leaking"
    shutil.copytree(graft.folder / "classify" / "target", folder)
    chip = sorted((folder / "train" / "water").glob("*.tif"))[0]
    with rasterio.open(chip) as given:
        values, profile, place = given.read(), given.profile, given.transform
    profile["transform"] = place @ rasterio.Affine.translation(8, 8)
    with rasterio.open(folder / "test" / "water" / "planted.tif", "w", **profile) as written:
        written.write(values + 1)
        for number, name in enumerate(NAMES, 1):
            written.set_band_description(number, name)
    done = graft("classify", "train", "leaking", *FOUR, "train.epochs=1")
    assert done.code == 2
    assert "shows the ground of test/water/planted.tif in test" in done.err
    assert "is in train" in done.err, "and so does its block"
    # Blocks smaller than a pixel's way: no group joins the two any more, and the ground is found all the same.
    done = graft("classify", "train", "leaking", *FOUR, "data.decoder.block=50", "train.epochs=1")
    assert done.code == 2
    assert f"{chip.relative_to(folder).as_posix()}: in train, shows the ground of test/water/planted.tif" in done.err
    assert "group" not in done.err.partition("Fix:")[0]


def test_statistics__as_lines_of_a_recipe(graft: Graft) -> None:
    done = graft("satellite", "statistics", "classify/target")
    assert done.code == 0, done.err
    assert "nir" in done.out
    assert "[data.decoder]" in done.out
