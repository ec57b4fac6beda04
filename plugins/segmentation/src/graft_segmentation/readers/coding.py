"""Which classes masks show, and what stands for them: as the options say, as a file says, or as the masks show."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from graft.data.decode import BadImage
from graft.data.decoder import Decoder
from graft.errors import DataError, Problem
from graft_segmentation.masks import IGNORE, MOST_CLASSES, BadMask, Coding, codes_of, raw_values
from graft_segmentation.options import MaskOptions

Pair = tuple[Path, Path]
"""A mask, and the image that it is of."""

BACKGROUND, FOREGROUND = "background", "foreground"
_NAMES = ("classes.txt", "labels.txt", "codes.txt")
_COLOURS = ("class_dict.csv", "label_colors.csv")
_SOME = 200
"""Masks that are looked at where nothing says which values there are; all are checked before training."""


def coding_of(options: MaskOptions, masks: Sequence[Pair], root: Path, decoder: Decoder) -> tuple[Coding, str]:
    """Return what stands for what in masks, and in a sentence, how that is known.

    Args:
        options: What the recipe says.
        masks: Each with its image.
        root: Of the data.
        decoder: Reads them.

    Raises:
        DataError: When masks do not tell and nobody says it.
    """
    ignore = frozenset(options.ignore)
    if options.threshold is not None:
        if options.ignore or isinstance(options.classes, dict):
            raise DataError(
                "data.reader.threshold divides all values of grey masks in two, and data.reader.ignore or a value for "
                "each class says something else",
                fix="data.reader.classes=['background','road'], or leave the threshold out",
            )
        names = tuple(options.classes or (BACKGROUND, FOREGROUND))
        if len(names) != 2:
            raise DataError(
                f"data.reader.threshold makes two classes of grey masks, and {len(names)} are named",
                fix="data.reader.classes=['background','road']",
            )
        return Coding(codes_of(names), threshold=options.threshold), f"above {options.threshold} is {names[1]}"
    if options.classes is not None:
        given = options.classes
        classes = dict(given) if isinstance(given, dict) else codes_of(given)
        return _checked(_with_void(Coding(classes, ignore))), "classes as the recipe says"
    if (table := _beside(root, _COLOURS)) is not None:
        return _checked(Coding(_colours(table), ignore)), f"colours as {table.name} says"
    if (table := _beside(root, _NAMES)) is not None:
        named = [line.strip() for line in _text(table).splitlines() if line.strip()]
        return _checked(_with_void(Coding(codes_of(named), ignore))), f"classes as {table.name} says"
    values, more = _values(masks, decoder)
    return _checked(
        _by_values(sorted(set(values) - ignore), ignore, masks[0][0].parent)
    ), f"classes as the values of {more} masks"


def _text(path: Path) -> str:
    """Return the text of a table, in UTF-8.

    Raises:
        DataError: When it cannot be read, or is no text.
    """
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", fix="save it in UTF-8, or take it away") from error


def _beside(root: Path, names: Sequence[str]) -> Path | None:
    """Return the first of some files that lies in a folder, or in the one above: it may be one split of the data."""
    folder = root.resolve()
    return next((place / name for place in (folder, folder.parent) for name in names if (place / name).is_file()), None)


def _by_values(values: list[int | str], ignore: frozenset[int | str], folder: Path) -> Coding:
    numbers = [int(value) for value in values]
    if len(numbers) <= 2 and set(numbers) <= {0, 255}:
        return Coding({BACKGROUND: 0, FOREGROUND: 255}, ignore)
    if set(numbers) <= {0, 1}:
        return Coding({BACKGROUND: 0, FOREGROUND: 1}, ignore)
    kept = [number for number in numbers if number != IGNORE]
    if (len(kept) > 2 and max(kept) >= 2 * len(kept) + 8) or len(kept) > 100:
        shown = ", ".join(map(str, numbers[:8]))
        raise DataError(
            f"{folder}: masks hold {len(numbers)} values ({shown} …), which do not look like class numbers",
            fix="data.reader.threshold=127 for two classes in grey, or data.reader.classes.NAME=VALUE for each",
        )
    return _with_void(Coding({str(number): number for number in kept}, ignore))


def _with_void(coding: Coding) -> Coding:
    """Return a coding of class numbers in which 255 counts nowhere, as is usual."""
    if coding.coloured or IGNORE in coding.classes.values():
        return coding
    return Coding(coding.classes, coding.ignore | {IGNORE})


def _checked(coding: Coding) -> Coding:
    problems = []
    codes: dict[int | str, str] = {}
    for name, code in coding.classes.items():
        if code in codes:
            problems.append(Problem(f"data.reader.classes.{name}", f"{code} stands for '{codes[code]}', too"))
        codes[code] = name
        if code in coding.ignore:
            problems.append(Problem(f"data.reader.classes.{name}", f"{code} is among data.reader.ignore, too"))
    kinds = {type(code) for code in (*coding.classes.values(), *coding.ignore)}
    if len(kinds) > 1:
        problems.append(Problem("data.reader.classes", "some are colours and some are values"))
    if not 1 < len(coding.classes) <= MOST_CLASSES and not (len(coding.classes) == 1 and coding.coloured):
        problems.append(Problem("data.reader.classes", f"{len(coding.classes)} classes; 2 to {MOST_CLASSES} can be"))
    if problems:
        raise DataError("the classes of the masks are not clear", problems=problems)
    return coding


def _values(masks: Sequence[Pair], decoder: Decoder) -> tuple[set[int | str], int]:
    """Return the values in some of the masks, spread over all of them."""
    some = [masks[i] for i in np.unique(np.linspace(0, len(masks) - 1, min(len(masks), _SOME)).astype(int))]

    def values(pair: Pair) -> set[int] | BadMask:
        path, image = pair
        try:
            return {
                int(value)
                for part in decoder.parts(image)
                for value in np.unique(np.ma.compressed(raw_values(path, part, decoder, coloured=False)))
            }
        except BadMask as error:
            return error
        except BadImage as error:
            return BadMask(f"{image}: {error}")

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = list(pool.map(values, some))
    bad = [error for error in found if isinstance(error, BadMask)]
    if bad:
        raise DataError(f"{len(bad)} masks cannot be read", problems=[Problem("", str(error)) for error in bad])
    return {value for own in found if not isinstance(own, BadMask) for value in own}, len(some)


def _colours(path: Path) -> dict[str, int | str]:
    """Return colours by class name, of a table with the columns name, r, g, b.

    Raises:
        DataError: With every row that is none.
    """
    found: dict[str, int | str] = {}
    problems = []
    for number, row in enumerate(csv.reader(_text(path).splitlines(), skipinitialspace=True), 1):
        try:
            red, green, blue = (int(cell) for cell in row[1:4])
            if not all(0 <= value <= 255 for value in (red, green, blue)):
                raise ValueError
            found[row[0]] = f"#{red:02x}{green:02x}{blue:02x}"
        except (ValueError, IndexError):
            if number > 1:
                problems.append(Problem(f"{path} line {number}", "not a name and three numbers 0…255"))
    if problems:
        raise DataError(f"{path} is no table of colours", problems=problems)
    return found
