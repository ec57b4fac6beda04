"""From a folder of images to a trained, evaluated, saved classifier: one training, and all that is done with it."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tomllib
from pathlib import Path

import pytest

from graft.testing.commands import Graft
from photos import COLOURS, picture, write_photos

QUICK = ("train.epochs=2", "train.batch=8", "backbone.size=32", "evaluation.bootstrap=50")


@pytest.fixture(scope="module")
def graft(tmp_path_factory: pytest.TempPathFactory) -> Graft:
    folder = tmp_path_factory.mktemp("journey")
    write_photos(folder / "photos", per_class=20)
    return Graft(folder)


@pytest.fixture(scope="module")
def document(graft: Graft) -> dict:
    result = graft("classify", "train", "photos", *QUICK, "--name", "first", "--json")
    assert result.code == 0, result.err
    return json.loads(result.out)


@pytest.fixture(scope="module")
def run(graft: Graft, document: dict) -> Path:
    return graft.folder / document["run"]


def test_train__one_document(document: dict) -> None:
    assert set(document) == {"run", "metrics", "seconds", "warnings"}
    accuracy = document["metrics"]["test"]["accuracy"]
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert accuracy["value"] > 0.8, "three plain colours"


def test_run__holds_what_repeats_it(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert names >= {
        "recipe.toml",
        "environment.json",
        "status.json",
        "split.csv",
        "metrics.jsonl",
        "results.json",
        "report.html",
        "log.txt",
        "bundle",
        "checkpoints",
    }
    assert json.loads((run / "status.json").read_text())["status"] == "finished"
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2
    assert not list(run.rglob(".tmp-*"))


def test_run__resolved_recipe_trains_the_same_weights(graft: Graft, run: Path) -> None:
    again = graft("classify", "train", "--recipe", run / "recipe.toml", "--name", "again", "--json")
    assert again.code == 0, again.err
    first = json.loads((run / "results.json").read_text())
    second = json.loads((graft.folder / json.loads(again.out)["run"] / "results.json").read_text())
    assert second["weights_sha256"] == first["weights_sha256"]
    assert second["metrics"] == first["metrics"]


def test_python__the_same_words_and_values(graft: Graft, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(graft.folder)
    import graft as package

    recipe = tomllib.loads((run / "recipe.toml").read_text())
    other = package.train(recipe, out="python")
    assert other.results["metrics"] == json.loads((run / "results.json").read_text())["metrics"]
    assert other.evaluate()["accuracy"].value == other.results["metrics"]["test"]["accuracy"]["value"]
    rows = list(package.load(run).predict([graft.folder / "photos" / "sky"]))
    assert len(rows) == 20


def test_evaluate__gives_what_training_wrote(graft: Graft, run: Path, document: dict) -> None:
    result = graft("classify", "evaluate", run, "--json")
    assert result.code == 0, result.err
    values = json.loads(result.out)["metrics"]["test"]
    expected = document["metrics"]["test"]
    assert values.keys() == expected.keys()
    for name, value in values.items():
        assert value == pytest.approx(expected[name], abs=1e-9), name


def test_predict__files_folders_and_lists(graft: Graft, run: Path) -> None:
    new = graft.folder / "new"
    (new / "deeper").mkdir(parents=True)
    picture(COLOURS["apple"], 77).save(new / "=evil.png")
    picture(COLOURS["sky"], 78).save(new / "deeper" / "ö.png")
    (new / "broken.png").write_bytes(b"no picture")

    result = graft("classify", "predict", run, new)
    rows = list(csv.DictReader(io.StringIO(result.out)))
    by_name = {Path(row["path"]).name: row for row in rows}
    assert by_name["=evil.png"]["label"] == "apple"
    assert by_name["ö.png"]["label"] == "sky"
    assert by_name["broken.png"]["error"]
    assert not by_name["broken.png"]["label"]

    listed = graft("classify", "predict", run, "-", "--format", "json", stdin="new/deeper/ö.png\nnew/=evil.png\n")
    assert listed.code == 0, listed.err
    assert [row["label"] for row in json.loads(listed.out)] == ["sky", "apple"]


def test_predict__needs_the_bundle_alone(graft: Graft, run: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "elsewhere"
    shutil.copytree(run / "bundle", bundle)
    assert {path.name for path in bundle.iterdir()} == {"bundle.json", "model.safetensors"}
    result = graft("classify", "predict", bundle, graft.folder / "photos" / "leaf")
    labels = [row["label"] for row in csv.DictReader(io.StringIO(result.out))]
    assert labels.count("leaf") >= 18


def test_export__same_answers_in_onnxruntime(graft: Graft, run: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    import numpy as np

    import graft as package
    from graft.data.geometry import prepare_image

    target = graft.folder / "model.onnx"
    result = graft("classify", "export", run, "--format", "onnx", "--output", target)
    assert result.code == 0, result.err
    session = onnxruntime.InferenceSession(str(target))
    metadata = session.get_modelmeta().custom_metadata_map
    predictor = package.load(run)
    files = sorted((graft.folder / "photos" / "sky").iterdir())[:3]
    images = np.stack([prepare_image(path, predictor.bundle.preprocess) for path in files]).transpose(0, 3, 1, 2)
    (scores,) = session.run(None, {session.get_inputs()[0].name: images})
    ours = np.stack([file.prediction.scores for file in predictor.predict(files)])
    np.testing.assert_allclose(scores, ours, atol=1e-4)
    assert json.loads(metadata["classes"]) == list(COLOURS)


def test_report__is_rebuilt_from_the_run(graft: Graft, run: Path) -> None:
    (run / "report.html").unlink()
    result = graft("report", run)
    assert result.code == 0, result.err
    page = (run / "report.html").read_text()
    accuracy = json.loads((run / "results.json").read_text())["metrics"]["test"]["accuracy"]["value"]
    assert f"{accuracy:.3f}" in page


def test_resume__of_a_finished_run_changes_nothing(graft: Graft, run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    result = graft("resume", run)
    assert result.code == 0
    assert "already finished" in result.err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_damaged_bundle__is_refused(graft: Graft, run: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "damaged"
    shutil.copytree(run / "bundle", bundle)
    weights = bundle / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(bytes(content))
    result = graft("classify", "predict", bundle, graft.folder / "photos")
    assert result.code == 2
    assert "model.safetensors" in result.err


def test_split_is_recorded(run: Path) -> None:
    rows = list(csv.DictReader((run / "split.csv").open()))
    assert len(rows) == 60
    assert {row["split"] for row in rows} == {"train", "val", "test"}
