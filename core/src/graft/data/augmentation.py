"""What an augmentation is, and what it may say of itself. Torch-free, and without the library that does the work."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray


class Augmentation(Protocol):
    """Changes an image at random, and its target alike.

    A target that is `graft.data.spatial.Spatial` says places, which are in the image's pixels and must follow it.

    It may have four attributes. `varies = False` says that the seed makes no difference, and `keeps_targets = True`
    that a target which says no places comes back as it is: what is frozen is then calculated once for each view
    without doing all of this again. `reach` is how many times the network input's side the images should have that it
    is given, where these are regions of a larger image; 1 by default. `each_frame = True` asks for a draw of its own
    for each frame of a sequence, which otherwise share one, so that what moves in it still moves as it did: where a
    sequence is several views of one thing.
    """

    def __call__(self, image: NDArray[Any], target: Any, seed: int) -> tuple[NDArray[Any], Any]:
        """Return an image of exactly the network's input size, and its target; the same for the same `seed`.

        Args:
            image: `(h, w, C)` as the pixel store gives it, or a region of that, uint8 or float32 0…1; not changed.
            target: The encoded target.
            seed: In 0 … 2**64 - 1.
        """


def varies(augmentation: Augmentation) -> bool:
    """Return whether the seed may make a difference."""
    return bool(getattr(augmentation, "varies", True))


def keeps_targets(augmentation: Augmentation) -> bool:
    """Return whether targets that say no places surely come back as they are."""
    return bool(getattr(augmentation, "keeps_targets", False))


def reach(augmentation: Augmentation) -> float:
    """Return how large a region it should be given, in sides of the network's input."""
    return float(getattr(augmentation, "reach", 1.0))


def each_frame(augmentation: Augmentation) -> bool:
    """Return whether each frame of a sequence has a draw of its own."""
    return bool(getattr(augmentation, "each_frame", False))
