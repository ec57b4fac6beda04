"""Pictures with boxes in them. Torch-free; Pillow draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from graft_detection.detections import Detections, Truth

_LONGEST = 640
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#f0e442", "#000000")
"""Okabe and Ito's: told apart by everybody."""


def draw(
    pixels: NDArray[np.uint8], prediction: Detections | None, target: Truth | None, *, classes: Sequence[str]
) -> NDArray[np.uint8]:
    """Return a picture `(h, w, 3)`: what is true as thin white boxes on black, what is predicted thick and coloured."""
    image = Image.fromarray(pixels)
    scale = min(1.0, _LONGEST / max(image.size))
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    pen = ImageDraw.Draw(image)
    for box, crowd in () if target is None else zip(target.boxes * scale, target.crowd, strict=True):
        edges = tuple(box.tolist())
        pen.rectangle(edges, outline="black", width=3)
        pen.rectangle(edges, outline="grey" if crowd else "white", width=1)
    if prediction is not None:
        every = zip(prediction.boxes * scale, prediction.labels, prediction.scores, strict=True)
        # The surest last, on top of the others.
        for box, label, score in reversed(list(every)):
            colour = _COLOURS[int(label) % len(_COLOURS)]
            pen.rectangle(tuple(box.tolist()), outline=colour, width=2)
            text = f"{' '.join(classes[label].split())} {score:.2f}"  # Pillow measures single lines
            left = max(0, min(int(box[0]), int(image.width - pen.textlength(text)) - 1))
            top = max(0.0, box[1] - 11)
            pen.rectangle(pen.textbbox((left, top), text), fill=colour)
            pen.text((left, top), text, fill="black" if colour == "#f0e442" else "white")
    return np.asarray(image)
