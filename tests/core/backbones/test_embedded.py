"""The embedded backbone: its file is complete, described, small, and of use to plain timm."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file

from graft.backbones.embedded import EmbeddedSource
from graft.backbones.load import build_backbone
from graft.errors import WeightsError
from graft.plugins import load_plugins
from graft.recipe.schema import Backbone as Section

FOLDER = EmbeddedSource.folder
ABOUT = json.loads((FOLDER / "tiny.json").read_text(encoding="utf-8"))
FILE: Path = FOLDER / "tiny.safetensors"


def test_file__is_the_one_that_is_described_and_small() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == ABOUT["sha256"]
    assert ABOUT["sha256"] in (FOLDER / "tiny.md").read_text(encoding="utf-8")
    assert FILE.stat().st_size < 3_000_000


def test_build_backbone__every_tensor_is_loaded() -> None:
    loaded = build_backbone(Section(kind="graft:tiny"), plugins=load_plugins())
    assert loaded.report is not None
    state = loaded.backbone.state_dict()
    assert loaded.report.matched == len(state)
    assert loaded.weights is not None
    assert loaded.weights.licence == "apache-2.0"
    assert loaded.backbone.preprocess.to_json() == loaded.weights.preprocess.to_json()


def test_weights__load_in_plain_timm_and_give_the_same_embedding() -> None:
    model = timm.create_model(ABOUT["arch"], num_classes=0)
    model.load_state_dict(load_file(FILE))
    model.eval()
    backbone = build_backbone(Section(kind="graft:tiny"), plugins=load_plugins()).backbone.eval()
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(backbone.embed(x), model(x))


def test_weights__statistics_fit_small_and_larger_images() -> None:
    """In eval mode features must neither vanish nor explode at the sizes that people use."""
    from graft.data.generate import dead_leaves

    backbone = build_backbone(Section(kind="graft:tiny"), plugins=load_plugins()).backbone.eval()
    mean = torch.tensor(backbone.preprocess.mean).view(1, 3, 1, 1)
    std = torch.tensor(backbone.preprocess.std).view(1, 3, 1, 1)
    scales = []
    for size in (48, 96, 128):
        images = torch.from_numpy(dead_leaves(16, size=size, seed=1)).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            embedded = backbone.embed((images - mean) / std)
        assert (embedded.std(dim=0) > 0).float().mean() > 0.9  # few dead features
        scales.append(float(embedded.norm(dim=1).mean()))
    assert max(scales) < 2 * min(scales)


def test_build__random_weights_and_other_channels() -> None:
    backbone = EmbeddedSource().build("tiny", channels=1)
    assert backbone.preprocess.channels == 1
    assert backbone.embed(torch.zeros(2, 1, 64, 64)).shape == (2, backbone.info.embed_dim)


def test_build__unknown_name() -> None:
    with pytest.raises(WeightsError, match="did you mean 'tiny'"):
        EmbeddedSource().build("tinny")
