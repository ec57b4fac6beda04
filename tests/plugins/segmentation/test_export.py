"""Every head as ONNX gives what torch gives: `export_onnx` writes no file otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from graft.backbones.load import build_backbone
from graft.model import Model
from graft.plugins import Plugins, load_plugins
from graft.recipe import resolve
from graft.runs.bundle import load_bundle, save_bundle
from graft.runs.export import export_onnx
from graft_segmentation.decoders import DECODERS
from graft_segmentation.sample import CLASSES


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(names=["segmentation"])


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("backbone", ["graft:tiny", "timm:resnet18"])
def test_export__parity(plugins: Plugins, tmp_path: Path, name: str, backbone: str) -> None:
    values = {
        "task": "segmentation",
        "data": "x",
        "backbone": {"kind": backbone, "weights": "none", "size": 64},
        "head": {"kind": name, "width": 32},
    }
    resolved = resolve(values, plugins=plugins)
    torch.manual_seed(0)
    built = build_backbone(resolved.recipe.backbone, plugins=plugins).backbone
    built.preprocess = built.preprocess.framed(resolved.task.framing)
    task = plugins.target(resolved.task)(classes=CLASSES, options=resolved.task_options)
    head = plugins.target(resolved.head)(info=built.info, classes=CLASSES, options=resolved.head_options, task=task)
    model = Model(built, head, "pyramid")
    with torch.no_grad():  # statistics that are not the first ones
        for _ in range(3):
            model.train()(torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8))
    save_bundle(tmp_path / "b", model=model, resolved=resolved, classes=CLASSES, weights=None, plugins=plugins)
    document = export_onnx(load_bundle(tmp_path / "b", plugins=plugins), tmp_path / "model.onnx")
    assert document["outputs"] == ["scores"]
    assert document["max_abs_difference"] < 1e-4
