"""Measures a model on labelled images: after training, and again at any time, with the same numbers."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from graft.console import Console
from graft.data.decoder import Decoder, build_decoder
from graft.data.frames import digest_of, without_files
from graft.data.options import SequenceOptions
from graft.data.prepare import read
from graft.data.readers.table import lists_frames
from graft.data.samples import SPLITS, Catalogue, Sample, noun_of
from graft.errors import DataError, Problem, RunError, did_you_mean
from graft.evaluation import Value, build_metrics, evaluate
from graft.model import Model
from graft.plugins.descriptors import MetricSpec, ReaderSpec, TaskSpec
from graft.recipe.schema import Data, Evaluation
from graft.report.material import Outcome
from graft.runs.bundle import Bundle, load_bundle
from graft.runs.predict import Predictor
from graft.tasks.contract import Prediction, Task

if TYPE_CHECKING:
    from graft.data.batch import Batch
    from graft.plugins import Plugins
    from graft.recipe import ResolvedRecipe
    from graft.runs.folder import Run


def predict_split(
    model: Model, loader: Iterable[Batch], *, device: torch.device | str
) -> tuple[list[Prediction], dict[str, float]]:
    """Return the predictions for all of `loader`'s batches, in their order, and the mean of each loss term.

    The mean is over samples: a last batch that is not full counts for as many samples as it has. The model is left on
    `device` and in eval mode.
    """
    model.to(device).eval()
    predictions: list[Prediction] = []
    sums: defaultdict[str, float] = defaultdict(float)
    with torch.inference_mode():
        for batch in loader:
            moved = batch.to(device)
            outputs = model(moved.images)
            for name, term in model.head.loss(outputs, moved.targets).items():
                sums[name] += float(term) * len(batch)
            predictions += batch.restored(model.head.decode(outputs, [batch.image_size] * len(batch)))
    return predictions, {name: total / len(predictions) for name, total in sums.items()}


def measure_outcome(
    outcome: Outcome, *, resolved: ResolvedRecipe, task: Task, plugins: Plugins, intervals: bool
) -> dict[str, Value]:
    """Return the recipe's metrics of predictions, by name.

    Args:
        outcome: Predictions and targets of one split.
        resolved: Names the metrics, the resamples and their seed.
        task: Knows the classes.
        plugins: Imports the metrics.
        intervals: Whether to resample for 95 % intervals; over groups, where every sample has one.
    """
    metrics = build_metrics(resolved.metrics, classes=task.classes, options=resolved.task_options, plugins=plugins)
    return evaluate(
        metrics,
        outcome.predictions,
        outcome.targets,
        bootstrap=resolved.recipe.evaluation.bootstrap if intervals else 0,
        seed=resolved.recipe.train.seed,
        groups=groups_of(outcome.samples),
    )


def groups_of(samples: Sequence[Sample]) -> list[str] | None:
    """Return the group of each sample, or None unless every sample has one."""
    groups = [sample.group for sample in samples if sample.group is not None]
    return groups if len(groups) == len(samples) else None


def measure_run(
    run: Run,
    *,
    split: str = "test",
    plugins: Plugins,
    console: Console,
    device: str | None = None,
    decoder: Callable[[Decoder], Decoder] | None = None,
    intervals: bool = True,
) -> dict[str, Value]:
    """Return the values of a run's model on a split of the run's own data, as training measured them.

    Args:
        run: A finished run.
        split: `train`, `val` or `test`.
        plugins: What resolves the names in its recipe.
        console: Says what happens.
        device: By default the one that the recipe names.
        decoder: Given the run's decoder, returns what the model's images come from in its place.
        intervals: Whether to resample for 95 % intervals, which the test split alone has.

    Raises:
        RunError: When the run has no bundle, or no such split.
        DataError: When its data cannot be read any more, or has changed.
    """
    resolved = run.recipe
    catalogue = catalogue_of(run, plugins=plugins)
    samples = [catalogue.samples[index] for index in read_split(run, catalogue)[split]]
    if not samples:
        raise RunError(
            f"{run.path}: the run has no {split} split", fix=f"choose another --split, of {', '.join(SPLITS)}"
        )
    bundle = load_bundle(run.path, plugins=plugins)
    if changed := _changed(run, samples, bundle.decoder):
        console.warn(f"{len(changed)} {noun_of(samples)} have changed since the run was made: {changed[0]} …")
    if decoder is not None:
        bundle = replace(bundle, decoder=decoder(bundle.decoder))
    outcome = predict_samples(
        bundle,
        samples,
        batch=resolved.recipe.train.batch_size,
        device=device or resolved.recipe.train.device,
        max_pixels=resolved.recipe.data.max_pixels,
        on_bad="stop",
        console=console,
    )
    # The epoch was chosen on the validation split: its values are too good for an interval.
    intervals = intervals and split == "test"
    return measure_outcome(outcome, resolved=resolved, task=bundle.task, plugins=plugins, intervals=intervals)


def measure_data(
    path: Path, data: Path, *, plugins: Plugins, console: Console, device: str = "auto", bootstrap: int | None = None
) -> dict[str, Value]:
    """Return the values of a model on other labelled data, all of it, by the metrics of its task.

    Files that cannot be read are left out, and said.

    Args:
        path: A run folder or a bundle folder.
        data: A folder or a table in a format of the model's task; for a model of sequences, one of these.
        plugins: Readers and metrics.
        console: Says what was read.
        device: Where to predict.
        bootstrap: Resamples for the intervals; by default as many as the task has.

    Raises:
        RunError: When there is no intact bundle.
        DataError: When the data cannot be read, or has classes that the model does not know.
    """
    bundle = load_bundle(path, plugins=plugins)
    spec = plugins.find(TaskSpec, f"{bundle.info['task']['plugin']}:{bundle.task_name}")
    if bootstrap is None:
        bootstrap = spec.recipe.get("evaluation", {}).get("bootstrap", Evaluation().bootstrap)
    sequences = plugins.find(ReaderSpec, "core:sequences")
    # A task whose samples are of another kind has readers of its own, which make its sequences.
    of_frames = bundle.sequences and spec.takes == sequences.gives and (data.is_dir() or lists_frames(data))
    catalogue = read(
        Data(train=str(data)),
        takes=spec.takes,
        reader=sequences if of_frames else None,
        options=SequenceOptions(max_frames=bundle.max_frames) if of_frames else None,
        decoder=bundle.decoder,
        plugins=plugins,
    )
    for note in catalogue.notes:
        console.say("Data", note)
    outcome = predict_samples(
        bundle, _known(catalogue, bundle.classes), batch=32, device=device, on_bad="skip", console=console
    )
    metrics = build_metrics(
        [plugins.find(MetricSpec, name) for name in spec.metrics],
        classes=bundle.classes,
        options=bundle.task.options,
        plugins=plugins,
    )
    console.say("Data", f"{len(outcome.samples)} {'sequences' if catalogue.sequences else 'images'}, {data}")
    return evaluate(
        metrics, outcome.predictions, outcome.targets, bootstrap=bootstrap, seed=0, groups=groups_of(outcome.samples)
    )


def predict_samples(
    bundle: Bundle,
    samples: Sequence[Sample],
    *,
    batch: int,
    device: str,
    console: Console,
    on_bad: str,
    max_pixels: int | None = None,
) -> Outcome:
    """Return predictions and targets for samples, in their order.

    Args:
        bundle: Predicts; its task encodes the targets.
        samples: Labelled images, or sequences of them.
        batch: Images per batch; of sequences, frames, and at least one sequence.
        device: `auto`, `cpu`, `cuda` or `mps`.
        console: Shows how far it is.
        on_bad: `stop` or `skip` files that cannot be read.
        max_pixels: Larger files cannot be read.

    Raises:
        DataError: When a file cannot be read and `on_bad` is `stop`, or no file can.
    """
    targets = [bundle.task.encode(sample) for sample in samples]
    limit = {} if max_pixels is None else {"max_pixels": max_pixels}
    files = []
    with console.progress("Predict", len(samples)) as progress:
        for file in Predictor(bundle, device=device).predict_samples(samples, batch=batch, **limit):
            files.append(file)
            progress.advance()
    noun = noun_of(samples)
    good = [index for index, file in enumerate(files) if file.error is None]
    problems = [Problem(s.id, file.error) for s, file in zip(samples, files, strict=True) if file.error is not None]
    if problems and (on_bad == "stop" or not good):
        raise DataError(
            f"{len(problems)} of {len(samples)} {noun} cannot be read", problems=problems, fix="bring the files back"
        )
    if problems:
        console.warn(f"left out {len(problems)} of {len(samples)} {noun} that cannot be read: {problems[0]} …")
    return Outcome(
        samples=[samples[index] for index in good],
        predictions=[files[index].prediction for index in good],
        targets=[targets[index] for index in good],
    )


def catalogue_of(run: Run, *, plugins: Plugins) -> Catalogue:
    """Return all samples of a run's data, read again as its recipe says, without the files that the run skipped.

    Raises:
        DataError: When the data is not there any more.
    """
    resolved = run.recipe
    catalogue = read(
        resolved.recipe.data,
        takes=resolved.task.takes,
        reader=resolved.reader,
        options=resolved.reader_options,
        decoder=build_decoder(resolved.decoder, resolved.decoder_options, plugins=plugins),
        plugins=plugins,
    )
    bad = {row["id"] for row in _rows(run, "bad_files.csv")}
    left = (without_files(sample, bad) for sample in catalogue.samples)
    return replace(catalogue, samples=tuple(sample for sample in left if sample is not None))


def read_split(run: Run, catalogue: Catalogue) -> dict[str, list[int]]:
    """Return the indices into `catalogue.samples` of each split, in the order of the run's `split.csv`.

    Raises:
        DataError: When samples of the run are missing from the data.
    """
    places = {sample.id: index for index, sample in enumerate(catalogue.samples)}
    rows = [(row["id"], row["split"]) for row in _rows(run, "split.csv")]
    missing = [Problem(name, "not in the data any more") for name, _ in rows if name not in places]
    if missing:
        raise DataError(f"{catalogue.root} is not the data that {run.path} was trained on", problems=missing)
    return {split: [places[name] for name, where in rows if where == split] for split in SPLITS}


def _rows(run: Run, name: str) -> list[dict[str, str]]:
    with (run.path / name).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def _changed(run: Run, samples: Sequence[Sample], decoder: Decoder) -> list[str]:
    """Return the samples whose files are not what they were; one that is gone is found out when it is predicted."""
    recorded = {row["id"]: row["sha256"] for row in _rows(run, "split.csv")}
    there = (sample for sample in samples if all(decoder.file(file).is_file() for file in sample.files))
    return [
        sample.id
        for sample in there
        if recorded[sample.id] != digest_of(sample, {file: decoder.digest(file) for file in sample.files})
    ]


def _known(catalogue: Catalogue, classes: Sequence[str]) -> list[Sample]:
    unknown = [name for name in catalogue.classes if name not in classes]
    if unknown:
        raise DataError(
            f"{catalogue.root} has classes that the model does not know",
            problems=[
                Problem(f"class {name}", "unknown to the model", did_you_mean(name, classes)) for name in unknown
            ],
            fix=f"the model's classes are: {', '.join(classes)}",
        )
    return [replace(sample, split="test") for sample in catalogue.samples]
