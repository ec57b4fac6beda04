"""What is meant by folders and tables that are given to a model of sequences."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graft.console import Console
from graft.data import STANDARD
from graft.data.geometry import prepare_image
from graft.data.samples import Sample
from graft.engine.train import train
from graft.errors import DataError, UserError
from graft.plugins import Plugins
from graft.recipe import load_recipe
from graft.runs import measure
from graft.runs.bundle import Bundle, load_bundle
from graft.runs.export import export_onnx
from graft.runs.folder import Run
from graft.runs.measure import measure_data, measure_run
from graft.runs.predict import Predictor
from graft.runs.sequences import expand_sequences
from graft.sequences import Sequences
from moves import write_moves
from shades import QUICK, shades_plugins


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return shades_plugins()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_moves(tmp_path_factory.mktemp("moves") / "clips", per_class=9)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, plugins: Plugins, data: Path) -> Callable[..., Run]:
    folder = tmp_path_factory.mktemp("runs")
    runs: dict[tuple[str, ...], Run] = {}

    def once(*words: str, data: Path = data) -> Run:
        if (str(data), *words) not in runs:
            base = {**QUICK, "data.train": str(data), "data.reader.kind": "sequences", "train.epochs": 1}
            recipe = load_recipe(None, base=base, overrides=words, plugins=plugins)
            runs[str(data), *words] = train(recipe, plugins=plugins, out=folder, console=Console(quiet=True))
        return runs[str(data), *words]

    return once


@pytest.fixture
def predictor(trained: Callable[..., Run], plugins: Plugins) -> Predictor:
    return Predictor.from_path(trained("head=steps").path, plugins=plugins, device="cpu")


def names(found: object) -> list[tuple[str, list[str]]]:
    return [(path.name, [frame.name for frame in frames]) for path, frames in found]


def test_expand__each_folder_with_images_is_a_sequence(data: Path, tmp_path: Path) -> None:
    clip = tmp_path / "a" / "clip"
    clip.mkdir(parents=True)
    image = next(data.rglob("*.png"))
    for name in ("f1.png", "f2.png", "f10.png", "notes.txt"):
        (clip / name).write_bytes(image.read_bytes())
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "only.png").write_bytes(image.read_bytes())

    expected = [("clip", ["f1.png", "f2.png", "f10.png"]), ("b", ["only.png"])]
    assert names(expand_sequences([tmp_path], STANDARD, max_frames=None)) == expected
    assert names(expand_sequences([clip], STANDARD, max_frames=2)) == [("clip", ["f1.png", "f10.png"])]
    assert names(expand_sequences([clip / "f1.png"], STANDARD, max_frames=2)) == [("f1.png", ["f1.png"])]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no image"):
        list(expand_sequences([tmp_path / "empty"], STANDARD, max_frames=None))


def test_expand__tables(data: Path, tmp_path: Path) -> None:
    clip = data / "grows" / "clip00"
    table = tmp_path / "new.csv"
    table.write_text(f"sequence,frame\nx,{clip}/frame1.png\nx,{clip}/frame0.png\ny,{clip}/frame2.png\n")
    expected = [("x", ["frame0.png", "frame1.png"]), ("y", ["frame2.png"])]
    assert names(expand_sequences([table], STANDARD, max_frames=None)) == expected
    table.write_text(f"path\n{clip}\n{clip}/frame3.png\n")
    found = names(expand_sequences([table], STANDARD, max_frames=None))
    assert [name for name, _ in found] == ["clip00", "frame3.png"]
    table.write_text("sequence,frame\nx,\n")
    with pytest.raises(DataError, match="no frame"):
        list(expand_sequences([table], STANDARD, max_frames=None))


def test_predict__a_folder_is_one_sequence(predictor: Predictor, data: Path) -> None:
    clips = sorted(data.glob("*/*"))
    files = list(predictor.predict([data], batch=7))
    assert [file.path for file in files] == clips
    model = predictor.bundle.model
    for file in files:
        frames = [prepare_image(path, predictor.bundle.preprocess) for path in sorted(file.path.iterdir())]
        given = torch.from_numpy(np.stack(frames).transpose(0, 3, 1, 2).copy())
        with torch.no_grad():
            (expected,) = model.head.decode(model(Sequences(given, (len(frames),))), [(16, 16)])
        np.testing.assert_allclose(file.prediction, expected, atol=1e-6)
        assert file.row["path"] == str(file.path)


@pytest.mark.parametrize("batch", [1, 5, 1000])
def test_predict__does_not_depend_on_the_batch(predictor: Predictor, data: Path, batch: int) -> None:
    some, others = (list(predictor.predict([data], batch=size)) for size in (32, batch))
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one.prediction, other.prediction, atol=1e-6)


def test_predict__holds_a_few_frames_at_a_time(
    predictor: Predictor, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    real = Predictor._predicted
    monkeypatch.setattr(
        Predictor, "_predicted", lambda self, items: sizes.append(sum(map(len, items))) or real(self, items)
    )
    list(predictor.predict([data], batch=10))
    assert max(sizes) <= 10
    assert sum(sizes) == sum(1 for _ in data.rglob("*.png"))


def test_predict__a_bad_frame_is_an_error_that_names_it(predictor: Predictor, data: Path, tmp_path: Path) -> None:
    for path in sorted((data / "grows" / "clip01").iterdir()):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "frame1.png").write_bytes(b"")
    bad, missing, good = predictor.predict([tmp_path, tmp_path / "gone", data / "grows" / "clip01"])
    assert bad.error == "frame1.png: the file is empty [empty]"
    assert "[missing]" in missing.error
    assert good.error is None


def test_bundle__says_that_it_is_of_sequences(trained: Callable[..., Run], plugins: Plugins, data: Path) -> None:
    bundle = load_bundle(trained("head=steps", "data.reader.max_frames=3").path, plugins=plugins)
    assert bundle.sequences
    assert bundle.max_frames == 3
    assert bundle.info["sequences"] == {"max_frames": 3}
    assert bundle.model.sequences
    one = predictor_of(bundle).predict([data / "grows" / "clip02"])
    frames = sorted((data / "grows" / "clip02").iterdir())
    three = (frames[0], frames[(len(frames)) // 2], frames[-1])
    sample = Sample(id="x", path=three[0], target=None, frames=three)
    np.testing.assert_array_equal(next(one).prediction, next(predictor_of(bundle).predict_samples([sample])).prediction)


def predictor_of(bundle: Bundle) -> Predictor:
    return Predictor(bundle, device="cpu")


@pytest.mark.parametrize("words", [("head=steps",), ("head=plain", "data.reader.max_frames=3")], ids=str)
def test_measure__as_training_did(trained: Callable[..., Run], plugins: Plugins, words: tuple[str, ...]) -> None:
    run = trained(*words)
    console = Console(quiet=True)
    for split in ("val", "test"):
        values = measure_run(run, split=split, plugins=plugins, console=console, device="cpu")
        assert values["hits"].value == pytest.approx(run.results["metrics"][split]["hits"]["value"])
    assert console.warnings == []


def test_measure__other_data_is_read_as_sequences(
    trained: Callable[..., Run], plugins: Plugins, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained("head=steps", "data.reader.max_frames=3")
    table = run.path / "frames.csv"
    rows = [f"{path.parent},{path},{path.parent.parent.name}" for path in data.rglob("*.png")]
    table.write_text("\n".join(["sequence,frame,label", *rows]))
    seen: list[set[int]] = []
    real = measure.predict_samples

    def predict_samples(bundle: Bundle, samples: Sequence[Sample], **options: Any) -> Any:
        seen.append({len(sample.frames) for sample in samples})
        return real(bundle, samples, **options)

    monkeypatch.setattr(measure, "predict_samples", predict_samples)
    options = {"plugins": plugins, "console": Console(quiet=True), "device": "cpu"}
    assert measure_data(run.path, data, **options) == measure_data(run.path, table, **options)
    assert seen == [{3}, {3}]


def test_measure__frames_that_were_skipped_stay_out(
    trained: Callable[..., Run], plugins: Plugins, tmp_path: Path
) -> None:
    data = write_moves(tmp_path / "clips", per_class=9)
    for clip in data.glob("*/*"):
        (clip / "frame1.png").write_bytes(b"")
    run = trained("head=steps", "data.on_bad=skip", data=data)
    console = Console(quiet=True)
    values = measure_run(run, plugins=plugins, console=console, device="cpu")
    assert values["hits"].value == pytest.approx(run.results["metrics"]["test"]["hits"]["value"])
    assert console.warnings == [], "nothing has changed"
    with (run.path / "split.csv").open() as file:
        clip = next(row["id"] for row in csv.DictReader(file) if row["split"] == "test")
    (data / clip / "frame2.png").write_bytes((data / clip / "frame0.png").read_bytes())
    measure_run(run, plugins=plugins, console=console, device="cpu")
    assert console.warnings == [f"1 sequences have changed since the run was made: {clip} …"]


@pytest.mark.parametrize("head", ["steps", "plain"])
def test_export__the_frames_of_one_sequence(
    trained: Callable[..., Run], plugins: Plugins, data: Path, tmp_path: Path, head: str
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    bundle = load_bundle(trained(f"head={head}").path, plugins=plugins)
    document = export_onnx(bundle, tmp_path / "model.onnx")
    assert document["input"]["shape"] == ["frames", 3, 16, 16]
    assert document["metadata"]["sequences"] == "images are the frames of one sequence, in their order: all of them"
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    for clip in sorted(data.glob("*/*"))[:5]:
        frames = [prepare_image(path, bundle.preprocess) for path in sorted(clip.iterdir())]
        (scores,) = session.run(None, {"images": np.stack(frames).transpose(0, 3, 1, 2)})
        (file,) = predictor_of(bundle).predict([clip])
        assert scores.shape == (1, 2)
        np.testing.assert_allclose(scores[0], file.prediction, atol=1e-4)
