from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from boxes import write_shapes
from graft.backbones.load import build_backbone
from graft.data.batch import stack_images
from graft.data.decode import decode
from graft.errors import UserError
from graft.model import Model
from graft.plugins import HeadSpec, Plugins, load_plugins
from graft.recipe.schema import Backbone
from graft_detection.evaluation.metrics import CocoMetrics
from graft_detection.formats.coco import CocoReader
from graft_detection.heads.levels import Anchors
from graft_detection.options import CocoOptions, TaskOptions
from graft_detection.task import DetectionTask

SMALL: dict[str, dict[str, Any]] = {
    "retinanet": {},
    "fcos": {},
    "ssd": {},
    "faster-rcnn": {"hidden": 64, "proposals": 60, "sampled": 32},
}
SIZE = 64


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(names=["detection"])


def build(plugins: Plugins, name: str, *, kind: str = "graft:tiny", **options: Any) -> Model:
    torch.manual_seed(0)
    backbone = build_backbone(Backbone(kind=kind, size=SIZE, weights="none"), plugins=plugins).backbone
    spec = plugins.find(HeadSpec, name)
    given = plugins.options(spec)(**{"width": 64, "finest": 4, "extra": 1, **SMALL[name], **options})
    classes = ("disc", "square")
    task = DetectionTask(classes=classes, options=TaskOptions())
    head = plugins.target(spec)(info=backbone.info, classes=classes, options=given, task=task)
    return Model(backbone, head, spec.needs)


def shapes(folder: Path) -> tuple[Tensor, list[Any], list[Any]]:
    """Return images, encoded targets, and targets as a batch; the first image has no objects."""
    catalogue = CocoReader().read(write_shapes(folder, size=SIZE), CocoOptions())
    task = DetectionTask(classes=catalogue.classes, options=TaskOptions())
    targets = [task.encode(sample) for sample in catalogue.samples]
    return stack_images([decode(sample.path) for sample in catalogue.samples]), targets, task.collate(targets)


@pytest.mark.parametrize("name", SMALL)
def test_loss__is_finite_and_reaches_every_parameter(tmp_path: Path, plugins: Plugins, name: str) -> None:
    images, _, targets = shapes(tmp_path)
    # An object for each level, and all of the background.
    middle = torch.tensor([[SIZE / 2] * 4])
    reach = torch.tensor([[-1.0, -1.0, 1.0, 1.0]])
    targets[1]["boxes"] = torch.cat([middle + reach * half for half in (8, 16, 32, 64, 128)])
    targets[1]["labels"] = torch.tensor([0, 1, 0, 1, 0])
    model = build(plugins, name, **({"negatives": 1e6} if name == "ssd" else {})).train()
    terms = model.head.loss(model(images), targets)
    assert all(torch.isfinite(term) and term.ndim == 0 and term > 0 for term in terms.values())
    torch.stack(list(terms.values())).sum().backward()
    silent = [key for key, one in model.head.named_parameters() if one.grad is None or not one.grad.any()]
    assert silent == []
    # Blocks of a residual network that begin as nothing have no gradient inside in the first step.
    assert all(one.grad is not None for one in model.backbone.stages.parameters())
    assert all(any(one.grad.any() for one in stage.parameters()) for stage in model.backbone.stages)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("mode", [True, False])
def test_loss__of_images_without_objects_trains(tmp_path: Path, plugins: Plugins, name: str, mode: bool) -> None:
    images, _, targets = shapes(tmp_path)
    model = build(plugins, name).train(mode)
    loss = torch.stack(list(model.head.loss(model(images[:1]), targets[:1]).values())).sum()
    assert torch.isfinite(loss)
    loss.backward()
    grads = [one.grad for one in model.parameters() if one.grad is not None]
    assert all(torch.isfinite(grad).all() for grad in grads)
    assert sum(float(grad.abs().sum()) for grad in grads) > 0


@pytest.mark.parametrize("name", SMALL)
def test_overfits_eight_images(tmp_path: Path, plugins: Plugins, name: str) -> None:
    images, truth, targets = shapes(tmp_path)
    model = build(plugins, name, extra=0).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    # The last of the noise in the statistics of a batch of eight is gone once they stand still.
    for step in range(100):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (100 - step) / 60)
        if step == 40:
            for module in model.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eval()
        loss = torch.stack(list(model.head.loss(model(images), targets).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        predictions = model.head.decode(model(images), [(SIZE, SIZE)] * len(images))
    metric = CocoMetrics(classes=("disc", "square"), options=None)
    assert metric.compute(metric.rows(predictions, truth))["map50"] > 0.9


@pytest.mark.parametrize("name", SMALL)
def test_decode__gives_boxes_inside_the_most_certain_first(plugins: Plugins, name: str) -> None:
    model = build(plugins, name, score=0.0, most=7).eval()
    with torch.inference_mode():
        outputs = model(torch.randint(0, 255, (2, 3, SIZE, 96), dtype=torch.uint8))
        predictions = model.head.decode(outputs, [(SIZE, 96)] * 2)
    for one in predictions:
        assert one.boxes.shape == (7, 4)
        assert (one.boxes.dtype, one.labels.dtype, one.scores.dtype) == (np.float32, np.int64, np.float32)
        assert (one.boxes >= 0).all()
        assert (one.boxes[:, 2:] <= [96, SIZE]).all()
        assert (one.boxes[:, 2:] > one.boxes[:, :2]).all()
        assert (np.diff(one.scores) <= 0).all()
        assert one.size == (SIZE, 96)


def test_decode__of_no_proposal_finds_nothing(plugins: Plugins) -> None:
    model = build(plugins, "faster-rcnn").eval()
    with torch.inference_mode():
        outputs = model(torch.randint(0, 255, (2, 3, SIZE, SIZE), dtype=torch.uint8))
        # Boxes without a size are dropped, and so are those of a network that has diverged.
        nowhere = {name: value * torch.nan if name.startswith("deltas") else value for name, value in outputs.items()}
        predictions = model.head.decode(nowhere, [(SIZE, SIZE)] * 2)
    assert [one.boxes.shape for one in predictions] == [(0, 4), (0, 4)]


@pytest.mark.parametrize("name", ["retinanet", "fcos", "ssd"])
def test_exported__boxes_and_scores_are_those_of_decode(plugins: Plugins, name: str) -> None:
    model = build(plugins, name, score=0.0, overlap=0.999, most=1000).eval()
    with torch.inference_mode():
        outputs = model(torch.randint(0, 255, (1, 3, SIZE, SIZE), dtype=torch.uint8))
        exported = model.head.exported(outputs)
        (one,) = model.head.decode(outputs, [(SIZE, SIZE)])
    boxes, scores = exported["boxes"][0] * SIZE, exported["scores"][0].amax(dim=1)
    # An untrained network's box may have no height, which `decode` leaves out.
    scores[(boxes[:, 2:] - boxes[:, :2] <= 1e-2).any(dim=1)] = 0
    assert float(scores.max()) == pytest.approx(float(one.scores[0]), abs=1e-6)
    # Scores of an untrained network may be equal but for rounding: any of these boxes may come first.
    best = boxes[scores >= scores.max() - 1e-6]
    assert float(np.abs(best.numpy() - one.boxes[0]).max(axis=1).min()) < 1e-3


def test_exported__faster_rcnn_says_why_not(plugins: Plugins) -> None:
    model = build(plugins, "faster-rcnn").eval()
    with pytest.raises(UserError, match="cannot be exported"):
        model.head.exported({})


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("kind", ["timm:resnet18", "torchvision:mobilenet_v2", "timm:vgg11_bn"])
def test_heads__fit_other_backbones(plugins: Plugins, name: str, kind: str) -> None:
    if name != "retinanet" and kind != "timm:resnet18":
        pytest.skip("the pyramid is the same for all heads")
    model = build(plugins, name, kind=kind, finest=8).eval()
    with torch.inference_mode():
        model.head.decode(model(torch.zeros(1, 3, SIZE, SIZE)), [(SIZE, SIZE)])


def test_heads__say_when_no_stage_is_coarse_enough(plugins: Plugins) -> None:
    spec = plugins.find(HeadSpec, "retinanet")
    problem = plugins.unfit(spec, (2, 4, 4, 8), plugins.options(spec)(finest=16))
    assert str(problem) == (
        "head.finest: no stage has a reduction of 16 or more; there are 2, 4, 8 (set head.finest=8, or less)"
    )
    assert plugins.unfit(spec, (2, 4, 4, 8), plugins.options(spec)()) is None


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("width", [2, 32, 33, 64])
def test_one_small_image_gives_maps_of_one_pixel(plugins: Plugins, name: str, width: int) -> None:
    if name == "fcos" and width != 64:
        pytest.skip("its own norms need 64 channels")
    model = build(plugins, name, width=width).eval()
    with torch.no_grad():
        model.head.decode(model(torch.zeros(1, 3, 32, 32)), [(32, 32)])


@pytest.mark.parametrize("width", [32, 80])
def test_fcos__says_which_widths_its_norms_take(plugins: Plugins, width: int) -> None:
    with pytest.raises(ValueError, match=f"{width} channels cannot be normalised in 32 groups: write 64, 96"):
        plugins.options(plugins.find(HeadSpec, "fcos"))(width=width)


def test_anchors__lie_around_their_cells_as_the_outputs_do() -> None:
    anchors = Anchors(scale=4.0, octave=1, ratios=(0.5, 1.0, 2.0))
    given = anchors([torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 1, 2)], (16, 24))
    assert given.shape == ((6 + 2) * 3, 4)
    # The first cell of 8 × 8 pixels: 4 cells of its level to a side.
    torch.testing.assert_close(given[1], torch.tensor([-12.0, -12.0, 20.0, 20.0]))
    sides = given[:, 2:] - given[:, :2]
    torch.testing.assert_close(sides[0].prod(), sides[1].prod())
    assert sides[0, 0] == pytest.approx(2 * float(sides[0, 1]))
    torch.testing.assert_close((given[4, :2] + given[4, 2:]) / 2, torch.tensor([12.0, 4.0]))
