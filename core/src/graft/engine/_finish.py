"""What comes after the last epoch: the best weights, measured, bundled and reported."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graft.console import Console
from graft.data.samples import noun_of
from graft.engine._checkpoint import Checkpoints, weights_digest
from graft.engine._setup import Experiment
from graft.evaluation.evaluate import evaluate
from graft.evaluation.intervals import FEWEST
from graft.evaluation.metrics import Value
from graft.report.build import write_report
from graft.report.material import Material, Outcome
from graft.runs.bundle import save_bundle
from graft.runs.folder import Run
from graft.runs.measure import groups_of, measure_outcome, predict_split


def finish(experiment: Experiment, run: Run, *, console: Console) -> None:
    """Measure the best weights on validation and test, and write `results.json`, the bundle and the report.

    Raises:
        RunError: When the best checkpoint is damaged.
        TrainingError: When the disk refuses.
    """
    best = Checkpoints(run.checkpoints).best()
    last = run.history[-1]["epoch"]
    model = experiment.model
    model.load_state_dict(best.weights)
    picked = experiment.recipe.train.keep == "best"
    if picked and experiment.prepared.split["val"] and best.monitored[best.epoch - 1] is None:
        console.warn(f"no value of {experiment.monitor} on a validation split: the last epoch's weights are used")
    if picked and not experiment.prepared.split["test"]:
        console.warn("no test split: the values on validation, which picked the epoch, are too good")
    groups = len(set(groups_of(experiment.samples("test")) or ()))
    if experiment.recipe.evaluation.bootstrap and 0 < groups < FEWEST:
        console.warn(f"the test images are of {groups} group{'s' * (groups > 1)}: intervals need {FEWEST} of them")
    outcomes: dict[str, Outcome] = {}
    metrics: dict[str, dict[str, Any]] = {}
    baseline: dict[str, dict[str, Any]] = {}
    train_targets = experiment.targets_of("train")
    for split in ("val", "test"):
        samples, targets = experiment.samples(split), experiment.targets_of(split)
        if not samples:
            continue
        predictions, _ = predict_split(model, experiment.loader(split), device=experiment.device)
        outcomes[split] = Outcome(samples=samples, predictions=predictions, targets=targets)
        # Values on validation, which picked the epoch, are too good for an interval.
        measured = measure_outcome(
            outcomes[split],
            resolved=experiment.resolved,
            task=experiment.task,
            plugins=experiment.plugins,
            intervals=split == "test",
        )
        metrics[split] = _plain(measured)
        guesses = experiment.task.baseline(targets, train_targets)
        baseline[split] = _plain(evaluate(experiment.metrics, guesses, targets, bootstrap=0, seed=0))
    loaded = experiment.loaded.report
    results = {
        "metrics": metrics,
        "baseline": baseline,
        "monitor": experiment.monitor,
        "best_epoch": best.epoch,
        "epochs": last,
        "seconds": round(sum(row["seconds"] for row in run.history), 3),
        "loaded": None if loaded is None else str(loaded),
        "weights_sha256": weights_digest(model.state_dict()),
        "warnings": console.warnings,
    }
    run.write("results.json", json.dumps(results, indent=1, ensure_ascii=False))
    catalogue = experiment.prepared.catalogue
    save_bundle(
        run.bundle,
        model=model,
        resolved=experiment.resolved,
        classes=catalogue.classes,
        weights=experiment.loaded.weights,
        plugins=experiment.plugins,
        numbers=catalogue.numbers,
        sequences={"max_frames": catalogue.max_frames} if catalogue.sequences else None,
    )
    report = write_report(
        run,
        Material(
            task=experiment.task,
            domain=experiment.domain,
            decoder=experiment.store.decoder,
            outcomes=outcomes,
            prepared=experiment.prepared,
        ),
    )
    _say(experiment, metrics, baseline, console)
    console.say("Report", str(report))
    console.say("Next", _next(experiment, run.path, noun_of(catalogue.samples).upper()))


def _next(experiment: Experiment, run: Path, what: str) -> str:
    task = experiment.resolved.task
    if task.then is not None:
        return task.then.replace("{run}", str(run)).replace("{kind}", experiment.resolved.recipe.backbone.kind)
    return f"graft {task.verb} predict {run} {what}…   ·   graft {task.verb} export {run} --format onnx"


def _say(
    experiment: Experiment,
    metrics: Mapping[str, Mapping[str, Any]],
    baseline: Mapping[str, Mapping[str, Any]],
    console: Console,
) -> None:
    split = "test" if "test" in metrics else "val"
    if split in metrics:
        name = experiment.monitor
        shown = [name, *[other for other in metrics[split] if other != name and "." not in other][:2]]
        values = ", ".join(f"{name} {_text(metrics[split][name])}" for name in shown if name in metrics[split])
        guess = baseline[split].get(name, {}).get("value")
        against = f"; {name} without looking at the images {guess:.3f}" if guess is not None else ""
        console.say("Done", f"{split}: {values}{against}")


def _text(value: Mapping[str, float | None]) -> str:
    if value["value"] is None:
        return "undefined"
    interval = f" (95 % {value['low']:.3f} … {value['high']:.3f})" if value["low"] is not None else ""
    return f"{value['value']:.3f}{interval}"


def _plain(values: Mapping[str, Value]) -> dict[str, dict[str, float | None]]:
    return {
        name: {"value": _finite(value.value), "low": _finite(value.low), "high": _finite(value.high)}
        for name, value in values.items()
    }


def _finite(number: float | None) -> float | None:
    return float(number) if number is not None and math.isfinite(number) else None
