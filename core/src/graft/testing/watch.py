"""What each epoch of a training changes, and what it was to leave as it is: to the last bit, statistics included."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from graft.engine._module import Learner
from graft.strategies import unfreeze
from graft.strategies.groups import units

if TYPE_CHECKING:
    import pytest


class Watch:
    """Looks at each epoch of the trainings in a test, and leaves their reports out, which take longer than the rest.

    Attributes:
        frozen: The units that are to stay as they are, of each epoch.
        changed: The units of which some tensor is another one than before, of each epoch.
        rates: The learning rate of each unit that has parameters, where no schedule has lowered it.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.frozen: list[frozenset[str]] = []
        self.changed: list[set[str]] = []
        self.rates: dict[str, float] = {}
        start, end = Learner.on_train_epoch_start, Learner.on_train_epoch_end
        before: dict[str, dict[str, Tensor]] = {}

        def on_train_epoch_start(learner: Learner) -> None:
            start(learner)
            before.update(_tensors(learner))

        def on_train_epoch_end(learner: Learner) -> None:
            recipe, after = learner.recipe, _tensors(learner)
            epochs = recipe.train.epochs
            self.frozen.append(unfreeze.frozen(recipe.strategy.unfreeze, list(after), learner.finished, epochs))
            self.changed.append({unit for unit in after if not _same(before[unit], after[unit])})
            optimizer: Any = learner.optimizers(use_pl_optimizer=False)
            groups = optimizer.param_groups
            self.rates = {group["unit"]: group["peak"] for group in groups}
            end(learner)

        patch.setattr(Learner, "on_train_epoch_start", on_train_epoch_start)
        patch.setattr(Learner, "on_train_epoch_end", on_train_epoch_end)
        patch.setattr("graft.engine._finish.write_report", _write_nothing)

    def check(self, epochs: int) -> None:
        """Assert that in each of so many epochs what is frozen stayed as it was, and everything else learnt."""
        assert len(self.changed) == epochs
        for frozen, changed in zip(self.frozen, self.changed, strict=True):
            assert changed == set(self.rates) - frozen


def _tensors(learner: Learner) -> dict[str, dict[str, Tensor]]:
    """Return copies of each unit's parameters and buffers."""
    return {
        unit: {name: tensor.clone() for name, tensor in module.state_dict().items()}
        for unit, module in units(learner.model).items()
    }


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def _write_nothing(run: Any, material: object) -> Path:
    path: Path = run.path / "report.html"
    path.write_text("")
    return path
