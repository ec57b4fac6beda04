"""The whole way with masks: what works for labels works here, because it is the core's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graft.console import Console
from graft.engine.resume import resume
from graft.engine.train import train
from graft.errors import DataError, RecipeError
from graft.plugins import Plugins, load_plugins
from graft.recipe import load_recipe
from graft.runs.bundle import load_bundle
from graft.runs.export import export_onnx
from graft.runs.folder import Run
from graft.runs.measure import measure_run
from graft.runs.predict import Predictor
from graft_segmentation.sample import segmented_image, write_segmented

QUICK = {
    "task.kind": "segmentation",
    "backbone.weights": "none",
    "backbone.size": [32, 40],
    "train.epochs": 2,
    "train.batch": 4,
    "evaluation.bootstrap": 0,
    "evaluation.metrics": ["iou"],
}


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(names=["segmentation"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of several sizes, larger and smaller than a window."""
    root = tmp_path_factory.mktemp("data")
    write_segmented(root / "made", size=48, per_class=4)
    target = root / "made" / "target"
    for index, file in enumerate(sorted((target / "test" / "images").iterdir())):
        if index >= 4:
            file.unlink()
    for index in range(2):
        pixels, mask = segmented_image("target", size=40, seed=(9, index))
        top = 20 * index + 20
        Image.fromarray(pixels[:top, :30]).save(target / "val" / "images" / f"odd{index}.png")
        Image.fromarray(mask[:top, :30]).save(target / "val" / "masks" / f"odd{index}.png")
    return target


@pytest.fixture
def run(data: Path, plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "home"))

    def carry_out(*overrides: str, **given: Any) -> Run:
        recipe = load_recipe(None, base={**QUICK, "data.train": str(data)}, overrides=overrides, plugins=plugins)
        return train(recipe, plugins=plugins, out=tmp_path / "runs", name=None, console=Console(quiet=True), **given)

    return carry_out


def _outcome(run: Run) -> tuple[Any, ...]:
    rows = [(row["train.loss"], row["val.loss"], row["val.iou"]) for row in run.history]
    return run.results["weights_sha256"], rows, run.results["metrics"]


def test_a_run__report_predictions_measures_and_onnx(run: Callable[..., Run], plugins: Plugins, data: Path) -> None:
    finished = run()
    report = (finished.path / "report.html").read_text("utf-8")
    assert "could not be made" not in report
    assert "Overlap per class" in report
    assert report.count("data:image/jpeg") >= 4
    again = measure_run(finished, plugins=plugins, console=Console(quiet=True))
    assert again["iou"].value == pytest.approx(finished.results["metrics"]["test"]["iou"]["value"], abs=1e-6)
    predictor = Predictor.from_path(finished.path, plugins=plugins)
    folder = data / "val" / "images"
    for file in predictor.predict([folder]):
        width, height = Image.open(file.path).size
        assert file.prediction.mask.shape == (height, width)
        assert sum(file.row[f"share.{name}"] for name in predictor.bundle.classes) == pytest.approx(1, abs=1e-4)
        predictor.bundle.task.write(file.prediction, "png", finished.path / "mask.png")
        assert np.array_equal(np.asarray(Image.open(finished.path / "mask.png")), file.prediction.mask)
    document = export_onnx(load_bundle(finished.path, plugins=plugins), finished.path / "model.onnx")
    assert document["max_abs_difference"] < 1e-4
    assert "windows" in document["metadata"]["geometry"]


@pytest.mark.parametrize("augment", ["none", "basic", "strong"])
def test_what_is_frozen_is_cached_and_changes_nothing(run: Callable[..., Run], augment: str, tmp_path: Path) -> None:
    frozen = ("strategy.unfreeze=none", f"augment={augment}", "train.epochs=5", "cache.views=2")
    without = run(*frozen, "cache.limit=0")
    assert not list((tmp_path / "home").rglob("*.safetensors"))
    cold = run(*frozen)
    assert list((tmp_path / "home" / "features").rglob("*"))
    warm = run(*frozen)
    assert _outcome(without) == _outcome(cold) == _outcome(warm)


def test_a_resumed_run_ends_as_an_uninterrupted_one(
    run: Callable[..., Run], plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run("train.epochs=3")
    from graft.engine import _record

    real, calls = _record.Recorder.finish_epoch, []

    def dies(self: Any, epoch: Any, learner: Any) -> bool:
        if calls == [1]:
            raise KeyboardInterrupt
        calls.append(epoch.number)
        return real(self, epoch, learner)

    monkeypatch.setattr(_record.Recorder, "finish_epoch", dies)
    with pytest.raises(BaseException):  # noqa: B017, PT011
        run("train.epochs=3")
    monkeypatch.setattr(_record.Recorder, "finish_epoch", real)
    path = max((whole.path.parent).iterdir(), key=lambda folder: folder.stat().st_mtime)
    assert path != whole.path
    resumed = resume(path, plugins=plugins, console=Console(quiet=True))
    assert _outcome(resumed or Run.open(path, plugins=plugins)) == _outcome(whole)


def test_broken_masks_are_named_before_training(data: Path, run: Callable[..., Run], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(data, broken)
    shutil.copy(data.parent / "target" / "classes.txt", broken / "classes.txt")
    masks = broken / "train" / "masks"
    pixels = np.zeros((48, 48), np.uint8)
    pixels[0, :2] = 77, 99
    Image.fromarray(pixels).save(masks / "000.png")
    Image.fromarray(pixels[:40] * 0).save(masks / "001.png")
    (masks / "002.png").write_bytes(b"no image")
    with pytest.raises(DataError) as caught:
        run(f"data.train={broken}")
    text = str(caught.value)
    assert "000.png: has the values 77, 99, which stand for no class" in text
    assert "001.png is 48 × 40 pixels large, the image 48 × 48" in text
    assert "002.png" in text


@pytest.mark.parametrize(
    "overrides",
    [
        ("task.labels=multi",),
        ("strategy.regularise.mixup=0.3",),
        ("head.class_weights=balanced", "head.loss=focal"),
        ("head.loss={lovasz=1, tversky=0.5}", "augment=strong"),
        ("strategy=gradual",),
        ("strategy.regularise.sampling=balanced",),
    ],
)
def test_variants_train(run: Callable[..., Run], overrides: tuple[str, ...]) -> None:
    finished = run("train.epochs=1", *overrides)
    assert np.isfinite(finished.history[-1]["train.loss"])
    assert "could not be made" not in (finished.path / "report.html").read_text("utf-8")


def test_predict_rows__an_image_that_is_never_in_memory_is_predicted_as_one_that_is(
    run: Callable[..., Run], plugins: Plugins
) -> None:
    predictor = Predictor.from_path(run("train.epochs=1").path, plugins=plugins, device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (150, 90, 3), dtype=np.uint8)
    asked = []

    def read(region: tuple[int, int, int, int]) -> np.ndarray:
        top, left, height, width = region
        asked.append(region)
        assert top + height <= 150
        assert left + width <= 90
        return image[top : top + height, left : left + width]

    (whole,) = predictor.predict_images([image])
    bands = list(predictor.predict_rows((150, 90), read))
    np.testing.assert_array_equal(np.concatenate([band.mask for _, band in bands]), whole.mask)
    assert [top for top, _ in bands] == sorted({region[0] for region in asked})
    small = image[:20, :25]
    (alone,) = predictor.predict_images([small])
    (band,) = predictor.predict_rows((20, 25), lambda region: small)
    np.testing.assert_array_equal(band[1].mask, alone.mask)


def test_overlap__is_the_recipes_and_the_bundles(run: Callable[..., Run], plugins: Plugins) -> None:
    finished = run("train.epochs=1", "evaluation.overlap=0.5")
    assert load_bundle(finished.path, plugins=plugins).preprocess.overlap == 0.5
    with pytest.raises(RecipeError, match="at most 0"):
        run("evaluation.overlap=0.6")
