"""Every head that looks at feature maps, on backbones of every shape: it trains, or the recipe is refused.

Heads are those that the installed plugins offer, but for those that are not trained by steps. Weights are random, and
images small, of a size that no network halves evenly, for that is where maps do not fit each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graft.backbones.contract import Backbone, BackboneInfo, StageInfo
from graft.backbones.load import build_backbone
from graft.backbones.names import architectures, stage_names
from graft.console import Console
from graft.engine._loss import training_loss
from graft.engine._setup import Experiment, set_up
from graft.engine.train import dry_run
from graft.errors import RecipeError
from graft.model import Model
from graft.plugins import BackboneSpec, HeadSpec, TaskSpec, core_plugins, load_plugins
from graft.recipe import ResolvedRecipe, load_recipe
from graft.strategies.groups import units
from graft.tasks import Features, Head

PLUGINS = load_plugins(start=Path(__file__).parent)

HEADS = sorted(name for name, spec in PLUGINS.specs(HeadSpec).items() if spec.needs == "pyramid" and not spec.fitted)

BACKBONES = (
    *("timm:resnet18", "timm:resnet50", "timm:vgg16_bn", "timm:inception_v3", "timm:inception_resnet_v2"),
    *("timm:mobilenetv3_large_100", "timm:efficientnet_b0", "timm:convnext_tiny", "torchvision:shufflenet_v2_x0_5"),
)

LIGHT = ("timm:resnet18", "timm:mobilenetv3_large_100", "timm:efficientnet_b0", "torchvision:shufflenet_v2_x0_5")

REFUSED: frozenset[tuple[str, str]] = frozenset()
"""Heads that cannot take one of `BACKBONES`: none, as things are."""

SIZE = 80
"""Inception takes no image below 75 pixels."""

SMALL = {"width": 32, "hidden": 32, "proposals": 20, "sampled": 16}
"""Options that make heads small, for those that have them."""

WIDTHS = {"unet": 4, "unet++": 4, "fcos": 64}
"""Of heads whose width is that of their last block, or which normalise in groups."""

Recipe = Callable[..., ResolvedRecipe]


@dataclass(frozen=True)
class Built:
    """A backbone, and the weights that it began with."""

    name: str
    backbone: Backbone
    state: dict[str, Tensor]

    def fresh(self) -> Backbone:
        """Return the backbone with the weights that it began with."""
        self.backbone.load_state_dict(self.state)
        self.backbone.zero_grad()
        return self.backbone.train()


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Return the recipe of a head on a backbone and the sample data of its task, checked."""
    folders: dict[str, Path] = {}

    def resolved(head: str, backbone: str, **more: Any) -> ResolvedRecipe:
        spec = PLUGINS.find(HeadSpec, head)
        task = PLUGINS.find(TaskSpec, spec.tasks[0])
        if task.name not in folders:
            folders[task.name] = tmp_path_factory.mktemp(task.name)
            PLUGINS.sample(task)(folders[task.name], seed=0, size=SIZE, per_class=2)
        small = {f"head.{key}": SMALL[key] for key in SMALL if key in PLUGINS.options(spec).model_fields}
        small |= {"head.width": WIDTHS[head]} if head in WIDTHS else {}
        base = {
            "task": task.name,
            "data.train": str(folders[task.name] / "target"),
            "head.kind": head,
            "backbone.kind": backbone,
            "backbone.weights": "none",
            "backbone.size": SIZE,
            "augment": "none",
            "train.batch": 2,
            **small,
            **more,
        }
        return load_recipe(None, base=base, plugins=PLUGINS)

    return resolved


@pytest.fixture(scope="module")
def experiment(recipe: Recipe) -> Callable[[str], Experiment]:
    """Return the task and the data of a head, with whatever backbone."""
    known: dict[str, Experiment] = {}

    def prepared(head: str) -> Experiment:
        (task,) = PLUGINS.find(HeadSpec, head).tasks
        if task not in known:
            default = PLUGINS.find(TaskSpec, task).head
            known[task] = set_up(recipe(default, "graft:tiny"), plugins=PLUGINS, console=Console(quiet=True))
        return known[task]

    return prepared


@pytest.fixture(scope="module", params=BACKBONES)
def built(request: pytest.FixtureRequest, recipe: Recipe) -> Built:
    torch.manual_seed(0)
    section = recipe("fcn", request.param).recipe.backbone
    backbone = build_backbone(section, plugins=PLUGINS).backbone
    backbone.tail = nn.Identity()  # of VGG nine tenths of the weights, and no head here sees it
    return Built(request.param, backbone, {name: one.clone() for name, one in backbone.state_dict().items()})


@pytest.mark.parametrize("head", HEADS)
def test_trains_two_steps__or_is_refused(
    head: str, built: Built, recipe: Recipe, experiment: Callable[[str], Experiment]
) -> None:
    if (head, built.name) in REFUSED:
        with pytest.raises(RecipeError):
            recipe(head, built.name)
        return
    resolved, known = recipe(head, built.name), experiment(head)
    model = Model(built.fresh(), head_of(resolved, built.backbone.info, known), "pyramid").train()
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    batch = next(iter(known.train_loader()[0]))
    for _ in range(2):
        optimizer.zero_grad()
        loss = training_loss(model, batch, known.recipe.strategy.regularise)
        assert torch.isfinite(loss)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    changed = {id(one) for name, one in model.named_parameters() if not torch.equal(one, before[name])}
    for unit, module in units(model).items():
        parameters = list(module.parameters())
        assert not parameters or any(id(one) in changed for one in parameters), f"{unit} learnt nothing"


def head_of(resolved: ResolvedRecipe, info: BackboneInfo, known: Experiment) -> Head:
    """Return a head with weights at random, for the classes of some data."""
    torch.manual_seed(0)
    classes = known.prepared.catalogue.classes
    head: Head = PLUGINS.target(resolved.head)(
        info=info, classes=classes, options=resolved.head_options, task=known.task
    )
    return head


def pyramids() -> list[tuple[int, ...]]:
    """Return the reductions of every architecture in core's indexes, whole and cut off anywhere, each once."""
    listed = {each for spec in core_plugins().specs(BackboneSpec).values() for each in architectures(spec).values()}
    return sorted({each[:length] for each in listed for length in range(1, len(each) + 1)})


@pytest.mark.parametrize("reductions", pyramids(), ids=lambda reductions: "-".join(map(str, reductions)))
@pytest.mark.parametrize("head", HEADS)
def test_takes_every_pyramid_that_it_does_not_refuse(
    head: str, reductions: tuple[int, ...], recipe: Recipe, experiment: Callable[[str], Experiment]
) -> None:
    resolved, known = recipe(head, "graft:tiny"), experiment(head)
    if PLUGINS.unfit(resolved.head, reductions, resolved.head_options):
        return
    # Numbers of channels that no power of two divides, and sizes that no stage halves evenly.
    stages = tuple(
        StageInfo(name=name, channels=10 + 3 * number, reduction=reductions[number])
        for number, name in enumerate(stage_names(len(reductions)))
    )
    module = head_of(resolved, BackboneInfo(stages=stages, embed_dim=1), known).train()
    maps = [torch.randn(2, one.channels, *[-(-SIZE // one.reduction)] * 2) for one in stages]
    batch = next(iter(known.train_loader()[0]))
    terms = module.loss(module(Features(pyramid=maps), (SIZE, SIZE)), batch.targets)
    assert all(torch.isfinite(term) for term in terms.values())


@pytest.mark.parametrize(
    ("head", "more", "says"),
    [
        ("fpn", {"backbone.upto": "stage2"}, "needs feature maps of 1/16 of the image's size"),
        ("retinanet", {"head.finest": 64}, "no stage has a reduction of 64 or more; there are 2, 4, 8, 16, 32"),
    ],
)
def test_is_refused__with_the_reason(
    head: str, more: dict[str, Any], says: str, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecipeError, match=says):
        recipe(head, "timm:resnet18", **more)
    # Where the index does not say: when the network is built.
    monkeypatch.setattr(import_module("graft.recipe.resolve"), "reductions_of", lambda spec, arch: ())
    unchecked = recipe(head, "timm:resnet18", **more)
    with pytest.raises(RecipeError, match=says):
        set_up(unchecked, plugins=PLUGINS, console=Console(quiet=True))


@pytest.mark.parametrize(("head", "backbone"), list(zip(HEADS, cycle(LIGHT), strict=False)))
def test_engine__trains_two_steps(head: str, backbone: str, recipe: Recipe) -> None:
    """Each head once, on one of the lighter backbones: what the engine adds is the same for all of them."""
    dry_run(recipe(head, backbone), plugins=PLUGINS, console=Console(quiet=True))
