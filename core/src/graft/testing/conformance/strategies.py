"""Strategy presets: they resolve, keep what is frozen to the last bit, and survive an interruption."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from graft.console import Console
from graft.engine._module import Learner
from graft.engine.resume import resume
from graft.engine.train import train
from graft.errors import GraftError, InterruptedRun
from graft.plugins import Plugins, StrategySpec
from graft.recipe import ResolvedRecipe, load_recipe
from graft.testing.conformance.base import Conformance, Subject
from graft.testing.tiny import QUICK, with_tiny, write_shades
from graft.testing.watch import Watch

_QUIET = Console(quiet=True)


class StrategyConformance(Conformance):
    """What is checked of a strategy preset, on a tiny task and a backbone of five stages, `stem` … `stage4`."""

    kind = StrategySpec

    @pytest.fixture
    def plugins(self, graft_plugins: Plugins) -> Plugins:
        """What is offered, and the tiny task."""
        return with_tiny(graft_plugins)

    @pytest.fixture
    def resolved(self, subject: Subject, plugins: Plugins, tmp_path: Path) -> ResolvedRecipe:
        """A recipe with the strategy."""
        base = {**QUICK, "data.train": str(write_shades(tmp_path / "shades")), "strategy.preset": subject.spec.name}
        try:
            return load_recipe(None, base=base, plugins=plugins)
        except GraftError as error:
            subject.fail(
                f"a recipe with it is refused: {' '.join(str(error).split())}",
                expected="a fragment of the recipe's [strategy] table",
                at=subject.place,
            )

    def test_recipe__says_something(self, subject: Subject, plugins: Plugins, resolved: ResolvedRecipe) -> None:
        """It sets something that is not so anyway, or leaves a choice to Graft."""
        spec = subject.spec
        assert isinstance(spec, StrategySpec)
        subject.demand(spec.recipe, "its recipe is empty", expected="what it sets", at=subject.place)

    def test_frozen__stays_to_the_last_bit(
        self,
        subject: Subject,
        plugins: Plugins,
        resolved: ResolvedRecipe,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """What it freezes is the same after each epoch, statistics included; everything else learns."""
        watch = Watch(monkeypatch)
        with subject.doing("training with it", expected="a training that ends", at=subject.place):
            train(resolved, plugins=plugins, out=tmp_path, name="run", console=_QUIET)
        norms = resolved.recipe.strategy.norm in ("statistics", "train")
        for epoch, (frozen, changed) in enumerate(zip(watch.frozen, watch.changed, strict=True), 1):
            moved = sorted(changed & frozen)
            subject.demand(
                norms or not moved,
                f"in epoch {epoch} it freezes {', '.join(sorted(frozen))}, and {', '.join(moved)} changed",
                expected="what is frozen equal to the last bit",
                at=subject.place,
            )
            idle = sorted(set(watch.rates) - frozen - changed)
            subject.demand(
                not idle,
                f"in epoch {epoch} {', '.join(idle)} is to learn, and did not change",
                expected="learning rates above zero for what is not frozen",
                at=subject.place,
            )

    def test_resume__ends_with_the_same_weights(
        self,
        subject: Subject,
        plugins: Plugins,
        resolved: ResolvedRecipe,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A run that is interrupted after its second epoch goes on to the weights of one that was not."""
        Watch(monkeypatch)  # leaves the report out
        whole = train(resolved, plugins=plugins, out=tmp_path, name="whole", console=_QUIET)
        end = Learner.on_train_epoch_end

        def interrupted(learner: Learner) -> None:
            end(learner)
            if learner.finished == 2:
                os.kill(os.getpid(), signal.SIGINT)

        with monkeypatch.context() as patch:
            patch.setattr(Learner, "on_train_epoch_end", interrupted)
            with pytest.raises(InterruptedRun):
                train(resolved, plugins=plugins, out=tmp_path, name="resumed", console=_QUIET)
        again = resume(tmp_path / "resumed", plugins=plugins, console=_QUIET)
        subject.demand(
            again.results["weights_sha256"] == whole.results["weights_sha256"],
            "a run that was interrupted ends with other weights than one that was not",
            expected="the same to the last bit",
            at=subject.place,
        )
