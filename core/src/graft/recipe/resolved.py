"""A complete recipe, and what its names stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from graft.plugins.descriptors import (
    AugmentationSpec,
    BackboneSpec,
    DecoderSpec,
    DomainSpec,
    HeadSpec,
    MetricSpec,
    ReaderSpec,
    TaskSpec,
)
from graft.recipe.layers import plain
from graft.recipe.schema import Recipe
from graft.recipe.writing import to_toml


@dataclass(frozen=True, kw_only=True)
class ResolvedRecipe:
    """A complete recipe and what its names stand for.

    Attributes:
        recipe: Complete: the head, the augmentation, the metrics, the monitored value and every option are filled in,
            the strategy preset is merged in, and the backbone is named with its source.
        task: The task.
        domain: The domain; None when the recipe names none.
        head: Its head.
        augment: The augmentation preset.
        metrics: The metrics, in the recipe's order.
        backbone: The source of the backbone.
        arch: The architecture's name there.
        reader: The data format; None when it is to be detected.
        decoder: What turns files into pixels.
        task_options: The task's options.
        domain_options: The domain's; None without one.
        head_options: The head's.
        augment_options: The augmentation preset's.
        reader_options: The reader's; None when it is to be detected.
        decoder_options: The decoder's.
        origins: Where each value came from, by dotted path: `default`, `task …`, `domain …`, `head …`, `preset …`,
            the file's name, `command line` or `Python`. Two recipes that differ in nothing else are equal.
    """

    recipe: Recipe
    task: TaskSpec
    domain: DomainSpec | None
    head: HeadSpec
    augment: AugmentationSpec
    metrics: tuple[MetricSpec, ...]
    backbone: BackboneSpec
    arch: str
    reader: ReaderSpec | None
    decoder: DecoderSpec
    task_options: BaseModel
    domain_options: BaseModel | None
    head_options: BaseModel
    augment_options: BaseModel
    reader_options: BaseModel | None
    decoder_options: BaseModel
    origins: Mapping[str, str] = field(compare=False)

    @property
    def values(self) -> dict[str, Any]:
        """The recipe as nested plain values, without what is None."""
        return plain(self.recipe)  # type: ignore[no-any-return]

    def to_toml(self) -> str:
        """Return the recipe as TOML that resolves to the same recipe again."""
        return to_toml(self.values)
