"""The run folder: what training leaves behind, and how it is found, locked and read again. Torch-free.

`recipe.toml`, `choices.json`, `environment.json`, `fingerprint.json`, `split.csv`, `bad_files.csv` and
`duplicates.csv` are there from the start; `metrics.jsonl`, `log.txt`, `status.json` and `checkpoints/` grow;
`results.json`, `bundle/` and `report.html` come at the end.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from filelock import FileLock, Timeout

from graft import atomic
from graft.errors import RunError, TrainingError, did_you_mean

if TYPE_CHECKING:
    from graft.console import Console
    from graft.data.decoder import Decoder
    from graft.evaluation import Value
    from graft.plugins import Plugins
    from graft.recipe import ResolvedRecipe
    from graft.runs.predict import PredictedFile

Status = Literal["running", "interrupted", "failed", "finished"]

_LOCK = ".lock"
_NAME_LENGTH = 80


class Run:
    """A run folder.

    Args:
        path: The folder; `Run.open` checks it, `Run.create` makes it.
        plugins: What resolves the names in its recipe; by default whatever is installed.
    """

    def __init__(self, path: Path, *, plugins: Plugins | None = None) -> None:
        self.path = path
        self._plugins = plugins

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @classmethod
    def open(cls, path: Path | str, *, plugins: Plugins | None = None) -> Run:
        """Return the run in the folder `path`.

        Raises:
            RunError: When there is no such folder, or it holds no run; names what comes near.
        """
        path = Path(path)
        if not path.is_dir():
            near = did_you_mean(path.name, _runs_in(path.parent)) if path.parent.is_dir() else None
            raise RunError(f"{path}: no such run" + (f" ({near})" if near else ""), fix="give the folder of a run")
        if not (path / "recipe.toml").is_file() or not (path / "status.json").is_file():
            inside = _runs_in(path)
            hint = f"it holds runs, the latest is {path / inside[-1]}" if inside else "it has no recipe.toml"
            raise RunError(f"{path}: this is not a run folder ({hint})", fix="give the folder of a run")
        return cls(path, plugins=plugins)

    @classmethod
    def create(
        cls, out: Path, *, name: str | None, default: str, files: Mapping[str, str], plugins: Plugins | None = None
    ) -> Run:
        """Make a new run folder under `out`, with `files` in it from the first moment that it has its name.

        Args:
            out: Made when it is missing.
            name: The name that the user gave, or None.
            default: What the folder is called then, behind date and time; a number is added when that is taken.
            files: Text files by name.
            plugins: As for `Run`.

        Raises:
            RunError: When a run of the given name exists, or no folder can be made there.
            TrainingError: When the disk refuses.
        """
        final = new_path(out, name) if name else out / f"{time.strftime('%Y-%m-%d_%H%M%S')}-{slug(default)}"
        temporary = atomic.temporary_beside(final)
        try:
            out.mkdir(parents=True, exist_ok=True)
            atomic.sweep(out)
            temporary.mkdir()
            (temporary / "checkpoints").mkdir()
        except OSError as error:
            raise _no_place(out, error.strerror) from error
        run = cls(temporary, plugins=plugins)
        for file, text in files.items():
            atomic.write_text(temporary / file, text)
        run.mark("running")
        stem, number = final.name, 2
        while True:
            try:
                temporary.rename(final)  # fails when another run has taken the name meanwhile
            except OSError as error:
                if not final.exists():
                    raise TrainingError(f"{final}: cannot be made ({error.strerror})") from error
                if name:
                    shutil.rmtree(temporary, ignore_errors=True)
                    new_path(out, name)
                final = final.with_name(f"{stem}-{number}")
                number += 1
            else:
                run.path = final
                return run

    @property
    def status(self) -> Status:
        """What became of it; `interrupted` also for a run whose process is gone without a word."""
        recorded = self._status()
        status: Status = recorded["status"] if recorded.get("status") in get_args(Status) else "interrupted"
        here = recorded.get("host") == socket.gethostname()
        if status == "running" and here and not atomic.alive(int(recorded.get("pid", 0))):
            return "interrupted"
        return status

    @cached_property
    def recipe(self) -> ResolvedRecipe:
        """The resolved recipe that it was made with.

        Raises:
            RecipeError: When it does not fit the installed versions any more.
        """
        from graft.recipe import load_recipe

        return load_recipe(self.path / "recipe.toml", plugins=self.plugins)

    @property
    def plugins(self) -> Plugins:
        """What resolves the names in its recipe."""
        if self._plugins is None:
            from graft.plugins import load_plugins

            self._plugins = load_plugins()
        return self._plugins

    @property
    def results(self) -> dict[str, Any]:
        """The content of `results.json`.

        Raises:
            RunError: When the run has not finished.
        """
        path = self.path / "results.json"
        if not path.is_file():
            raise RunError(f"{self.path}: no results yet, the run is {self.status}", fix=f"graft resume {self.path}")
        return dict(json.loads(path.read_text("utf-8")))

    @property
    def history(self) -> list[dict[str, Any]]:
        """One row per finished epoch, from `metrics.jsonl`; half a line that a killed process left is no row."""
        path = self.path / "metrics.jsonl"
        rows: list[dict[str, Any]] = []
        if path.is_file():
            for line in path.read_text("utf-8").splitlines():
                try:
                    rows.append(json.loads(line))
                except json.JSONDecodeError:
                    break
        return rows

    @property
    def checkpoints(self) -> Path:
        """Where its checkpoints are."""
        return self.path / "checkpoints"

    @property
    def bundle(self) -> Path:
        """Where its bundle is, or will be."""
        return self.path / "bundle"

    def evaluate(
        self,
        *,
        split: str = "test",
        console: Console | None = None,
        decoder: Callable[[Decoder], Decoder] | None = None,
        intervals: bool = True,
    ) -> Mapping[str, Value]:
        """Measure its model on a split of its data again; the same values as in `results`.

        Args:
            split: `train`, `val` or `test`.
            console: Says what happens; by default warnings alone.
            decoder: Given the run's decoder, returns what the model's images come from in its place: to measure what
                rain or noise cost. Targets are as they were.
            intervals: Whether to resample for 95 % intervals, which the test split alone has.
        """
        from graft.console import Console
        from graft.runs.measure import measure_run

        return measure_run(
            self,
            split=split,
            plugins=self.plugins,
            console=console or Console(quiet=True),
            decoder=decoder,
            intervals=intervals,
        )

    def predict(self, paths: Iterable[Path | str], *, batch: int = 32) -> Iterator[PredictedFile]:
        """Yield a prediction for each image in `paths`, files or folders, as soon as it is there."""
        from graft.runs.predict import Predictor

        return Predictor.from_path(self.path, plugins=self.plugins).predict(paths, batch=batch)

    @property
    def choices(self) -> list[str]:
        """What its recipe had left open, each with what was chosen and why, in a sentence."""
        path = self.path / "choices.json"
        return list(json.loads(path.read_text("utf-8"))) if path.is_file() else []

    def amend(self, recipe: str, choices: Sequence[str]) -> None:
        """Record that it goes on as another recipe (as TOML) says.

        Raises:
            TrainingError: When it cannot be written.
        """
        self.write("choices.json", json.dumps(choices, indent=1, ensure_ascii=False))
        self.write("recipe.toml", recipe)
        self.__dict__.pop("recipe", None)

    def mark(self, status: Status, *, message: str | None = None) -> None:
        """Record in `status.json` what became of the run so far, and which process says so."""
        document = {
            "status": status,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "changed": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "message": message,
        }
        self.write("status.json", json.dumps(document, indent=1))

    def write(self, name: str, text: str) -> None:
        """Write one of its text files, whole or not at all.

        Raises:
            TrainingError: When it cannot be written.
        """
        atomic.write_text(self.path / name, text)

    def append(self, name: str, lines: Sequence[str]) -> None:
        """Add lines to one of its text files.

        Raises:
            TrainingError: When they cannot be written.
        """
        if not lines:
            return
        try:
            with (self.path / name).open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.writelines(f"{line}\n" for line in lines)
        except OSError as error:
            raise TrainingError(f"{self.path / name}: cannot be written ({error.strerror})") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; the system lets go of it when the process dies, however that happens.

        Raises:
            RunError: When another process is working on it; says which.
        """
        lock = FileLock(self.path / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            holder = self._status()
            who = f"process {holder.get('pid')} on {holder.get('host')}"
            raise RunError(f"{self.path}: in use by {who}", fix="wait until it ends, or stop it") from error
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written ({error.strerror})") from error
        try:
            yield
        finally:
            lock.release()

    def _status(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.path / "status.json").read_text("utf-8")))
        except (OSError, ValueError):
            return {}


def check_place(out: Path, name: str | None) -> None:
    """Raise if a run cannot begin in `out`: known before the long work of reading the data.

    Raises:
        RunError: When `out` is a file or may not be written, or the given name is taken.
    """
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise _no_place(out, f"{there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise _no_place(out, f"{there} may not be written")
    if name is not None:
        new_path(out, name)


def _no_place(out: Path, why: str | None) -> RunError:
    return RunError(f"{out}: no run folder can be made there ({why})", fix="choose another folder with --out")


def new_path(out: Path, name: str) -> Path:
    """Return where a run that the user calls `name` would be.

    Raises:
        RunError: When that is taken, or `name` has no letter or digit in it.
    """
    path = out / slug(name)
    if not slug(name):
        raise RunError(f"--name {name!r}: no letter and no digit in it", fix="give another --name")
    if path.exists():
        going_on = (path / "recipe.toml").is_file() and Run(path).status != "finished"
        raise RunError(
            f"{path}: exists, and a run is never overwritten",
            fix="give another --name" + (f", or go on with it: graft resume {path}" if going_on else ""),
        )
    return path


def slug(text: str) -> str:
    """Return `text` as a folder name that every file system takes: ASCII letters, digits, `_`, `.`, `+` and `-`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.+]+", "-", plain).strip("-.")[:_NAME_LENGTH].rstrip("-.")


def _runs_in(folder: Path) -> list[str]:
    """Return the names of the runs in a folder, oldest first."""
    found = [entry for entry in folder.iterdir() if (entry / "recipe.toml").is_file()]
    return [entry.name for entry in sorted(found, key=lambda entry: (entry.stat().st_mtime, entry.name))]
