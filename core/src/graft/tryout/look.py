"""The first look: read, check, extract features once, and ask them everything."""

from __future__ import annotations

import json
import os
import re
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from graft.console import Console
from graft.data.batch import stack_images
from graft.data.geometry import centre_crop
from graft.data.leaks import crossing
from graft.data.samples import SPLITS, Sample
from graft.engine._setup import Experiment, set_up
from graft.errors import DataError, Problem
from graft.features.extract import EMBEDDING, Extractor
from graft.features.probe import Probe, cross_validate
from graft.plugins import Plugins
from graft.recipe.layers import dotted, leaves, plain
from graft.strategies.auto import FAR, Situation, choose
from graft.strategies.shift import shift
from graft.tryout.copies import details, near_copies, sets
from graft.tryout.doubts import Doubt, doubts
from graft.tryout.shortcuts import betrayed, facts

if TYPE_CHECKING:
    from graft.recipe import ResolvedRecipe

_SOME_IMAGES = 32
_BATCH = 8

REMOVED = {"near": (0.08, 0.24), "far": (0.33, 0.43)}
"""Which share of a fixed network's errors fine-tuning removed, by how far images are: docs/results/strategies.md."""


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Images with the same content, or nearly.

    Args:
        indices: Of the samples.
        exact: Whether the files are equal byte for byte.
        splits: The splits that they are in, where the data itself is divided.
        conflict: Whether their labels differ.
    """

    indices: tuple[int, ...]
    exact: bool
    splits: tuple[str, ...]
    conflict: bool

    @property
    def leaks(self) -> bool:
        """Whether they are in more than one split."""
        return len(self.splits) > 1


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to do next.

    Args:
        strategy: Name of a preset.
        why: The reason, in a sentence.
        low: Accuracy that fine-tuning is likely to reach at least: from the lower end of the probe's interval.
        high: And at most, from the upper end.
        far: Whether the images are far from what the weights know; None when the network does not tell.
        command: What to type.
    """

    strategy: str
    why: str
    low: float
    high: float
    far: bool | None
    command: str


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a first look found.

    Args:
        experiment: The data, read, checked and divided, and the network.
        labels: The class of each sample, `(N,)`.
        probes: Cross-validated: `linear`, `knn`, `majority`.
        half: The linear probe on half of the images; None when there are too few.
        betrayed: How well size and format of the files alone tell the classes; None when they tell nothing.
        copies: Images that are there more than once.
        doubts: Labels that are likely wrong, the most doubtful first.
        crossing: Groups that are in more than one of the data's own splits.
        advice: What to do next.
        seconds: How long it took, from reading the data on.
        ungrouped: Whether samples are taken for independent of each other, since nothing says otherwise.
    """

    experiment: Experiment
    labels: NDArray[np.int64]
    probes: dict[str, Probe]
    half: Probe | None
    betrayed: Probe | None
    copies: tuple[Copies, ...]
    doubts: tuple[Doubt, ...]
    crossing: tuple[str, ...]
    advice: Advice
    seconds: float
    ungrouped: bool

    @property
    def samples(self) -> Sequence[Sample]:
        """The usable samples."""
        return self.experiment.prepared.catalogue.samples

    @property
    def classes(self) -> Sequence[str]:
        """The names of the classes."""
        return self.experiment.prepared.catalogue.classes

    @property
    def expected(self) -> str:
        """What fine-tuning is likely to reach, in words."""
        low, high = f"{self.advice.low:.2f}", f"{self.advice.high:.2f}"
        return f"about {low}" if low == high else f"{low} to {high}"

    @property
    def leaks(self) -> list[Copies]:
        """The copies that are in more than one split."""
        return [one for one in self.copies if one.leaks]

    def confusions(self, most: int = 10) -> list[tuple[str, str, int, int]]:
        """Return the linear probe's most frequent mistakes: class, taken for, how often, of how many images."""
        predicted = self.probes["linear"].predicted
        counts = Counter(
            (int(true), int(taken)) for true, taken in zip(self.labels, predicted, strict=True) if true != taken
        )
        total = np.bincount(self.labels, minlength=len(self.classes))
        return [
            (self.classes[true], self.classes[taken], count, int(total[true]))
            for (true, taken), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
        ]


def look(resolved: ResolvedRecipe, *, plugins: Plugins, console: Console) -> Findings:
    """Look at the data of a recipe through its backbone as it is; nothing is trained but probes, and no run is made.

    Raises:
        UserError: When something does not fit, or images have not one label each.
    """
    began = time.monotonic()
    experiment = set_up(resolved, plugins=plugins, console=console)
    samples = experiment.prepared.catalogue.samples
    labels = _labels(experiment)
    features = _features(experiment, console)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        seen = np.stack(list(pool.map(lambda sample: details(experiment.store.load(sample.path)), samples)))
        known = list(pool.map(lambda sample: facts(sample.path), samples))
    copies = _copies(experiment, labels, near_copies(seen))
    groups = _groups(samples, copies)
    console.say("Probe", "cross-validating a linear probe, nearest neighbours and the most frequent class")
    number = len(experiment.prepared.catalogue.classes)
    probes = {
        kind: cross_validate(features, labels, kind=kind, groups=groups, classes=number)
        for kind in ("linear", "knn", "majority")
    }
    return Findings(
        experiment=experiment,
        labels=labels,
        probes=probes,
        half=_half(features, labels, groups, number),
        betrayed=betrayed(known, labels, groups=groups, classes=number),
        copies=copies,
        doubts=tuple(doubts(labels, probes["linear"].probabilities, probes["knn"].probabilities)),
        crossing=tuple(crossing((sample, sample.split) for sample in samples if sample.split)),
        advice=_advice(experiment, probes["linear"]),
        seconds=time.monotonic() - began,
        ungrouped=not any(sample.group for sample in samples),
    )


def _labels(experiment: Experiment) -> NDArray[np.int64]:
    """Return the class of each sample.

    Raises:
        DataError: When an image has not exactly one.
    """
    catalogue = experiment.prepared.catalogue
    wrong = [sample for sample in catalogue.samples if len(sample.target) != 1]
    if wrong:
        raise DataError(
            "a first look is for images with one label each",
            problems=[Problem(sample.id, f"has {len(sample.target)} labels") for sample in wrong],
            fix=f"train on them: graft {experiment.resolved.task.verb} train {experiment.recipe.data.train}",
        )
    numbers = {name: index for index, name in enumerate(catalogue.classes)}
    return np.array([numbers[sample.target[0]] for sample in catalogue.samples], dtype=np.int64)


def _features(experiment: Experiment, console: Console) -> NDArray[np.float32]:
    """Return the pooled embeddings of all samples, `(N, D)`."""
    store = experiment.store
    extractor = Extractor(
        experiment.loaded,
        device=experiment.device,
        decoder=store.decoder,
        limit=experiment.recipe.cache.limit,
        pixels=lambda path: centre_crop(store.load(path), store.preprocess),
    )
    paths = [sample.path for sample in experiment.prepared.catalogue.samples]
    return extractor(paths, console=console)[EMBEDDING]


def _copies(experiment: Experiment, labels: NDArray[np.int64], pairs: Sequence[tuple[int, int]]) -> tuple[Copies, ...]:
    """Return the sets of copies, those across splits first, then those with different labels."""
    prepared = experiment.prepared
    samples = prepared.catalogue.samples
    digests = [prepared.digests[sample.id] for sample in samples]
    first: dict[str, int] = {}
    same = [(first.setdefault(digest, index), index) for index, digest in enumerate(digests)]
    members: dict[int, list[int]] = {}
    for index, number in enumerate(sets([*pairs, *same], len(samples))):
        members.setdefault(int(number), []).append(index)
    found = [
        Copies(
            indices=tuple(indices),
            exact=len({digests[index] for index in indices}) == 1,
            splits=tuple(split for split in SPLITS if any(samples[index].split == split for index in indices)),
            conflict=len({int(labels[index]) for index in indices}) > 1,
        )
        for indices in members.values()
        if len(indices) > 1
    ]
    return tuple(sorted(found, key=lambda one: (not one.leaks, not one.conflict, one.indices)))


def _groups(samples: Sequence[Sample], copies: Sequence[Copies]) -> list[str] | None:
    """Return what must not be divided in a cross-validation: groups, and copies with them; None when nothing is one."""
    if not copies and not any(sample.group for sample in samples):
        return None
    first: dict[str, int] = {}
    pairs = [(first.setdefault(sample.group, index), index) for index, sample in enumerate(samples) if sample.group]
    pairs += [pair for one in copies for pair in pairwise(one.indices)]
    return [str(number) for number in sets(pairs, len(samples))]


def _half(
    features: NDArray[np.float32], labels: NDArray[np.int64], groups: Sequence[str] | None, classes: int
) -> Probe | None:
    """Return the linear probe on half of the images of each class."""
    draws = np.random.default_rng(0)
    chosen = np.sort(
        np.concatenate([
            draws.permutation(np.flatnonzero(labels == number))[: -(-int((labels == number).sum()) // 2)]
            for number in range(classes)
        ])
    )  # fmt: skip
    inner = None if groups is None else [groups[index] for index in chosen]
    try:
        return cross_validate(features[chosen], labels[chosen], groups=inner, classes=classes)
    except DataError:
        return None


def _advice(experiment: Experiment, probe: Probe) -> Advice:
    prepared = experiment.prepared
    train = prepared.split["train"]
    counts = Counter(experiment.strata())
    pretrained = experiment.loaded.weights is not None
    distance = shift(experiment.model.to(experiment.device), _some(experiment)) if pretrained else None
    situation = Situation(
        per_class=len(train) / max(len(counts), 1), shift=distance, epochs_in_time=None, pretrained=pretrained
    )
    strategy, why = choose(situation)
    far = None if distance is None else distance >= FAR
    low, high = REMOVED["far" if far else "near"]
    reached = probe.accuracy
    least = reached.low if reached.low is not None else reached.value
    most = reached.high if reached.high is not None else reached.value
    return Advice(
        strategy=strategy,
        why=why,
        low=1 - (1 - least) * (1 - low),
        high=1 - (1 - most) * (1 - high),
        far=far,
        command=_command(experiment, strategy),
    )


def _some(experiment: Experiment) -> list[torch.Tensor]:
    """Return batches of training images, spread over them all."""
    samples = experiment.samples("train")
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(_SOME_IMAGES, len(samples))).astype(int))
    store = experiment.store
    images = [centre_crop(store.load(samples[index].path), store.preprocess) for index in chosen]
    return [
        stack_images(images[start : start + _BATCH]).to(experiment.device) for start in range(0, len(images), _BATCH)
    ]


def _command(experiment: Experiment, strategy: str) -> str:
    """Return the command that trains on this data with this backbone, with all that was said about the two."""
    resolved = experiment.resolved
    values = dict(leaves(plain(resolved.recipe)))
    said = [
        f"{dotted(path)}={_written(value)}"
        for path, value in values.items()
        if path[0] in ("data", "backbone")
        and path not in (("data", "train"), ("data", "on_bad"))
        and not resolved.origins.get(dotted(path), "default").startswith(("default", "task ", "domain "))
    ]
    # What decides which other keys there are comes first.
    said.sort(key=lambda text: ".kind=" not in text)
    if resolved.domain is not None:
        said.insert(0, f"--domain={resolved.domain.name}")
    if experiment.prepared.bad_files:
        said.append("data.on_bad=skip")
    words = ["graft", resolved.task.verb, "train", resolved.recipe.data.train, f"strategy={strategy}", *said]
    return shlex.join(words)


def _written(value: Any) -> str:
    """Return a value as an override says it: a text as it is, unless it could be taken for something else."""
    plain_text = isinstance(value, str) and re.fullmatch(r"[A-Za-z/~_][\w./:@+ -]*", value)
    return str(value) if plain_text and value not in ("true", "false") else json.dumps(value)
