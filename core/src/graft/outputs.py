"""Forms of predictions that are more than a row or a picture for each image: maps in a scene's grid, volumes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

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
