"""Tiny data of each task, from its own `sample` function, and what a training on it begins with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from graft.cli.data import write_sample
from graft.console import Console
from graft.engine._setup import Experiment, set_up
from graft.plugins import Plugins
from graft.recipe import load_recipe

if TYPE_CHECKING:
    from graft.data.batch import Batch


class Lab:
    """Makes data and experiments when they are asked for, once each.

    Args:
        plugins: Who offers tasks.
        root: A folder for data.
    """

    def __init__(self, plugins: Plugins, root: Path) -> None:
        self.plugins = plugins
        self.root = root
        self._experiments: dict[tuple[str, int, int], Experiment] = {}
        self._predictions: dict[str, Sequence[Any]] = {}

    def folder(self, task: str, *, size: int = 32, per_class: int = 2, domain: str | None = None) -> Path:
        """Return a folder with the sample data of a task, or a domain's own for it: `source` and `target` are in it.

        Args:
            task: The task's name.
            size: Side of the images in pixels.
            per_class: Images of each class to train on.
            domain: A domain's name; None for the task's own data.

        Raises:
            PluginError: When there is no generator.
        """
        folder = self.root / f"{task.replace(':', '-')}-{domain or 'plain'}-{size}-{per_class}"
        if not folder.exists():
            write_sample(task, folder, domain=domain, seed=0, size=size, per_class=per_class, plugins=self.plugins)
        return folder

    def experiment(self, task: str, *, size: int = 64, batch: int = 2) -> Experiment:
        """Return a task with its data and its default head, on the embedded backbone.

        Args:
            task: The task's name.
            size: Side of the network's input in pixels.
            batch: Images per batch.
        """
        key = task, size, batch
        if key not in self._experiments:
            base: dict[str, Any] = {
                "task": task,
                "data.train": str(self.folder(task, size=64) / "target"),
                "backbone.kind": "graft:tiny",
                "backbone.weights": "none",
                "backbone.size": size,
                "augment": "none",
                "train.batch": batch,
                "train.device": "cpu",
                "evaluation.bootstrap": 0,
            }
            resolved = load_recipe(None, base=base, plugins=self.plugins)
            self._experiments[key] = set_up(resolved, plugins=self.plugins, console=Console(quiet=True))
        return self._experiments[key]

    def predictions(self, task: str) -> Sequence[Any]:
        """Return what the task's own head, with weights at random, says of the images of the test split."""
        if task not in self._predictions:
            experiment = self.experiment(task)
            model, found = experiment.model.eval(), []
            with torch.no_grad():
                for batch in experiment.loader("test"):
                    sizes = [batch.image_size] * len(batch)
                    found += batch.restored(model.head.decode(model(batch.images), sizes))
            self._predictions[task] = found
        return self._predictions[task]

    def batch(self, task: str, *, size: int = 64, batch: int = 2) -> Batch:
        """Return the first training batch of an experiment."""
        return next(iter(self.experiment(task, size=size, batch=batch).train_loader()[0]))
