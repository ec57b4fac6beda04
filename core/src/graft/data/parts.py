"""Files that hold several images, as samples; and what samples belong to. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from graft.data.decode import BadImage
from graft.data.decoder import Decoder
from graft.data.reader import Divisible
from graft.data.readers._files import found_in
from graft.data.samples import Catalogue, Sample
from graft.errors import DataError, Problem


def in_parts(catalogue: Catalogue, decoder: Decoder) -> Catalogue:
    """Return a catalogue in which a file of several images is a sample for each of them.

    They are one group, unless the decoder says otherwise: slices of a volume show the same patient. A file that cannot
    be read stays as it is, and is found out when it is decoded.

    Raises:
        DataError: With each file whose annotation says nothing about its single images.
    """
    samples: list[Sample] = []
    problems: list[Problem] = []
    for sample in catalogue.samples:
        try:
            samples += list(_divided(sample, decoder))
        except (BadImage, OSError):
            samples.append(sample)
        except _OneTarget as error:
            problems.append(Problem(sample.where or sample.id, str(error)))
    if problems:
        raise DataError(f"{catalogue.root} cannot be read as single images", problems=problems)
    if len(samples) == len(catalogue.samples):
        return replace(catalogue, samples=tuple(samples))
    note = f"{len(catalogue.samples)} files hold {len(samples)} images"
    return replace(catalogue, samples=tuple(samples), notes=(*catalogue.notes, note))


def grouped(catalogue: Catalogue, decoder: Decoder, expression: str | None) -> Catalogue:
    """Return a catalogue whose samples know what they belong to: what `data.group` finds, else what the data says.

    Args:
        catalogue: What a reader gave; its groups stay where nothing else says more.
        decoder: Asked for samples without a group.
        expression: `data.group`, or None.

    Raises:
        DataError: With each sample in whose name the expression finds nothing.
    """

    def group(sample: Sample) -> str | None:
        if expression is not None:
            return found_in(expression, sample.id)
        if sample.group is not None or sample.frames:
            return sample.group
        try:
            return decoder.group(sample.path)
        except (BadImage, OSError):  # found out when it is decoded
            return None

    samples = tuple(replace(sample, group=group(sample)) for sample in catalogue.samples)
    lost = [sample.id for sample in samples if sample.group is None] if expression is not None else []
    if lost:
        raise DataError(
            f"data.group = {expression!r} finds nothing in {len(lost)} of {len(samples)} names",
            problems=[Problem(name, "no group") for name in lost],
            fix="correct the expression, so that it finds the group in every name",
        )
    return replace(catalogue, samples=samples)


class _OneTarget(Exception):
    pass


def _divided(sample: Sample, decoder: Decoder) -> Iterator[Sample]:
    parts = [sample.path] if sample.frames else decoder.parts(sample.path)
    if list(parts) == [sample.path]:
        yield sample
        return
    for part in parts:
        yield replace(
            sample,
            id=f"{sample.id}/{part.relative_to(sample.path).as_posix()}",
            path=part,
            target=_target(sample.target, part, len(parts)),
            group=sample.group or decoder.group(part) or sample.id,
        )


def _target(target: Any, part: Any, count: int) -> Any:
    if isinstance(target, tuple):  # labels: true of the file, and so of everything in it
        return target
    if not isinstance(target, Divisible):
        raise _OneTarget(f"the file holds {count} images, and its annotation is for one")
    return target.of_part(part)
