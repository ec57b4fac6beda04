from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from graft.console import Console
from graft.engine._batch import largest_batch, out_of_memory
from graft.engine._setup import Experiment, set_up
from graft.engine._trial import Trial
from graft.plugins import Plugins
from graft.recipe import ResolvedRecipe

CONSOLE = Console(quiet=True)
LOTS = 2**40


@pytest.fixture
def experiment(plugins: Plugins, recipe: Callable[..., ResolvedRecipe]) -> Callable[..., Experiment]:
    def made(*overrides: str, times: int = 1) -> Experiment:
        """Return an experiment on the pictures, so many times each."""
        found = set_up(recipe("train.batch=auto", *overrides), plugins=plugins, console=CONSOLE)
        split = {name: tuple(indices) * times for name, indices in found.prepared.split.items()}
        return replace(found, prepared=replace(found.prepared, split=split))

    return made


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    def free(amount: int | None) -> None:
        monkeypatch.setattr("graft.engine._batch.free_memory", lambda: amount)

    return free


@pytest.mark.parametrize("free", [LOTS, None])
def test_largest_batch__small_sets_get_small_batches(
    experiment: Callable[..., Experiment], memory: Callable[[int | None], None], free: int | None
) -> None:
    memory(free)
    small = experiment()
    images = len(small.prepared.split["train"])
    assert images == 16
    assert largest_batch(small, CONSOLE) == (2, "batch 2, so that 16 images make at least 8 steps per epoch")


def test_largest_batch__large_sets_get_the_largest(
    experiment: Callable[..., Experiment], memory: Callable[[int | None], None]
) -> None:
    memory(LOTS)
    large = experiment(times=32)
    assert len(large.prepared.split["train"]) >= 8 * 64
    assert largest_batch(large, CONSOLE) == (64, "batch 64, which fits into the memory")
    assert largest_batch(experiment("train.accumulate=2", times=32), CONSOLE)[0] == 32
    assert largest_batch(experiment("train.devices=4", times=32), CONSOLE)[0] == 16


def test_largest_batch__what_is_kept_for_the_gradients_fits(
    experiment: Callable[..., Experiment], memory: Callable[[int | None], None]
) -> None:
    large = experiment(times=32)
    found = []
    for free in (100_000, 1_000_000, 2_000_000, 4_000_000):
        memory(free)
        found.append(largest_batch(large, CONSOLE)[0])
    assert found == sorted(found)
    assert len(set(found)) > 2
    memory(0)
    assert largest_batch(large, CONSOLE) == (2, "batch 2, because the memory does not suffice for 4")
    # The outputs of the convolutions alone, 4 × 8 × 8 and 8 × 4 × 4 numbers of an image, are among what is kept.
    memory(100_000)
    assert largest_batch(large, CONSOLE)[0] * 4 * (4 * 8 * 8 + 8 * 4 * 4) < 100_000
    memory(10_000_000)
    assert largest_batch(large, CONSOLE)[0] == 64


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Stand in for a GPU with so much memory, of which an image takes so much; batches that were tried."""
    state = {"total": 80_000, "used": 0, "image": 1000, "peak": 0}

    class Counted(Trial):
        def __init__(self, experiment: Experiment) -> None:
            self.steps = 0

        def step(self, batch: Any) -> float:
            needed = len(batch) * state["image"]
            if needed > state["total"] - state["used"]:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            state["peak"] = max(state["peak"], needed)
            return 0.0

    monkeypatch.setattr("graft.engine._batch.Trial", Counted)
    monkeypatch.setattr("graft.engine._batch.some_batch", lambda experiment, size: [0] * size)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (state["total"] - state["used"], state["total"]))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 0)
    monkeypatch.setattr("gc.collect", lambda: 0)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: state.update(peak=0))
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: state["peak"])
    return state


def test_largest_batch__gpu(gpu: dict[str, int], experiment: Callable[..., Experiment]) -> None:
    large = replace(experiment(times=32), device="cuda")
    for image, used, batch in (
        (900, 0, 64),
        (1001, 0, 32),  # 64 would fit, but fill more than four fifths
        (3000, 0, 16),  # 32 run out of memory
        (1001, 40_000, 16),  # somebody else is there
        (90_000, 0, 2),
    ):
        gpu.update(image=image, used=used)
        found, why = largest_batch(large, CONSOLE)
        assert found == batch
        short = f"because the memory does not suffice for {2 * batch}"
        assert why == f"batch {batch}, " + ("which fits into the memory" if batch == 64 else short)


def test_largest_batch__other_errors_are_not_taken_for_want_of_memory(
    gpu: dict[str, int], experiment: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(experiment: Experiment) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("graft.engine._batch.Trial", fail)
    with pytest.raises(RuntimeError, match="mat1"):
        largest_batch(replace(experiment(times=32), device="cuda"), CONSOLE)


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
            True,
        ),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_out_of_memory(error: BaseException, is_it: bool) -> None:
    assert out_of_memory(error) is is_it


def test_out_of_memory__what_torch_really_says() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert out_of_memory(caught.value)
