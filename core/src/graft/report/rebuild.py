"""A run's report again, from its folder and its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graft.console import Console
from graft.data.samples import PreparedData
from graft.domains import build_domain
from graft.errors import DataError
from graft.report.build import write_report
from graft.report.material import Material
from graft.runs.bundle import load_bundle
from graft.runs.measure import catalogue_of, predict_samples, read_split

if TYPE_CHECKING:
    from pathlib import Path

    from graft.plugins import Plugins
    from graft.runs.folder import Run


def rebuild_report(run: Run, *, plugins: Plugins, console: Console, device: str = "auto") -> Path:
    """Write the run's `report.html` again and return its path; the images are predicted again.

    Where the data cannot be read any more, a warning says so, and the report is made of what the run folder holds.

    Args:
        run: A finished run.
        plugins: What resolves the names in its recipe.
        console: Says what happens.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        RunError: When the run has not finished.
        TrainingError: When the report cannot be written.
    """
    run.results  # noqa: B018 - raises for an unfinished run
    bundle = load_bundle(run.path, plugins=plugins)
    recipe = run.recipe.recipe
    try:
        catalogue = catalogue_of(run, plugins=plugins)
        split = read_split(run, catalogue)
        outcomes = {
            name: predict_samples(
                bundle,
                [catalogue.samples[index] for index in split[name]],
                batch=recipe.train.batch_size,
                device=device,
                console=console,
                on_bad="stop",
                max_pixels=recipe.data.max_pixels,
            )
            for name in ("val", "test")
            if split[name]
        }
    except DataError as error:
        console.warn(f"the report is made without the images: {error.message}")
        return write_report(run, Material(task=bundle.task))
    prepared = PreparedData(catalogue=catalogue, split=split, split_by="as split.csv records it")
    return write_report(
        run,
        Material(
            task=bundle.task,
            domain=build_domain(run.recipe, decoder=bundle.decoder, plugins=plugins),
            decoder=bundle.decoder,
            outcomes=outcomes,
            prepared=prepared,
        ),
    )
