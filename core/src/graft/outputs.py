"""Forms of predictions that are more than a row or a picture for each image: maps in a scene's grid, volumes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import UserError

if TYPE_CHECKING:
    from graft.runs.predict import Predictor as Predictor  # for the annotations of those who write one


class Output(ABC):
    """Writes predictions in one form: `graft VERB predict RUN PATHS --format NAME --out FOLDER`.

    Built without arguments.

    It is given the predictor rather than predictions, so that an image larger than the memory can be read, predicted
    and written a part at a time.
    """

    @abstractmethod
    def write(self, predictor: Predictor, paths: Iterable[Path], out: Path) -> Iterable[tuple[Path, str | None]]:
        """Write files into the folder `out`, which is there, and yield what became of each of `paths`.

        Args:
            predictor: Of a task that the descriptor names; `predictor.bundle` has the decoder and the classes,
                `predictor.predict` gives predictions, and `predictor.predict_rows` those of an image in bands of rows.
            paths: Files and folders, as they were typed.
            out: The folder.

        Yields:
            Of each image the file that was written, or the image's own path and why it cannot be.
        """


class Places:
    """Where predictions go in the folder for them: no two go to one place, and none to where the images are.

    What was found in a folder keeps its place below it, so that `a/scan.dcm` and `b/scan.dcm` stay apart.

    Args:
        suffix: How the files' names end, with its dot.
        out: The folder for predictions.
    """

    def __init__(self, suffix: str, out: Path) -> None:
        self._suffix = suffix
        self._out = out
        self._taken: set[Path] = set()

    def of(self, path: Path, *, top: Path, stem: str | None = None) -> Path:
        """Return the file for the prediction of `path`; the folder that it goes to is made.

        Args:
            path: An image, or a part of one.
            top: The folder that was named, or the one that `path` lies in.
            stem: Its name without what says its format; by default all before its last dot.

        Raises:
            UserError: When the folder is that of the images, where a prediction might take the place of one, or of a
                label; or when it cannot be made.
        """
        if self._out.resolve() == top.resolve():
            raise UserError(
                f"--out {self._out} is the folder of the images, which predictions might replace",
                fix="name a folder of its own: --out predictions",
            )
        below = path.relative_to(top)
        place = below.with_name(f"{stem or below.stem}{self._suffix}")
        number = 1
        while place in self._taken:  # another suffix, or another folder
            place = below.with_name(f"{below.name}{f'.{number}' if number > 1 else ''}{self._suffix}")
            number += 1
        self._taken.add(place)
        target = self._out / place
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"{target.parent} cannot be made: {error.strerror or error}"
            raise UserError(what, fix="name another --out") from error
        return target
