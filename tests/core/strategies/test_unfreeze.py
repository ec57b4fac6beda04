from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graft.errors import RecipeError
from graft.model import Model
from graft.recipe.schema import Part
from graft.strategies import unfreeze
from graft.strategies.options import UNFREEZE
from shades import small_model

NAMES = ["stem", "stage1", "stage2", "stage3", "tail", "head"]
STAGES = {"stem", "stage1", "stage2", "stage3"}


def frozen(kind: str, epoch: int = 0, epochs: int = 10, **options: Any) -> frozenset[str]:
    return unfreeze.frozen(Part.model_validate({"kind": kind, **options}), NAMES, epoch, epochs)


# --- what is frozen ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [0, 9])
def test_none__the_head_alone_trains(epoch: int) -> None:
    assert frozen("none", epoch) == {*STAGES, "tail"}


@pytest.mark.parametrize("epoch", [0, 9])
def test_all(epoch: int) -> None:
    assert frozen("all", epoch) == set()


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("stem", set()),
        ("stage2", {"stem", "stage1"}),
        ("stage3", {"stem", "stage1", "stage2"}),
        (-1, {"stem", "stage1", "stage2"}),
        (-2, {"stem", "stage1"}),
        (-4, set()),
    ],
)
def test_from__a_stage_by_name_or_from_the_end(stage: str | int, expected: set[str]) -> None:
    assert frozen("from", stage=stage) == frozen("from", 9, stage=stage) == expected


def test_from__without_a_stage_is_the_last_one() -> None:
    assert frozen("from") == frozen("from", stage="stage3")


@pytest.mark.parametrize(
    ("stages", "training"),
    [(["stem"], {"stem"}), (["stage1", -1], {"stage1", "stage3"}), (["stage2", "stage2", -2], {"stage2"})],
)
def test_surgical__the_named_stages_and_the_head(stages: list[str | int], training: set[str]) -> None:
    assert frozen("surgical", stages=stages) == {*STAGES, "tail"} - training


def test_gradual__from_the_last_stage_to_the_first() -> None:
    assert [frozen("gradual", epoch) for epoch in range(6)] == [
        {"stem", "stage1", "stage2", "stage3", "tail"},
        {"stem", "stage1", "stage2"},
        {"stem", "stage1"},
        {"stem"},
        set(),
        set(),
    ]


def test_gradual__so_many_epochs_from_one_stage_to_the_next() -> None:
    for epoch in range(15):
        assert frozen("gradual", epoch, every=3) == frozen("gradual", epoch // 3)


@pytest.mark.parametrize(
    ("head", "epochs", "alone"), [(0.3, 10, 3), (0.3, 20, 6), (0.5, 4, 2), (0.01, 10, 1), (0.3, 1, 1), (0.99, 4, 4)]
)
def test_head_then_all__a_share_of_the_epochs_at_least_one(head: float, epochs: int, alone: int) -> None:
    found = [frozen("head-then-all", epoch, epochs, head=head) for epoch in range(epochs)]
    assert found == [{*STAGES, "tail"}] * alone + [set()] * (epochs - alone)


@pytest.mark.parametrize("kind", unfreeze.KINDS)
def test_frozen__the_head_never_is_and_what_trains_goes_on_training(kind: str) -> None:
    before = frozenset(NAMES)
    for epoch in range(10):
        here = frozen(kind, epoch)
        assert "head" not in here
        assert here <= before
        before = here


def test_kinds__are_those_that_recipes_may_name() -> None:
    assert {*unfreeze.KINDS, "auto"} == set(UNFREEZE)


@pytest.mark.parametrize(
    ("kind", "options", "key", "wrong", "hint"),
    [
        ("from", {"stage": "stage4"}, "stage", "stage4", " (did you mean 'stage3'?)"),
        ("from", {"stage": "body"}, "stage", "body", ""),
        ("from", {"stage": "tail"}, "stage", "tail", ""),
        ("from", {"stage": "head"}, "stage", "head", ""),
        ("from", {"stage": -5}, "stage", "-5", ""),
        ("from", {"stage": 4}, "stage", "4", ""),
        ("surgical", {"stages": ["stem", "stagge1"]}, "stages", "stagge1", " (did you mean 'stage1'?)"),
    ],
)
def test_frozen__a_wrong_stage_is_answered_with_all_of_them(
    kind: str, options: dict[str, Any], key: str, wrong: str, hint: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        frozen(kind, **options)
    assert [str(one) for one in caught.value.problems] == [
        f"strategy.unfreeze.{key}: the backbone has no stage '{wrong}', but stem, stage1, stage2, stage3{hint}"
    ]


# --- phases --------------------------------------------------------------------------------------------------------


def phases(kind: str, epochs: int, **options: Any) -> list[tuple[int, frozenset[str]]]:
    return unfreeze.phases(Part.model_validate({"kind": kind, **options}), NAMES, epochs)


@pytest.mark.parametrize("kind", ["none", "all", "from", "surgical"])
def test_phases__one_where_nothing_changes(kind: str) -> None:
    assert phases(kind, 10) == [(0, frozen(kind))]


def test_phases__each_epoch_in_which_something_thaws() -> None:
    assert [epoch for epoch, _ in phases("gradual", 20, every=2)] == [0, 2, 4, 6, 8]
    assert phases("gradual", 20, every=2)[-1] == (8, frozenset())
    assert [epoch for epoch, _ in phases("gradual", 3)] == [0, 1, 2], "as far as the epochs go"
    assert phases("head-then-all", 10) == [(0, frozenset({*STAGES, "tail"})), (3, frozenset())]


# --- freezing ------------------------------------------------------------------------------------------------------


def norms(model: Model) -> dict[str, nn.BatchNorm2d]:
    return {"stem": model.backbone.stages[0][1], "stage1": model.backbone.stages[1][1]}


def trained(model: Model, *, steps: int = 3) -> dict[str, bool]:
    """Return for each tensor whether training has changed it."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    for step in range(steps):
        images = torch.randint(0, 255, (4, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        model.head.loss(model(images), torch.tensor([0, 1, 0, 1]))["cross_entropy"].backward()
        optimizer.step()
    return {name: not torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items()}


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return small_model()


def test_apply__frozen_units_are_in_eval_mode_with_all_their_layers(model: Model) -> None:
    model.train()
    unfreeze.apply(model, {"stem", "tail"}, "follow")
    stem, stage1 = model.backbone.stages
    assert not any(module.training for module in stem.modules())
    assert not any(parameter.requires_grad for parameter in stem.parameters())
    assert all(module.training for module in stage1.modules())
    assert all(parameter.requires_grad for parameter in stage1.parameters())
    unfreeze.apply(model, {"stage1"}, "follow")
    assert all(module.training for module in stem.modules())
    assert all(parameter.requires_grad for parameter in stem.parameters())


def test_apply__training_does_not_touch_what_is_frozen(model: Model) -> None:
    unfreeze.apply(model, {"stem", "stage1", "tail"}, "follow")
    changed = trained(model)
    assert not any(changed[name] for name in changed if name.startswith("backbone."))
    assert changed["head.linear.weight"]
    images = torch.randint(0, 255, (4, 3, 16, 16), dtype=torch.uint8)
    x = model.normalise(images)
    assert torch.equal(model.backbone.embed(x), model.backbone.embed(x)), "no dropout in what is frozen"


STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@pytest.mark.parametrize(
    ("norm", "statistics", "parameters"),
    [
        # for the norms of the frozen stem, and of stage1, which trains
        ("follow", (False, True), (False, True)),
        ("freeze", (False, False), (False, False)),
        ("statistics", (True, True), (False, True)),
        ("train", (True, True), (True, True)),
    ],
)
def test_apply__norms(model: Model, norm: str, statistics: tuple[bool, bool], parameters: tuple[bool, bool]) -> None:
    unfreeze.apply(model, {"stem"}, norm)
    for unit, moves, trains in zip(norms(model).values(), statistics, parameters, strict=True):
        assert unit.training is moves
        assert {parameter.requires_grad for parameter in unit.parameters()} == {trains}
    changed = trained(model)
    for stage, (moves, trains) in enumerate(zip(statistics, parameters, strict=True)):
        layer = f"backbone.stages.{stage}.1"
        assert {changed[f"{layer}.{name}"] for name in STATISTICS} == {moves}
        assert {changed[f"{layer}.{name}"] for name in ("weight", "bias")} == {trains}
        convolution = f"backbone.stages.{stage}.0"
        assert {changed[f"{convolution}.weight"], changed[f"{convolution}.bias"]} == {stage == 1}, "no norm"


@pytest.mark.parametrize("norm", ["follow", "freeze", "statistics", "train"])
def test_apply__norms_are_about_norms_alone(model: Model, norm: str) -> None:
    unfreeze.apply(model, {"stem"}, norm)
    stem, stage1 = model.backbone.stages
    assert not stem[3].training, "dropout"
    assert stage1[3].training
    assert all(parameter.requires_grad for parameter in model.head.parameters())


@pytest.mark.parametrize("norm", ["freeze", "statistics", "train"])
def test_apply__norm_is_undone_by_follow(model: Model, norm: str) -> None:
    unfreeze.apply(model, {"stem"}, norm)
    unfreeze.apply(model, set(), "follow")
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("layer", [nn.GroupNorm(2, 4), nn.LayerNorm([4, 8, 8]), nn.InstanceNorm2d(4, affine=True)])
def test_apply__other_norms(model: Model, layer: nn.Module) -> None:
    model.backbone.stages[0][1] = layer
    unfreeze.apply(model, set(), "freeze")
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    unfreeze.apply(model, {"stem"}, "train")
    assert all(parameter.requires_grad for parameter in layer.parameters())


def test_apply__timms_norms_are_norms() -> None:
    from timm.layers import BatchNormAct2d, GroupNormAct, LayerNorm2d, LayerNormAct2d, SyncBatchNormAct

    assert all(issubclass(one, unfreeze.NORMS) for one in (BatchNormAct2d, GroupNormAct, LayerNorm2d))
    assert all(issubclass(one, unfreeze.NORMS) for one in (LayerNormAct2d, SyncBatchNormAct))


def test_apply__statistics_of_new_images_in_a_frozen_network(model: Model) -> None:
    """As AdaBN: running means go to the mean of what is seen."""
    unfreeze.apply(model, {"stem", "stage1", "tail"}, "statistics")
    layer = norms(model)["stem"]
    seen: list[Tensor] = []
    layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = torch.randint(0, 255, (8, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    for _ in range(100):
        model(images)
    torch.testing.assert_close(layer.running_mean, seen[-1].mean((0, 2, 3)), atol=1e-3, rtol=1e-3)
