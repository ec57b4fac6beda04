"""Which detection finds which object: COCO's greedy matching, for all images at once. numpy alone.

Within an image and a class, detections choose in the order of their scores: each takes the object that it overlaps
most and that is not taken, if the overlap reaches the threshold. Objects that do not count (crowds, difficult ones,
ones of another size) are chosen after all others, and what chooses them does not count either; a crowd can be chosen
again and again. This is `pycocotools`' procedure, ties included, with all images in step: the surest detections of all
images choose first, then the second ones, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graft_detection.detections import Detections, Truth

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""The overlaps (intersection over union) that COCO averages over."""


@dataclass(frozen=True)
class Bands:
    """What objects are told apart by, beside their class: how large they are, or how far away.

    Args:
        ranges: The least and the largest value of each band; both ends count. The first band has all objects.
        of_found: Gives the value of each detection in an image, `(N,)`: one that finds nothing counts in its own band.
        of_true: Gives the value of each object in an image, `(N,)`.
    """

    ranges: Mapping[str, tuple[float, float]]
    of_found: Callable[[Detections], NDArray[np.float64]]
    of_true: Callable[[Truth], NDArray[np.float64]]


def _area(found: Detections) -> NDArray[np.float64]:
    boxes = found.boxes.astype(np.float64)
    area: NDArray[np.float64] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area


AREAS = Bands(
    {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)},
    of_found=_area,
    of_true=lambda true: true.areas.astype(np.float64),
)
"""COCO's: areas in square pixels."""

MOST = 100
"""Detections of a class in an image that count, the surest first."""

_CELLS = 2_000_000

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Matches:
    """Detections and objects of many images, and what became of them. A bands, T = 10 thresholds.

    Args:
        image, label: `(D,)` of each detection.
        score: `(D,)`.
        box: `(D, 4)`.
        rank: `(D,)`, its place among the detections of its class in its image, from 0.
        found: `(D, A, T)`: whether it chose an object.
        void: `(D, A, T)`: whether it does not count.
        chosen: `(D,)`: the object that it chose at the lowest threshold among all bands; -1 for none.
        true_image, true_label: `(N,)` of each object.
        true_void: `(N, A)`: whether it does not count.
        images: How many images there are.
        bands: Their names.
    """

    image: Ints
    label: Ints
    score: NDArray[np.float64]
    box: NDArray[np.float64]
    rank: Ints
    found: Bools
    void: Bools
    chosen: Ints
    true_image: Ints
    true_label: Ints
    true_void: Bools
    images: int
    bands: tuple[str, ...]


def match(predictions: Sequence[Detections], targets: Sequence[Truth], bands: Bands = AREAS) -> Matches:
    """Return the matches of N images; a class with more than `MOST` detections in an image loses the least sure."""
    image, label, score, boxes = _joined(
        [(found.labels, found.scores, found.boxes) for found in predictions], len(predictions)
    )
    true_image, true_label, _, true_boxes = _joined(
        [(true.labels, np.zeros(len(true.labels)), true.boxes) for true in targets], len(targets)
    )
    crowd = np.concatenate([np.zeros(0, bool), *(true.crowd for true in targets)])
    skipped = crowd | np.concatenate([np.zeros(0, bool), *(true.difficult for true in targets)])
    areas = np.concatenate([np.zeros(0), *(bands.of_true(true) for true in targets)])
    own = np.concatenate([np.zeros(0), *(bands.of_found(found) for found in predictions)])
    ranges = np.array(list(bands.ranges.values()))

    # Equal scores stay in the order in which they were predicted.
    order = np.lexsort((-score, label, image))
    image, label, score, boxes, own = image[order], label[order], score[order], boxes[order], own[order]
    rank = _ranks(image, label)
    kept = rank < MOST
    image, label, score, boxes, own, rank = image[kept], label[kept], score[kept], boxes[kept], own[kept], rank[kept]
    true_void = skipped[:, None] | (areas[:, None] < ranges[:, 0]) | (areas[:, None] > ranges[:, 1])
    void = np.repeat(
        ((own[:, None] < ranges[:, 0]) | (own[:, None] > ranges[:, 1]))[:, :, None], len(THRESHOLDS), axis=2
    )
    found = np.zeros(void.shape, bool)
    chosen = np.full(len(image), -1, np.int64)
    for detections, objects in _chunks(image, label, rank, true_image, true_label, bands=len(ranges)):
        _choose(detections, objects, boxes, true_boxes, crowd, true_void, found, void, chosen)
    return Matches(
        image,
        label,
        score,
        boxes,
        rank,
        found,
        void,
        chosen,
        true_image,
        true_label,
        true_void,
        len(targets),
        tuple(bands.ranges),
    )


def overlaps(boxes: NDArray[np.float64], others: NDArray[np.float64], crowd: Bools) -> NDArray[np.float64]:
    """Return intersection over union of `(…, 4)` boxes; over a crowd, the share of the first box that lies in it."""
    low = np.maximum(boxes[..., :2], others[..., :2])
    high = np.minimum(boxes[..., 2:], others[..., 2:])
    both = np.maximum(high - low, 0).prod(axis=-1)
    own = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)
    union = np.where(crowd, own, own + (others[..., 2:] - others[..., :2]).prod(axis=-1) - both)
    return np.divide(both, union, out=np.zeros(both.shape), where=union > 0)  # type: ignore[no-any-return]


def _joined(
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.floating], NDArray[np.float32]]], n: int
) -> tuple[Ints, Ints, NDArray[np.float64], NDArray[np.float64]]:
    """Return image, label, score and box of all that is in `parts`, one part per image."""
    counts = np.array([len(labels) for labels, _, _ in parts], np.int64)
    labels = np.concatenate([np.zeros(0, np.int64), *(labels for labels, _, _ in parts)])
    scores = np.concatenate([np.zeros(0), *(scores for _, scores, _ in parts)]).astype(np.float64)
    boxes = np.concatenate([np.zeros((0, 4)), *(boxes for _, _, boxes in parts)]).astype(np.float64)
    return np.repeat(np.arange(n), counts), labels, scores, boxes


def _ranks(image: Ints, label: Ints) -> Ints:
    """Return each detection's place in its group; groups lie together."""
    if not len(image):
        return image
    begins = np.flatnonzero(np.r_[True, (np.diff(image) != 0) | (np.diff(label) != 0)])
    return np.arange(len(image)) - np.repeat(begins, np.diff(np.r_[begins, len(image)]))


def _chunks(
    image: Ints, label: Ints, rank: Ints, true_image: Ints, true_label: Ints, *, bands: int
) -> Iterator[tuple[Ints, Ints]]:
    """Yield detections `(n, D)` and objects `(n, G)` of n groups (an image and a class) with both, padded with -1.

    Groups with similar numbers of objects, and within them of detections, come together; the most detections first.
    """
    most = max(label.max(initial=0), true_label.max(initial=0)) + 1
    key, true_key = image * most + label, true_image * most + true_label
    order = np.argsort(true_key, kind="stable")
    groups, starts, counts = np.unique(true_key[order], return_index=True, return_counts=True)
    first = np.searchsorted(key, groups, "left")
    detected = np.searchsorted(key, groups, "right") - first
    width = 2 ** np.ceil(np.log2(np.maximum(counts, 1))).astype(np.int64)
    for size in np.unique(width[detected > 0]):
        members = np.flatnonzero((width == size) & (detected > 0))
        members = members[np.argsort(-detected[members], kind="stable")]
        step = max(1, _CELLS // (bands * len(THRESHOLDS) * int(size)))
        for begin in range(0, len(members), step):
            some = members[begin : begin + step]
            yield (
                _padded(first[some], detected[some], np.arange(len(image))),
                _padded(starts[some], counts[some], order),
            )


def _padded(first: Ints, counts: Ints, values: Ints) -> Ints:
    """Return `values[first … first + count]` as rows, padded with -1."""
    at = np.arange(counts.max())
    inside = at < counts[:, None]
    rows: Ints = np.where(inside, values[np.where(inside, first[:, None] + at, 0)], -1)
    return rows


def _choose(
    detections: Ints,
    objects: Ints,
    boxes: NDArray[np.float64],
    true_boxes: NDArray[np.float64],
    crowd: Bools,
    true_void: Bools,
    found: Bools,
    void: Bools,
    chosen: Ints,
) -> None:
    """Let the detections of n groups choose, the first of each group together; writes `found`, `void`, `chosen`."""
    there = objects >= 0
    # Of equal overlaps the last object is chosen; `argmax` gives the first.
    objects, there = objects[:, ::-1], there[:, ::-1]
    many = crowd[objects] & there
    skipped = true_void[objects].transpose(0, 2, 1)[:, :, None, :]
    taken = np.zeros((len(objects), true_void.shape[1], len(THRESHOLDS), objects.shape[1]), bool)
    limits = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None]
    for number in range(detections.shape[1]):
        active = int((detections[:, number] >= 0).sum())  # groups with most detections come first
        own = detections[:active, number]
        overlap = overlaps(boxes[own][:, None], true_boxes[objects[:active]], many[:active])
        overlap = np.where(there[:active], overlap, -1)[:, None, None, :]
        fits = (overlap >= limits) & (~taken[:active] | many[:active, None, None, :])
        counts = fits & ~skipped[:active]
        better = np.where(counts.any(axis=-1, keepdims=True), counts, fits)
        best = np.where(better, overlap, -1).argmax(axis=-1)[..., None]
        has = np.take_along_axis(better, best, axis=-1)
        beside = np.take_along_axis(np.broadcast_to(skipped[:active], better.shape), best, axis=-1)
        now = np.take_along_axis(taken[:active], best, axis=-1)
        np.put_along_axis(taken[:active], best, now | has, axis=-1)
        found[own] = has[..., 0]
        void[own] = np.where(has[..., 0], beside[..., 0], void[own])
        picked = np.take_along_axis(objects[:active], best[:, 0, 0], axis=1)[:, 0]
        chosen[own] = np.where(has[:, 0, 0, 0], picked, -1)
