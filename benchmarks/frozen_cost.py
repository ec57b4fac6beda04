"""What a training step costs, by how much of the network is frozen: time and memory (docs/results/frozen-cost.md).

One row for each place where the frozen part can end, from nothing frozen (`full`) to everything but the head (`fixed`).
Networks and optimizers are those that the engine builds for such a recipe, and a step is in its order: forward, let go
of the last step's gradients, backward, update. Loading of data, validation and clipping are left out.

Time: all rows take turns in one process, round by round. On a CPU the time that counts is that of the process, summed
over its threads, because what else a machine does is in it the least; time on the clock stands beside it.

Memory: each row in a process of its own. The peak is what torch's allocator had handed out at most in the first three
steps, above what it had before them: exact, and the same each time. On a CPU it comes from torch's profiler; as a check
there is by how much the process's resident size grew at most, as the system (Linux) counts it, with malloc told to give
back what is freed: that includes what libraries need the first time. What is in the peak is counted tensor by tensor:
what autograd keeps for the backward (each storage once; not the network's own weights and buffers), gradients, and the
optimizer's state. It is made sure that none of this is held for anything frozen.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_step import write_images

if TYPE_CHECKING:
    from torch import Tensor

    from graft.data.batch import Batch
    from graft.engine._trial import Trial

WARM_UP = 2
"""Steps before the first that is timed."""

FIRST = 3
"""Steps in which memory is measured. The optimizer's state is there after one, and so are the last step's gradients."""

ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072", "KINETO_LOG_LEVEL": "99"}
"""Lets the C library take memory for tensors from the system, and give it back, one by one, all the time.

Left to itself it stops that after a while, and then what was freed is resident or not as chance will have it. The last
one is for torch's profiler, which talks.
"""


def unfreezings(stages: list[str]) -> dict[str, dict[str, str]]:
    """Return a recipe's `strategy.unfreeze` for each row, by the last stage that is frozen."""
    rows = {frozen: {"kind": "from", "stage": first} for frozen, first in pairwise(stages)}
    return {"nothing": {"kind": "all"}, **rows, stages[-1]: {"kind": "none"}}


def names(options: argparse.Namespace, data: Path) -> list[str]:
    """Return the names of all units."""
    from graft.strategies.groups import units

    return list(units(trial(options, data, {"kind": "all"})[0].model))


def trial(options: argparse.Namespace, data: Path, unfreeze: Mapping[str, str]) -> tuple[Trial, Batch]:
    """Return what the engine trains with, and a batch."""
    from graft import Console
    from graft.engine._setup import set_up
    from graft.engine._trial import Trial, some_batch
    from graft.plugins import load_plugins
    from graft.recipe import load_recipe

    recipe = {
        "task": "classification",
        "data": {"train": str(data / "train"), "split": {"val": 0, "test": 0}},
        "backbone": {"kind": options.backbone, "weights": "none", "size": options.size},
        "strategy": {"unfreeze": unfreeze},
        "head": "linear",
        "train": {"device": options.device, "precision": options.precision, "batch": options.batch},
    }
    plugins = load_plugins()
    experiment = set_up(load_recipe(None, base=recipe, plugins=plugins), plugins=plugins, console=Console(quiet=True))
    return Trial(experiment), some_batch(experiment, options.batch)


def step(trial: Trial, batch: Batch) -> None:
    loss = trial.loss(batch)
    # Here, as Lightning does: while the network calculates its outputs, the last step's gradients are still there.
    trial.optimizer.zero_grad()
    loss.backward()
    trial.optimizer.step()


# --- memory ---------------------------------------------------------------------------------------------------------


def memory(
    options: argparse.Namespace, data: Path, unfreeze: Mapping[str, str], frozen: Collection[str]
) -> dict[str, Any]:
    """Return what a step holds, in bytes, after making sure that nothing is held for what is frozen."""
    found: dict[str, Any] = {}
    if options.device == "cpu":
        found["resident"] = grown(*trial(options, data, unfreeze))
        gc.collect()
    trained, batch = trial(options, data, unfreeze)
    found["model"] = size([*tensors(trained).values(), batch.images])
    found["peak"] = (allocated_cuda if options.device == "cuda" else allocated)(trained, batch)
    loss, kept = keeping(trained, batch)
    trained.optimizer.zero_grad()
    loss.backward()
    check(trained, kept, frozen)
    gradients = [one.grad for one in trained.model.parameters() if one.grad is not None]
    state = [value for state in trained.optimizer.state.values() for value in state.values()]
    return {**found, "gradients": size(gradients), "optimizer": size(state), "kept": kept}


def allocated(trained: Trial, batch: Batch) -> int:
    """Return by how many bytes torch's memory on the CPU grew at most."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        for _ in range(FIRST):
            step(trained, batch)
    # torch sums them up by operator, and has no public way to their order.
    events = [one for one in profile.profiler.kineto_results.events() if one.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


def allocated_cuda(trained: Trial, batch: Batch) -> int:
    import torch

    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    for _ in range(FIRST):
        step(trained, batch)
    return torch.cuda.max_memory_allocated() - before


def grown(trained: Trial, batch: Batch) -> int:
    """Return by how many bytes the process grew at most."""
    gc.collect()
    # What was freed goes back to the system first, or steps would use it and seem to need less.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the largest size so far is forgotten
    before = resident("VmRSS")
    for _ in range(FIRST):
        step(trained, batch)
    return resident("VmHWM") - before


def tensors(trained: Trial) -> dict[str, Tensor]:
    return {**dict(trained.model.named_parameters()), **dict(trained.model.named_buffers())}


def size(tensors: Collection[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def resident(which: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{which}:"))


def keeping(trained: Trial, batch: Batch) -> tuple[Tensor, dict[str, int]]:
    """Return the loss, and the bytes that autograd keeps for its backward, by the unit that was running."""
    import torch

    from graft.strategies.groups import units

    running = ["loss"]
    own = {tensor.untyped_storage().data_ptr() for tensor in tensors(trained).values()}
    kept: dict[str, int] = {}
    seen: set[int] = set()

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept.setdefault(running[-1], 0)
        # What is kept stays alive until the backward, so no other storage can have its address.
        if storage.data_ptr() not in own | seen:
            seen.add(storage.data_ptr())
            kept[running[-1]] += storage.nbytes()
        return tensor.detach()

    handles = []
    for name, module in units(trained.model).items():
        handles.append(module.register_forward_pre_hook(lambda *_, name=name: running.append(name)))
        handles.append(module.register_forward_hook(lambda *_: running.pop() and None))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = trained.loss(batch)
    for handle in handles:
        handle.remove()
    return loss, kept


def check(trained: Trial, kept: Mapping[str, int], frozen: Collection[str]) -> None:
    """Raise if a frozen unit has a tensor kept for its backward, a gradient, or a state in the optimizer."""
    from graft.strategies.groups import units

    state = trained.optimizer.state
    for name, module in units(trained.model).items():
        for parameter in module.parameters():
            assert (parameter.grad is None) is (name in frozen), f"a gradient in {name}"
            assert (parameter not in state) is (name in frozen), f"a state of the optimizer for {name}"
        assert name not in frozen or name not in kept, f"{kept[name]} bytes kept for the backward of {name}"


# --- time -----------------------------------------------------------------------------------------------------------


def times(options: argparse.Namespace, data: Path, rows: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Any]]:
    """Return the seconds of each step, `cpu` and `wall`, by row."""
    import torch

    def wait() -> None:
        if options.device == "cuda":
            torch.cuda.synchronize()

    trials = {name: trial(options, data, unfreeze) for name, unfreeze in rows.items()}
    taken: dict[str, dict[str, Any]] = {name: {"cpu": [], "wall": []} for name in rows}
    for number in range(-WARM_UP, options.rounds):
        for name, (trained, batch) in trials.items():
            wait()
            cpu, wall = time.process_time(), time.perf_counter()
            step(trained, batch)
            wait()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            if number >= 0:
                taken[name]["cpu"].append(cpu)
                taken[name]["wall"].append(wall)
                print(f"round {number + 1}  {name:<8} {cpu:7.2f} s CPU {wall:7.2f} s", file=sys.stderr, flush=True)
    return taken


# --- the table ------------------------------------------------------------------------------------------------------


def table(columns: list[str], rows: Mapping[str, list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|---" + "|--:" * (len(columns) - 1) + "|"
    titles = {"nothing": " (`full`)", list(rows)[-1]: " (`fixed`)"}
    for name, cells in rows.items():
        yield f"| {name}{titles.get(name, '')} | {' | '.join(cells)} |"


def of_time(
    taken: Mapping[str, Mapping[str, list[float]]], epochs: Mapping[str, str], clocks: Mapping[str, str]
) -> Iterator[str]:
    columns = ["frozen up to", "in `gradual`"]
    for title in clocks.values():
        columns += [title, "of `full`"]
    rows = {}
    for name, measured in taken.items():
        rows[name] = [epochs[name]]
        for clock in clocks:
            values, middle = measured[clock], statistics.median(measured[clock])
            spread = f"{1000 * min(values):,.0f}–{1000 * max(values):,.0f}"
            share = middle / statistics.median(taken["nothing"][clock])
            rows[name] += [f"{1000 * middle:,.0f} ({spread})", f"{share:.2f}"]
    yield from table(columns, rows)


def of_memory(held: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    full = held["nothing"]
    columns = ["frozen up to", "peak", "of `full`", "kept for the backward", "gradients", "optimizer's state"]
    columns += ["growth of the process"] * ("resident" in full)
    rows = {}
    for name, found in held.items():
        parts = [sum(found["kept"].values()), found["gradients"], found["optimizer"]]
        parts += [found["resident"]] * ("resident" in found)
        rows[name] = [f"{found['peak'] / 1e6:,.1f}", f"{found['peak'] / full['peak']:.2f}"]
        rows[name] += [f"{part / 1e6:,.1f}" for part in parts]
    yield from table(columns, rows)


def of_units(held: Mapping[str, Mapping[str, Any]], units: list[str]) -> Iterator[str]:
    columns = [*units, "loss"]
    rows = {}
    for name, found in held.items():
        kept = found["kept"]
        rows[name] = [f"{kept[unit] / 1e6:,.1f}" if unit in kept else "–" for unit in columns]
    yield from table(["frozen up to", *columns], rows)


def gradual(units: list[str], rows: list[str]) -> dict[str, str]:
    """Return for each row in which epochs `gradual`, a stage each epoch, trains like that."""
    from graft.recipe.schema import Part
    from graft.strategies import unfreeze

    stages = units[:-2]
    # As many epochs as there are rows: the last one goes on to the end.
    phases = unfreeze.phases(Part(kind="gradual"), units, len(rows))
    found = {}
    for epoch, frozen in phases:
        up_to = [name for name in stages if name in frozen]
        assert up_to == stages[: len(up_to)], "what is frozen begins at the input"
        found[up_to[-1] if up_to else rows[0]] = f"epoch {epoch + 1}" + ("" if up_to else " on")
    assert sorted(found) == sorted(rows)
    return found


def in_own_process(arguments: list[str], data: Path, name: str) -> dict[str, Any]:
    command = [sys.executable, __file__, *arguments, "--memory-of", name, "--data", str(data)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **ENVIRONMENT})
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="timm:resnet50")
    parser.add_argument("--size", type=int, default=224, help="side of the network's input")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()

    # A thread that waits shall sleep at once, or it is counted as work. Before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    if options.memory_of:
        units = names(options, options.data)
        rows = unfreezings(units[:-2])
        number = list(rows).index(options.memory_of)
        # With the last stage its tail is frozen too.
        frozen = units[: number + (number == len(rows) - 1)]
        print(json.dumps(memory(options, options.data, rows[options.memory_of], frozen)))
        return

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        write_images(data, 4, options.size)
        units = names(options, data)
        rows = unfreezings(units[:-2])
        loads = [os.getloadavg()[0]]
        taken = times(options, data, rows)
        loads.append(os.getloadavg()[0])
        held = {}
        for name in rows:
            held[name] = in_own_process(sys.argv[1:], data, name)
            print(f"memory  {name:<8} {held[name]}", file=sys.stderr, flush=True)

    threads = torch.get_num_threads()
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"{threads} CPU threads"
    what = f"{options.backbone}, {options.size} px, batch {options.batch}, {options.precision}"
    print(f"{what}; {where}, torch {torch.__version__}")
    print(f"\nMilliseconds of a step, median of {options.rounds} (least–most):\n")
    clocks = {"wall": "clock"} if options.device == "cuda" else {"cpu": "CPU", "wall": "clock"}
    print("\n".join(of_time(taken, gradual(units, list(rows)), clocks)))
    print(f"\nLoad average {loads[0]:.1f} before and {loads[1]:.1f} after; this is up to {threads} of it.")
    print(f"\nMB (10⁶ bytes) beside the {held['nothing']['model'] / 1e6:.1f} MB of the network and the images:\n")
    print("\n".join(of_memory(held)))
    print("\nWhat is kept for the backward, in MB, by the unit that keeps it; – is none:\n")
    print("\n".join(of_units(held, units)))


if __name__ == "__main__":
    main()
