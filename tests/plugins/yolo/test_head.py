"""The head against ultralytics' own network, and on other backbones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from graft.backbones import build_backbone
from graft.errors import RecipeError, WeightsError
from graft.model import Model
from graft.plugins import HeadSpec, Plugins, load_plugins
from graft.recipe.schema import Backbone
from graft_detection.options import TaskOptions
from graft_detection.task import DetectionTask
from graft_yolo.trunks import YoloSource

CLASSES = ("disc", "square", "star")
SIZE = (96, 128)
"""(H, W): a multiple of 32, as ultralytics' own network needs it."""

SMALL = ("yolov8n", "yolo11n", "yolo26n")


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(names=["detection", "yolo"])


def build(plugins: Plugins, kind: str, **options: Any) -> Model:
    torch.manual_seed(0)
    backbone = build_backbone(Backbone(kind=kind, weights="none"), plugins=plugins).backbone
    spec = plugins.find(HeadSpec, "yolo")
    task = DetectionTask(classes=CLASSES, options=TaskOptions())
    given = plugins.options(spec)(**options)
    return Model(
        backbone, plugins.target(spec)(info=backbone.info, classes=CLASSES, options=given, task=task), spec.needs
    )


def disperse(detect: Any) -> None:
    """Let a last layer without training say different things of different places."""
    for layers in (detect.cv3, getattr(detect, "one2one_cv3", [])):
        for row in layers:
            nn.init.normal_(row[-1].weight, std=0.1)
            nn.init.constant_(row[-1].bias, -1.0)


def both(plugins: Plugins, arch: str, **options: Any) -> tuple[Model, Any]:
    """Return our model and ultralytics' own network, with the same weights."""
    from ultralytics.nn.tasks import DetectionModel

    import graft_yolo._ultralytics  # noqa: F401  # first, for it is quiet

    torch.manual_seed(1)
    theirs = DetectionModel(f"{arch}.yaml", nc=len(CLASSES), verbose=False)
    theirs.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    ours = build(plugins, arch, version=arch[:-1], size=arch[-1], **options)
    state = theirs.state_dict()
    trunk = YoloSource().convert(arch, dict(state))
    ours.backbone.load_state_dict({name: trunk[name] for name in ours.backbone.state_dict()})
    layers = {name.removeprefix("model."): tensor for name, tensor in state.items()}
    ours.head.layers.load_state_dict({name: layers[name] for name in ours.head.layers.state_dict()})
    assert len(ours.backbone.state_dict()) + len(ours.head.state_dict()) == len(state)
    return ours, theirs


def targets() -> list[dict[str, Tensor]]:
    """Return the objects of two images: two, and none."""
    some = torch.tensor([[10.0, 20, 60, 70], [30, 5, 100, 90]])
    return [
        {"boxes": some, "labels": torch.tensor([0, 2])},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
    ]


def as_ultralytics(given: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    boxes = torch.cat([one["boxes"] for one in given])
    centred = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], dim=1)
    height, width = SIZE
    return {
        "cls": torch.cat([one["labels"] for one in given]).float()[:, None],
        "bboxes": centred / torch.tensor([width, height, width, height]),
        "batch_idx": torch.cat([torch.full((len(one["boxes"]),), float(i)) for i, one in enumerate(given)]),
    }


@pytest.mark.parametrize("arch", [*SMALL, "yolo11m"])
@pytest.mark.parametrize("training", [True, False])
def test_forward_and_loss__are_ultralytics_own(arch: str, training: bool, plugins: Plugins) -> None:
    ours, theirs = both(plugins, arch)
    ours.train(training)
    theirs.train(training)
    images = torch.rand(2, 3, *SIZE)
    outputs, given = ours(images), theirs(images)
    raw = given if training else given[1]
    for name in ("boxes", "scores"):
        wanted = raw.get("one2many", raw)[name]
        torch.testing.assert_close(outputs[name], wanted, atol=1e-5, rtol=0)
        if "one2one" in raw:
            torch.testing.assert_close(outputs[f"once.{name}"], raw["one2one"][name], atol=1e-5, rtol=0)
    terms, items = theirs.init_criterion()(given, as_ultralytics(targets()))
    loss = ours.head.loss(outputs, targets())
    assert [f"{name}_loss" for name in loss] == list(items)
    torch.testing.assert_close(torch.stack(list(loss.values())) * 2, terms, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("arch", "nms"), [*((arch, True) for arch in SMALL), ("yolo26n", False)])
def test_decode__is_ultralytics_own(arch: str, nms: bool, plugins: Plugins) -> None:
    from ultralytics.utils.nms import non_max_suppression

    ours, theirs = both(plugins, arch, nms=nms, score=0.01, most=40)
    detect = theirs.eval().model[-1]
    theirs.end2end = not nms
    theirs.set_head_attr(max_det=40)
    with torch.no_grad():
        outputs = ours.eval()(torch.rand(2, 3, *SIZE))
        # Without training all places say the same: what they might say, drawn.
        which = "" if nms else "once."
        outputs[f"{which}boxes"] = 4 * torch.rand_like(outputs["boxes"])
        outputs[f"{which}scores"] = 3 * torch.randn_like(outputs["scores"]) - 3
        maps = [outputs[f"level{number}"] for number in range(3)]
        given = detect._inference(
            {"boxes": outputs[f"{which}boxes"], "scores": outputs[f"{which}scores"], "feats": maps}
        )
        if not nms:
            given = detect.postprocess(given.permute(0, 2, 1))
        wanted = non_max_suppression(given, 0.01, 0.7, multi_label=True, max_det=40, end2end=not nms)
        found = ours.head.decode(outputs, [SIZE, SIZE])
    height, width = SIZE
    for rows, one in zip(wanted, found, strict=True):
        rows = rows.numpy()
        assert len(one.scores) == len(rows) == 40
        np.testing.assert_allclose(one.boxes, rows[:, :4].clip(0, [width, height] * 2), atol=1e-4)
        np.testing.assert_allclose(one.scores, rows[:, 4], atol=1e-5)
        np.testing.assert_array_equal(one.labels, rows[:, 5])
        assert (one.boxes.dtype, one.labels.dtype, one.scores.dtype) == (np.float32, np.int64, np.float32)


@pytest.mark.parametrize("version", ["yolov8", "yolo11", "yolo26"])
@pytest.mark.parametrize("kind", ["resnet18", "inception_v3", "convnext_tiny", "yolo11n"])
def test_other_backbones__train(kind: str, version: str, plugins: Plugins) -> None:
    """Of every size: of inception_v3 maps are smaller than a share of the image, and 89 is no multiple of anything."""
    if kind not in ("resnet18", "yolo11n") and version != "yolo11":
        pytest.skip("the neck's inputs are the same for all versions")
    model = build(plugins, kind, version=version).train()
    outputs = model(torch.rand(2, 3, 89, 120))
    cells = sum(-(-89 // stride) * -(-120 // stride) for stride in (8, 16, 32))
    assert outputs["scores"].shape == (2, len(CLASSES), cells)
    loss = model.head.loss(outputs, targets())
    assert all(torch.isfinite(term) and term > 0 for term in loss.values())
    torch.stack(list(loss.values())).sum().backward()
    assert [name for name, one in model.head.named_parameters() if one.requires_grad and one.grad is None] == []
    assert all(one.grad is not None for one in model.backbone.stages.parameters())
    model.eval()
    with torch.inference_mode():
        found = model.head.decode(model(torch.rand(1, 3, 89, 120)), [(89, 120)])
    assert all((one.boxes[:, 2:] <= [120, 89]).all() for one in found)


@pytest.mark.parametrize("kind", ["vgg16_bn", "mobilenetv3_large_100", "efficientnet_b0", "shufflenet_v2_x0_5"])
def test_other_backbones__predict(kind: str, plugins: Plugins) -> None:
    model = build(plugins, kind).eval()
    with torch.inference_mode():
        model.head.decode(model(torch.zeros(1, 3, 64, 64)), [(64, 64)])


@pytest.mark.parametrize("version", ["yolov8", "yolo11", "yolo26"])
def test_loss__of_images_without_objects_trains(version: str, plugins: Plugins) -> None:
    model = build(plugins, "resnet18", version=version)
    loss = torch.stack(list(model.head.loss(model(torch.rand(1, 3, 64, 64)), targets()[1:]).values())).sum()
    loss.backward()
    assert torch.isfinite(loss)
    grads = [one.grad for one in model.parameters() if one.grad is not None]
    assert all(torch.isfinite(one).all() for one in grads)
    assert sum(float(one.abs().sum()) for one in grads) > 0


def test_loss__gains_weigh_its_terms(plugins: Plugins) -> None:
    images = torch.rand(2, 3, *SIZE)
    model = build(plugins, "resnet18").eval()
    once = model.head.loss(model(images), targets())
    model = build(plugins, "resnet18", box=15.0, cls=0.25, dfl=0.0).eval()
    twice = model.head.loss(model(images), targets())
    torch.testing.assert_close(twice["box"], 2 * once["box"])
    torch.testing.assert_close(twice["cls"], once["cls"] / 2)
    assert twice["dfl"] == 0


@pytest.mark.parametrize("nms", [True, False])
def test_exported__boxes_and_scores_are_those_of_decode(nms: bool, plugins: Plugins) -> None:
    model = build(plugins, "yolo26n", version="yolo26", nms=nms, score=0.0, overlap=0.999, most=1000)
    disperse(model.head.detect)  # in training mode: fresh norms make everything equal in the other
    with torch.inference_mode():
        outputs = model(torch.rand(1, 3, 64, 128))
        exported = model.head.exported(outputs)
        (one,) = model.head.decode(outputs, [(64, 128)])
    assert float(exported["scores"].max()) == pytest.approx(float(one.scores[0]), abs=1e-6)
    at = int(exported["scores"][0].amax(dim=1).argmax())
    np.testing.assert_allclose(exported["boxes"][0, at] * torch.tensor([128, 64, 128, 64]), one.boxes[0], atol=1e-3)


def test_weights__what_fits_is_taken_and_said(plugins: Plugins, tmp_path: Path) -> None:
    _, theirs = both(plugins, "yolo11n")
    path = tmp_path / "yolo11n.safetensors"
    state = theirs.state_dict()
    # Of a network for 80 classes, the last layer's tensors of the classes have other shapes.
    last = [name for name in state if name.startswith("model.23.cv3.") and name.split(".")[4] == "2"]
    save_file({n: torch.ones(80, *t.shape[1:]) if n in last else t.contiguous() for n, t in state.items()}, path)
    head = build(plugins, "yolo11n", weights=str(path)).head
    before = {name: tensor.clone() for name, tensor in head.layers.state_dict().items()}
    (said,) = head.prepare([]).values()
    whole = len(before)
    assert said == f"{whole - len(last)} of {whole} tensors from yolo11n.safetensors, new are 23.cv3"
    for name, tensor in head.layers.state_dict().items():
        wanted = before[name] if f"model.{name}" in last else state[f"model.{name}"]
        assert torch.equal(tensor, wanted)


def test_weights__that_fit_nowhere_are_refused(plugins: Plugins, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"fc.weight": torch.ones(1)}, path)
    with pytest.raises(WeightsError, match=r"nothing in it is of the neck or the predictions of yolo11n"):
        build(plugins, "yolo11n", weights=str(path)).head.prepare([])
    save_file({"model.23.cv3.0.2.bias": torch.tensor([1.0, float("nan"), 0.0])}, path)
    with pytest.raises(WeightsError, match="NaN or infinity in 1 tensors"):
        build(plugins, "yolo11n", weights=str(path)).head.prepare([])
    torch.save({"model": nn.Linear(1, 1)}, tmp_path / "whole.pt")
    with pytest.raises(WeightsError, match=r"refused.*\n.*from ultralytics import YOLO"):
        build(plugins, "yolo11n", weights=str(tmp_path / "whole.pt")).head.prepare([])


def test_norms__follow_the_images_in_short_runs(plugins: Plugins) -> None:
    """ultralytics' own momentum of 0.03 keeps the first statistics for hundreds of steps."""
    norms = [one for one in build(plugins, "yolo11n").modules() if isinstance(one, nn.BatchNorm2d)]
    assert {(one.momentum, one.eps) for one in norms} == {(0.1, 1e-3)}


def test_head__needs_three_levels(plugins: Plugins) -> None:
    backbone = build_backbone(Backbone(kind="resnet18", weights="none", upto="stage3"), plugins=plugins).backbone
    spec = plugins.find(HeadSpec, "yolo")
    task = DetectionTask(classes=CLASSES, options=TaskOptions())
    with pytest.raises(RecipeError, match="YOLO connects maps of reductions 8, 16 and 32"):
        plugins.target(spec)(info=backbone.info, classes=CLASSES, options=plugins.options(spec)(), task=task)
