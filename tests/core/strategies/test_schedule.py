"""Each schedule against torch's own of the same name, over whole trainings."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import Optimizer
from torch.optim import lr_scheduler as theirs

from graft.recipe.schema import Pace
from graft.strategies.options import SCHEDULES
from graft.strategies.schedule import KINDS, factor

STEPS = 60
PEAK = 0.5


def ours(schedule: str | dict[str, Any], *, steps: int = STEPS, warmup: float | None = 0.0) -> list[float]:
    """Return the rate of each step."""
    pace = Pace(schedule=schedule, warmup=warmup)
    return [PEAK * factor(pace, step / steps, step=1 / steps) for step in range(steps)]


def torchs(make: Callable[[Optimizer], theirs.LRScheduler], *, steps: int = STEPS) -> list[float]:
    """Return the rate of each step that torch's scheduler sets."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=PEAK)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR warns of itself
        scheduler = make(optimizer)
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return rates


def same(found: list[float], expected: list[float]) -> None:
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_kinds__are_those_that_recipes_may_name() -> None:
    assert set(KINDS) == set(SCHEDULES)


def test_constant() -> None:
    same(ours("constant"), torchs(lambda o: theirs.ConstantLR(o, factor=1.0)))


@pytest.mark.parametrize("final", [0.01, 0.5, 1.0])
def test_exponential(final: float) -> None:
    """Ours is told what is left at the end, torch's what is left after a step."""
    gamma = final ** (1 / STEPS)
    same(ours({"kind": "exponential", "final": final}), torchs(lambda o: theirs.ExponentialLR(o, gamma)))


def test_step__at_even_distances() -> None:
    schedule = {"kind": "step", "at": [0.25, 0.5, 0.75], "factor": 0.5}
    same(ours(schedule), torchs(lambda o: theirs.StepLR(o, STEPS // 4, gamma=0.5)))


def test_step__where_it_is_told() -> None:
    schedule = {"kind": "step", "at": [0.3, 0.9], "factor": 0.2}
    same(ours(schedule), torchs(lambda o: theirs.MultiStepLR(o, [18, 54], gamma=0.2)))


def test_cosine() -> None:
    """Both would be 0 in the step after the last."""
    same(ours("cosine"), torchs(lambda o: theirs.CosineAnnealingLR(o, T_max=STEPS)))


@pytest.mark.parametrize("cycles", [2, 3, 5])
def test_cosine__with_restarts(cycles: int) -> None:
    schedule = {"kind": "cosine", "cycles": cycles}
    same(ours(schedule), torchs(lambda o: theirs.CosineAnnealingWarmRestarts(o, T_0=STEPS // cycles)))


@pytest.mark.parametrize(("rise", "start", "final"), [(0.25, 25.0, 1e5), (0.5, 10.0, 10.0), (0.1, 1.0, 1e3)])
def test_one_cycle(rise: float, start: float, final: float) -> None:
    """Torch has the lowest rate in the last step, we would have it in the one after: so its cycle has a step more.

    Its `final_div_factor` divides the rate at the start, our `final` the peak.
    """
    schedule = {"kind": "one-cycle", "rise": rise, "start": start, "final": final}

    def torchs_own(optimizer: Optimizer) -> theirs.LRScheduler:
        return theirs.OneCycleLR(
            optimizer,
            max_lr=PEAK,
            total_steps=STEPS + 1,
            pct_start=(rise * STEPS + 1) / (STEPS + 1),
            div_factor=start,
            final_div_factor=final / start,
            cycle_momentum=False,
        )

    same(ours(schedule), torchs(torchs_own))


@pytest.mark.parametrize("kind", ["triangular", "triangular2"])
@pytest.mark.parametrize(("cycles", "low"), [(3, 0.1), (1, 0.0), (5, 0.5)])
def test_cyclical(kind: str, cycles: int, low: float) -> None:
    schedule = {"kind": kind, "cycles": cycles, "low": low}

    def torchs_own(optimizer: Optimizer) -> theirs.LRScheduler:
        half = STEPS // cycles // 2
        return theirs.CyclicLR(
            optimizer, base_lr=low * PEAK, max_lr=PEAK, step_size_up=half, mode=kind, cycle_momentum=False
        )

    same(ours(schedule), torchs(torchs_own))


@pytest.mark.parametrize("power", [0.9, 1.0, 2.0])
def test_polynomial(power: float) -> None:
    schedule = {"kind": "polynomial", "power": power}
    same(ours(schedule), torchs(lambda o: theirs.PolynomialLR(o, total_iters=STEPS, power=power)))


@pytest.mark.parametrize("patience", [1, 3])
def test_plateau(patience: int) -> None:
    """As torch's with no threshold: whatever is better counts. An epoch without a value has not risen."""
    values = [0.1, 0.2, 0.2, 0.2, None, 0.1, 0.1, 0.3, 0.3, 0.2, 0.1, 0.30001, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=PEAK)
    scheduler = theirs.ReduceLROnPlateau(
        optimizer, mode="max", factor=0.3, patience=patience, threshold=0.0, threshold_mode="abs", eps=0.0
    )
    pace = Pace(schedule={"kind": "plateau", "patience": patience, "factor": 0.3}, warmup=0.0)
    found, expected = [], []
    for epoch in range(len(values) + 1):
        found.append(PEAK * factor(pace, epoch / 20, step=1 / 200, monitored=values[:epoch]))
        expected.append(optimizer.param_groups[0]["lr"])
        if epoch < len(values):
            scheduler.step(math.nan if (value := values[epoch]) is None else value)
    same(found, expected)
    assert expected[-1] < 0.1 * PEAK, "it fell more than once"


# --- warm-up -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("warm", [1, 6, 30])
def test_warm_up__is_linear_and_the_schedule_has_the_rest(warm: int) -> None:
    def torchs_own(optimizer: Optimizer) -> theirs.LRScheduler:
        rise = theirs.LinearLR(optimizer, start_factor=1 / warm, total_iters=max(warm - 1, 1))
        fall = theirs.CosineAnnealingLR(optimizer, T_max=STEPS - warm)
        return theirs.SequentialLR(optimizer, [rise, fall], milestones=[warm])

    same(ours("cosine", warmup=warm / STEPS), torchs(torchs_own))


def test_warm_up__by_hand() -> None:
    found = ours("cosine", steps=10, warmup=0.2)
    expected = [0.5, 1.0, 1.0, 0.9619398, 0.8535534, 0.6913417, 0.5, 0.3086583, 0.1464466, 0.0380602]
    assert found == pytest.approx([PEAK * one for one in expected], abs=1e-6)


@pytest.mark.parametrize("kind", sorted(SCHEDULES))
def test_warm_up__unless_told_only_where_the_schedule_begins_high(kind: str) -> None:
    begins_low = kind in ("one-cycle", "triangular", "triangular2")
    assert ours(kind, warmup=None) == ours(kind, warmup=0.0 if begins_low else 0.05)
    assert ours(kind, warmup=None)[0] < 0.5 * PEAK


def test_warm_up__a_single_step_has_the_whole_rate() -> None:
    assert ours("cosine", steps=1, warmup=0.9) == [PEAK]


# --- of all of them ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
@pytest.mark.parametrize("warmup", [None, 0.0, 0.33])
@pytest.mark.parametrize("kind", sorted(SCHEDULES))
def test_factor__is_never_above_one_nor_below_zero(kind: str, warmup: float | None, steps: int) -> None:
    assert all(0 <= rate <= PEAK * (1 + 1e-9) for rate in ours(kind, steps=steps, warmup=warmup))


@pytest.mark.parametrize("cycles", [2, 3, 4, 5])
def test_factor__jumps_in_their_own_step_whatever_rounding_does(cycles: int) -> None:
    for warm in (0, 0.05, 0.1, 0.2):
        for steps in range(20, 400, 20):
            first = round(steps * warm)
            if (steps - first) % cycles:
                continue
            period = (steps - first) // cycles
            restarts = [first + period * cycle for cycle in range(1, cycles)]
            schedule = {"kind": "cosine", "cycles": cycles}
            rates = ours(schedule, steps=steps, warmup=warm)
            assert [rates[at] for at in restarts] == pytest.approx([PEAK] * len(restarts)), (warm, steps)
            falls = {"kind": "step", "at": [cycle / cycles for cycle in range(1, cycles)], "factor": 0.5}
            rates = ours(falls, steps=steps, warmup=warm)
            assert [at for at in range(first, steps) if rates[at] < rates[at - 1]] == restarts, (warm, steps)
