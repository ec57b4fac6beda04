"""Every head on backbones of every shape: it learns, all of it, and exports as it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from graft.backbones.contract import BackboneInfo, StageInfo
from graft.backbones.load import build_backbone
from graft.errors import RecipeError
from graft.model import Model
from graft.plugins import HeadSpec, Plugins, load_plugins
from graft.recipe.schema import Backbone as Section
from graft_segmentation.decoders import DECODERS
from graft_segmentation.heads import UnetHead
from graft_segmentation.options import HeadOptions, TaskOptions
from graft_segmentation.sample import CLASSES, segmented_image
from graft_segmentation.task import SegmentationTask

BACKBONES = ("graft:tiny", "timm:resnet18", "timm:vgg11_bn", "timm:convnext_atto", "timm:mobilenetv3_small_050")

COARSE = ("deeplabv3", "pspnet")


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(names=["segmentation"])


def _model(plugins: Plugins, head: str, backbone: str = "graft:tiny", **options: object) -> Model:
    torch.manual_seed(0)
    built = build_backbone(Section(kind=backbone, weights="none"), plugins=plugins).backbone
    spec = plugins.find(HeadSpec, head)
    task = SegmentationTask(classes=CLASSES, options=TaskOptions())
    made = plugins.target(spec)(info=built.info, classes=CLASSES, options=HeadOptions(**options), task=task)
    return Model(built, made, "pyramid")


def _some(number: int, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    pairs = [segmented_image("source", size=size, seed=(index,)) for index in range(number)]
    images = torch.from_numpy(np.stack([image for image, _ in pairs])).permute(0, 3, 1, 2)
    return images, torch.from_numpy(np.stack([mask for _, mask in pairs]))


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("name", DECODERS)
def test_gradients_reach_every_parameter(plugins: Plugins, name: str, backbone: str) -> None:
    model = _model(plugins, name, backbone, width=32)
    images, masks = _some(2, 70)
    loss = sum(model.train().head.loss(model(images), masks).values())
    assert torch.isfinite(loss)
    loss.backward()
    # The last norm of a residual branch may begin at zero, and what is before it then has a gradient of zeros.
    none = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert {name for name in none if not name.startswith("backbone.tail")} == set()
    idle = {name for name, parameter in model.head.named_parameters() if not parameter.grad.any()}
    assert idle == set()


@pytest.mark.parametrize("name", DECODERS)
def test_learns_eight_images_by_heart(plugins: Plugins, name: str) -> None:
    model = _model(plugins, name, width=8)
    images, masks = _some(8, 48)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    first = None
    for _ in range(60):
        loss = sum(model.train().head.loss(model(images), masks).values())
        first = float(loss) if first is None else first
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss) < (0.75 if name in COARSE else 0.6) * first
    outputs = model.train()(images).detach()
    decided = np.stack([one.mask for one in model.head.decode(outputs, [(48, 48)] * 8)])
    # Whose maps are a sixteenth of the image large and more cannot follow an outline.
    assert (decided == masks.numpy()).mean() > (0.65 if name in COARSE else 0.85)


@pytest.mark.parametrize("name", DECODERS)
def test_a_batch_of_one_and_odd_sizes(plugins: Plugins, name: str) -> None:
    model = _model(plugins, name, "timm:resnet18", width=32)
    for size in ((64, 64), (75, 97)):
        x = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8)
        assert model.train()(x).shape == (1, len(CLASSES), *size)
        assert model.eval()(x).shape == (1, len(CLASSES), *size)


@pytest.mark.parametrize("name", DECODERS)
def test_sizes_that_are_not_whole_reductions(plugins: Plugins, name: str) -> None:
    """The inceptions' convolutions are not padded."""
    model = _model(plugins, name, "timm:inception_v3", width=32).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 150, 171)).shape == (1, len(CLASSES), 150, 171)


def _info(*reductions: int) -> BackboneInfo:
    stages = tuple(StageInfo(name=f"stage{r}", channels=8, reduction=r) for r in reductions)
    return BackboneInfo(stages=stages, embed_dim=8)


@pytest.mark.parametrize(
    ("name", "reductions", "missing"),
    [
        ("fpn", (2, 4, 8), "1/16"),
        ("deeplabv3+", (2,), "1/4, 1/8"),
        ("deeplabv3+", (8, 8, 16, 32, 64), "1/4"),
        ("upernet", (2, 4), "1/8"),
        ("segformer", (2, 8, 16), "1/4"),
        ("unet++", (2,), "1/4"),
    ],
)
def test_a_backbone_that_does_not_fit_is_refused(
    plugins: Plugins, name: str, reductions: tuple[int, ...], missing: str
) -> None:
    problem = plugins.unfit(plugins.find(HeadSpec, name), reductions, HeadOptions())
    assert problem is not None
    assert problem.where == "head.kind"
    assert f"needs feature maps of {missing} of the image's size, and the backbone has 1/" in problem.what
    assert "take unet or fcn" in str(problem.hint)
    assert plugins.unfit(plugins.find(HeadSpec, "unet"), reductions, HeadOptions()) is None


@pytest.mark.parametrize("name", DECODERS)
def test_one_small_image_gives_maps_of_one_pixel(plugins: Plugins, name: str) -> None:
    model = _model(plugins, name, width=1).eval()
    with torch.no_grad():
        assert torch.isfinite(model(torch.zeros(1, 3, 32, 32))).all()


@pytest.mark.parametrize("name", DECODERS)
def test_a_backbone_without_smaller_maps_is_refused(plugins: Plugins, name: str) -> None:
    """As VGG's stem alone is."""
    problem = plugins.unfit(plugins.find(HeadSpec, name), (1,), HeadOptions())
    assert problem is not None
    assert "and the backbone has none that is smaller" in problem.what


def test_class_weights__by_name_and_balanced() -> None:
    task = SegmentationTask(classes=CLASSES, options=TaskOptions())
    info = _info(2, 4)
    made = UnetHead(info=info, classes=CLASSES, options=HeadOptions(class_weights={"dots": 3.0}), task=task)
    assert made.weights.tolist() == [1, 1, 3, 1]
    with pytest.raises(RecipeError, match=r"head\.class_weights\.dotz"):
        UnetHead(info=info, classes=CLASSES, options=HeadOptions(class_weights={"dotz": 3.0}), task=task)
    made = UnetHead(info=info, classes=CLASSES, options=HeadOptions(class_weights="balanced"), task=task)
    from graft_segmentation.target import MaskTarget

    counts = np.array([900, 100, 25, 0])
    made.prepare([MaskTarget(None, {}, False, counts=counts)])
    assert made.weights[1] / made.weights[0] == pytest.approx(math.sqrt(9))
    assert made.weights[3] == 0
    assert float(made.weights.sum()) == pytest.approx(3)
