"""Writes `report.html`: one self-contained page about a run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graft import atomic
from graft.report.data_page import data_sections, images_per_split
from graft.report.figures import learning_curves, learning_rates, worded
from graft.report.material import Material, Outcome
from graft.report.page import Block, Chapter, Page, Preformatted, render
from graft.report.sections import Gallery, Picture, Section, Table
from graft.report.thumbnails import shown
from graft.report.verdict import verdict

if TYPE_CHECKING:
    from graft.runs.folder import Run

_WORST = 24


def write_report(run: Run, material: Material) -> Path:
    """Write the run's `report.html` and return its path.

    Results, learning curves, recipe, environment, skipped files and duplicates are read from the run folder, so the
    numbers in the report are those in `results.json`. What is missing there is said to be missing. A plugin's section
    that cannot be made costs that section alone.

    Raises:
        TrainingError: When it cannot be written; an old report is then intact.
    """
    path = run.path / "report.html"
    atomic.write_text(path, render(_page(run, material)))
    return path


def _page(run: Run, material: Material) -> Page:
    results, history = run.results, run.history
    split = next((split for split in ("test", "val") if material.outcomes.get(split)), None)
    outcome = material.outcomes[split] if split else None
    on = {"test": "test", "val": "validation", None: ""}[split]
    environment = _json(run.path / "environment.json")
    bundle = _json(run.path / "bundle" / "bundle.json")
    return Page(
        title=run.path.name,
        subtitle=_subtitle(bundle),
        verdict=verdict(results, images=images_per_split(run.path)),
        chapters=[
            Chapter(title="Results", blocks=_results(results, kept=run.recipe.recipe.train.keep)),
            Chapter(title="Learning", blocks=_learning(results, history)),
            Chapter(title=f"On the {on} images" if on else "In detail", blocks=_details(material, outcome)),
            Chapter(title=material.task.errors_title, blocks=[_worst(material, outcome, on)]),
            Chapter(title="Data", blocks=_guarded("Data", lambda: _data(run.path, material))),
            Chapter(title="How it was made", blocks=_making(run, environment, bundle)),
        ],
    )


def _results(results: dict[str, Any], *, kept: str) -> list[Block]:
    metrics, baseline = results.get("metrics", {}), results.get("baseline", {})
    blocks: list[Block] = []
    for split, label in (("test", "Test"), ("val", "Validation")):
        values = metrics.get(split)
        if not values:
            blocks.append(Block(title=label, missing=f"There were no {label.lower()} images."))
            continue
        columns, rows = _table(values, baseline.get(split, {}))
        table = Table(columns=columns, rows=[row for name, row in rows.items() if "." not in name])
        single = [row for name, row in rows.items() if "." in name]
        how = (
            "The interval says how far the value may lie off because there are only so many images; "
            "the last column is what one gets without looking at any."
            if split == "test"
            else "These images chose the epoch that was kept, so the values are somewhat too good."
            if kept == "best" and results.get("epochs", 0) > 1
            else "The last epoch was kept, so these images chose nothing; they have no interval all the same."
        )
        blocks.append(Block(title=label, how_to_read=how, parts=[table]))
        if single:
            every = Table(columns=columns, rows=single)
            blocks.append(Block(title=f"{label}: values of single classes", parts=[every], folded=True))
    return blocks


def _table(values: dict[str, Any], guesses: dict[str, Any]) -> tuple[list[str], dict[str, list[Any]]]:
    """Return columns, and a row per value by its name; there are no columns for intervals that nothing has."""
    bounds = ("low", "high") if any(found["low"] is not None for found in values.values()) else ()
    columns = ["measure", "value", *(("95 % from", "to") if bounds else ()), "without looking"]
    rows = {
        name: [
            worded(name),
            found["value"],
            *(found[bound] for bound in bounds),
            guesses.get(name, {}).get("value"),
        ]
        for name, found in values.items()
    }
    return columns, rows


def _learning(results: dict[str, Any], history: list[dict[str, Any]]) -> list[Block]:
    if not history:
        return [Block(title="Learning curves", missing="No epoch was recorded.")]
    best = results.get("best_epoch")
    blocks = _guarded(
        "Learning curves",
        lambda: [
            Block(
                title="Learning curves",
                how_to_read="While both losses fall, the model learns; where the validation loss rises again, it "
                "learns by heart. The weights of the marked epoch were kept.",
                parts=[learning_curves(history, monitor=results.get("monitor"), best_epoch=best)],
            )
        ],
    )
    if rates := learning_rates(history):
        how = "How fast each part of the network was allowed to change."
        blocks += _guarded("Learning rates", lambda: [Block(title="Learning rates", how_to_read=how, parts=[rates])])
    columns = list(dict.fromkeys(key for row in history for key in row if key.count(".") < 2 or key.startswith("lr.")))
    table = Table(columns=columns, rows=[[row.get(column) for column in columns] for row in history])
    return [*blocks, Block(title="All epochs", parts=[table], folded=True)]


def _details(material: Material, outcome: Outcome | None) -> list[Block]:
    if outcome is None:
        return [
            Block(title="", missing="No predictions were made: there were no images, or they are not there any more.")
        ]
    task, domain = material.task, material.domain

    def of_domain() -> Sequence[Section]:
        if domain is None:
            return []
        return domain.sections(task, outcome.samples, outcome.predictions, outcome.targets)

    return [
        *_guarded("Details", lambda: map(Block.of, task.sections(outcome.predictions, outcome.targets))),
        *_guarded("The domain", lambda: map(Block.of, of_domain())),
    ]


def _worst(material: Material, outcome: Outcome | None, on: str) -> Block:
    if outcome is None:
        return Block(title="", missing="No predictions were made.")

    task = material.task

    def gallery() -> list[Block]:
        errors = np.asarray(task.errors(outcome.predictions, outcome.targets), dtype=np.float64)
        order = np.argsort(-np.nan_to_num(errors, nan=np.inf), kind="stable")[:_WORST]
        pictures = [
            Picture(
                path=outcome.samples[index].path,
                caption=task.caption(outcome.predictions[index], outcome.targets[index]),
                pixels=shown(
                    outcome.samples[index],
                    outcome.predictions[index],
                    decoder=material.decoder,
                    task=task,
                    target=outcome.targets[index],
                ),
            )
            for index in order
        ]
        how = f"The {len(pictures)} {on} images {task.errors_note}"
        names = [outcome.samples[index].id for index in order]
        return [Block(title="", how_to_read=how, parts=[Gallery(pictures=pictures)], names=names)]

    return _guarded(task.errors_title, gallery)[0]


def _data(folder: Path, material: Material) -> list[Block]:
    prepared = material.prepared
    blocks = [Block.of(section) for section in data_sections(folder, prepared, material.task, material.decoder)]
    if prepared is None:
        blocks.insert(
            0, Block(title="", missing="The data could not be read again: pictures and classes are left out.")
        )
    elif prepared.catalogue.notes:
        notes = Table(columns=("note",), rows=[[note] for note in prepared.catalogue.notes])
        blocks.append(Block(title="Notes", parts=[notes]))
    return blocks


def _making(run: Run, environment: dict[str, Any], bundle: dict[str, Any]) -> list[Block]:
    results, weights = run.results, bundle.get("weights")
    facts: list[tuple[str, Any]] = [
        ("weights to begin with", weights["name"] if weights else "none: trained from scratch"),
        ("their origin", weights["origin"] if weights else None),
        ("what was loaded of them", results.get("loaded")),
        ("their licence", (weights["licence"] or "not recorded") if weights else None),
        ("plugins, and their licences", "; ".join(map(_licence, bundle.get("plugins", {}).items()))),
        ("epochs", results.get("epochs")),
        ("epoch that was kept", results.get("best_epoch")),
        ("seconds of training", results.get("seconds")),
        ("SHA-256 of the weights", results.get("weights_sha256")),
        ("command", shlex.join(map(str, environment.get("command", [])))),
    ]
    rows = [(name, value) for name, value in facts if value not in (None, "")]
    single = {key: value for key, value in environment.items() if key != "command"}
    flat = [
        (f"{key}: {inner}" if inner else key, "not installed" if item is None else str(item))
        for key, value in single.items()
        for inner, item in (value.items() if isinstance(value, dict) else [("", value)])
    ]
    choices = [[text] for text in run.choices]
    why = "What the recipe left open, and why it was chosen as it was. The recipe below says so itself, "
    "but for what a head chose from its own options."
    warnings = [[text] for text in results.get("warnings", [])]
    recipe = (run.path / "recipe.toml").read_text("utf-8")
    return [
        Block(title="Provenance", parts=[Table(columns=("", ""), rows=rows)]),
        *([Block(title="Choices", how_to_read=why, parts=[Table(columns=("",), rows=choices)])] if choices else []),
        *([Block(title="Warnings", parts=[Table(columns=("",), rows=warnings)])] if warnings else []),
        Block(title="Recipe", parts=[Preformatted(text=recipe)], folded=True),
        Block(title="Environment", parts=[Table(columns=("", ""), rows=flat)], folded=True),
    ]


def _licence(plugin: tuple[str, dict[str, Any]]) -> str:
    name, about = plugin
    named = f"{name} {about['version']}" if about["version"] else name
    return f"{named}: {about.get('licence') or 'not recorded'}"


def _subtitle(bundle: dict[str, Any]) -> str:
    if not bundle:
        return ""
    backbone, head = bundle["backbone"], bundle["head"]
    return f"{bundle['task']['name']} · {backbone['source']}:{backbone['arch']} · {head['name']} head"


def _guarded(title: str, make: Callable[[], Iterable[Block]]) -> list[Block]:
    """Return what `make` gives; when it fails, which may be a plugin's doing, a block that says so."""
    try:
        return list(make())
    except Exception as error:  # a finished run must not be lost for a picture
        return [Block(title=title, missing=f"This part could not be made: {type(error).__name__}: {error}")]


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}
