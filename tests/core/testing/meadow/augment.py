"""The augmentation."""

from dataclasses import replace

import numpy as np

from graft.data.spatial import Placement, Spatial


class Mown:
    """Cuts the centre out, mirrors half of the time, and varies the light."""

    def __init__(self, *, size, options):
        self.size = size

    def __call__(self, image, target, seed):
        draw = np.random.default_rng(seed)
        placement = Placement.cut(image.shape[:2], self.size)
        top, left = (round(-offset) for offset in placement.offset)
        height, width = self.size
        image = image[top : top + height, left : left + width]
        places = placement(target.places()) if isinstance(target, Spatial) else None
        if draw.random() < 0.5:
            image = image[:, ::-1]
            if places is not None:
                places = self.mirrored(places)
        top_value = 255 if image.dtype == np.uint8 else 1
        image = np.clip(image * draw.uniform(0.9, 1.1), 0, top_value).astype(image.dtype)
        return image, target if places is None else target.moved(places)

    def mirrored(self, places):
        boxes, mask = places.boxes, places.mask
        if boxes is not None:
            boxes = np.column_stack([self.size[1] - boxes[:, 2], boxes[:, 1], self.size[1] - boxes[:, 0], boxes[:, 3]])
        if mask is not None:
            mask = mask[:, ::-1]
        return replace(places, boxes=boxes, mask=mask)
