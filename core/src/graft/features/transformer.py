"""Deep features as a scikit-learn transformer: images in, one row of numbers for each out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from graft.backbones.load import build_backbone
from graft.console import Console
from graft.data.decoder import STANDARD
from graft.errors import DataError, Problem
from graft.features.extract import EMBEDDING, Extractor, Pool
from graft.plugins import load_plugins
from graft.recipe.schema import Backbone, Cache
from graft.runs.bundle import read_like


class ImagesError(DataError, ValueError):
    """What was given in place of images cannot be used. A `ValueError` too, which callers of scikit-learn expect."""


class DeepFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features of images from stages of a pretrained network, which stays as it is.

    There is nothing to fit: `fit` builds the network. Features are kept in Graft's cache by the content of the images,
    so that a grid search, or the next program, calculates them once.

    `X` is a sequence of paths, or a column of them, or of images in memory: `(N, H, W)`, `(N, H, W, C)` or a list of
    `(H, W)` and `(H, W, C)` of any sizes, each as `graft.data.arrays.from_array` takes it. Images are resized and cut
    as for prediction; an array and a file with the same pixels give the same features.

    Args:
        backbone: An architecture (`resnet50`), or one of a certain source (`torchvision:mobilenet_v2`).
        weights: `pretrained`, `none`, the name of imported weights, a file, or `hf-hub:owner/name`.
        upto: Last stage that is used, as in `backbone.upto`: some imported weights end early.
        stages: Names of stages (`stage3`), or `embedding`; what they give stands side by side. One may be given as
            text.
        pool: How a stage's maps become a vector: `gap`, `gem` or `max`. An embedding is one already.
        size: Side of the network's square input in pixels, or its height and width; None for the weights' own.
        like: A run or a bundle whose decoder reads the files, into as many channels: for those that are no usual
            images. Its network is not used.
        device: `auto`, `cpu`, `cuda` or `mps`.
        batch: Images that are calculated together.
        cache: Whether features are kept in `$GRAFT_HOME/features`; or the largest size of the whole cache, as in `2GB`.

    Attributes:
        extractor_: The network, ready for use.
    """

    def __init__(
        self,
        backbone: str = "graft:tiny",
        *,
        weights: str = "pretrained",
        upto: str | None = None,
        stages: str | Sequence[str] = (EMBEDDING,),
        pool: Pool = "gap",
        size: int | tuple[int, int] | None = None,
        like: str | os.PathLike[str] | None = None,
        device: str = "auto",
        batch: int = 32,
        cache: bool | str = True,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.upto = upto
        self.stages = stages
        self.pool = pool
        self.size = size
        self.like = like
        self.device = device
        self.batch = batch
        self.cache = cache

    def fit(self, X: Any, y: Any = None) -> Self:
        """Build the network; of `X` is looked at what kind of images it has, and at nothing else.

        Args:
            X: Images, or paths of images.
            y: Is ignored.

        Raises:
            ImagesError: When `X` is neither.
            UserError: When a parameter does not fit; `ImagesError` where that is `pool` or `batch`, `RunError` or
                `PluginError` where it is `like`.
        """
        _images(X)
        problems = []
        if self.pool == "none":
            problems.append(Problem("pool none", "gives maps, and a row of features is a vector"))
        if not isinstance(self.batch, int) or self.batch < 1:
            problems.append(Problem(f"batch {self.batch}", "at least one image makes a batch"))
        if problems:
            raise ImagesError("features cannot be calculated like that", problems=problems, fix="pool gap, gem or max")
        plugins = load_plugins()
        decoder, channels = (STANDARD, 3) if self.like is None else read_like(Path(self.like), plugins=plugins)
        loaded = build_backbone(
            Backbone(kind=self.backbone, weights=self.weights, upto=self.upto, size=self.size, channels=channels),
            plugins=plugins,
        )
        limit = self.cache if isinstance(self.cache, str) else Cache().limit if self.cache else "0"
        stages = (self.stages,) if isinstance(self.stages, str) else tuple(self.stages)
        self.extractor_ = Extractor(
            loaded,
            stages=stages,
            pool=self.pool,
            device=self.device,
            batch=self.batch,
            decoder=decoder,
            limit=limit,
        )
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the features, `(N, D)`: those of the stages side by side.

        Args:
            X: Images, or paths of images.

        Raises:
            ImagesError: When `X` is neither; with every image that cannot be read.
        """
        check_is_fitted(self)
        images = _images(X)
        console = _Warnings(quiet=True)
        if isinstance(images[0], Path):
            found = self.extractor_.readable(images, console=console)
        else:
            found = self.extractor_.arrays(images, console=console)
        if found.bad:
            raise ImagesError(
                f"{len(found.bad)} of {len(images)} images cannot be read",
                problems=[
                    Problem(str(images[i]) if isinstance(images[i], Path) else f"image {i}", str(error))
                    for i, error in found.bad.items()
                ],
                fix="leave them out",
            )
        return np.concatenate([found.features[stage] for stage in self.extractor_.stages], axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return `STAGE_0`, `STAGE_1` … for each stage.

        Args:
            input_features: Is ignored: an image has no features with names.
        """
        check_is_fitted(self)
        widths = self.extractor_.widths
        return np.array([f"{stage}_{i}" for stage, width in widths.items() for i in range(width)], dtype=object)

    def __sklearn_tags__(self) -> Tags:
        """Say what scikit-learn may feed: texts and images, and no tables of numbers; features are float32 always.

        For what takes no tables scikit-learn checks almost nothing; our tests let it check rows of numbers as images.
        """
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags


class _Warnings(Console):
    """Warns as Python does, for there is no command line to talk to."""

    def warn(self, text: str) -> None:
        warnings.warn(text, stacklevel=2)


def _images(X: Any) -> Sequence[Any]:
    """Return `X` as a sequence of paths or of arrays.

    Raises:
        ImagesError: When it is neither, or empty.
    """
    if hasattr(X, "iloc"):  # a table or a column of pandas
        X = X.to_numpy()
    if isinstance(X, str | bytes | os.PathLike) or not hasattr(X, "__len__") or not hasattr(X, "__getitem__"):
        raise _no_images(f"X is {X!r:.60}")
    if len(X) == 0:
        raise ImagesError("X has no image: Found array with 0 sample(s)", fix="give at least one")
    if isinstance(X, np.ndarray):
        if X.ndim == 2 and X.shape[1] == 1 and X.dtype.kind in "OUT":
            X = X[:, 0]
        if X.ndim in (3, 4) and X.dtype.kind in "uif":
            return X  # type: ignore[no-any-return]
        if X.ndim != 1 or X.dtype.kind not in "OUT":
            raise _no_images(f"X is an array of shape {X.shape} and type {X.dtype}")
    if all(isinstance(one, str | os.PathLike) for one in X):
        return [Path(one) for one in X]
    if all(isinstance(one, np.ndarray) for one in X):
        return X  # type: ignore[no-any-return]
    kinds = ", ".join(sorted({type(one).__name__ for one in X}))
    raise _no_images(f"X has entries of type {kinds}")


def _no_images(given: str) -> ImagesError:
    return ImagesError(
        f"{given}: neither paths of images nor images",
        fix="give a sequence of paths or of arrays (H, W) or (H, W, C), or one array (N, H, W) or (N, H, W, C)",
    )
