"""Augmentations: sizes, types, repeatable draws, and places that follow their pixels."""

from __future__ import annotations

import inspect
import math
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from graft.data.augmentation import keeps_targets, reach, varies
from graft.data.spatial import Places
from graft.plugins import AugmentationSpec
from graft.testing.conformance.base import Conformance, Subject

SIZE = (48, 64)
"""Height and width of what the augmentation is to give: not square, so that a swap shows."""

_SEEDS = range(24)
_ALIGNED = 0.75
"""Share of the draws in which places and pixels must agree: in some, a patch is erased, or little is left."""
_OVERLAP = {"masks": 0.7, "boxes": 0.45}
"""What counts as agreeing, as intersection over union. A box around something that was rotated is larger than it."""


@dataclass(frozen=True)
class Blocks:
    """A target that says places: bright blocks on a dark ground, each with its box, and a mask of all."""

    given: Places

    def places(self) -> Places:
        """Return them."""
        return self.given

    def moved(self, places: Places) -> Blocks:
        """Return them elsewhere."""
        return replace(self, given=places)


def blocks(height: int, width: int, channels: int, kind: type[Any]) -> tuple[NDArray[Any], Blocks]:
    """Return a picture of two blocks, on neither of its axes of symmetry, and where they are; the first is brighter."""
    shares = ((0.12, 0.3, 0.15, 0.4, 250), (0.45, 0.6, 0.55, 0.8, 160))
    image = np.full((height, width, channels), 10, np.uint8)
    mask = np.zeros((height, width), np.uint8)
    boxes = []
    for top, bottom, left, right, level in shares:
        y1, y2, x1, x2 = round(top * height), round(bottom * height), round(left * width), round(right * width)
        image[y1:y2, x1:x2], mask[y1:y2, x1:x2] = level, 1
        boxes.append((x1, y1, x2, y2))
    if kind is np.float32:
        image = (image / 255).astype(np.float32)
    return image, Blocks(Places(size=(height, width), boxes=np.array(boxes, np.float32), mask=mask))


class AugmentationConformance(Conformance):
    """What is checked of an augmentation.

    Where it does not move places (`tasks` names tasks whose targets say none), say `places = False`. Where it hides
    what is in the picture (fog, rain), switch that off with `options`, or the places cannot be looked for.
    """

    kind = AugmentationSpec

    places: bool = True
    """Whether targets that say places have to follow."""
    channels: tuple[int, ...] = (3, 1)
    """Numbers of channels of the images that it is for."""
    types: tuple[type[Any], ...] = (np.uint8, np.float32)
    """Types of the images that it is for."""

    @pytest.fixture
    def augment(self, subject: Subject) -> Any:
        """The augmentation, for images of `SIZE`."""
        with subject.doing("target(size=, options=)", expected="a function of an image, its target and a seed"):
            return subject.target(size=SIZE, options=subject.options)

    def _cases(self, augment: Any) -> Iterator[tuple[NDArray[Any], Blocks]]:
        least = max(1.0, reach(augment))
        for height, width in ((SIZE[0], SIZE[1]), (80, 96)):
            for channels in self.channels:
                for kind in self.types:
                    yield blocks(math.ceil(height * least), math.ceil(width * least), channels, kind)

    def test_result__has_the_size_and_the_type(self, subject: Subject, augment: Any) -> None:
        """Images come back in exactly the size that was asked for, with their type, range and number of channels."""
        at = _call(augment)
        for image, target in self._cases(augment):
            for seed in (0, 1, 2**64 - 1):
                shown = f"an image {image.shape} {image.dtype}, seed {seed},"
                with subject.doing(f"of {shown} it", expected="an image and its target", at=at):
                    changed, _ = augment(image.copy(), target if self.places else 0, seed)
                subject.demand(
                    changed.shape == (*SIZE, image.shape[2]),
                    f"of {shown} it made one {changed.shape}",
                    expected=f"exactly the size that was asked for, {(*SIZE, image.shape[2])}",
                    at=at,
                )
                kind = changed.dtype == image.dtype
                subject.demand(kind, f"of {shown} it made {changed.dtype}", expected="the type of the image", at=at)
                top = 255 if image.dtype == np.uint8 else 1
                good = bool(np.isfinite(changed).all() and changed.min() >= 0 and changed.max() <= top)
                subject.demand(
                    good, f"of {shown} it made values {changed.min()} … {changed.max()}", expected=f"0 … {top}", at=at
                )

    def test_input__stays_as_it_is(self, subject: Subject, augment: Any) -> None:
        """The image is kept for the next epoch, and so are places: neither is written into."""
        at = _call(augment)
        for image, target in self._cases(augment):
            before = image.copy()
            kept = [one.copy() for one in (target.given.boxes, target.given.mask) if one is not None]
            for seed in range(8):
                augment(image, target if self.places else 0, seed)
            same = np.array_equal(before, image)
            subject.demand(same, "it writes into the image that it is given", expected="a new image: it is kept", at=at)
            now = [one for one in (target.given.boxes, target.given.mask) if one is not None]
            whole = all(np.array_equal(a, b) for a, b in zip(kept, now, strict=True))
            subject.demand(whole, "it writes into the target's places", expected="new places", at=at)

    def test_seed__decides_alone(self, subject: Subject, augment: Any) -> None:
        """The same seed gives the same image, whatever was drawn before and wherever; others give others."""
        at = _call(augment)
        image, target = next(iter(self._cases(augment)))
        image = np.random.default_rng(0).integers(0, 256, image.shape).astype(np.uint8)
        given = target if self.places else 0
        first = [augment(image, given, seed)[0].copy() for seed in range(12)]
        np.random.seed(7)
        again = [augment(image, given, seed)[0] for seed in reversed(range(12))][::-1]
        subject.demand(
            all(np.array_equal(a, b) for a, b in zip(first, again, strict=True)),
            "the same seed gives another image",
            expected="draws from the seed alone, numpy.random.default_rng(seed): or a resumed run differs",
            at=at,
        )
        with subject.doing("pickling it", expected="a class: processes that load images may get a copy", at=at):
            copy = pickle.loads(pickle.dumps(augment))  # noqa: S301 - our own
        subject.demand(
            np.array_equal(copy(image, given, 3)[0], first[3]),
            "a copy of it gives another image for the same seed",
            expected="the same as the original",
            at=at,
        )
        different = any(not np.array_equal(first[0], other) for other in first[1:])
        subject.demand(
            different is varies(augment),
            "every seed gives the same image" if not different else "it says varies = False, and seeds differ",
            expected="other draws for other seeds, or `varies = False`",
            at=at,
        )

    def test_targets__without_places_come_back(self, subject: Subject, augment: Any) -> None:
        """One that says `keeps_targets` gives a target that says no places back as it is."""
        if not keeps_targets(augment):
            return
        image, _ = next(iter(self._cases(augment)))
        target = object()
        subject.demand(
            augment(image, target, 1)[1] is target,
            "it says keeps_targets = True, and gives another target",
            expected="the target itself",
            at=_call(augment),
        )

    @pytest.mark.parametrize("what", ["masks", "boxes"])
    def test_places__follow_the_pixels(self, subject: Subject, augment: Any, what: str) -> None:
        """Boxes and masks lie on the blocks that they are of, in most draws."""
        if not self.places:
            return
        at = _call(augment)
        least = max(1.0, reach(augment))
        image, target = blocks(math.ceil(60 * least), math.ceil(80 * least), self.channels[0], self.types[0])
        if what == "boxes":
            target = Blocks(replace(target.given, mask=None))
        agree = []
        swapped = 0
        for seed in _SEEDS:
            with subject.doing(f"of a target with {what} it", expected="target.moved(places)", at=at):
                changed, moved = augment(image, target, seed)
                places: Places = moved.places()
            subject.demand(
                places.size == SIZE,
                f"it moved places into an image of {places.size}",
                expected=f"places in the pixels of the new image, {SIZE}",
                at=at,
            )
            lit = changed.astype(np.float64).mean(axis=2)
            seen = lit > lit.min() + 0.3 * (lit.max() - lit.min())
            if what == "masks":
                mask = places.mask
                subject.demand(
                    mask is not None and mask.shape == SIZE and set(np.unique(mask)) <= {0, 1, places.fill},
                    "the mask is gone, has another shape, or values that it did not have",
                    expected="the mask's own values, by the nearest pixel, in the new size",
                    at=at,
                )
                said = np.asarray(mask) == 1
            else:
                boxes, rows = places.boxes, places.rows
                subject.demand(
                    boxes is not None and rows is not None and len(boxes) == len(rows) and set(rows) <= {0, 1},
                    f"boxes {boxes} with rows {rows}",
                    expected="for each box, in `rows`, which of the first ones it is: its label goes by that",
                    at=at,
                )
                said = np.zeros(SIZE, bool)
                means = {}
                for (x1, y1, x2, y2), row in zip(np.round(boxes).astype(int), rows, strict=True):  # type: ignore[arg-type]
                    said[y1:y2, x1:x2] = True
                    means[int(row)] = lit[y1:y2, x1:x2].mean() if y2 > y1 and x2 > x1 else 0.0
                swapped += len(means) == 2 and means[0] < means[1]
            union = (seen | said).sum()
            agree.append(union == 0 or (seen & said).sum() / union >= _OVERLAP[what])
        share = sum(agree) / len(agree)
        subject.demand(
            share >= _ALIGNED,
            f"in {len(agree) - sum(agree)} of {len(agree)} draws the {what} are not where the pixels are",
            expected=f"the same change of image and {what}: of a mirrored image, mirrored {what}",
            at=at,
        )
        subject.demand(
            swapped <= (1 - _ALIGNED) * len(agree),
            f"in {swapped} of {len(agree)} draws boxes are mixed up",
            expected="`rows` in the order of the boxes",
            at=at,
        )


def _call(augment: Any) -> Any:
    """Return what is to be mended: the method of a class, or the function itself."""
    return augment if inspect.isfunction(augment) else type(augment).__call__
