"""Augmentations through albumentations, behind Graft's own presets, repeatable to the byte.

Each draw is a function of the seed that comes with the call: one `random.Random` and one numpy `Generator` are shared
by all transforms of an augmentation and are set anew, in place, for each image. That costs a few microseconds, where
giving each transform a new generator costs as much as the transforms do.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.data.augmentation import Augmentation
from graft.data.elastic import Elastic
from graft.data.geometry import cut_centre
from graft.data.options import AugmentOptions
from graft.data.spatial import Placement, Places, Spatial

# Before the import: albumentations asks the network for a newer version of itself otherwise.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations as A
import cv2

NONE: Mapping[str, Any] = {
    "scale": 1.0,
    "aspect": 4 / 3,
    "flip": False,
    "vertical_flip": False,
    "rotate": 0.0,
    "elastic": 0.0,
    "colour": 0.0,
    "hue": 0.0,
    "erase": 0.0,
}
FLIP: Mapping[str, Any] = {**NONE, "flip": True}
BASIC: Mapping[str, Any] = {**FLIP, "scale": 0.5, "colour": 0.2}
STRONG: Mapping[str, Any] = {**FLIP, "scale": 0.2, "rotate": 15.0, "colour": 0.4, "hue": 0.05, "erase": 0.25}


class ImageAugmentation:
    """Crops, mirrors, rotates, bends and recolours images. Targets that say places follow; others stay as they are.

    Boxes are cut off at the border, and those that are hardly in the image any more are dropped; a box that is rotated
    or bent becomes the smallest one around it. An erased patch changes no target.

    Args:
        size: Height and width of the result.
        values: A value for every field of `AugmentOptions`.
    """

    keeps_targets = True

    def __init__(self, size: tuple[int, int], values: Mapping[str, Any]) -> None:
        self.size = size
        self.values = dict(values)
        self._build()

    @property
    def varies(self) -> bool:
        """Whether the seed makes a difference: not where the centre is cut out and that is all."""
        return bool(self._transforms)

    @property
    def reach(self) -> float:
        """How large a region it is given, so that it enlarges as often, and as far, as it makes smaller."""
        return float(self.values["scale"] ** -0.25)

    def __call__(self, image: NDArray[Any], target: Any, seed: int) -> tuple[NDArray[Any], Any]:
        """Return the augmented image and the target, which is `target` itself unless it says places."""
        self._random.seed(seed)
        self._state["state"]["state"] = seed
        self._bits.state = self._state
        places = target.places() if isinstance(target, Spatial) else None
        if not self._crops:
            whole = image.shape[0], image.shape[1]
            image = cut_centre(image, self.size)
            places = None if places is None else Placement.cut(whole, self.size)(places)
        # Grey images have no hue; those of more than 8 bits are all grey.
        coloured = image.shape[2] == 3 and image.dtype == np.uint8
        for transform in self._transforms if coloured else self._colourless:
            if places is not None and isinstance(transform, A.DualTransform) and not isinstance(transform, A.Erasing):
                image, places = _with_places(transform, image, places)
            else:
                image = transform(image=image)["image"]
        return image, target if places is None else target.moved(places)

    def _build(self) -> None:
        self._random = random.Random(0)
        self._bits = np.random.PCG64(0)
        self._state: Any = self._bits.state
        values = self.values
        self._crops = values["scale"] < 1
        self._transforms = _transforms(self.size, values)
        self._colourless = [one for one in self._transforms if not isinstance(one, A.HueSaturationValue)]
        generator = np.random.Generator(self._bits)
        for transform in self._transforms:
            transform.set_random_state(generator, self._random)

    def __reduce__(self) -> Any:
        # The transforms must go on sharing one generator in a spawned process.
        return ImageAugmentation, (self.size, self.values)


def none(*, size: tuple[int, int], options: AugmentOptions) -> Augmentation:
    """Return an augmentation that cuts out the centre, as evaluation does."""
    return _refined(size, NONE, options)


def flip(*, size: tuple[int, int], options: AugmentOptions) -> Augmentation:
    """Return an augmentation that cuts out the centre and mirrors left and right."""
    return _refined(size, FLIP, options)


def basic(*, size: tuple[int, int], options: AugmentOptions) -> Augmentation:
    """Return an augmentation with random crops, mirror images, and mild changes of brightness and contrast."""
    return _refined(size, BASIC, options)


def strong(*, size: tuple[int, int], options: AugmentOptions) -> Augmentation:
    """Return an augmentation with small random crops, rotations, changes of light and hue, and erased patches."""
    return _refined(size, STRONG, options)


def _refined(size: tuple[int, int], preset: Mapping[str, Any], options: AugmentOptions) -> Augmentation:
    return ImageAugmentation(size, {**preset, **options.model_dump(exclude_none=True)})


def _with_places(transform: Any, image: NDArray[Any], places: Places) -> tuple[NDArray[Any], Places]:
    """Return an image and the places in it after the same draw of a transform that moves pixels."""
    given: dict[str, Any] = {"image": image}
    boxes, rows, mask = places.boxes, places.rows, places.mask
    if mask is not None:
        # OpenCV knows no masks of truth values.
        given["mask"] = np.ascontiguousarray(mask.astype(np.uint8) if mask.dtype == bool else mask)
    if boxes is not None and rows is not None and len(boxes):
        sides = np.array([*places.size[::-1]] * 2, np.float64)
        given["bboxes"] = np.column_stack([boxes / sides, np.arange(len(boxes))])
    changed = transform(**given)
    image = changed["image"]
    size = image.shape[0], image.shape[1]
    if "bboxes" in given:
        found = changed["bboxes"]
        boxes = (found[:, :4] * np.array([*size[::-1]] * 2)).astype(np.float32)
        rows = places.rows[found[:, 4].round().astype(np.int64)]  # type: ignore[index]
    if mask is not None:
        mask = changed["mask"].astype(mask.dtype).reshape(*size, *mask.shape[2:])
    return image, replace(places, size=size, boxes=boxes, rows=rows, mask=mask).clipped()


def _transforms(size: tuple[int, int], values: Mapping[str, Any]) -> list[Any]:
    chosen: list[Any] = []
    if values["scale"] < 1:
        square = size[1] / size[0]
        ratio = (square / values["aspect"], square * values["aspect"])
        chosen.append(
            A.RandomResizedCrop(
                size=size,
                scale=(values["scale"], 1.0),
                ratio=ratio,
                mask_interpolation=cv2.INTER_NEAREST_EXACT,
                p=1,
            )
        )
    if values["rotate"]:
        # After the crop: rotating the larger image costs twice as much.
        chosen.append(A.Rotate(limit=values["rotate"], border_mode=cv2.BORDER_REFLECT_101, p=0.5))
    if values["elastic"]:
        chosen.append(Elastic(values["elastic"]))
    if values["flip"]:
        chosen.append(A.HorizontalFlip(p=0.5))
    if values["vertical_flip"]:
        chosen.append(A.VerticalFlip(p=0.5))
    if values["colour"]:
        chosen.append(
            A.RandomBrightnessContrast(brightness_limit=values["colour"], contrast_limit=values["colour"], p=1)
        )
    if values["hue"]:
        shift, saturation = 180 * values["hue"], 255 * 4 * values["hue"]
        chosen.append(A.HueSaturationValue(hue_shift_limit=shift, sat_shift_limit=saturation, val_shift_limit=0, p=0.5))
    if values["erase"]:
        # Random erasing (Zhong et al. 2020), with its aspects, and noise, which did best there. Of its areas, up to
        # 33 %, those come that fit into the image with every aspect: up to 30 % of a square.
        chosen.append(A.Erasing(scale=(0.02, 0.33), ratio=(0.3, 3.3), fill="random", p=values["erase"]))
    return chosen
