from __future__ import annotations

import torch

from graft.recipe.schema import Part
from graft.strategies import unfreeze
from graft.strategies.options import UNFREEZE
from shades import small_model

NAMES = ["stem", "stage1", "tail", "head"]


def test_kinds__are_those_that_recipes_may_name() -> None:
    assert set(unfreeze.KINDS) == set(UNFREEZE)


def test_frozen() -> None:
    assert unfreeze.frozen(Part(kind="none"), NAMES, 3) == {"stem", "stage1", "tail"}
    assert unfreeze.frozen(Part(kind="all"), NAMES, 3) == frozenset()


def test_apply__frozen_units_are_in_eval_mode_with_all_their_layers() -> None:
    model = small_model().eval()
    model.train()
    unfreeze.apply(model, {"stem", "tail"})
    stem, stage1 = model.backbone.stages
    assert not any(module.training for module in stem.modules())
    assert not any(parameter.requires_grad for parameter in stem.parameters())
    assert all(module.training for module in stage1.modules())
    assert all(parameter.requires_grad for parameter in stage1.parameters())
    unfreeze.apply(model, {"stage1"})
    assert all(module.training for module in stem.modules())
    assert all(parameter.requires_grad for parameter in stem.parameters())


def test_apply__training_does_not_touch_what_is_frozen() -> None:
    torch.manual_seed(0)
    model = small_model()
    unfreeze.apply(model, unfreeze.frozen(Part(kind="none"), NAMES, 0))
    before = {name: tensor.clone() for name, tensor in model.backbone.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        images = torch.randint(0, 255, (4, 3, 16, 16), dtype=torch.uint8)
        model.head.loss(model(images), torch.tensor([0, 1, 0, 1]))["cross_entropy"].backward()
        optimizer.step()
        optimizer.zero_grad()
    for name, tensor in model.backbone.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    images = torch.randint(0, 255, (4, 3, 16, 16), dtype=torch.uint8)
    x = model.normalise(images)
    assert torch.equal(model.backbone.embed(x), model.backbone.embed(x)), "no dropout in what is frozen"
