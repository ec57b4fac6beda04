"""What training would see of a data set, as a picture, without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graft.backbones.load import build_backbone
from graft.data.decode import BadImage
from graft.data.decoder import build_decoder
from graft.data.frames import spread
from graft.data.prepare import read
from graft.data.store import PixelStore
from graft.errors import DataError
from graft.report.preview import preview

if TYPE_CHECKING:
    from PIL import Image

    from graft.plugins import Plugins
    from graft.recipe import ResolvedRecipe


@dataclass(frozen=True)
class Preview:
    """A picture, and the samples in it."""

    picture: Image.Image
    ids: list[str]


def previewed(resolved: ResolvedRecipe, *, count: int, views: int, plugins: Plugins) -> Preview:
    """Return a picture of some of a recipe's training data with draws of its augmentation.

    Args:
        resolved: The recipe; its backbone says how images are resized, and its weights are not needed.
        count: At most so many samples, spread over the data.
        views: Draws for each.
        plugins: Who offers the parts.

    Raises:
        DataError: When the data cannot be read, or none of these images.
    """
    recipe = resolved.recipe
    decoder = build_decoder(resolved.decoder, resolved.decoder_options, plugins=plugins)
    catalogue = read(
        recipe.data,
        takes=resolved.task.takes,
        reader=resolved.reader,
        options=resolved.reader_options,
        decoder=decoder,
        plugins=plugins,
    )
    task = plugins.target(resolved.task)(classes=catalogue.classes, options=resolved.task_options)
    preprocess = build_backbone(recipe.backbone, plugins=plugins).backbone.preprocess.framed(resolved.task.framing)
    store = PixelStore(preprocess, decoder=decoder, max_pixels=recipe.data.max_pixels, cache_mb=0)
    augmentation = plugins.target(resolved.augment)(size=preprocess.size, options=resolved.augment_options)
    samples = spread([sample for sample in catalogue.samples if sample.split in (None, "train")], count)
    try:
        picture, ids = preview(
            samples, task=task, store=store, augmentation=augmentation, views=views, seed=recipe.train.seed
        )
    except BadImage as error:
        raise DataError(f"{recipe.data.train}: {error.reason}", fix="name data with images in it") from error
    return Preview(picture, ids)
