"""`graft data`: sample images to try things on, what training sees of data sets, and these in other formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from graft.cli.recipe_words import DomainOption, RecipeCommand, RecipeOption, Words, announce, asked
from graft.cli.session import JsonFlag, QuietFlag, emit, refine
from graft.errors import DataError, PluginError, Problem, RecipeError, UserError, did_you_mean
from graft.plugins import DomainSpec, Plugins, ReaderSpec, TaskSpec, WriterSpec

if TYPE_CHECKING:
    from pydantic import BaseModel

S = TypeVar("S", ReaderSpec, WriterSpec)

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Generate labelled sample images; look at data sets; convert them."
)


@app.callback()
def group() -> None:
    """Generate labelled sample images; look at data sets; convert them."""


@app.command()
def sample(
    kind: Annotated[str, typer.Argument(help="A task, or the kind of target that it takes.")],
    out: Annotated[Path, typer.Argument(help="The folder to write: new, or empty.")],
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other images.")] = 0,
    size: Annotated[int, typer.Option(min=16, max=1024, help="Side of the images in pixels.")] = 96,
    per_class: Annotated[int, typer.Option(min=2, max=1000, help="Target images of each class to train on.")] = 15,
    domain: Annotated[str | None, typer.Option(help="Images as this domain has them.", show_default=False)] = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write a generated, labelled, licence-free image set: a source part, and a shifted target part with few labels."""
    session = refine(json=as_json, quiet=quiet)
    plugins = session.plugins
    number = write_sample(kind, out, domain=domain, seed=seed, size=size, per_class=per_class, plugins=plugins)
    session.console.say(
        "Data", f"{number} images in {out}/source and {out}/target; {out}/README.txt says what they are"
    )
    if session.json:
        emit({"folder": out, "images": number, "parts": ["source", "target"], "warnings": session.console.warnings})


def write_sample(
    kind: str,
    out: Path,
    *,
    domain: str | None = None,
    seed: int,
    size: int,
    per_class: int,
    plugins: Plugins,
) -> int:
    """Write the sample data set for `kind` into `out` in one step, and return the number of images.

    Args:
        kind: The name of a task, its verb, or the word for what it takes.
        out: A folder that does not exist or is empty; its parents are made.
        domain: The name of a domain, whose own samples are written; None for those of the task.
        seed: Another seed gives other images.
        size: Side of the images in pixels.
        per_class: Images of each class in the target part's training split.
        plugins: Say what a task takes.

    Raises:
        PluginError: When there is no such task or domain, or no generator for what it takes.
        DataError: When `out` is not empty or is a file.
        UserError: When it cannot be written.
    """
    write = _writer(kind, plugins) if domain is None else _writer_of(domain, kind, plugins)
    with _whole(out) as folder:
        return write(folder, seed=seed, size=size, per_class=per_class)


@app.command(cls=RecipeCommand)
def preview(
    kind: Annotated[str, typer.Argument(help="A task: what the annotations are for.")],
    words: Words = None,
    recipe: RecipeOption = None,
    domain: DomainOption = None,
    out: Annotated[Path, typer.Option(help="The picture, .png or .jpg.")] = Path("preview.png"),
    count: Annotated[int, typer.Option(min=1, max=100, help="Images, spread over the data.")] = 6,
    views: Annotated[int, typer.Option(min=0, max=20, help="Draws of the augmentation for each.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Other draws.")] = 0,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Draw what training will see: images as they are read, and beside each what the augmentation makes of it.

    Annotations are drawn in: what does not lie where it belongs was read or moved wrongly.
    """
    session = refine(json=as_json, quiet=quiet)
    if out.suffix.lower() not in (".png", ".jpg"):
        raise UserError(f"--out {out}: expected the name of a picture", fix="end it in .png or .jpg")
    task = _task_of(kind, session.plugins)
    shortcuts = {"domain.kind": domain, "backbone.weights": "none", "train.seed": seed}
    resolved = asked(task, words, shortcuts, recipe=recipe, current=session)
    announce(resolved, session.console)
    from graft.engine.preview import previewed

    shown = previewed(resolved, count=count, views=views, plugins=session.plugins)
    try:
        shown.picture.save(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}", fix="name another file") from error
    session.console.say("Done", f"{len(shown.ids)} images, {views} draws of '{resolved.augment.name}' each, in {out}")
    if session.json:
        emit({"picture": out, "images": shown.ids, "warnings": session.console.warnings})


def _task_of(kind: str, plugins: Plugins) -> str:
    """Return the name of the task that a word means, its name or its verb.

    Raises:
        PluginError: When there is none.
    """
    tasks = plugins.specs(TaskSpec)
    found = [name for name, spec in tasks.items() if kind in (name, spec.verb)]
    if not found:
        verbs = [spec.verb for spec in tasks.values()]
        hint = did_you_mean(kind, [*verbs, *tasks])
        what = f"there is no task '{kind}'" + (f": {hint}" if hint else "")
        raise PluginError(what, fix=f"graft data preview {verbs[0] if verbs else 'TASK'} DATA")
    return found[0]


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A data set: a folder or a file.")],
    out: Annotated[Path, typer.Argument(help="The folder to write: new, or empty.")],
    to: Annotated[str, typer.Option(help="The format to write.")],
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]…", help="Options of the reader that --reader names.", show_default=False),
    ] = None,
    reader: Annotated[str, typer.Option(help="The reader of SOURCE; auto asks all of them.")] = "auto",
    link: Annotated[bool, typer.Option("--link", help="Link to the images instead of copying them.")] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write a data set in another format, its images too, and say what that format cannot hold."""
    session = refine(json=as_json, quiet=quiet)
    number, losses = convert_data(
        source, out, to=to, reader=reader, options=options or [], link=link, plugins=session.plugins
    )
    for loss in losses:
        session.console.warn(loss)
    session.console.say("Data", f"{number} images in {out}, as '{to}'")
    if session.json:
        emit({"folder": out, "images": number, "format": to, "lost": losses, "warnings": session.console.warnings})


def convert_data(
    source: Path,
    out: Path,
    *,
    to: str,
    reader: str = "auto",
    options: Sequence[str] = (),
    link: bool = False,
    plugins: Plugins,
) -> tuple[int, list[str]]:
    """Write a data set in another format in one step.

    Args:
        source: What a reader reads.
        out: A folder that does not exist or is empty; its parents are made.
        to: The name of a writer.
        reader: The name of a reader; `auto` asks all that give what the writer takes.
        options: Of that reader, as in `root=images`.
        link: Whether to link to the images rather than to copy them.
        plugins: Offer readers and writers.

    Returns:
        The number of images, and what the format cannot hold.

    Raises:
        PluginError: When there is no such reader or writer, or they do not fit together.
        RecipeError: When the reader has no such options.
        DataError: When the source cannot be read or written in this format, or `out` is not empty.
        UserError: When it cannot be written.
    """
    from graft.data.prepare import read
    from graft.recipe.schema import Data

    writer = _found(WriterSpec, to, plugins)
    spec = None if reader == "auto" else _found(ReaderSpec, reader, plugins)
    if spec is not None and spec.gives != writer.takes:
        fitting = [name for name, one in plugins.specs(ReaderSpec).items() if one.gives == writer.takes]
        what = f"reader '{reader}' gives {spec.gives}, but writer '{to}' takes {writer.takes}"
        raise PluginError(what, fix=f"choose another --reader, of {', '.join(fitting)}")
    data = Data(train=str(source))
    catalogue = read(data, takes=writer.takes, reader=spec, options=_options(spec, options, plugins), plugins=plugins)
    with _whole(out) as folder:
        losses = plugins.target(writer)().write(catalogue, folder, link=link)
    return len(catalogue.samples), losses


def _options(spec: ReaderSpec | None, words: Sequence[str], plugins: Plugins) -> BaseModel | None:
    """Return a reader's options as they were typed, checked; None for its defaults.

    Raises:
        RecipeError: With every mistake.
        UserError: When no reader is named whose options they could be.
    """
    if not words:
        return None
    if spec is None:
        raise UserError(f"{words[0]} is an option of a reader, and none is named", fix="--reader NAME, too")
    from graft.recipe.load import parse_override
    from graft.recipe.mistakes import check

    values: dict[str, Any] = {}
    for word in words:
        values |= parse_override(word)
    options, mistakes = check(plugins.options(spec), values)
    if options is None:
        problems = [Problem(".".join(one.path), one.what, one.hint) for one in mistakes]
        raise RecipeError(f"the reader '{spec.name}' cannot be used like this", problems=problems)
    return options


def _found(kind: type[S], name: str, plugins: Plugins) -> S:
    """Return the descriptor of a name."""
    known = plugins.specs(kind)
    if name not in known:
        hint = did_you_mean(name, known)
        what = f"there is no {kind.kind} '{name}'" + (f": {hint}" if hint else "")
        raise PluginError(what, fix=f"one of {', '.join(known) or 'none'}")
    return known[name]


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """Give a folder that gets the name `out` once it is complete: half a data set looks like a whole one.

    Raises:
        DataError: When `out` is not empty or is a file.
        UserError: When it cannot be written.
    """
    from graft.atomic import temporary_beside

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        what = "is not empty" if out.is_dir() else "is a file"
        raise DataError(f"{out} {what}", fix="name a folder that does not exist yet")
    temporary = temporary_beside(out.absolute())
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if out.exists():
            out.rmdir()
        temporary.rename(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}", fix="name another folder") from error
    finally:
        if temporary.exists():
            import shutil

            shutil.rmtree(temporary, ignore_errors=True)


def _writer_of(domain: str, kind: str, plugins: Plugins) -> Callable[..., int]:
    """Return what writes a domain's sample data of a kind.

    Raises:
        PluginError: When there is none.
    """
    spec = plugins.find(DomainSpec, domain)
    words = {word: task.takes for name, task in plugins.specs(TaskSpec).items() for word in (name, task.verb)}
    takes = words.get(kind, kind)
    if takes not in spec.samples:
        known = [word for word, taken in words.items() if taken in spec.samples]
        hint = did_you_mean(kind, [*known, *spec.samples])
        what = f"the domain '{domain}' has no sample data for '{kind}'" + (f": {hint}" if hint else "")
        raise PluginError(what, fix=f"one of {', '.join(known or spec.samples) or 'none'}")
    return plugins.sample(spec, takes)


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
