"""The files are complete, described, small, and of use to plain timm."""

from __future__ import annotations

import hashlib
import json

import pytest
import timm
import torch
from safetensors.torch import load_file

from graft.backbones import build_backbone
from graft.plugins import load_plugins
from graft.recipe.schema import Backbone
from graft_small.network import CHANNELS
from graft_small.source import SmallSource

FOLDER = SmallSource.folder
FILE = FOLDER / "small.safetensors"
ABOUT = json.loads((FOLDER / "small.json").read_text(encoding="utf-8"))


def test_file__is_the_one_that_is_described_and_small() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == ABOUT["sha256"]
    assert ABOUT["sha256"] in (FOLDER / "small.md").read_text(encoding="utf-8")
    assert FILE.stat().st_size < 6_000_000, "three million parameters at most, in half precision"


@pytest.mark.parametrize("weights", ["pretrained", "embedded"])
def test_build_backbone__every_tensor_is_loaded(weights: str) -> None:
    loaded = build_backbone(Backbone(kind="small", weights=weights), plugins=load_plugins())
    assert loaded.report is not None
    assert loaded.report.matched == len(loaded.backbone.state_dict())
    assert loaded.weights is not None
    assert loaded.weights.origin == "embedded in graft-small"


def test_weights__load_in_plain_timm_and_give_the_same_embedding() -> None:
    model = timm.create_model("resnet10t", channels=CHANNELS, num_classes=0)
    model.load_state_dict(load_file(FILE))
    model.eval()
    backbone = build_backbone(Backbone(kind="graft-small:small"), plugins=load_plugins()).backbone.eval()
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(backbone.embed(x), model(x))
        assert (backbone.embed(x).std(dim=0) > 0).float().mean() > 0.5, "features that are not all dead"
