"""Everything that training needs, built and checked before anything is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from graft.backbones.load import LoadedBackbone, build_backbone
from graft.console import Console
from graft.data.dataset import ImageDataset
from graft.data.decoder import build_decoder
from graft.data.prepare import prepare, read
from graft.data.sampler import EpochSampler
from graft.data.samples import PreparedData, Sample
from graft.data.shards import WHOLE, Shard, ShardedSampler
from graft.data.store import PixelStore
from graft.domains import Domain, build_domain
from graft.engine._seeds import derive, seed_all
from graft.errors import DataError, Problem, RecipeError, did_you_mean
from graft.evaluation.build import build_metrics
from graft.evaluation.evaluate import evaluate
from graft.evaluation.metrics import Metric
from graft.features.prefix import Prefixing, PrefixLoader
from graft.model import Model
from graft.plugins import Plugins
from graft.recipe.schema import Data, Recipe
from graft.recipe.values import cache_bytes
from graft.runs.devices import pick_device
from graft.strategies.checks import check_strategy
from graft.strategies.sampling import expected_repeats
from graft.tasks.contract import Task
from graft.tasks.fitted import check_fitted

if TYPE_CHECKING:
    from graft.recipe import ResolvedRecipe

_MOST_WORKERS = 8


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A recipe with everything that it names: ready to train.

    Args:
        resolved: The recipe; its data paths are absolute.
        plugins: Who offered the parts.
        task: The task.
        domain: The domain, where the recipe names one.
        prepared: The data, checked and divided.
        targets: What the task's `encode` gave for each sample.
        loaded: The backbone and where its weights are from.
        model: The backbone with its head.
        metrics: What is measured.
        store: The images.
        device: `cpu`, `cuda` or `mps`.
        precision: `fp32`, `bf16` or `fp16`.
        workers: Processes that load.
        choices: What the recipe left to us, each with what was chosen and why, in a sentence.
        shard: This process's share of the samples, where several train together.
    """

    resolved: ResolvedRecipe
    plugins: Plugins
    task: Task
    domain: Domain | None
    prepared: PreparedData
    targets: Sequence[Any]
    loaded: LoadedBackbone
    model: Model
    metrics: Sequence[Metric]
    store: PixelStore
    device: str
    precision: str
    workers: int
    choices: tuple[str, ...] = ()
    shard: Shard = WHOLE

    @property
    def recipe(self) -> Recipe:
        """The complete recipe."""
        return self.resolved.recipe

    @property
    def monitor(self) -> str:
        """The value that picks the best epoch."""
        return self.recipe.train.monitor or self.resolved.task.monitor

    @property
    def batch(self) -> int:
        """Samples per batch."""
        return self.recipe.train.batch_size

    def changed(self, why: str, **sections: Any) -> Experiment:
        """Return the experiment with other sections of the recipe, and the reason among its choices."""
        recipe = self.recipe.model_copy(update=sections)
        return replace(self, resolved=replace(self.resolved, recipe=recipe), choices=(*self.choices, why))

    def samples(self, split: str) -> list[Sample]:
        """Return the samples of a split, in order."""
        return [self.prepared.catalogue.samples[index] for index in self.prepared.split[split]]

    def targets_of(self, split: str) -> list[Any]:
        """Return the encoded targets of a split, in order."""
        return [self.targets[index] for index in self.prepared.split[split]]

    def strata(self) -> list[str]:
        """Return the word that stands for each training sample's kind, as the task tells kinds apart."""
        strata = self.task.strata(self.prepared.catalogue)
        return [strata[index] for index in self.prepared.split["train"]]

    def prefixing(self, warn: Callable[[str], None]) -> Prefixing | None:
        """Return how a frozen beginning of the network is calculated once; None where it is to be done every time."""
        cache, speed = self.recipe.cache, self.recipe.speed
        if not cache.views:
            return None
        return Prefixing(
            model=self.model,
            digests=self.prepared.files,
            views=cache.views,
            limit=cache_bytes(cache.limit),
            precision=self.precision,
            details={"channels_last": speed.channels_last, "compile": speed.compile},
            warn=warn,
            name=f"{self.loaded.source}:{self.loaded.arch}"
            + (f", {self.loaded.weights.name}" if self.loaded.weights else ", random weights"),
        )

    def train_loader(self, prefixing: Prefixing | None = None) -> tuple[PrefixLoader, EpochSampler | ShardedSampler]:
        """Return the augmented, shuffled training data, and the sampler that is told the epoch.

        A frozen beginning is not calculated ahead where images are cut and pasted. Where images are seen through
        windows, each comes as often as windows of the input's size would cover it.
        """
        seed = self.recipe.train.seed
        preset = self.plugins.target(self.resolved.augment)
        augmentation = preset(size=self.store.preprocess.size, options=self.resolved.augment_options)
        if self.recipe.strategy.regularise.cutmix:
            prefixing = None
        dataset = ImageDataset(
            self.samples("train"),
            self.targets_of("train"),
            store=self.store,
            task_collate=self.task.collate,
            augmentation=augmentation,
            seed=seed,
        )
        repeats = expected_repeats(self.strata(), self.recipe.strategy.regularise.sampling)
        if dataset.in_windows:
            views = np.array([self._views(sample) for sample in dataset.samples])
            repeats = views if repeats is None else views * repeats
        sampler = EpochSampler(len(dataset), seed=seed, shuffle=True, repeats=repeats)
        # A last batch of few samples would weigh as much as a whole one; one sample alone has no batch statistics.
        drop_last = len(sampler) >= self.batch * self.shard.count
        if self.shard.count == 1:
            return self._loader(dataset, sampler, prefixing, drop_last=drop_last), sampler
        share = ShardedSampler(sampler, self.shard, batch=self.batch if drop_last else None)
        return self._loader(dataset, share, prefixing, drop_last=drop_last), share

    def _views(self, sample: Sample) -> float:
        """Return how many windows of the input's size make up a sample's image, at least 1."""
        (height, width), (h, w) = self.store.preprocess.size, self.store.size(sample.path)
        return max(1.0, h * w / (height * width))

    def loader(self, split: str, *, shared: bool = False, prefixing: Prefixing | None = None) -> PrefixLoader:
        """Return a split's data in order, as evaluation and prediction see it; or, `shared`, this process's share."""
        dataset = ImageDataset(
            self.samples(split), self.targets_of(split), store=self.store, task_collate=self.task.collate
        )
        sampler = EpochSampler(len(dataset), seed=0, shuffle=False)
        share = sampler if not shared or self.shard.count == 1 else ShardedSampler(sampler, self.shard, batch=None)
        return self._loader(dataset, share, prefixing, drop_last=False)

    def _loader(
        self,
        dataset: ImageDataset,
        sampler: EpochSampler | ShardedSampler,
        prefixing: Prefixing | None,
        *,
        drop_last: bool,
    ) -> PrefixLoader:
        owner = self.plugins.owner(self.resolved.augment)
        options = self.resolved.augment_options.model_dump_json()
        augmentation = f"{owner.name} {owner.version} {self.resolved.augment.name} {options}"
        return PrefixLoader(
            dataset,
            sampler,
            batch=self.batch,
            drop_last=drop_last,
            workers=self.workers,
            pin_memory=self.device == "cuda",
            augmentation=augmentation if dataset.augmentation is not None else "",
            prefixing=prefixing,
        )


def set_up(resolved: ResolvedRecipe, *, plugins: Plugins, console: Console) -> Experiment:
    """Build and check everything; nothing is written.

    Raises:
        UserError: When the device, the data, the weights or the recipe's names do not fit, with everything that is
            wrong with the part that is looked at.
    """
    resolved = _with_absolute_paths(resolved)
    recipe = resolved.recipe
    device = pick_device(recipe.train.device).type
    # A head that is fitted at once shall see the numbers that prediction gives.
    precision = _choose_precision(recipe, device, fitted=resolved.head.fitted)
    decoder = build_decoder(resolved.decoder, resolved.decoder_options, plugins=plugins)
    domain = build_domain(resolved, decoder=decoder, plugins=plugins)
    catalogue = read(
        recipe.data,
        takes=resolved.task.takes,
        reader=resolved.reader,
        options=resolved.reader_options,
        decoder=decoder,
        plugins=plugins,
    )
    task: Task = plugins.target(resolved.task)(classes=catalogue.classes, options=resolved.task_options)
    task.numbers = catalogue.numbers
    seed_all(derive(recipe.train.seed, "backbone"))
    depth = recipe.strategy.regularise.stochastic_depth
    loaded = build_backbone(recipe.backbone, plugins=plugins, stochastic_depth=depth)
    backbone = loaded.backbone
    backbone.preprocess = backbone.preprocess.framed(resolved.task.framing, overlap=recipe.evaluation.overlap)
    seed_all(derive(recipe.train.seed, "head"))
    reductions = [stage.reduction for stage in backbone.info.stages]
    if problem := plugins.unfit(resolved.head, reductions, resolved.head_options):
        raise RecipeError("The head cannot take this backbone", problems=[problem])
    head = plugins.target(resolved.head)(
        info=backbone.info, classes=catalogue.classes, options=resolved.head_options, task=task
    )
    check_fitted(resolved.head, head)
    model = Model(backbone, head, resolved.head.needs, sequences=resolved.head.sequences)
    check_strategy(
        recipe,
        model,
        pretrained=loaded.weights is not None,
        precision=precision,
        sequences=catalogue.sequences,
    )
    store = PixelStore(
        backbone.preprocess,
        decoder=decoder,
        max_pixels=recipe.data.max_pixels,
        cache_mb=recipe.data.cache_mb,
    )
    prepared = prepare(catalogue, recipe.data, task=task, domain=domain, store=store, console=console)
    if len(prepared.split["train"]) < 2:
        raise DataError(f"{recipe.data.train}: {len(prepared.split['train'])} images are left to train on")
    metrics = build_metrics(resolved.metrics, classes=catalogue.classes, options=resolved.task_options, plugins=plugins)
    experiment = Experiment(
        resolved=resolved,
        plugins=plugins,
        task=task,
        domain=domain,
        prepared=prepared,
        targets=[task.encode(sample) for sample in prepared.catalogue.samples],
        loaded=loaded,
        model=model,
        metrics=metrics,
        store=store,
        device=device,
        precision=precision,
        workers=_choose_workers(recipe, device),
    )
    _check_monitor(experiment)
    return experiment


def _choose_precision(recipe: Recipe, device: str, *, fitted: bool) -> str:
    wanted = recipe.train.precision if not fitted else "fp32"
    if wanted == "auto":
        return "bf16" if device == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    if wanted == "fp16" and device != "cuda":
        problem = Problem("train.precision", f"fp16 needs an NVIDIA GPU, and this runs on '{device}'")
        raise RecipeError("The recipe's precision does not fit the device", problems=[problem], fix="use fp32 or bf16")
    return wanted


def _choose_workers(recipe: Recipe, device: str) -> int:
    if recipe.train.workers != "auto":
        return recipe.train.workers
    # On a CPU the network uses every core; with the images in memory a loader's processes would only take them away.
    return 0 if device == "cpu" else min(_MOST_WORKERS, os.cpu_count() or 1)


def _check_monitor(experiment: Experiment) -> None:
    """Raise when the monitored value is none that will be measured. Known only by measuring: a metric names its own."""
    monitor = experiment.monitor
    split = "val" if experiment.prepared.split["val"] else "train"
    truth, train = experiment.targets_of(split), experiment.targets_of("train")
    values = evaluate(experiment.metrics, experiment.task.baseline(truth, train), truth, bootstrap=0, seed=0)
    if monitor not in values:
        hint = did_you_mean(monitor, values) or f"one of {', '.join(values)}"
        problem = Problem("train.monitor", f"'{monitor}' is not measured", hint)
        raise RecipeError("The recipe monitors a value that it does not measure", problems=[problem])


def _with_absolute_paths(resolved: ResolvedRecipe) -> ResolvedRecipe:
    """Return the recipe so that it means the same data from every working folder."""
    data = resolved.recipe.data
    paths = {
        name: str(Path(value).expanduser().absolute())
        for name in ("train", "val", "test")
        if (value := getattr(data, name)) is not None
    }
    absolute: Data = data.model_copy(update=paths)
    return replace(resolved, recipe=resolved.recipe.model_copy(update={"data": absolute}))
