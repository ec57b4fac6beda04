"""What a frozen beginning saves: nothing of it is kept for the backward, has a gradient, or a state in the optimizer.

Bytes are counted, nothing is timed; `benchmarks/frozen_cost.py` measures whole steps.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from graft.backbones.load import build_backbone
from graft.model import Model
from graft.plugins import core_plugins
from graft.recipe.schema import Backbone, Options, Pace, Part, Regularise
from graft.strategies import unfreeze
from graft.strategies.groups import learning_rates, parameter_groups, units
from graft.strategies.optimizers import build_optimizer
from shades import Plain, Shades

ARCHITECTURES = ("resnet18", "mobilenetv3_small_050", "convnext_atto", "vgg11_bn")
SIZE = 64
BATCH = 2


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request: pytest.FixtureRequest) -> Model:
    torch.manual_seed(0)
    section = Backbone(kind=f"timm:{request.param}", weights="none", upto="stage4" if "vgg" in request.param else None)
    backbone = build_backbone(section, plugins=core_plugins()).backbone
    classes = ("dark", "light")
    task = Shades(classes=classes, options=Options())
    return Model(backbone, Plain(info=backbone.info, classes=classes, options=Options(), task=task), "embedding")


def boundaries(model: Model) -> list[list[str]]:
    """Return what is frozen when nothing is, the first stage, the first two …, all but the head."""
    *stages, tail, _ = units(model)
    return [*(stages[:end] for end in range(len(stages))), [*stages, tail]]


def keeping(model: Model) -> tuple[Tensor, dict[str, int]]:
    """Return the loss on a batch, and the bytes kept for its backward by the unit that was running.

    The network's own weights and buffers do not count: they are there anyway.
    """
    running, kept, seen = ["loss"], dict[str, int](), set[int]()
    own = {one.untyped_storage().data_ptr() for one in (*model.parameters(), *model.buffers())}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept.setdefault(running[-1], 0)
        if storage.data_ptr() not in own | seen:
            seen.add(storage.data_ptr())
            kept[running[-1]] += storage.nbytes()
        return tensor.detach()

    handles = []
    for name, module in units(model).items():
        handles.append(module.register_forward_pre_hook(lambda *_, name=name: running.append(name)))
        handles.append(module.register_forward_hook(lambda *_: running.pop() and None))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = model(torch.rand(BATCH, 3, SIZE, SIZE))
        loss = model.head.loss(outputs, torch.tensor([0, 1]))["cross_entropy"]
    for handle in handles:
        handle.remove()
    return loss, kept


@pytest.mark.parametrize("norm", ["follow", "freeze", "statistics"])
def test_each_frozen_stage_keeps_nothing_and_saves_something(model: Model, norm: str) -> None:
    kept = []
    for frozen in boundaries(model):
        unfreeze.apply(model, frozen, norm)
        _, found = keeping(model)
        assert not set(found) & set(frozen)
        kept.append(sum(found.values()))
    assert all(less < more for more, less in pairwise(kept)), kept


def test_what_trains_keeps_the_same_whatever_is_frozen_before_it(model: Model) -> None:
    def kept(frozen: Collection[str]) -> dict[str, int]:
        unfreeze.apply(model, frozen, "follow")
        return keeping(model)[1]

    whole = kept([])
    for frozen in boundaries(model)[1:-1]:
        found = kept(frozen)
        # The first stage that trains differs: it keeps the map that it reads, unless it begins with layers without
        # weights (pooling), which nothing goes back through then.
        _, *others = [name for name in whole if name not in frozen and name != "loss"]
        assert {name: found[name] for name in others} == {name: whole[name] for name in others}


def test_gradients_and_the_optimizers_state_are_of_what_trains(model: Model) -> None:
    names = list(units(model))
    for frozen in boundaries(model):
        unfreeze.apply(model, frozen, "follow")
        groups = parameter_groups(model, rates=learning_rates(Pace(), names), regularise=Regularise())
        optimizer = build_optimizer(Part(kind="adamw"), groups)
        optimizer.zero_grad()
        keeping(model)[0].backward()
        optimizer.step()
        for name, module in units(model).items():
            for parameter in module.parameters():
                assert (parameter.grad is None) is (name in frozen)
                assert (parameter not in optimizer.state) is (name in frozen)


def test_norms_that_train_in_frozen_stages_keep_their_maps(model: Model) -> None:
    """`norm = "train"` costs the memory again: gradients go through all layers to reach the first norm."""
    frozen = boundaries(model)[-1]
    unfreeze.apply(model, frozen, "follow")
    without = sum(keeping(model)[1].values())
    unfreeze.apply(model, frozen, "train")
    kept = keeping(model)[1]
    assert set(kept) >= {name for name in frozen if name != "tail"}
    assert sum(kept.values()) > 10 * without
