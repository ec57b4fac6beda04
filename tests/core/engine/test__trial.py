from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from graft.console import Console
from graft.engine._setup import Experiment, set_up
from graft.engine._trial import Trial, some_batch
from graft.plugins import Plugins
from graft.recipe import ResolvedRecipe
from graft.sequences import Sequences
from moves import write_moves


@pytest.fixture
def experiment(plugins: Plugins, recipe: Callable[..., ResolvedRecipe]) -> Callable[..., Experiment]:
    def made(*overrides: str) -> Experiment:
        return set_up(recipe(*overrides), plugins=plugins, console=Console(quiet=True))

    return made


@pytest.mark.parametrize("kind", ["auto", "all", "gradual"])
def test_trial__trains_a_copy(kind: str, experiment: Callable[..., Experiment]) -> None:
    given = experiment(f"strategy.unfreeze={kind}", "train.gradient_checkpointing=true", "train.batch=auto")
    before = copy.deepcopy(given.model.state_dict())
    mode, graded = given.model.training, [p.requires_grad for p in given.model.parameters()]
    trial = Trial(given)
    batch = some_batch(given, 20)
    assert len(batch) == 20, "images are seen again where there are fewer"
    first = trial.loss(batch).item()
    for _ in range(20):
        assert trial.step(batch) > 0
    assert trial.loss(batch).item() < first
    for name, tensor in given.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert given.model.training is mode
    assert [p.requires_grad for p in given.model.parameters()] == graded
    assert trial.model.backbone.checkpointing
    assert not given.model.backbone.checkpointing


def test_some_batch__of_sequences_the_longest(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    clips = write_moves(tmp_path / "clips", per_class=9)
    given = experiment(f"data.train={clips}", "data.reader.kind=sequences")
    images = some_batch(given, 3).images
    assert isinstance(images, Sequences)
    lengths = sorted((len(sample.frames) for sample in given.samples("train")), reverse=True)
    assert list(images.lengths) == lengths[:3]
    assert lengths[0] > lengths[-1]


def test_some_batch__of_images_the_first(experiment: Callable[..., Experiment]) -> None:
    assert some_batch(experiment(), 4).indices.tolist() == [0, 1, 2, 3]
