"""Boxes of overlapping tiles as boxes of a scene: an object that two tiles show is one. Torch when it is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from graft_satellite.tiles import Tile

if TYPE_CHECKING:
    from graft_detection.detections import Detections

TILE_OVERLAP = 0.25
"""Share of a tile that the next one shows, too: what is smaller than half of that is whole in one of them."""
_SLACK = 1 / 32
"""Share of a tile that it answers for beyond its own region: a middle that two tiles put on either side is not lost."""
_SAME = 0.5
"""Boxes of a class that have more than this in common, of what both cover, are of one object."""

SceneBoxes = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]
"""Boxes `(N, 4)` in a scene's pixels, classes `(N,)` and scores `(N,)`."""


def in_scene(found: Detections, tile: Tile) -> SceneBoxes:
    """Return those of a tile's boxes whose middles it answers for; others are whole in another tile."""
    top, left, height, width = tile.seen
    boxes = found.boxes + np.array([left, top, left, top], np.float32)
    across, down = (boxes[:, :2] + boxes[:, 2:]).T / 2
    own_top, own_left, own_height, own_width = tile.own
    slack = _SLACK * max(height, width)
    kept = (across >= own_left - slack) & (across <= own_left + own_width + slack)
    kept &= (down >= own_top - slack) & (down <= own_top + own_height + slack)
    return boxes[kept], found.labels[kept], found.scores[kept]


def merged(parts: Sequence[SceneBoxes]) -> Iterator[tuple[tuple[float, ...], int, float]]:
    """Yield box, class and score of each object in a scene, the surest first, by non-maximum suppression per class."""
    import torch
    from torchvision.ops import batched_nms

    boxes, labels, scores = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    given = (torch.from_numpy(boxes), torch.from_numpy(scores), torch.from_numpy(labels))
    for index in batched_nms(*given, _SAME).tolist():
        yield tuple(boxes[index].tolist()), int(labels[index]), float(scores[index])
