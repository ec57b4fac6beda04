"""`graft backbones rank`: which pretrained network suits some images, and what it costs on this machine."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft.backbones.licences import restriction
from graft.cli.labelled import labelling_task
from graft.cli.recipe_words import asked, say_loading
from graft.cli.session import JsonFlag, QuietFlag, Session, emit, refine
from graft.cli.text import columns
from graft.errors import UserError
from graft.recipe.load import COMMAND_LINE

if TYPE_CHECKING:
    from graft.features.choice import Limits
    from graft.features.rank import Ranking
    from graft.recipe import ResolvedRecipe


def register(app: typer.Typer) -> None:
    """Add `rank` to the commands on backbones."""
    app.command()(rank)


def rank(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA [data.KEY=VALUE]…",
            help="Images with one label each, as for train, and how to read and divide them.",
            show_default=False,
        ),
    ],
    candidates: Annotated[
        str | None,
        typer.Option(
            help="Backbones with commas between them: resnet50,torchvision:mobilenet_v2,resnet18@file.safetensors. "
            "By default all whose weights are here; those that are named may be downloaded.",
            show_default=False,
        ),
    ] = None,
    max_latency: Annotated[
        str | None, typer.Option(help="Longest time for one image on this machine: 20ms.", show_default=False)
    ] = None,
    max_params: Annotated[str | None, typer.Option(help="Most parameters: 10M.", show_default=False)] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Side of the input in pixels; by default the weights' own.")
    ] = None,
    limit: Annotated[int, typer.Option(min=4, help="Most images to look at; of each class the same share.")] = 1000,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Rank backbones for your images, without training them: a probe on their features, scores, and costs.

    Nothing is looked at that training would test on. What is calculated is kept: the second time is quick.
    """
    session = refine(json=as_json, quiet=quiet)
    console, plugins = session.console, session.plugins
    from graft.data.prepare import check_paths
    from graft.features import candidates as known
    from graft.features.choice import choose, limits_of
    from graft.features.images import images_of

    resolved = _asked(words, session)
    limits = limits_of(max_latency, max_params)
    chosen = None
    if candidates is not None:
        names = [word for part in candidates.split(",") if (word := part.strip())]
        chosen = known.named(names, plugins=plugins, size=size)
    check_paths(resolved.recipe.data)
    say_loading(console)

    from graft.features import rank as work

    images = images_of(resolved, limit=limit, plugins=plugins, console=console)
    if chosen is None:
        chosen = known.here(plugins=plugins, console=console, size=size)
        console.say("Rank", f"{len(chosen)} backbones, all whose weights are here; --candidates names others")
    ranking = work.rank(
        chosen,
        images,
        plugins=plugins,
        console=console,
        device=device,
        max_pixels=resolved.recipe.data.max_pixels,
        strict=candidates is not None,
    )
    best, verdict = choose(ranking.rows, limits)
    command = None
    if best is not None:
        command = shlex.join(["graft", resolved.task.verb, "train", *words, *best.candidate.overrides])
        if best.licence and (mind := restriction(best.licence)):
            console.warn(f"{best.candidate.name}, {best.licence}: {mind}")
    measured_on = _device(device)
    if session.json:
        emit(
            {
                **document(ranking, limits),
                "device": measured_on,
                "best": None if best is None else best.candidate.name,
                "verdict": verdict,
                "command": command,
                "warnings": console.warnings,
            }
        )
        return
    print(table(ranking, limits, measured_on))
    print()
    print(verdict)
    if command:
        print(f"\n  {command}")


def _asked(words: Sequence[str], current: Session) -> ResolvedRecipe:
    """Return the recipe of the first task that takes labels, with the data that was named.

    Raises:
        PluginError: When there is no such task.
        UserError: When there is no data, or a word is about something else.
        RecipeError: When a value is wrong.
    """
    task = labelling_task(current.plugins, what="graft backbones rank")
    resolved = asked(task, words, {}, recipe=None, current=current)
    if others := [key for key, origin in resolved.origins.items() if origin == COMMAND_LINE and not _of_data(key)]:
        raise UserError(
            f"{', '.join(others)}: ranking takes values of data alone, each backbone is compared as it is",
            fix="name backbones with --candidates, and the input's side with --size",
        )
    return resolved


def _of_data(key: str) -> bool:
    return key.partition(".")[0] in ("data", "task")


def _device(name: str) -> dict[str, Any]:
    """Return what the costs were measured on."""
    import torch

    from graft.runs.devices import pick_device

    device = pick_device(name)
    about = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return {"device": device.type, "name": about, "threads": torch.get_num_threads()}


def table(ranking: Ranking, limits: Limits, device: Mapping[str, Any]) -> str:
    """Return the ranking for reading: a row for each candidate, and below it what the columns mean."""
    from graft.features.choice import by_parameters, by_top1

    size, published = by_parameters(ranking.rows), by_top1(ranking.rows)
    head = ["CANDIDATE", "PX", "PROBE", "95 %", "LOGME", "LEEP", "N-LEEP", "H-SCORE"]
    head += ["PARAMS", "GFLOPS", "MS", "MB", "BY PARAMS", "BY TOP-1"]
    rows = [["", *head, "LIMITS" if limits else ""]]
    for number, row in enumerate(ranking.rows, 1):
        accuracy, scores, costs = row.probe.accuracy, row.scores, row.costs
        rows.append(
            [
                str(number),
                row.candidate.name,
                "x".join(map(str, sorted(set(row.size)))),
                f"{accuracy.value:.3f}",
                "-" if accuracy.low is None else f"{accuracy.low:.3f}-{accuracy.high:.3f}",
                f"{scores.logme:.3f}",
                "-" if scores.leep is None else f"{scores.leep:.3f}",
                f"{scores.nleep:.3f}",
                f"{scores.hscore:.3f}",
                f"{costs.parameters / 1e6:.2f}M",
                f"{costs.flops / 1e9:.2f}",
                f"{1000 * costs.latency:.1f}",
                f"{costs.memory / 1e6:.0f}",
                f"#{size.index(row) + 1}",
                f"#{published.index(row) + 1} {row.top1:.3f}" if row in published else "-",
                (limits.broken_by(row) or "kept") if limits else "",
            ]
        )
    threads = "1 thread" if device["threads"] == 1 else f"{device['threads']} threads"
    where = device["name"] or (threads if device["device"] == "cpu" else "")
    lines = [
        columns(rows),
        "",
        f"PROBE     share of {len(ranking.images.paths)} images that a linear probe names right, cross-validated; "
        f"who names the largest class each time has {ranking.baseline:.3f}",
        "LOGME …   scores of the features, larger is better; LEEP where the weights have a classifier",
        f"MS, MB    one image on {device['device']}{f' ({where})' if where else ''}, backbone alone; "
        "MB are weights and maps, without what libraries add",
        "BY …      the order by what is known without your images: parameters, published ImageNet accuracy",
    ]
    return "\n".join(lines)


def document(ranking: Ranking, limits: Limits) -> dict[str, Any]:
    """Return the ranking for JSON."""
    from dataclasses import asdict

    from graft.features.choice import by_parameters, by_top1

    images = ranking.images
    return {
        "images": {
            "used": len(images.paths),
            "held_out": images.held_out,
            "classes": list(images.classes),
            "grouped": images.groups is not None,
            "bad": [str(problem) for problem in ranking.bad],
        },
        "baseline": {"accuracy": ranking.baseline, "balanced_accuracy": 1 / len(images.classes)},
        "candidates": [
            {
                "name": row.candidate.name,
                "backbone": row.candidate.section.model_dump(exclude_none=True),
                "size": row.size,
                "dimensions": row.dimensions,
                "licence": row.licence,
                "probe": {
                    "accuracy": asdict(row.probe.accuracy),
                    "balanced_accuracy": asdict(row.probe.balanced_accuracy),
                    "folds": row.probe.folds,
                },
                "scores": asdict(row.scores),
                "parameters": row.costs.parameters,
                "flops": row.costs.flops,
                "latency_ms": 1000 * row.costs.latency,
                "memory_bytes": row.costs.memory,
                "top1": row.top1,
                "breaks": limits.broken_by(row) or None,
            }
            for row in ranking.rows
        ],
        "static": {
            "parameters": [row.candidate.name for row in by_parameters(ranking.rows)],
            "top1": [row.candidate.name for row in by_top1(ranking.rows)],
        },
    }
