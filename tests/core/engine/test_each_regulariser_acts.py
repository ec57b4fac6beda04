"""Each regulariser does to weights, images and losses what it says, in a real training and to the number.

Here are those that weights which merely differ say little of; `test__module.py` has sampling, the mean distance that
L2-SP leaves, and norms that are frozen or follow the new images.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm.layers
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from graft.data.batch import Batch
from graft.engine._checkpoint import Checkpoints
from graft.engine._module import Learner
from graft.model import Model
from graft.recipe.schema import Regularise
from graft.runs.folder import Run
from graft.strategies.options import OPTIMIZERS
from shades import Plain, Source, Train

LR = 0.05
STEADY = (
    f"strategy.pace.lr={LR}",
    "strategy.pace.head=1",
    "strategy.pace.warmup=0",
    "strategy.pace.schedule=constant",
)
"""Overrides with which every weight has the same rate in every step."""

BARE = (
    *STEADY,
    "strategy.pace.optimizer={kind='sgd', momentum=0}",
    "strategy.regularise.weight_decay=0",
    "train.clip=0",
)
"""Overrides with which a step is the gradient times the rate, and nothing else."""

State = dict[str, Tensor]


@dataclass(kw_only=True)
class Call:
    """One call of the training step: the weights before it, and what it made of a batch."""

    weights: State
    gradients: State
    batch: Batch
    given: Tensor
    outputs: Tensor
    loss: float


@dataclass
class Watch:
    """What training did.

    Attributes:
        calls: Of the training step, in order.
        validated: Batches of the validation, each with the images that the network was given.
        first: The model's state before training.
        states: The number of finished epochs and the model's state, after each step.
    """

    calls: list[Call] = field(default_factory=list)
    validated: list[tuple[Batch, Tensor]] = field(default_factory=list)
    first: State = field(default_factory=dict)
    states: list[tuple[int, State]] = field(default_factory=list)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watched = Watch()
    passed: list[tuple[Tensor, Tensor]] = []
    forward, start = Model.forward, Learner.on_fit_start
    training_step, validation_step, end = Learner.training_step, Learner.validation_step, Learner.on_train_batch_end

    def seen_forward(model: Model, images: Tensor) -> Any:
        outputs = forward(model, images)
        passed.append((images, outputs))
        return outputs

    def seen_start(learner: Learner) -> None:
        watched.first = _copy(learner.model.state_dict())
        start(learner)

    def seen_training_step(learner: Learner, batch: Batch, batch_idx: int) -> Tensor:
        weights = dict(learner.model.named_parameters())
        before = _copy(weights)
        loss = training_step(learner, batch, batch_idx)
        trained = {name: weight for name, weight in weights.items() if weight.requires_grad}
        gradients = torch.autograd.grad(loss, list(trained.values()), retain_graph=True)
        given, outputs = passed[-1]
        watched.calls.append(
            Call(
                weights=before,
                gradients=dict(zip(trained, gradients, strict=True)),
                batch=batch,
                given=given,
                outputs=outputs.detach(),
                loss=float(loss.detach()),
            )
        )
        return loss

    def seen_validation_step(learner: Learner, batch: Batch, batch_idx: int) -> None:
        validation_step(learner, batch, batch_idx)
        watched.validated.append((batch, passed[-1][0]))

    def seen_end(learner: Learner, outputs: Any, batch: Batch, batch_idx: int) -> None:
        end(learner, outputs, batch, batch_idx)
        watched.states.append((learner.finished, _copy(learner.model.state_dict())))

    monkeypatch.setattr(Model, "forward", seen_forward)
    monkeypatch.setattr(Learner, "on_fit_start", seen_start)
    monkeypatch.setattr(Learner, "training_step", seen_training_step)
    monkeypatch.setattr(Learner, "validation_step", seen_validation_step)
    monkeypatch.setattr(Learner, "on_train_batch_end", seen_end)
    return watched


@pytest.fixture
def pretrained(tmp_path: Path) -> str:
    """An override that takes the backbone's weights of a file."""
    torch.manual_seed(5)
    path = tmp_path / "bits.safetensors"
    save_file(Source().build("bits").state_dict(), path)
    return f"backbone.weights={path}"


@pytest.fixture
def no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the head a loss that nothing changes: what changes a weight then is no gradient."""
    monkeypatch.setattr(Plain, "loss", lambda head, outputs, targets: {"nothing": outputs.sum() * 0})


def _copy(state: Any) -> State:
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def _norm(tensors: State) -> float:
    return float(torch.stack([tensor.double().square().sum() for tensor in tensors.values()]).sum().sqrt())


def test_every_regulariser_has_a_test() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in Regularise.model_fields if not re.search(rf"^def test_{name}__", tests, re.M)] == []


# --- weights -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_gradient")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weight_decay__shrinks_weights_and_neither_norms_nor_biases(optimizer: str, train: Train, watch: Watch) -> None:
    train(*STEADY, f"strategy.pace.optimizer={optimizer}", "strategy.regularise.weight_decay=0.5")
    after = watch.states[-1][1]
    for name, before in watch.calls[0].weights.items():
        if before.ndim == 1:
            assert torch.equal(after[name], before), name
        else:
            assert float(after[name].norm()) < 0.95 * float(before.norm()), name
        if before.ndim > 1 and optimizer == "adamw":
            torch.testing.assert_close(after[name], before * (1 - LR * 0.5) ** len(watch.states))


@pytest.mark.usefixtures("no_gradient")
def test_l2_sp__takes_the_place_of_the_backbones_decay(train: Train, watch: Watch, pretrained: str) -> None:
    train(pretrained, *STEADY, "strategy.regularise.l2_sp=5", "strategy.regularise.weight_decay=0.5")
    after = watch.states[-1][1]
    for name, before in watch.calls[0].weights.items():
        if name == "head.linear.weight":
            assert float(after[name].norm()) < 0.95 * float(before.norm())
        else:
            assert torch.equal(after[name], before), name


def test_l2_sp__takes_each_step_back_by_rate_times_strength(train: Train, watch: Watch, pretrained: str) -> None:
    train(pretrained, *BARE, "strategy.regularise.l2_sp=5")
    torch.manual_seed(5)
    origin = {f"backbone.{name}": tensor for name, tensor in Source().build("bits").state_dict().items()}
    for call, (_, after) in zip(watch.calls, watch.states, strict=True):
        for name, before in call.weights.items():
            expected = before - LR * call.gradients[name]
            if name in origin and before.ndim > 1:
                expected = expected + LR * 5 * (origin[name] - expected)
            torch.testing.assert_close(after[name], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("clip", [0.0, 0.05, 1000.0])
def test_clip__shortens_the_gradient_and_keeps_its_direction(clip: float, train: Train, watch: Watch) -> None:
    train(*BARE[:-1], f"train.clip={clip}")
    for call, (_, after) in zip(watch.calls, watch.states, strict=True):
        length = _norm(call.gradients)
        assert 0.05 < length < 1000
        share = min(1.0, clip / length) if clip else 1.0
        for name, before in call.weights.items():
            torch.testing.assert_close(after[name], before - LR * share * call.gradients[name], rtol=1e-4, atol=1e-7)


def test_sam__steps_along_the_gradient_from_uphill(train: Train, watch: Watch) -> None:
    radius = 0.05
    train(*BARE, f"strategy.regularise.sam={radius}")
    assert len(watch.calls) == 2 * len(watch.states)
    calls = zip(watch.calls[::2], watch.calls[1::2], strict=True)
    for (here, above), (_, after) in zip(calls, watch.states, strict=True):
        assert torch.equal(here.batch.indices, above.batch.indices)
        assert above.loss > here.loss
        length = _norm(here.gradients)
        for name, before in here.weights.items():
            uphill = before + radius * here.gradients[name] / length
            torch.testing.assert_close(above.weights[name], uphill, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(after[name], before - LR * above.gradients[name], rtol=1e-5, atol=1e-6)


def test_ema__what_is_kept_is_the_average_by_hand(train: Train, watch: Watch) -> None:
    decay = 0.9
    run = train(*BARE, "train.epochs=4", f"strategy.regularise.ema={decay}")
    best = Checkpoints(run.checkpoints).best()
    average = {name: tensor.double() for name, tensor in watch.first.items()}
    for step, (finished, state) in enumerate(watch.states, 1):
        if finished == best.epoch:
            break
        # The warm-up of timm's average: 0.37, 0.52, 0.60 … of the past, up to the decay.
        past = min(decay, 1 - (1 + step) ** (-2 / 3))
        average = {name: past * average[name] + (1 - past) * tensor.double() for name, tensor in state.items()}
    for name, kept in best.weights.items():
        if kept.is_floating_point():
            torch.testing.assert_close(kept.double(), average[name], rtol=1e-5, atol=1e-6)
    last = [state for finished, state in watch.states if finished < best.epoch][-1]
    assert any(not torch.allclose(best.weights[name], last[name], rtol=1e-2) for name in last), "not the last weights"


def test_norm__trains_in_a_frozen_backbone(train: Train, watch: Watch) -> None:
    train("strategy.unfreeze=none", "strategy.norm=train")
    after = watch.states[-1][1]
    for name, before in watch.first.items():
        norm = name.startswith(("backbone.stages.0.1.", "backbone.stages.1.1."))
        trained = norm or name.startswith("head.linear")
        assert torch.equal(after[name], before) is not trained, name


# --- images and losses ---------------------------------------------------------------------------------------------


def _mixed_by_mixup(own: Tensor, given: Tensor) -> tuple[list[int], float]:
    """Return with which image each one is blended, and the share that is left of itself, as the pixels have it."""
    own, given = (images.double().flatten(1) for images in (own / 255, given))
    order, shares = [], []
    for index, image in enumerate(given):
        if torch.allclose(image, own[index], atol=1e-5):
            order.append(index)
            continue
        towards = own - own[index]
        others = (towards @ (image - own[index])) / towards.square().sum(1).clamp(min=1e-9)
        distances = (own[index] + others[:, None] * towards - image).norm(dim=1)
        order.append(int(distances.argmin()))
        shares.append(1 - float(others[order[-1]]))
        assert distances.min() < 1e-4, "on the way from one image to another"
    assert np.ptp(shares or [1.0]) < 1e-4, "one share for the batch"
    return order, shares[0] if shares else 1.0


def _mixed_by_cutmix(own: Tensor, given: Tensor) -> tuple[list[int], float]:
    """Return from which image each one has a patch, and the share that is left of itself, as the pixels have it."""
    kept = (given == own).all(dim=1)
    order, shares = [], []
    for index, image in enumerate(given):
        strange = [int((~kept[index] & (image != other).any(dim=0)).sum()) for other in own]
        order.append(index if kept[index].all() else int(np.argmin(strange)))
        assert min(strange) == 0, "every pixel is one of two images'"
        if order[-1] != index:
            shares.append(float(kept[index].double().mean()))
    assert np.ptp(shares or [1.0]) < 0.02, "one share for the batch, but for pixels that are alike"
    return order, min(shares) if shares else 1.0


def _check_mixing(run: Run, watch: Watch, find: Callable[[Tensor, Tensor], tuple[list[int], float]]) -> None:
    all_shares = []
    for call in watch.calls:
        order, share = find(call.batch.images, call.given)
        own = F.cross_entropy(call.outputs, call.batch.targets)
        others = F.cross_entropy(call.outputs, call.batch.targets[order])
        assert call.loss == pytest.approx(float(share * own + (1 - share) * others), abs=1e-4)
        all_shares.append(share)
    assert np.std(all_shares) > 0.1
    assert np.mean(all_shares) < 0.9
    assert all(torch.equal(given, batch.images) for batch, given in watch.validated)
    first = [call.loss for call in watch.calls[: len(watch.calls) // len(run.history)]]
    assert run.history[0]["train.loss"] == pytest.approx(np.mean(first), rel=1e-5)


def test_mixup__what_is_shown_and_what_is_asked_go_together(train: Train, watch: Watch) -> None:
    run = train("augment=none", "strategy.regularise.mixup=1", "train.batch=6")
    _check_mixing(run, watch, _mixed_by_mixup)


def test_cutmix__what_is_shown_and_what_is_asked_go_together(train: Train, watch: Watch) -> None:
    run = train("augment=none", "strategy.regularise.cutmix=1", "train.batch=6")
    _check_mixing(run, watch, _mixed_by_cutmix)


def test_mixing__is_off_when_it_is_not_asked_for(train: Train, watch: Watch) -> None:
    train()
    assert all(call.given is call.batch.images for call in watch.calls)


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_erase__takes_a_patch_of_training_images_as_often_as_it_is_told(
    chance: float, train: Train, watch: Watch
) -> None:
    train("augment=none")
    plain = list(watch.calls)
    watch.calls.clear()
    train(f"augment={{kind='none', erase={chance}}}")
    shares = []
    for before, after in zip(plain, watch.calls, strict=True):
        assert torch.equal(before.batch.indices, after.batch.indices)
        changed = (before.batch.images != after.batch.images).any(dim=1).double().mean(dim=(1, 2))
        shares += changed.tolist()
    erased = [share for share in shares if share]
    assert len(erased) / len(shares) == pytest.approx(chance, abs=0.15 if chance == 0.5 else 0)
    assert all(0.01 < share < 0.35 for share in erased)
    half = len(watch.validated) // 2
    for (without, _), (with_, _) in zip(watch.validated[:half], watch.validated[half:], strict=True):
        assert torch.equal(without.images, with_.images), "what is measured is whole"


# --- the network ---------------------------------------------------------------------------------------------------


def test_stochastic_depth__skips_deep_blocks_more_often_and_in_training_alone(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    skipped: dict[tuple[int, bool], list[bool]] = {}
    forward = timm.layers.DropPath.forward

    def counted(layer: Any, x: Tensor) -> Tensor:
        before = x.detach().flatten(1).abs().sum(1)
        y = forward(layer, x)
        zero = y.detach().flatten(1).abs().sum(1) == 0
        skipped.setdefault((id(layer), layer.training), []).extend((zero & (before > 0)).tolist())
        return y

    monkeypatch.setattr(timm.layers.DropPath, "forward", counted)
    tiny = ("backbone.kind=graft:tiny", "backbone.weights=none", "backbone.size=32", "train.batch=8")
    train(*tiny, "strategy.regularise.stochastic_depth=0.5")
    assert {training for _, training in skipped} == {True, False}
    # As in the network, from input to output; the copy that is measured at the end has layers of its own.
    chances = [np.mean(found) for (_, training), found in skipped.items() if training]
    assert chances[-1] == pytest.approx(0.5, abs=0.15)
    assert chances[0] < 0.3 < chances[-1]
    assert not any(any(found) for (_, training), found in skipped.items() if not training)
