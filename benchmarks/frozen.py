"""Training on a frozen beginning: Graft's cache against tools that calculate it anew in every epoch.

Every contender trains the same network from the same weights on the same images, cut from the centre, with the same
head, AdamW, batches and epochs, in a process of its own; they take turns. Timed is training with its validation, from
images on disk and an empty cache; not importing, nor Graft's test, bundle and report. Peak memory is the process's
largest resident set.

- `fixed`: the backbone is frozen, a linear head learns (torchvision's MobileNet v2 with ImageNet weights, on RSSCN7).
- `partial`: the last stage and the head learn (timm's resnet50 with random weights: its time alone is of interest).

Prints the tables of `docs/results/frozen.md`. Needs `GRAFT_TEST_DATA`, and for fastai the dependency group `bench`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH = 32
RATE = 1e-2
CONTENDERS = ("one forward pass", "bare loop", "lightning", "fastai", "graft", "graft, cache warm", "graft, 4 views")


@dataclass(frozen=True)
class Case:
    """What is trained."""

    name: str
    network: str
    size: int
    epochs: int
    stage: str | None
    """The first stage that learns; None when the head alone does."""


CASES = (Case("fixed", "mobilenet_v2", 224, 20, None), Case("partial", "resnet50", 160, 12, "layer4"))


def weights_file() -> Path:
    return Path(os.environ["GRAFT_TEST_DATA"], "weights", "mobilenet_v2_tv_imagenet_fp16.pth")


def imported() -> str:
    """Bring the weights with their own mean and standard deviation into `$GRAFT_HOME`; return their name there."""
    from graft.backbones import store
    from graft.backbones.importing import import_weights
    from graft.plugins import load_plugins

    name = "mobilenet-imagenet"
    if name not in {one.name for one in store.listed()}:
        import_weights(
            weights_file(),
            name=name,
            arch="torchvision:mobilenet_v2",
            plugins=load_plugins(),
            preprocess={"mean": (0.5,) * 3, "std": (0.5,) * 3},
        )
    return name


def body(case: Case) -> tuple[Any, Any, int]:
    """Return the frozen part, the part that learns without the head, and the length of the embedding."""
    import timm
    import torch
    import torchvision
    from torch import nn

    torch.manual_seed(0)
    if case.network == "mobilenet_v2":
        network = torchvision.models.mobilenet_v2()
        network.load_state_dict(torch.load(weights_file(), map_location="cpu", weights_only=True))
        return nn.Sequential(network.features.float(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Identity(), 1280
    network = timm.create_model(case.network, num_classes=0)
    frozen = nn.Sequential(
        network.conv1, network.bn1, network.act1, network.maxpool, network.layer1, network.layer2, network.layer3
    )
    return frozen, nn.Sequential(network.layer4, network.global_pool), 2048


def parts(case: Case, classes: int) -> Any:
    """Return a frozen part that stays in eval mode, a part that learns, and a head, as one module."""
    import torch
    from torch import nn

    frozen, learning, length = body(case)
    frozen.requires_grad_(False)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frozen = frozen
            self.learning = learning
            self.head = nn.Sequential(nn.BatchNorm1d(length, affine=False), nn.Linear(length, classes))

        def train(self, mode: bool = True) -> Any:
            super().train(mode)
            self.frozen.eval()
            return self

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                given = self.frozen(images)
            return self.head(self.learning(given))

    return Network()


def datasets(data: Path, size: int) -> tuple[Any, Any]:
    import torch
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    steps = [
        v2.ToImage(),
        v2.Resize(int(size / 0.875), antialias=True),
        v2.CenterCrop(size),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize((0.5,) * 3, (0.5,) * 3),
    ]
    return tuple(ImageFolder(str(data / part), transform=v2.Compose(steps)) for part in ("train", "val"))


def accuracy(network: Any, loader: Any) -> float:
    import torch

    network.eval()
    with torch.no_grad():
        right = [(network(images).argmax(1) == labels).float() for images, labels in loader]
    return float(torch.cat(right).mean())


def bare(case: Case, data: Path, epochs: int | None = None) -> dict[str, float]:
    """Train in a plain loop; with 0 epochs, run the frozen part once over all images."""
    import torch
    from torch.utils.data import DataLoader

    train, val = datasets(data, case.size)
    network = parts(case, len(train.classes))
    loader = DataLoader(train, BATCH, shuffle=True, drop_last=epochs is None)
    val_loader = DataLoader(val, BATCH)
    began = time.perf_counter()
    if epochs == 0:
        network.eval()
        with torch.no_grad():
            for images, _ in itertools.chain(loader, val_loader):
                network.frozen(images)
        return {"seconds": time.perf_counter() - began}
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, case.epochs * len(loader))
    best = 0.0
    for _ in range(case.epochs):
        network.train()
        for images, labels in loader:
            loss = torch.nn.functional.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        best = max(best, accuracy(network, val_loader))
    return {"seconds": time.perf_counter() - began, "accuracy": best}


def with_lightning(case: Case, data: Path) -> dict[str, float]:
    import lightning
    import torch
    from torch.utils.data import DataLoader

    train, val = datasets(data, case.size)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = parts(case, len(train.classes))
            self.best = 0.0

        def training_step(self, batch: Any, index: int) -> Any:
            images, labels = batch
            return torch.nn.functional.cross_entropy(self.network(images), labels)

        def on_validation_epoch_start(self) -> None:
            self.right: list[Any] = []

        def validation_step(self, batch: Any, index: int) -> None:
            images, labels = batch
            self.right.append((self.network(images).argmax(1) == labels).float())

        def on_validation_epoch_end(self) -> None:
            self.best = max(self.best, float(torch.cat(self.right).mean()))

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW([p for p in self.parameters() if p.requires_grad], lr=RATE)
            steps = case.epochs * (len(train) // BATCH)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    module = Module()
    trainer = lightning.Trainer(
        max_epochs=case.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    began = time.perf_counter()
    trainer.fit(module, DataLoader(train, BATCH, shuffle=True, drop_last=True), DataLoader(val, BATCH))
    return {"seconds": time.perf_counter() - began, "accuracy": module.best}


def with_fastai(case: Case, data: Path) -> dict[str, float]:
    """Train with fastai's own loaders, `Learner`, freezing by parameter groups, and cosine schedule."""
    import fastai.callback.progress  # noqa: F401  # it gives Learner its no_bar
    import torch
    from fastai.callback.schedule import Learner
    from fastai.data.transforms import Normalize
    from fastai.losses import CrossEntropyLossFlat
    from fastai.metrics import accuracy as fastai_accuracy
    from fastai.optimizer import OptimWrapper
    from fastai.torch_core import params
    from fastai.vision.augment import CropPad, Resize
    from fastai.vision.data import ImageDataLoaders

    loaders = ImageDataLoaders.from_folder(
        data,
        train="train",
        valid="val",
        bs=BATCH,
        num_workers=0,
        item_tfms=[Resize(int(case.size / 0.875)), CropPad(case.size)],
        batch_tfms=Normalize.from_stats((0.5,) * 3, (0.5,) * 3, cuda=False),
    )
    network = parts(case, loaders.c)
    learner = Learner(
        loaders,
        network,
        CrossEntropyLossFlat(),
        opt_func=lambda groups, lr: OptimWrapper(groups, torch.optim.AdamW, lr=lr),
        splitter=lambda one: [params(one.frozen), params(one.learning) + params(one.head)],
        metrics=fastai_accuracy,
        train_bn=False,
    )
    learner.freeze()
    began = time.perf_counter()
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(case.epochs, RATE)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "accuracy": max(row[2] for row in learner.recorder.values)}


def with_graft(case: Case, data: Path, views: int | None = None) -> dict[str, float]:
    from graft import Console, train

    stages = {"layer4": "stage4"}
    backbone: dict[str, Any] = {"kind": f"timm:{case.network}", "weights": "none", "size": case.size}
    if case.network == "mobilenet_v2":
        backbone = {"kind": "torchvision:mobilenet_v2", "weights": imported(), "size": case.size}
    unfreeze = {"kind": "from", "stage": stages[case.stage]} if case.stage else {"kind": "none"}
    recipe = {
        "task": "classification",
        "data": {"train": str(data)},
        "backbone": backbone,
        "augment": "none" if views is None else "basic",
        "strategy": {"unfreeze": unfreeze, "pace": {"lr": RATE, "head": 1.0}},
        "train": {"epochs": case.epochs, "batch": BATCH, "precision": "fp32", "monitor": "accuracy"},
        "cache": {} if views is None else {"views": views},
        "evaluation": {"bootstrap": 0},
    }
    with tempfile.TemporaryDirectory() as out:
        run = train(recipe, out=out, console=Console(quiet=True))
        rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    return {"seconds": sum(row["seconds"] for row in rows), "accuracy": max(row["val.accuracy"] for row in rows)}


def contender(name: str, case: Case, data: Path) -> dict[str, float]:
    """Carry one contender out, in this process."""
    import torch

    runs: dict[str, Callable[[], dict[str, float]]] = {
        "one forward pass": lambda: bare(case, data, epochs=0),
        "bare loop": lambda: bare(case, data),
        "lightning": lambda: with_lightning(case, data),
        "fastai": lambda: with_fastai(case, data),
        "graft": lambda: with_graft(case, data),
        "graft, cache warm": lambda: with_graft(case, data),
        "graft, 4 views": lambda: with_graft(case, data, views=4),
    }
    # Everything that is imported when it is used first, and the processor's kernels.
    import graft.engine.train  # noqa: F401

    torch.nn.Conv2d(3, 8, 3)(torch.zeros(1, 3, 32, 32))
    found = runs[name]()
    # In KiB on Linux, in bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**found, "peak": peak / (2**10 if sys.platform == "linux" else 2**20)}


def prepared(folder: Path, per_class: int) -> Path:
    """Link images of RSSCN7 into folders for training and validation, every fifth one for the latter."""
    source = Path(os.environ["GRAFT_TEST_DATA"], "data", "satellite", "rsscn7")
    by_class: dict[str, list[Path]] = {}
    for path in sorted(source.rglob("*.jpg")):
        by_class.setdefault(path.parent.name, []).append(path)
    for name, paths in by_class.items():
        for index, path in enumerate(paths[:per_class]):
            target = folder / ("val" if index % 5 == 0 else "train") / name / f"{index}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    return folder


def in_turn(case: Case, data: Path, rounds: int, names: list[str]) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as home:
            for name in names:
                command = [sys.executable, __file__, "--only", name, "--case", case.name, "--data", str(data)]
                done = subprocess.run(
                    command, env={**os.environ, "GRAFT_HOME": home}, check=True, capture_output=True, text=True
                )
                found[name].append(json.loads(done.stdout.strip().splitlines()[-1]))
                print(f"{case.name} round {number + 1}  {name:<20} {found[name][-1]}", flush=True)
    return found


def table(case: Case, found: dict[str, list[dict[str, float]]]) -> list[str]:
    once = statistics.median(one["seconds"] for one in found["one forward pass"])
    ours = statistics.median(one["seconds"] for one in found["graft"])
    lines = [
        f"| {case.name} | seconds | in forward passes | times `graft` | best val accuracy | peak memory, MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, rounds in found.items():
        seconds = statistics.median(one["seconds"] for one in rounds)
        right = [one["accuracy"] for one in rounds if "accuracy" in one]
        shown = f"{statistics.mean(right):.3f}" if right else ""
        peak = max(one["peak"] for one in rounds)
        lines.append(f"| {name} | {seconds:.1f} | {seconds / once:.2f} | {seconds / ours:.1f} | {shown} | {peak:.0f} |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--per-class", type=int, default=40)
    parser.add_argument("--cases", nargs="+", default=[case.name for case in CASES])
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS))
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    cases = {case.name: case for case in CASES}
    if options.only:
        warnings.filterwarnings("ignore")
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)
        print(json.dumps(contender(options.only, cases[options.case], options.data)))
        return
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        data = prepared(Path(folder), options.per_class)
        number = {part: len(list((data / part).rglob("*.jpg"))) for part in ("train", "val")}
        for name in options.cases:
            case = cases[name]
            found = in_turn(case, data, options.rounds, options.contenders)
            lines += [f"{case.network}, {case.size} px, {case.epochs} epochs, {number['train']} training and"]
            lines += [f"{number['val']} validation images, batches of {BATCH}; medians of {options.rounds} rounds:", ""]
            lines += table(case, found)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
