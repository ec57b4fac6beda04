"""Images per second of a whole training step: Graft, plain Lightning and fastai against a bare loop.

The bare loop trains on normalised tensors that already lie in memory, without augmentation: nothing that reads files
can be faster, so it is the limit. The others read the same JPEG files, crop and flip at random, normalise and train the
same network (timm's resnet18, random weights) with AdamW in float32. All take turns, round by round, in one process; a
round of each is two epochs, of which the second is timed (so that what a tool keeps after the first epoch counts).
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

CLASSES = 4


def write_images(root: Path, per_class: int, side: int) -> None:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for split, count in (("train", per_class), ("val", 4)):
        for label in range(CLASSES):
            folder = root / split / f"class{label}"
            folder.mkdir(parents=True)
            for index in range(count):
                coarse = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
                Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{index}.jpg")


def network() -> object:
    import timm
    import torch

    torch.manual_seed(0)
    return timm.create_model("resnet18", num_classes=CLASSES)


def bare(images: int, size: int, batch: int) -> Callable[[], float]:
    import torch

    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x = torch.randn(images, 3, size, size)
    y = torch.randint(0, CLASSES, (images,))
    loss_function = torch.nn.CrossEntropyLoss()

    def epoch() -> float:
        model.train()
        order = torch.randperm(images)
        start = time.perf_counter()
        for begin in range(0, images - batch + 1, batch):
            index = order[begin : begin + batch]
            loss = loss_function(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return images / (time.perf_counter() - start)

    def round_() -> float:
        epoch()
        return epoch()

    return round_


def graft(data: Path, size: int, batch: int, out: Path) -> Callable[[], float]:
    import json

    from graft import Console, train

    recipe = {
        "task": "classification",
        "data": {"train": str(data)},
        "backbone": {"kind": "timm:resnet18", "weights": "none", "size": size},
        "augment": {"kind": "basic", "colour": 0.0},
        "train": {"epochs": 2, "batch": batch, "precision": "fp32", "clip": 0},
        "evaluation": {"bootstrap": 0},
    }

    def round_() -> float:
        run = train(recipe, out=out, console=Console(quiet=True))
        lines = (run.path / "metrics.jsonl").read_text().splitlines()
        return float(json.loads(lines[-1])["images_per_second"])

    return round_


def transforms(size: int) -> object:
    import torch
    from torchvision.transforms import v2

    return v2.Compose(
        [
            v2.ToImage(),
            v2.RandomResizedCrop(size, scale=(0.5, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )


def plain_lightning(data: Path, size: int, batch: int, workers: int, images: int) -> Callable[[], float]:
    import lightning
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network()
            self.loss = torch.nn.CrossEntropyLoss()
            self.seconds = 0.0

        def on_train_epoch_start(self) -> None:
            self.start = time.perf_counter()

        def on_train_epoch_end(self) -> None:
            self.seconds = time.perf_counter() - self.start

        def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
            images, labels = batch
            return self.loss(self.network(images), labels)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=1e-3)

    dataset = ImageFolder(str(data / "train"), transform=transforms(size))

    def round_() -> float:
        module = Module()
        loader = DataLoader(
            dataset, batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
        )
        trainer = lightning.Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, loader)
        return images / module.seconds

    return round_


def with_fastai(data: Path, size: int, batch: int, workers: int, images: int) -> Callable[[], float]:
    import fastai.callback.progress  # noqa: F401  # it gives Learner its no_bar
    import torch
    from fastai.callback.core import Callback
    from fastai.learner import Learner
    from fastai.vision.augment import RandomResizedCrop, aug_transforms
    from fastai.vision.data import ImageDataLoaders

    class Clock(Callback):
        def before_train(self) -> None:
            self.start = time.perf_counter()

        def after_train(self) -> None:
            self.learn.seconds = time.perf_counter() - self.start

    loaders = ImageDataLoaders.from_folder(
        data,
        train="train",
        valid="val",
        bs=batch,
        num_workers=workers,
        item_tfms=RandomResizedCrop(size, min_scale=0.5),
        batch_tfms=aug_transforms(max_rotate=0, max_zoom=1, max_lighting=0, max_warp=0),
    )

    def adamw(groups: object, lr: float) -> object:
        from fastai.optimizer import OptimWrapper

        return OptimWrapper(groups, torch.optim.AdamW, lr=lr)

    def round_() -> float:
        learner = Learner(loaders, network(), torch.nn.CrossEntropyLoss(), opt_func=adamw, cbs=Clock())
        with learner.no_bar():
            learner.fit(2, 1e-3)
        return images / learner.seconds

    return round_


def contenders(data: Path, out: Path, options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], float]]]:
    size, batch = options.size, options.batch
    images = options.per_class * CLASSES // batch * batch
    yield "bare loop, tensors in memory", bare(images, size, batch)
    yield "graft", graft(data, size, batch, out)
    for workers in (0, 2):
        yield f"lightning, {workers} workers", plain_lightning(data, size, batch, workers, images)
        yield f"fastai, {workers} workers", with_fastai(data, size, batch, workers, images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128, help="side of the network's input")
    parser.add_argument("--source", type=int, default=160, help="side of the JPEG files")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--per-class", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder, "data"), Path(folder, "runs")
        write_images(data, options.per_class, options.source)
        runs = dict(contenders(data, out, options))
        speeds: dict[str, list[float]] = {name: [] for name in runs}
        for number in range(options.rounds):
            for name, run in runs.items():
                speeds[name].append(run())
                print(f"round {number + 1}  {name:<32} {speeds[name][-1]:8.1f} images/s", flush=True)

    limit = statistics.median(speeds["bare loop, tensors in memory"])
    print(f"\n{'':<32} {'median':>8} {'best':>8} {'of limit':>9}")
    for name, values in speeds.items():
        middle = statistics.median(values)
        print(f"{name:<32} {middle:8.1f} {max(values):8.1f} {middle / limit:9.2f}")


if __name__ == "__main__":
    main()
