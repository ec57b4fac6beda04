"""What stands in a mask: files of class numbers, of colours, or one per class. Torch-free; read when needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from graft.data.decode import BadImage
from graft.data.decoder import STANDARD, Decoder

IGNORE = 255
"""What stands for a pixel that counts nowhere, in every mask that is read."""

MOST_CLASSES = 254

_NAMED = 12


class BadMask(Exception):
    """A mask that cannot be used. `str` is one sentence that names the file."""


class MaskSource(Protocol):
    """Where a sample's mask comes from: what readers of `masks` give as a target."""

    def read(self, index: Mapping[str, int], *, multi: bool) -> NDArray[np.uint8]:
        """Return the mask.

        Args:
            index: Number of each class by its name.
            multi: Whether a pixel may be of several classes.

        Returns:
            `(H, W)` of class numbers, or for `multi` `(H, W, C)` of 0 and 1; and `IGNORE` in both.

        Raises:
            BadMask: When it cannot be read, has values that are no class's, or needs `multi`.
        """

    def size(self) -> tuple[int, int]:
        """Return the (H, W) of the image that it is of, as the image's own file says.

        Raises:
            BadMask: When it cannot be read.
        """


@dataclass(frozen=True)
class Coding:
    """What stands for what in mask files.

    Args:
        classes: Value or `#rrggbb` by class name.
        ignore: Values and colours that count nowhere.
        threshold: Where grey pixels are divided into the first and the second class; `classes` are then 0 and 1.
    """

    classes: Mapping[str, int | str]
    ignore: frozenset[int | str] = frozenset()
    threshold: int | None = None

    @property
    def coloured(self) -> bool:
        """Whether classes are told by colours."""
        return any(isinstance(code, str) for code in self.classes.values())

    @cached_property
    def _names(self) -> dict[int, str | None]:
        named: dict[int, str | None] = {_number(code): name for name, code in self.classes.items()}
        return {**named, **{_number(code): None for code in self.ignore}}

    def decoded(self, values: NDArray[Any], index: Mapping[str, int], path: Path) -> NDArray[np.uint8]:
        """Return values or packed colours as class numbers; what is masked in them counts nowhere.

        Raises:
            BadMask: With the values that no class has, and where a class's own value says that nothing is known.
        """
        mask = np.full(values.shape, IGNORE, np.uint8)
        labelled = ~np.ma.getmaskarray(values)
        if not labelled.all():
            self._refuse_class_without_data(int(values.fill_value), int((~labelled).sum()), path)  # type: ignore[attr-defined]
        mask[labelled] = self._numbers(np.ma.getdata(values)[labelled], index, path)
        return mask

    def _refuse_class_without_data(self, nodata: int, pixels: int, path: Path) -> None:
        """Raise when a file says by a class's value that it has no data: all of the class would count nowhere."""
        name = self._names.get(nodata)
        if name is not None and self.threshold is None:
            raise BadMask(
                f"{path}: its no-data value {nodata} is the value of '{name}': {pixels} pixels would count nowhere; "
                f"take it out of the file (rio edit-info --unset-nodata), or '{name}' out of data.reader.classes"
            )

    def _numbers(self, values: NDArray[Any], index: Mapping[str, int], path: Path) -> NDArray[np.uint8]:
        if self.threshold is not None:
            values = (values > self.threshold).astype(np.uint8)
        # Not np.unique, which sorts all pixels: masks are read anew in every epoch.
        known = np.array(sorted(self._names))
        place = np.searchsorted(known, values).clip(max=len(known) - 1)
        strange = known[place] != values
        if strange.any():
            unknown = np.unique(values[strange])
            shown = ", ".join(_text(int(value), self.coloured) for value in unknown[:_NAMED])
            more = f" … {len(unknown)} in all" if len(unknown) > _NAMED else ""
            what = "colours" if self.coloured else "values"
            raise BadMask(f"{path}: has the {what} {shown}{more}, which stand for no class")
        names = [self._names[value] for value in known.tolist()]
        for number in np.flatnonzero(np.bincount(place.ravel(), minlength=len(names))):
            if (name := names[number]) is not None and name not in index:
                raise BadMask(f"{path}: shows '{name}', which is none of the classes")
        numbers = np.array([IGNORE if name is None else index.get(name, IGNORE) for name in names], np.uint8)
        mask: NDArray[np.uint8] = numbers[place]
        return mask


@dataclass(frozen=True)
class MaskFile:
    """A mask in one file.

    Args:
        path: What the decoder reads as a mask: class numbers, a palette's indices, or colours.
        image: The image that it is of, which may be a part of a file.
        coding: What stands for what.
        decoder: Reads both.
    """

    path: Path
    image: Path
    coding: Coding = field(repr=False)
    decoder: Decoder = field(default=STANDARD, repr=False)

    def read(self, index: Mapping[str, int], *, multi: bool) -> NDArray[np.uint8]:
        """See `MaskSource`."""
        values = raw_values(self.path, self.image, self.decoder, coloured=self.coding.coloured)
        mask = self.coding.decoded(values, index, self.path)
        return one_hot(mask, len(index)) if multi else mask

    def size(self) -> tuple[int, int]:
        """See `MaskSource`."""
        return image_size(self.image, self.decoder)

    def of_part(self, path: Path) -> MaskFile:
        """Return the mask of a part of the image's file."""
        return replace(self, image=path)

    def __repr__(self) -> str:
        # Copies of an image are compared by what their masks hold.
        return _digest(self.path, self.decoder)


@dataclass(frozen=True)
class ClassFiles:
    """A mask of each class in a file of its own: what is above the middle of grey is of the class.

    Args:
        files: Path by class name; a class without a file is not in the image.
        image: The image that they are of, which may be a part of a file.
        background: The class of what no mask covers, where there is one.
        decoder: Reads them.
    """

    files: Mapping[str, Path]
    image: Path
    background: str | None = None
    decoder: Decoder = STANDARD

    def read(self, index: Mapping[str, int], *, multi: bool) -> NDArray[np.uint8]:
        """See `MaskSource`."""
        planes: dict[str, NDArray[np.bool_]] = {}
        for name, path in self.files.items():
            values = raw_values(path, self.image, self.decoder, coloured=False)
            values = np.ma.filled(values, 0)
            planes[name] = values > (127 if values.max(initial=0) > 1 else 0)
        size = next(iter(planes.values())).shape
        for name, plane in planes.items():
            if plane.shape != size:
                have, others = _sides(plane.shape), _sides(size)
                raise BadMask(f"{self.files[name]}: is {have} pixels large, and other masks {others}")
        where = str(next(iter(self.files.values())))
        return stacked(planes, (size[0], size[1]), index, multi=multi, background=self.background, where=where)

    def size(self) -> tuple[int, int]:
        """See `MaskSource`."""
        return image_size(self.image, self.decoder)

    def of_part(self, path: Path) -> ClassFiles:
        """Return the masks of a part of the image's file."""
        return replace(self, image=path)

    def __repr__(self) -> str:
        return " ".join(f"{name} {_digest(path, self.decoder)}" for name, path in sorted(self.files.items()))


def stacked(
    planes: Mapping[str, NDArray[np.bool_]],
    size: tuple[int, int],
    index: Mapping[str, int],
    *,
    multi: bool,
    background: str | None,
    where: str,
) -> NDArray[np.uint8]:
    """Return one mask of where each class is; a class is missing where it is nowhere.

    Raises:
        BadMask: When classes overlap though they must not, or one is unknown.
    """
    unknown = [name for name in planes if name not in index]
    if unknown:
        raise BadMask(f"{where}: shows '{unknown[0]}', which is none of the classes")
    if multi:
        mask = np.zeros((*size, len(index)), np.uint8)
        for name, plane in planes.items():
            mask[..., index[name]] = plane
        if background is not None and background in index and background not in planes:
            mask[..., index[background]] = ~mask.any(axis=2)
        return mask
    flat = np.full(size, index.get(background or "", IGNORE), np.uint8)
    covered = np.zeros(size, bool)
    for name, plane in planes.items():
        if (both := int((covered & plane).sum())) > 0:
            raise BadMask(f"{where}: '{name}' overlaps other classes in {both} pixels, which needs task.labels=multi")
        flat[plane] = index[name]
        covered |= plane
    return flat


def raw_values(path: Path, image: Path, decoder: Decoder, *, coloured: bool) -> NDArray[Any]:
    """Return a mask file's values for an image `(H, W)`: numbers, a palette's indices, or packed colours 0xrrggbb.

    Raises:
        BadMask: When it cannot be read, or has colours where values are wanted.
    """
    try:
        values = decoder.values(path, like=image, colours=coloured)
    except BadImage as error:
        hint = "; say which colour stands for what: data.reader.classes.NAME='#rrggbb'" * (error.code == "coloured")
        raise BadMask(f"{path}: {error}{hint}") from error
    if not coloured:
        return values
    channels = values.astype(np.int64)
    return channels[..., 0] << 16 | channels[..., 1] << 8 | channels[..., 2]


def one_hot(mask: NDArray[np.uint8], classes: int) -> NDArray[np.uint8]:
    """Return `(H, W)` class numbers as `(H, W, C)` of 0 and 1; `IGNORE` in all channels where it is."""
    planes: NDArray[np.uint8] = (mask[..., None] == np.arange(classes)).astype(np.uint8)
    planes[mask == IGNORE] = IGNORE
    return planes


def codes_of(names: Sequence[str]) -> dict[str, int | str]:
    """Return the values 0, 1, 2 … by name."""
    return {name: number for number, name in enumerate(names)}


def _number(code: int | str) -> int:
    return int(code[1:], 16) if isinstance(code, str) else code


def _text(value: int, coloured: bool) -> str:
    return f"#{value:06x}" if coloured else str(value)


def _sides(size: Sequence[int]) -> str:
    return f"{size[1]} × {size[0]}"


def image_size(image: Path, decoder: Decoder) -> tuple[int, int]:
    """Return the (H, W) of an image in pixels.

    Raises:
        BadMask: When it cannot be read: there is nothing that a mask could fit.
    """
    try:
        return decoder.size(image)
    except BadImage as error:
        raise BadMask(f"{image}: {error}") from error


def _digest(path: Path, decoder: Decoder) -> str:
    try:
        return decoder.digest(path)
    except BadImage:
        return str(path)
