"""What readers and writers of data formats must provide. Torch-free."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from pydantic import BaseModel

from graft.data.decoder import STANDARD, Decoder
from graft.data.samples import Catalogue


class Reader(ABC):
    """Reads one data format. Built as `ReaderClass(decoder=Decoder)`; its options come with each call.

    What an image file is, and how large, is the decoder's to say; what is in the annotations is the reader's.
    """

    def __init__(self, *, decoder: Decoder = STANDARD) -> None:
        self.decoder = decoder

    @abstractmethod
    def detect(self, path: Path) -> str | None:
        """Return one sentence on why `path` is this reader's format, or None when it is not."""

    @abstractmethod
    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Read the annotations, never the images.

        Raises:
            DataError: With every mistake in the annotations at once, each naming file and line or field.
        """


@runtime_checkable
class Divisible(Protocol):
    """A target of a file that may hold several images: it knows what is true of each of them."""

    def of_part(self, path: Path) -> Self:
        """Return what is true of a part of the file, by its path as `Decoder.parts` gives it."""


class Writer(Protocol):
    """Writes one data format. Built without arguments."""

    def write(self, catalogue: Catalogue, out: Path, *, link: bool) -> list[str]:
        """Write a data set, its images too, into an empty folder.

        Args:
            catalogue: What a reader gave.
            out: The folder.
            link: Whether to link to the images rather than to copy them.

        Returns:
            A sentence for each thing that the format cannot hold, with how often it is lost.

        Raises:
            DataError: When an image is missing, or something cannot be written in this format at all.
        """
