"""Speed, memory and repeatability on a GPU; prints Markdown.

Speed: images per second of a training step on a batch that lies on the device, for each precision, memory order and
with torch.compile or without, of what Graft's engine builds for such a recipe (`Trial` and `arrange`), and of a bare
loop over the same timm network with a fused AdamW. The two take turns, round by round; the ratio is the median over the
rounds. Reading, decoding and augmenting are left out. Peak memory is what torch has allocated at most during a step,
weights and optimizer included, beyond what there was before that network came.

Repeatability: 4 epochs at one go, the same again, and 2 epochs, killed (SIGKILL), and 2 more, each in processes of its
own on generated images, compared by the SHA-256 of the last epoch's weights. Only where two whole runs are equal does
it say anything about resuming that an interrupted one differs.

`--device cpu --size 64 --batch 4 --rounds 1` tries the script where there is no GPU.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_step import CLASSES, write_images

import graft
from graft.cli import wait_briefly

if TYPE_CHECKING:
    import torch

WARM_UP = 3
"""Steps before the first that is timed: translation, and the libraries' choice of algorithms."""

EPOCHS, KILLED_AFTER = 4, 2


@dataclass(frozen=True)
class Way:
    """One way to calculate."""

    precision: str
    channels_last: bool
    compile: bool = False

    def cells(self) -> list[str]:
        """Return it as three cells of a table."""
        return [self.precision, "yes" if self.channels_last else "no", "yes" if self.compile else "no"]


def recipe(options: argparse.Namespace, arch: str, way: Way, data: Path, **train: Any) -> dict[str, Any]:
    return {
        "task": "classification",
        "data": {"train": str(data / "train"), "split": {"val": 0, "test": 0.1}},
        "backbone": {"kind": f"timm:{arch}", "weights": "none", "size": options.size},
        "train": {"device": options.device, "precision": way.precision, "batch": options.batch, "clip": 0, **train},
        "speed": {"channels_last": way.channels_last, "compile": way.compile},
        "evaluation": {"bootstrap": 0},
    }


# --- speed and memory -----------------------------------------------------------------------------------------------

Step = Callable[[], None]


def of_graft(options: argparse.Namespace, arch: str, way: Way, data: Path, console: graft.Console) -> Step:
    from graft.engine._setup import set_up
    from graft.engine._speed import arrange
    from graft.engine._trial import Trial, some_batch
    from graft.plugins import load_plugins
    from graft.recipe import load_recipe

    plugins = load_plugins()
    resolved = load_recipe(None, base=recipe(options, arch, way, data), plugins=plugins)
    experiment = set_up(resolved, plugins=plugins, console=console)
    trial = Trial(experiment)
    arrange(trial.model, experiment.recipe.speed, console)
    batch = some_batch(experiment, options.batch)

    def step() -> None:
        # Not `Trial.step`, which waits for the device each time. In the order of Lightning's loop.
        loss = trial.loss(batch)
        trial.optimizer.zero_grad()
        loss.backward()
        trial.optimizer.step()

    return step


def of_bare_loop(options: argparse.Namespace, arch: str, way: Way) -> Step:
    import timm
    import torch

    device = options.device
    order = torch.channels_last if way.channels_last else torch.contiguous_format
    model = timm.create_model(arch, num_classes=CLASSES).to(device, memory_format=order).train()
    if way.compile:
        model.compile()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    x = torch.randn(options.batch, 3, options.size, options.size, device=device).to(memory_format=order)
    y = torch.randint(0, CLASSES, (options.batch,), device=device)
    loss_function = torch.nn.CrossEntropyLoss()

    def step() -> None:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=way.precision == "bf16"):
            loss = loss_function(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def wait(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def warmed(device: str, make: Callable[[], Step]) -> tuple[Step, int | None]:
    """Return a step that has been taken a few times, and its peak of memory in bytes, where that is known."""
    import torch

    if device != "cuda":
        step = make()
        for _ in range(WARM_UP):
            step()
        return step, None
    before = torch.cuda.memory_allocated()
    step = make()
    for _ in range(WARM_UP):
        step()
    # Translating and trying algorithms takes memory that training does not.
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    step()
    torch.cuda.synchronize()
    return step, torch.cuda.max_memory_allocated() - before


def compared(options: argparse.Namespace, arch: str, way: Way, data: Path) -> list[str]:
    """Return the cells of a row."""
    console = graft.Console(quiet=True)
    ours, our_peak = warmed(options.device, lambda: of_graft(options, arch, way, data, console))
    bare, bare_peak = warmed(options.device, lambda: of_bare_loop(options, arch, way))
    speeds: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(options.rounds):
        for name, step in (("ours", ours), ("bare", bare)):
            wait(options.device)
            began = time.perf_counter()
            for _ in range(options.steps):
                step()
            wait(options.device)
            speeds[name].append(options.steps * options.batch / (time.perf_counter() - began))
    ratios = [one / other for one, other in zip(speeds["ours"], speeds["bare"], strict=True)]
    cells = [f"{statistics.median(values):,.1f} ({min(values):,.1f}–{max(values):,.1f})" for values in speeds.values()]
    cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})")
    cells += ["–" if peak is None else f"{peak / 1e6:,.0f}" for peak in (our_peak, bare_peak)]
    return [*cells, "; ".join(text for text in console.warnings if "compile" in text)]


def let_go(device: str) -> None:
    import torch

    torch._dynamo.reset()
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def speed(options: argparse.Namespace, data: Path) -> Iterator[str]:
    columns = ["network", "precision", "channels_last", "compile", "Graft, images/s", "bare loop, images/s"]
    columns += ["Graft / bare", "Graft, peak MB", "bare, peak MB", "remarks"]
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    ways = [Way(*one) for one in product(options.precisions, (False, True), (False, True))]
    for arch, way in product(options.networks, ways):
        if way.compile and options.no_compile:
            continue
        try:
            cells = compared(options, arch, way, data)
        except Exception as error:  # one row that does not fit, or does not translate, shall not cost the others
            lines = str(error).strip().splitlines() or [""]
            cells = ["–"] * 5 + [f"{type(error).__name__}: {lines[0][:200]}"]
        let_go(options.device)
        yield f"| {' | '.join([arch, *way.cells(), *cells])} |"


# --- repeatability --------------------------------------------------------------------------------------------------


class Killer(graft.Console):
    """Kills its own process when an epoch has been recorded."""

    def say(self, label: str, text: str) -> None:
        """Say it, and die after the line of the epoch, which comes after its checkpoint."""
        super().say(label, text)
        if label == "Epoch" and text.startswith(f"{KILLED_AFTER}/"):
            os.kill(os.getpid(), signal.SIGKILL)


def child(command: str, out: Path, recipe: Mapping[str, Any]) -> None:
    if command == "resume":
        graft.resume(out, console=graft.Console(quiet=True))
    else:
        console = Killer(quiet=True) if command == "killed" else graft.Console(quiet=True)
        graft.train(recipe, out=out.parent, name=out.name, console=console)


def in_own_process(command: str, out: Path, recipe: Mapping[str, Any]) -> None:
    arguments = [sys.executable, __file__, "--child", command, str(out), json.dumps(recipe)]
    code = subprocess.run(arguments, stdout=subprocess.DEVNULL).returncode
    expected = -signal.SIGKILL if command == "killed" else 0
    if code != expected:
        raise RuntimeError(f"{command} {out}: ended with {code}, not {expected}")


def trained(out: Path, way: Way, recipe: Mapping[str, Any]) -> tuple[graft.Run, graft.Run, graft.Run]:
    """Return a whole run, another one, and one that was killed and resumed."""
    folder = out / "-".join(way.cells())
    for name in ("whole", "again"):
        in_own_process("whole", folder / name, recipe)
    path = folder / "resumed"
    in_own_process("killed", path, recipe)
    reached = len(graft.Run.open(path).history)
    assert reached == KILLED_AFTER, f"it was killed after epoch {reached}"
    in_own_process("resume", path, {})
    whole, again, resumed = (graft.Run.open(folder / name) for name in ("whole", "again", "resumed"))
    assert len(resumed.history) == EPOCHS
    return whole, again, resumed


def verdict(one: graft.Run, other: graft.Run) -> str:
    if one.results["weights_sha256"] == other.results["weights_sha256"]:
        return "equal"
    from safetensors.torch import load_file

    ours, theirs = (load_file(run.bundle / "model.safetensors") for run in (one, other))
    differing = {name: distance(tensor, theirs[name]) for name, tensor in ours.items()}
    name = max(differing, key=lambda name: differing[name])
    scale = ours[name].double().abs().max().item()
    count = sum(value > 0 for value in differing.values())
    return (
        f"**not equal**: {count} of {len(ours)} tensors, by up to {differing[name]:.2g} in `{name}`, "
        f"whose largest entry is {scale:.2g}"
    )


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.double() - other.double()).abs().max())


def repeatability(options: argparse.Namespace, data: Path, out: Path) -> Iterator[str]:
    columns = ["network", "precision", "channels_last", "two whole runs", f"{KILLED_AFTER} epochs, killed, resumed"]
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    arch = options.networks[0]
    for precision, channels_last in product(options.precisions, (False, True)):
        way = Way(precision, channels_last)
        given = recipe(options, arch, way, data, epochs=EPOCHS)
        try:
            whole, again, resumed = trained(out, way, given)
            cells = [verdict(whole, again), verdict(whole, resumed)]
        except Exception as error:
            cells = [f"{type(error).__name__}: {error}", "–"]
        yield f"| {' | '.join([arch, *way.cells()[:2], *cells])} |"


# --- the whole ------------------------------------------------------------------------------------------------------


def machine(device: str) -> str:
    import torch

    parts = [platform.processor() or platform.machine(), f"{os.cpu_count()} cores"]
    if device == "cuda":
        about = torch.cuda.get_device_properties(0)
        capability = f"compute capability {about.major}.{about.minor}"
        parts = [about.name, f"{about.total_memory / 1e9:.0f} GB, {capability}", *parts]
        parts.append(f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}")
    parts += [f"{name} {version(name)}" for name in ("torch", "torchvision", "timm", "lightning", "graft-core")]
    return ", ".join([*parts, f"Python {platform.python_version()}", platform.platform()])


def main() -> None:
    wait_briefly(os.environ)  # As in Graft's commands, and for the children too.
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--networks", nargs="+", default=["resnet50", "convnext_tiny"], help="timm's names")
    parser.add_argument("--precisions", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"])
    parser.add_argument("--size", type=int, default=224, help="side of the network's input")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="steps per round; by default 20, on a CPU 1")
    parser.add_argument("--per-class", type=int, help="images per class, of 4; by default as many as in two batches")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--only", choices=("speed", "resume"), help="one of the two parts")
    options = parser.parse_args()
    options.steps = options.steps or (1 if options.device == "cpu" else 20)

    print(f"{machine(options.device)}\n", flush=True)
    print(f"{options.size} px, batch {options.batch}, {options.rounds} rounds of {options.steps} steps\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder, "data"), Path(folder, "runs")
        write_images(data, options.per_class or max(4, 2 * options.batch), options.size)
        parts = {"speed": lambda: speed(options, data), "resume": lambda: repeatability(options, data, out)}
        for name, part in parts.items():
            if options.only in (None, name):
                for line in part():
                    print(line, flush=True)
                print(flush=True)


if __name__ == "__main__":
    main()
