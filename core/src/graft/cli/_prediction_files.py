"""Predictions as a file for each image, in a format that the task offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from graft.cli.session import Session, emit
from graft.errors import UserError
from graft.outputs import Places
from graft.runs.predict import Predictor, expand

if TYPE_CHECKING:
    from graft.data.decoder import Decoder
    from graft.outputs import Output
    from graft.plugins import OutputSpec
    from graft.runs.predict import PredictedFile


def write_files(
    predictor: Predictor, *, paths: Iterable[str], kind: str, out: Path, batch: int, session: Session
) -> None:
    """Write `OUT/NAME.KIND` for each image; images of a folder keep their places below it.

    An image that cannot be read has no file, and is warned of by name.

    Raises:
        UserError: When no path is given, or a file cannot be written.
        Exit: When no image could be read.
    """
    console = session.console
    written: list[Path] = []
    failed: list[PredictedFile] = []
    for target, file in _predicted(predictor, _targets(paths, kind, out, predictor.bundle.decoder), batch):
        if file.error is not None:
            failed.append(file)
            console.warn(f"{file.path}: {file.error}")
            continue
        try:
            predictor.bundle.task.write(file.prediction, kind, target)
        except OSError as error:
            what = error.strerror or str(error)
            raise UserError(f"{target} cannot be written: {what}", fix="name another --out") from error
        written.append(target)
    errors = [{"path": str(file.path), "error": file.error} for file in failed]
    _report(written, errors, kind=kind, out=out, session=session)


def write_output(predictor: Predictor, spec: OutputSpec, *, paths: Iterable[str], out: Path, session: Session) -> None:
    """Write predictions in a form that a plugin offers.

    An image that cannot be read or written is warned of by name.

    Raises:
        UserError: When no path is given, or the folder cannot be written.
        Exit: When nothing could be written.
    """
    output: Output = session.plugins.target(spec)()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}", fix="name another --out") from error
    written: list[Path] = []
    errors: list[dict[str, str]] = []
    for path, fault in output.write(predictor, map(Path, paths), out):
        if fault is None:
            written.append(path)
        else:
            errors.append({"path": str(path), "error": fault})
            session.console.warn(f"{path}: {fault}")
    _report(written, errors, kind=spec.name, out=out, session=session)


def _report(
    written: Sequence[Path], errors: Sequence[Mapping[str, str | None]], *, kind: str, out: Path, session: Session
) -> None:
    if not written and not errors:
        raise UserError(
            f"there is nothing to write as {kind}: no path was given, or none has files that it is for",
            fix="name images or folders, or write one path per line to stdin",
        )
    session.console.say("Done", f"{len(written)} {kind} files in {out}")
    if session.json:
        emit({"folder": out, "files": written, "errors": errors, "warnings": session.console.warnings})
    if not written:
        raise typer.Exit(UserError.exit_code)


def _targets(paths: Iterable[str], kind: str, out: Path, decoder: Decoder) -> Iterator[tuple[Path, Path]]:
    """Yield each image and the file of its prediction."""
    places = Places(f".{kind}", out)
    for given in map(Path, paths):
        for image in expand([given], decoder):
            top = given if given.is_dir() and image.is_relative_to(given) else decoder.file(image).parent
            yield image, places.of(image, top=top)


def _predicted(
    predictor: Predictor, targets: Iterator[tuple[Path, Path]], batch: int
) -> Iterator[tuple[Path, PredictedFile]]:
    waiting: list[Path] = []

    def images() -> Iterator[Path]:
        for image, target in targets:
            waiting.append(target)
            yield image

    for file in predictor.predict(images(), batch=batch):
        yield waiting.pop(0), file
