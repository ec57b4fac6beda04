from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graft.data.decoder import StandardDecoder
from graft.data.geometry import prepare_image
from graft.errors import TrainingError, UserError
from graft.runs import export
from graft.runs.bundle import load_bundle
from graft.runs.export import export_onnx
from graft.runs.predict import Predictor
from tones import HOSTILE, PREPROCESS, save_tones, write_images

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory):
    folder, _, plugins = save_tones(tmp_path_factory.mktemp("model") / "bundle")
    return load_bundle(folder, plugins=plugins)


@pytest.fixture(scope="module")
def exported(bundle, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    return path, export_onnx(bundle, path)


def test_export_onnx__pixels_in_probabilities_out(bundle, exported: tuple[Path, dict], tmp_path: Path) -> None:
    path, document = exported
    assert document["max_abs_difference"] <= 1e-4
    assert document["input"] == {"name": "images", "type": "uint8", "shape": ["batch", 3, 16, 16]}
    session = onnxruntime.InferenceSession(str(path))
    (given,) = session.get_inputs()
    assert (given.type, given.shape[1:]) == ("tensor(uint8)", [3, 16, 16])
    files = write_images(tmp_path, 3)
    for chosen in (files[:1], files):
        pixels = np.stack([prepare_image(file, PREPROCESS).transpose(2, 0, 1) for file in chosen])
        (scores,) = session.run(["scores"], {"images": pixels})
        ours = [file.prediction for file in Predictor(bundle, device="cpu").predict(chosen)]
        np.testing.assert_allclose(scores, ours, atol=1e-4)


def test_export_onnx__metadata(exported: tuple[Path, dict]) -> None:
    metadata = onnxruntime.InferenceSession(str(exported[0])).get_modelmeta().custom_metadata_map
    assert tuple(json.loads(metadata["classes"])) == HOSTILE
    assert json.loads(metadata["preprocess"])["channel_order"] == "bgr"
    assert "centre" in metadata["geometry"]
    assert metadata["input"] == "uint8, RGB 0…255 of an image upright (EXIF)"
    assert metadata["task"] == "tones"
    assert metadata["weights_licence"] == "cc-by-nc-4.0"
    assert json.loads(metadata["plugin_licences"])["tones"] == "MIT"


class Warmth(StandardDecoder):
    """Gives degrees, as more than 8 bits."""

    def decode(self, path, *, channels, max_pixels=0):
        return np.load(path)


def test_export_onnx__of_another_decoder_takes_what_that_gives(bundle, tmp_path: Path) -> None:
    part = {"plugin": "heat", "name": "warmth", "options": {"warmest": 90}}
    warm = replace(bundle, decoder=Warmth(), info={**bundle.info, "decoder": part})
    document = export_onnx(warm, tmp_path / "model.onnx")
    assert document["input"]["type"] == "float32"
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    assert session.get_inputs()[0].type == "tensor(float)"
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["decoder"]) == part
    assert metadata["input"].startswith("float32, 0…1")
    assert "RGB" not in metadata["geometry"]
    degrees = np.random.default_rng(0).random((16, 16, 3), np.float32)
    np.save(tmp_path / "a.npy", degrees)
    pixels = prepare_image(tmp_path / "a.npy", PREPROCESS, decoder=warm.decoder)
    assert pixels.dtype == np.float32
    (scores,) = session.run(["scores"], {"images": pixels.transpose(2, 0, 1)[None]})
    predicted = next(Predictor(warm, device="cpu").predict([tmp_path / "a.npy"]))
    np.testing.assert_allclose(scores[0], predicted.prediction, atol=1e-4)


def test_export_onnx__what_no_file_can_hold(bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_LARGEST", 1000)
    with pytest.raises(TrainingError, match="holds at most 2 GB") as caught:
        export_onnx(bundle, tmp_path / "model.onnx")
    assert "smaller backbone" in str(caught.value.fix)


def test_export_onnx__other_answers_leave_no_file(bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_TOLERANCE", -1.0)
    with pytest.raises(TrainingError, match=r"was not written: onnxruntime gives another 'scores'"):
        export_onnx(bundle, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_export_onnx__not_installed(bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="onnxruntime") as caught:
        export_onnx(bundle, tmp_path / "model.onnx")
    assert caught.value.fix == "pip install 'graft-core[onnx]'"


def test_same_decisions() -> None:
    ours = np.array([[0.9, 0.1], [0.50001, 0.49999]], dtype=np.float32)
    assert export._same_decisions(ours, ours)
    swapped = ours.copy()
    swapped[1] = swapped[1, ::-1]
    assert export._same_decisions(ours, swapped), "as good as equal"
    swapped[0] = swapped[0, ::-1]
    assert not export._same_decisions(ours, swapped)
