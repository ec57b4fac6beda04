"""What a domain provides beside its recipe fragments: what stands on both sides of a split, and parts of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from graft.data.samples import Catalogue, Sample
from graft.errors import Problem
from graft.report.sections import Section

if TYPE_CHECKING:
    from graft.data.decoder import Decoder
    from graft.plugins import Plugins
    from graft.recipe import ResolvedRecipe
    from graft.tasks.contract import Prediction, Task


class Domain:
    """Where images come from. Built as `DomainClass(options=OptionsModel, decoder=Decoder)`.

    By default it adds nothing: a domain may be its fragments alone.
    """

    def __init__(self, *, options: BaseModel, decoder: Decoder) -> None:
        self.options = options
        self.decoder = decoder

    def leaks(self, catalogue: Catalogue, split: Mapping[str, Sequence[int]]) -> list[Problem]:
        """Return what stands in more than one split though it should not, beside groups, which core looks for itself.

        Args:
            catalogue: The samples.
            split: Indices into them for each of `train`, `val` and `test`.

        Returns:
            A problem for each: the `where` of one sample, and what it is in another split, too.
        """
        return []

    def sections(
        self, task: Task, samples: Sequence[Sample], predictions: Sequence[Prediction], targets: Sequence[Any]
    ) -> list[Section]:
        """Return the domain's part of the report on these predictions; the task's own stands before it.

        Args:
            task: What was predicted: its name of classes, its drawing.
            samples: Of one split, `(N,)`.
            predictions: What the task's head said about them.
            targets: What is true, as the task's `encode` gave it.
        """
        return []


def build_domain(resolved: ResolvedRecipe, *, decoder: Decoder, plugins: Plugins) -> Domain | None:
    """Return the domain that a recipe names, or None.

    Raises:
        PluginError: When something that it requires is not installed, or its code cannot be imported.
    """
    if resolved.domain is None:
        return None
    domain: Domain = plugins.target(resolved.domain)(options=resolved.domain_options, decoder=decoder)
    return domain
