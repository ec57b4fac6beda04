"""Ranks backbones for a data set: what each costs here, and how well its features tell the classes apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from graft.backbones import LoadedBackbone, build_backbone
from graft.data.decode import MAX_PIXELS
from graft.errors import DataError, GraftError, OfflineError, Problem, UserError
from graft.features.candidates import Candidate
from graft.features.costs import Costs, measure_costs
from graft.features.extract import EMBEDDING, Extractor
from graft.features.images import Images
from graft.features.probe import Probe, cross_validate
from graft.features.transferability import hscore, leep, logme, nleep
from graft.runs.devices import pick_device

if TYPE_CHECKING:
    from graft.console import Console
    from graft.plugins import Plugins


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What `graft.features.transferability` says of features; larger is better.

    Args:
        logme: Log evidence per sample.
        leep: By the weights' own classifier; None where they have none that is linear on the embedding.
        nleep: By clusters of the features.
        hscore: With the covariance shrunk.
    """

    logme: float
    leep: float | None
    nleep: float
    hscore: float


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A candidate and what was measured.

    Args:
        candidate: Which backbone.
        size: Height and width of its input in pixels.
        dimensions: Length of its embedding.
        licence: Of the weights; None when it is not recorded, or they are random.
        top1: Published accuracy on ImageNet-1K in 0 … 1; None when the library does not say.
        costs: For one image.
        scores: On the images.
        probe: A linear one, cross-validated.
    """

    candidate: Candidate
    size: tuple[int, int]
    dimensions: int
    licence: str | None
    top1: float | None
    costs: Costs
    scores: Scores
    probe: Probe


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Candidates, the best probe first.

    Args:
        rows: The candidates.
        images: What they were compared on, without the files that could not be read.
        bad: Files that could not be read, and why.
        baseline: Share of the images that are of the largest class: what is right without looking at any.
    """

    rows: tuple[Ranked, ...]
    images: Images
    bad: tuple[Problem, ...]
    baseline: float


def rank(
    candidates: Sequence[Candidate],
    images: Images,
    *,
    plugins: Plugins,
    console: Console,
    device: str = "auto",
    max_pixels: int = MAX_PIXELS,
    strict: bool = True,
) -> Ranking:
    """Return the candidates in the order of what a linear probe on their features reaches.

    All are built before the first image is read, so that mistakes show at once. Files that cannot be read as images
    are left out, and said.

    Args:
        candidates: At least one.
        images: What to compare on.
        plugins: Where architectures come from.
        console: Says how far it is.
        device: `auto`, `cpu`, `cuda` or `mps`.
        max_pixels: Larger files count as unreadable.
        strict: Whether a candidate that cannot be built is an error; else it is a warning, unless it was the last.

    Raises:
        UserError: With every candidate that cannot be built.
        OfflineError: Likewise, when all that is missing are downloads.
        DataError: When no image can be read, or what is left cannot be cross-validated.
    """
    place = pick_device(device)
    known: list[tuple[Candidate, Costs]] = []
    failures: list[tuple[Candidate, GraftError]] = []
    for candidate in candidates:
        try:
            loaded = _built(candidate, plugins)
        except UserError as error:
            failures.append((candidate, error))
        else:
            known.append((candidate, measure_costs(loaded.backbone, place)))
    if failures and (strict or not known):
        raise _refusal(failures)
    for candidate, failure in failures:
        console.warn(f"{candidate.name} is left out: {failure.message}")

    bad: tuple[Problem, ...] = ()
    rows = []
    for number, (candidate, costs) in enumerate(known, 1):
        loaded = _built(candidate, plugins)
        extractor = Extractor(loaded, device=device, decoder=images.decoder, max_pixels=max_pixels)
        features, images, found = _features(extractor, images, console)
        bad += found
        row = _measured(candidate, loaded, costs, features, images)
        accuracy = row.probe.accuracy
        console.say("Looked", f"at {number} of {len(known)}: {candidate.name}, probe {accuracy.value:.3f}")
        rows.append(row)
    rows.sort(key=lambda row: -row.probe.accuracy.value)
    baseline = float(np.bincount(images.labels).max()) / len(images.labels)
    return Ranking(rows=tuple(rows), images=images, bad=bad, baseline=baseline)


def _built(candidate: Candidate, plugins: Plugins) -> LoadedBackbone:
    """Return the backbone; random weights are the same ones every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_backbone(candidate.section, plugins=plugins)


def _refusal(failures: Sequence[tuple[Candidate, GraftError]]) -> GraftError:
    problems = [
        Problem(candidate.name, " ".join([error.message, *map(str, error.problems[:1])]), error.fix)
        for candidate, error in failures
    ]
    kind = OfflineError if all(isinstance(error, OfflineError) for _, error in failures) else UserError
    return kind("candidates that cannot be built", problems=problems, fix="repair them or leave them out")


def _features(
    extractor: Extractor, images: Images, console: Console
) -> tuple[NDArray[np.float32], Images, tuple[Problem, ...]]:
    """Return the embeddings `(N, D)`, the images that they are of, and those that cannot be read."""
    try:
        return extractor(images.paths, console=console)[EMBEDDING], images, ()
    except DataError as error:
        bad = error.problems
        left = images.without({Path(problem.where) for problem in bad})
        if not bad or not left.paths or len(left.paths) == len(images.paths):
            raise
        total = len(images.paths)
    console.warn(f"left out {len(bad)} of {total} images that cannot be read: {bad[0]}" + " …" * (len(bad) > 1))
    return extractor(left.paths, console=console)[EMBEDDING], left, bad


def _measured(
    candidate: Candidate, loaded: LoadedBackbone, costs: Costs, features: NDArray[np.float32], images: Images
) -> Ranked:
    labels = images.labels
    scores = Scores(
        logme=logme(features, labels),
        leep=None if loaded.classifier is None else leep(_own_guesses(loaded, features), labels),
        nleep=nleep(features, labels),
        hscore=hscore(features, labels, shrinkage=True),
    )
    weights = loaded.weights
    return Ranked(
        candidate=candidate,
        size=loaded.backbone.preprocess.size,
        dimensions=loaded.backbone.info.embed_dim,
        licence=None if weights is None else weights.licence,
        top1=None if weights is None else weights.top1,
        costs=costs,
        scores=scores,
        probe=cross_validate(features, labels, groups=images.groups),
    )


def _own_guesses(loaded: LoadedBackbone, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what the weights' own classifier says of its own classes, `(N, S)`."""
    if loaded.classifier is None:
        raise ValueError("the weights have no classifier")
    weight, bias = (tensor.double().numpy() for tensor in loaded.classifier)
    logits = features @ weight.T + bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    guesses: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return guesses
