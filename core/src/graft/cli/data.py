"""`graft data`: sample images to try things on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from graft.cli.session import JsonFlag, QuietFlag, emit, refine
from graft.errors import DataError, PluginError, UserError, did_you_mean
from graft.plugins import Plugins, TaskSpec

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Generate labelled sample images.")


@app.callback()
def group() -> None:
    """Generate labelled sample images."""


@app.command()
def sample(
    kind: Annotated[str, typer.Argument(help="A task, or the kind of target that it takes.")],
    out: Annotated[Path, typer.Argument(help="The folder to write: new, or empty.")],
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other images.")] = 0,
    size: Annotated[int, typer.Option(min=16, max=1024, help="Side of the images in pixels.")] = 96,
    per_class: Annotated[int, typer.Option(min=2, max=1000, help="Target images of each class to train on.")] = 15,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write a generated, labelled, licence-free image set: a source part, and a shifted target part with few labels."""
    session = refine(json=as_json, quiet=quiet)
    number = write_sample(kind, out, seed=seed, size=size, per_class=per_class, plugins=session.plugins)
    session.console.say(
        "Data", f"{number} images in {out}/source and {out}/target; {out}/README.txt says what they are"
    )
    if session.json:
        emit({"folder": out, "images": number, "parts": ["source", "target"], "warnings": session.console.warnings})


def write_sample(kind: str, out: Path, *, seed: int, size: int, per_class: int, plugins: Plugins) -> int:
    """Write the sample data set for `kind` into `out` in one step, and return the number of images.

    Args:
        kind: The name of a task, its verb, or the word for what it takes.
        out: A folder that does not exist or is empty; its parents are made.
        seed: Another seed gives other images.
        size: Side of the images in pixels.
        per_class: Images of each class in the target part's training split.
        plugins: Say what a task takes.

    Raises:
        PluginError: When there is no such task, or no generator for what it takes.
        DataError: When `out` is not empty or is a file.
        UserError: When it cannot be written.
    """
    from graft.atomic import temporary_beside

    write = _writer(kind, plugins)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        what = "is not empty" if out.is_dir() else "is a file"
        raise DataError(f"{out} {what}", fix="name a folder that does not exist yet")
    # Under another name until it is complete: half a data set looks like a whole one.
    temporary = temporary_beside(out.absolute())
    try:
        temporary.mkdir(parents=True)
        number = write(temporary, seed=seed, size=size, per_class=per_class)
        if out.exists():
            out.rmdir()
        temporary.rename(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}", fix="name another folder") from error
    finally:
        if temporary.exists():
            import shutil

            shutil.rmtree(temporary, ignore_errors=True)
    return number


def _writer(kind: str, plugins: Plugins) -> Callable[..., int]:
    """Return what writes the sample data of a kind: core's, or that of a task which brings its own.

    Raises:
        PluginError: When there is none.
    """
    from graft.data.generate import WRITERS

    tasks = plugins.specs(TaskSpec)
    with_samples = {name: task for name, task in tasks.items() if task.sample or task.takes in WRITERS}
    for name, task in with_samples.items():
        if kind in (name, task.verb, task.takes):
            return plugins.sample(task) if task.sample else WRITERS[task.takes]
    if kind in WRITERS:
        return WRITERS[kind]
    known = list(dict.fromkeys([*WRITERS, *(task.takes for task in with_samples.values()), *with_samples]))
    hint = did_you_mean(kind, known)
    what = f"no sample data for the task '{kind}'" if kind in tasks else f"no task or kind of sample data '{kind}'"
    raise PluginError(what + (f": {hint}" if hint else ""), fix=f"one of {', '.join(known)}")
