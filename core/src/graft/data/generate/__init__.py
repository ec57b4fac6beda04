"""Generated images, free of anyone's licence: what the embedded backbone saw, and the sample data sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from graft.data.generate.labelled import labelled_image, write_labelled
from graft.data.generate.leaves import dead_leaves

WRITERS: Mapping[str, Callable[..., int]] = {"labels": write_labelled}
"""Sample data sets by the kind of target that they give: the word that a task `takes` and a reader `gives`."""

__all__ = ["WRITERS", "dead_leaves", "labelled_image", "write_labelled"]
