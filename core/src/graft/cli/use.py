"""What is done with a trained model: `evaluate`, `predict` and `export`, the same for every task."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from graft.cli.session import JsonFlag, QuietFlag, Session, emit, plain, refine, session
from graft.errors import Problem, RunError, UserError, did_you_mean

if TYPE_CHECKING:
    from graft.plugins import OutputSpec

RunArgument = Annotated[Path, typer.Argument(help="A run folder or a bundle folder.", show_default=False)]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


ROWS = ("csv", "json")
"""How predictions are written as one document, whatever the task."""


class Exchange(StrEnum):
    """What a model can be exported to."""

    onnx = "onnx"


class SplitName(StrEnum):
    """A part of a run's data."""

    train = "train"
    val = "val"
    test = "test"


def register(app: typer.Typer, task: str) -> None:
    """Add `evaluate`, `predict` and `export` to the command group of `task`.

    Args:
        app: The group.
        task: The task's name; models of other tasks are refused.
    """

    @app.command()
    def evaluate(
        run: RunArgument,
        data: Annotated[
            Path | None, typer.Option(help="Other data, in any format that train takes.", show_default=False)
        ] = None,
        split: Annotated[SplitName, typer.Option(help="The part of the run's own data.")] = SplitName.test,
        device: DeviceOption = "auto",
        as_json: JsonFlag = False,
        quiet: QuietFlag = False,
    ) -> None:
        """Measure a trained model on a part of its own data, or on other data, with 95 % intervals."""
        session = refine(json=as_json, quiet=quiet)
        check_task(run, task, session)
        from graft.runs.folder import Run
        from graft.runs.measure import measure_data, measure_run

        if data is None:
            opened = Run.open(run, plugins=session.plugins)
            values = measure_run(
                opened, split=split.value, plugins=session.plugins, console=session.console, device=device
            )
            name = split.value
        else:
            values = measure_data(run, data, plugins=session.plugins, console=session.console, device=device)
            name = str(data)
        if session.json:
            metrics = {metric: {"value": v.value, "low": v.low, "high": v.high} for metric, v in values.items()}
            emit({"run": run, "metrics": {name: metrics}, "warnings": session.console.warnings})
        else:
            for metric, value in values.items():
                interval = "" if value.low is None else f"   {value.low:.3f} … {value.high:.3f}"
                print(f"{metric:<32} {value.value:.3f}{interval}")

    outputs = _outputs(task)
    files = {**_files(task), **{name: spec.summary for name, spec in outputs.items()}}
    formats = "csv, json" + "".join(f", {name} ({what}; needs --out)" for name, what in files.items())
    says = f"{formats}. By default what the name of --output says, else csv."
    # As a default: an annotation is evaluated where it cannot see the task.
    format_option: Any = typer.Option(None, "--format", help=says, show_default=False)

    @app.command()
    def predict(
        run: RunArgument,
        paths: Annotated[
            list[str], typer.Argument(help="Images, folders of images, or - for a list of paths on stdin.")
        ],
        kind: str | None = format_option,
        output: Annotated[
            Path | None, typer.Option("--output", "-o", help="A file instead of stdout.", show_default=False)
        ] = None,
        out: Annotated[
            Path | None,
            typer.Option(help="A folder for files, one per image, in a format of that kind.", show_default=False),
        ] = None,
        batch: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 32,
        device: DeviceOption = "auto",
        as_json: JsonFlag = False,
        quiet: QuietFlag = False,
    ) -> None:
        """Predict images; a file that cannot be read becomes a row with an error."""
        session = refine(json=as_json, quiet=quiet)
        check_task(run, task, session)
        _check_format(kind, files, output=output, out=out)
        from graft.runs.predict import Predictor

        in_json = kind == "json" if kind else session.json or (output is not None and output.suffix == ".json")
        predictor = Predictor.from_path(run, plugins=session.plugins, device=device)
        columns = ("path", *predictor.bundle.task.prediction_columns, "error")
        failed = total = 0
        if out is not None and kind is not None:
            from graft.cli._prediction_files import write_files, write_output

            if kind in outputs:
                write_output(predictor, outputs[kind], paths=_listed(paths), out=out, session=session)
                return
            write_files(predictor, paths=_listed(paths), kind=kind, out=out, batch=batch, session=session)
            return
        with _written(output) as stream:
            writer = _json_rows(stream) if in_json else _csv_rows(stream, columns)
            with writer as write:
                for file in predictor.predict(_listed(paths), batch=batch):
                    write(file.row)
                    total += 1
                    failed += file.error is not None
        if failed:
            session.console.warn(f"{failed} of {total} files could not be read; their rows say why")
        if output is not None:
            session.console.say("Done", f"{total - failed} predictions in {output}")
        if total == 0:
            raise UserError("no path was given", fix="name images or folders, or write one path per line to stdin")
        if failed == total:
            raise typer.Exit(UserError.exit_code)

    @app.command()
    def export(
        run: RunArgument,
        kind: Annotated[Exchange, typer.Option("--format", help="The file's format.")] = Exchange.onnx,
        output: Annotated[
            Path | None, typer.Option("--output", "-o", help="By default model.onnx in RUN.", show_default=False)
        ] = None,
        as_json: JsonFlag = False,
        quiet: QuietFlag = False,
    ) -> None:
        """Write the model as a file that other programs run, checked against torch before it gets its name."""
        session = refine(json=as_json, quiet=quiet)
        check_task(run, task, session)
        from graft.runs.bundle import load_bundle
        from graft.runs.export import export_onnx

        target = output or run / f"model.{kind.value}"
        if not target.parent.is_dir():
            raise UserError(f"--output {target}: the folder {target.parent} does not exist", fix="make it first")
        document = export_onnx(load_bundle(run, plugins=session.plugins), target)
        session.console.say("Done", f"{target}, {document['bytes'] / 1e6:.1f} MB")
        session.console.say("Check", f"onnxruntime and torch differ by {document['max_abs_difference']:.1e} at most")
        if session.json:
            emit(document)


def _files(task: str) -> Mapping[str, str]:
    """Return the formats of files that a task offers, with what they hold."""
    from graft.plugins import TaskSpec

    spec = session().plugins_or_core.specs(TaskSpec).get(task)
    return spec.files if spec is not None else {}


def _outputs(task: str) -> Mapping[str, OutputSpec]:
    """Return the further forms of predictions that plugins offer for a task."""
    from graft.plugins import OutputSpec

    offered = session().plugins_or_core.specs(OutputSpec)
    return {name: spec for name, spec in offered.items() if task in spec.tasks}


def _check_format(kind: str | None, files: Mapping[str, str], *, output: Path | None, out: Path | None) -> None:
    """Raise unless format and place of the predictions fit each other.

    Raises:
        UserError: With what fits.
    """
    problems = []
    if kind is not None and kind not in (*ROWS, *files):
        problems.append(Problem("--format", f"there is no '{kind}'", did_you_mean(kind, (*ROWS, *files))))
    elif kind in files and out is None:
        problems.append(Problem("--out", f"{kind} is written into a folder, and none is named"))
    elif kind not in files and out is not None:
        what = f"for {', '.join(files)}" if files else "not for this task, whose predictions are rows"
        problems.append(Problem("--out", f"a folder is {what}", None if files else "--output FILE"))
    if kind in files and output is not None:
        problems.append(Problem("--output", f"{kind} goes to the folder --out"))
    if problems:
        fits = kind if kind in files else next(iter(files), None)
        fix = f"--format {fits} --out FOLDER" if fits else f"one of {', '.join(ROWS)}"
        raise UserError("the predictions cannot be written like this", problems=problems, fix=fix)


def check_task(path: Path, task: str, session: Session) -> None:
    """Raise unless the model in `path` is one of the task whose verb was typed.

    Raises:
        RunError: When it is another task's, with the verb to type; when there is no model.
    """
    from graft.plugins import TaskSpec
    from graft.runs.info import find_bundle, read_info

    found = read_info(find_bundle(path))["task"]
    own = session.plugins.find(TaskSpec, task)
    if (found["plugin"], found["name"]) == (session.plugins.owner(own).name, own.name):
        return
    verbs = [
        word
        for word, spec in session.plugins.commands().items()
        if isinstance(spec, TaskSpec)
        and (session.plugins.owner(spec).name, spec.name) == (found["plugin"], found["name"])
    ]
    fix = f"graft {verbs[0]} … {path}" if verbs else f"install the plugin '{found['plugin']}', whose task it is"
    raise RunError(f"{path} is a model for the task '{found['name']}', not for '{own.name}'", fix=fix)


def _listed(paths: Iterable[str]) -> Iterator[str]:
    """Yield paths as they were typed; `-` stands for the lines of stdin."""
    for path in paths:
        if path == "-":
            yield from (line for line in (text.rstrip("\r\n") for text in sys.stdin) if line)
        else:
            yield path


@contextmanager
def _written(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    from graft import atomic

    with atomic.writing(output) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()


@contextmanager
def _csv_rows(stream: TextIO, columns: tuple[str, ...]) -> Iterator[Any]:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(_cell, columns))

    def write(row: dict[str, Any]) -> None:
        writer.writerow([_cell(row.get(column)) for column in columns])
        stream.flush()

    yield write


@contextmanager
def _json_rows(stream: TextIO) -> Iterator[Any]:
    first = True
    stream.write("[")

    def write(row: dict[str, Any]) -> None:
        nonlocal first
        stream.write("\n" if first else ",\n")
        stream.write(json.dumps(plain(row), ensure_ascii=False, allow_nan=False))
        stream.flush()
        first = False

    yield write
    stream.write("\n]\n")


def _cell(value: Any) -> Any:
    """Return a value as a spreadsheet may read it: a text that would be a formula gets a quote in front."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
    return json.dumps(plain(value), ensure_ascii=False) if isinstance(value, dict | list | tuple) else value
