"""Whole phases of training on real architectures: what is frozen stays equal to the last bit, everything else learns.

The weights are random and the images tiny; what trains, in which groups and how fast is decided by the functions that
the engine calls.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from timm.models.vgg import ConvMlp
from torch import Tensor

from graft.backbones.load import build_backbone
from graft.console import Console
from graft.engine._module import Learner
from graft.engine.train import train
from graft.model import Model
from graft.plugins import core_plugins
from graft.recipe import load_recipe
from graft.recipe.schema import Backbone, Options, Pace, Part, Regularise
from graft.runs.folder import Run
from graft.strategies import unfreeze
from graft.strategies.groups import learning_rates, parameter_groups, units
from graft.strategies.optimizers import build_optimizer
from graft.strategies.schedule import factor
from shades import QUICK, Plain, Shades, shades_plugins, write_shades

ARCHITECTURES = {
    "resnet": "timm:resnet18",
    "mobilenetv3": "timm:mobilenetv3_small_050",
    "efficientnet": "timm:efficientnet_b0",
    "convnext": "timm:convnext_atto",
    "vgg_bn": "timm:vgg11_bn",
}
SIZE = 32
BATCH = 4
STEPS = 2
"""Per epoch. A residual branch that begins as zero gets no gradient before the second."""

KINDS: dict[str, tuple[dict[str, Any], int]] = {
    "none": ({}, 1),
    "all": ({}, 1),
    "from": ({"stage": -2}, 1),
    "surgical": ({"stages": ["stem", "stage2"]}, 1),
    "gradual": ({"every": 1}, 7),
    "head-then-all": ({"head": 0.5}, 2),
}
"""The options of each, and epochs enough for every phase that it has."""

PACE = Pace(lr=0.01, head=3.0, layer_decay=0.5, warmup=0.25, rates={"stage1": 0.02})


@pytest.fixture(scope="module", params=ARCHITECTURES)
def built(request: pytest.FixtureRequest) -> Model:
    torch.manual_seed(0)
    backbone = build_backbone(
        Backbone(kind=ARCHITECTURES[request.param], weights="none"), plugins=core_plugins()
    ).backbone
    if isinstance(getattr(backbone.tail, "pre_logits", None), ConvMlp):
        # The same layers as vgg's own, without their 120 million weights.
        backbone.tail.pre_logits = ConvMlp(backbone.info.stages[-1].channels, 64)
        backbone.info = replace(backbone.info, embed_dim=64)
    classes = ("dark", "light")
    task = Shades(classes=classes, options=Options())
    return Model(backbone, Plain(info=backbone.info, classes=classes, options=Options(), task=task), "embedding")


@pytest.fixture
def model(built: Model) -> Model:
    return copy.deepcopy(built)


def digests(model: Model) -> dict[str, str]:
    """Return the SHA-256 of every parameter and buffer, by name."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: hashlib.sha256(tensor.detach().numpy().tobytes()).hexdigest() for name, tensor in tensors.items()}


def unit_of(model: Model, name: str) -> str:
    """Return the unit of a tensor, by its name."""
    names = list(units(model))
    part, _, rest = name.removeprefix("backbone.").partition(".")
    return names[int(rest.partition(".")[0])] if part == "stages" else part


def check_epoch(
    model: Model, frozen: Collection[str], before: Mapping[str, str], gradients: Collection[str] | None = None
) -> None:
    """Assert that an epoch changed what trains, and nothing of what is frozen."""
    parameters = dict(model.named_parameters())
    after = digests(model)
    assert list(after) == list(before)
    for name, digest in after.items():
        if name in ("mean", "std", "head.seen") or unit_of(model, name) in frozen:
            assert digest == before[name], f"{name} is frozen, and changed"
        elif name in parameters or name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            assert digest != before[name], f"{name} trains, and did not change"
    for name in parameters:
        if gradients is not None:
            assert (name in gradients) is (unit_of(model, name) not in frozen), f"gradient of {name}"


def by_hand(unit: str, stages: list[str], step: int, total: int) -> float:
    """Return a unit's rate in a step of `PACE`: a quarter of the steps up to the peak, then half a cosine."""
    if unit == "stage1":
        peak = 0.02
    elif unit in stages:
        peak = 0.01 / 2 ** (len(stages) - 1 - stages.index(unit))
    else:
        peak = {"tail": 0.01, "head": 0.03}[unit]
    warm = total / 4
    if step < warm - 0.5:
        return peak * min(1.0, (step + 1) / warm)
    return peak * (1 + math.cos(math.pi * max(step - warm, 0) / (total - warm))) / 2


@pytest.mark.parametrize("kind", KINDS)
def test_training__keeps_what_is_frozen_and_changes_the_rest(kind: str, model: Model) -> None:
    options, epochs = KINDS[kind]
    part, names = Part.model_validate({"kind": kind, **options}), list(units(model))
    groups = parameter_groups(model, rates=learning_rates(PACE, names), regularise=Regularise(weight_decay=0.1))
    check_groups(model, groups)
    optimizer = build_optimizer(Part(kind="adamw"), groups)
    total = epochs * STEPS
    for epoch in range(epochs):
        frozen = unfreeze.frozen(part, names, epoch, epochs)
        unfreeze.apply(model, frozen, "follow")
        before, gradients = digests(model), set()
        for step in range(epoch * STEPS, (epoch + 1) * STEPS):
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor(PACE, step / total, step=1 / total)
                assert group["lr"] == pytest.approx(by_hand(group["unit"], names[:-2], step, total), rel=1e-9)
            gradients |= take_step(model, optimizer, step)
        check_epoch(model, frozen, before, gradients)


def take_step(model: Model, optimizer: torch.optim.Optimizer, seed: int) -> set[str]:
    """Take a step, and return the names of what had a gradient other than zero."""
    torch.manual_seed(seed)
    images, targets = torch.rand(BATCH, 3, SIZE, SIZE), torch.tensor([0, 1] * (BATCH // 2))
    optimizer.zero_grad()
    model.head.loss(model(images), targets)["cross_entropy"].backward()
    optimizer.step()
    return {name for name, one in model.named_parameters() if one.grad is not None and bool(one.grad.any())}


def check_groups(model: Model, groups: list[dict[str, Any]]) -> None:
    """Assert that each parameter is in exactly one group, that of its unit."""
    placed = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(placed) == sorted(map(id, model.parameters()))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for group in groups:
        assert {unit_of(model, names[id(parameter)]) for parameter in group["params"]} == {group["unit"]}


# --- through the engine --------------------------------------------------------------------------------------------


class Watch:
    """Looks at each epoch of a learner: tensors before and after, and the rates of each step."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.epochs = 0
        self.rates: list[dict[str, float]] = []
        self._before: dict[str, str] = {}
        start, step, end = Learner.on_train_epoch_start, Learner.training_step, Learner.on_train_epoch_end

        def on_train_epoch_start(learner: Learner) -> None:
            start(learner)
            self._before = digests(learner.model)

        def training_step(learner: Learner, batch: Any, batch_idx: int) -> Tensor:
            groups = learner.optimizers(use_pl_optimizer=False).param_groups
            self.rates.append({group["unit"]: group["lr"] for group in groups})
            return step(learner, batch, batch_idx)

        def on_train_epoch_end(learner: Learner) -> None:
            recipe = learner.recipe
            names = list(units(learner.model))
            frozen = unfreeze.frozen(recipe.strategy.unfreeze, names, learner.finished, recipe.train.epochs)
            check_epoch(learner.model, frozen, self._before)
            self.epochs += 1
            end(learner)

        patch.setattr(Learner, "on_train_epoch_start", on_train_epoch_start)
        patch.setattr(Learner, "training_step", training_step)
        patch.setattr(Learner, "on_train_epoch_end", on_train_epoch_end)
        patch.setattr("graft.engine._finish.write_report", write_nothing)


def write_nothing(run: Run, material: object) -> Path:
    path = run.path / "report.html"
    path.write_text("")
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shades(tmp_path_factory.mktemp("shades") / "pictures")


@pytest.mark.parametrize("kind", KINDS)
def test_engine__keeps_what_is_frozen_and_changes_the_rest(
    kind: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = {"from": ", stage=-1", "surgical": ", stages=['stem']"}.get(kind, "")
    found = engine_epochs(
        monkeypatch, pictures, tmp_path, f"strategy.unfreeze={{kind='{kind}'{stages}}}", "train.epochs=3"
    )
    assert found.epochs == 3
    assert len(found.rates) == 3 * 4
    for step, rates in enumerate(found.rates):
        expected = {unit: by_hand(unit, ["stem", "stage1"], step, 3 * 4) for unit in rates}
        assert rates == pytest.approx(expected, rel=1e-9)


def test_engine__a_real_architecture_thaws(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = engine_epochs(
        monkeypatch,
        pictures,
        tmp_path,
        "strategy.unfreeze=gradual",
        "train.epochs=6",
        f"backbone.kind={ARCHITECTURES['mobilenetv3']}",
        f"backbone.size={SIZE}",
        "backbone.weights=none",
    )
    assert found.epochs == 6


def engine_epochs(monkeypatch: pytest.MonkeyPatch, pictures: Path, out: Path, *overrides: str) -> Watch:
    watch, plugins = Watch(monkeypatch), shades_plugins()
    pace = {f"strategy.pace.{key}": value for key, value in PACE.model_dump(exclude_defaults=True).items()}
    recipe = load_recipe(
        None, base={**QUICK, **pace, "data.train": str(pictures)}, overrides=overrides, plugins=plugins
    )
    train(recipe, plugins=plugins, out=out, name=None, console=Console(quiet=True))
    return watch
