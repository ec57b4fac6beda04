"""Weights that were trained on ImageNet, where `GRAFT_TEST_DATA` says where they lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from graft.backbones import build_backbone
from graft.backbones.importing import import_weights
from graft.data.geometry import prepare_image
from graft.plugins import core_plugins
from graft.recipe.schema import Backbone as Section
from graft.safeload import load_state_dict

DATA = os.environ.get("GRAFT_TEST_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="GRAFT_TEST_DATA does not say where real data and weights lie")


@pytest.mark.parametrize(
    ("file", "arch", "upto", "mean", "std", "width"),
    [
        ("mobilenet_v2_tv_imagenet_fp16.pth", "mobilenet_v2", None, 0.5, 0.5, 1280),
        ("shufflenet_v2_x0_5_tv_backbone_rgb.pth", "shufflenet_v2_x0_5", "stage4", 0.0, 1.0, 192),
    ],
)
def test_import__then_embed(
    file: str,
    arch: str,
    upto: str | None,
    mean: float,
    std: float,
    width: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path))
    plugins = core_plugins()
    preprocess = {"mean": (mean,) * 3, "std": (std,) * 3}
    path = Path(str(DATA)) / "weights" / file
    kind = f"torchvision:{arch}"
    import_weights(path, name="real", arch=kind, plugins=plugins, upto=upto, preprocess=preprocess)
    loaded = build_backbone(Section(kind=kind, weights="real", upto=upto), plugins=plugins)
    backbone = loaded.backbone.eval()
    assert backbone.preprocess.mean == (mean,) * 3
    assert all(p.dtype == torch.float32 for p in backbone.parameters())

    # Trained features tell textures apart; the norms' statistics fit the weights only if both were loaded right.
    x, y = torch.meshgrid(torch.linspace(0, 40, 96), torch.linspace(0, 40, 96), indexing="xy")
    images = torch.stack([stripes.sin().expand(3, 96, 96) * 0.5 + 0.5 for stripes in (x, y, x + y)])
    noisy = (images + 0.02 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    with torch.no_grad():
        clean, other = (torch.nn.functional.normalize(backbone.embed((x - mean) / std)) for x in (images, noisy))
    assert clean.shape == (3, width)
    likeness = clean @ other.T
    assert (likeness.argmax(1) == torch.arange(3)).all()
    assert likeness.diagonal().min() > 0.7


def test_embed__the_weights_own_classifier_knows_ants_from_bees() -> None:
    """The whole way, pixels to embedding, as the weights were trained: their classifier understands our embedding."""
    file = Path(str(DATA)) / "weights" / "mobilenet_v2_tv_imagenet_fp16.pth"
    loaded = build_backbone(Section(kind="torchvision:mobilenet_v2", weights=str(file)), plugins=core_plugins())
    state = load_state_dict(file)
    weight, bias = (state[f"classifier.1.{name}"].float() for name in ("weight", "bias"))
    bee, ant = 309, 310
    right = shown = 0
    for folder, label in (("ants", ant), ("bees", bee)):
        for path in sorted((Path(str(DATA)) / "data/general/hymenoptera/val" / folder).iterdir())[:12]:
            pixels = torch.from_numpy(prepare_image(path, loaded.backbone.preprocess, max_pixels=10**8).copy())
            x = (pixels.permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
            with torch.no_grad():
                logits = loaded.backbone.eval().embed(x) @ weight.T + bias
            right += int(logits.argmax()) == label
            shown += 1
    assert right / shown > 0.6, f"{right} of {shown}, out of 1000 classes"
