"""Backbones that can be ranked: those whose weights are here, or those that somebody names. Torch-free until asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graft.backbones import store
from graft.backbones.names import find_architecture, sources
from graft.errors import GraftError, PluginError, Problem, UserError
from graft.recipe.schema import Backbone as Section

if TYPE_CHECKING:
    from graft.backbones import BackboneSource
    from graft.console import Console
    from graft.plugins import Plugins


@dataclass(frozen=True)
class Candidate:
    """A backbone with weights.

    Args:
        name: What tables call it.
        section: The recipe's `backbone` that gives it.
    """

    name: str
    section: Section

    @property
    def overrides(self) -> list[str]:
        """What to type behind `train` for it."""
        given = {"kind": self.section.kind} | self.section.model_dump(exclude_defaults=True)
        return [f"backbone.{key}={value}" for key, value in given.items()]


def named(words: Sequence[str], *, plugins: Plugins, size: int | None = None) -> list[Candidate]:
    """Return what each word names: `arch`, `source:arch`, `arch@weights`, or the name of imported weights.

    Weights are what `backbone.weights` takes, `pretrained` where none are named. Nothing is built or fetched.

    Args:
        words: One for each candidate.
        plugins: Where architectures come from.
        size: Side of every network's input in pixels; None for the weights' own.

    Raises:
        UserError: When there is no word; with every word that names nothing, or that comes twice.
    """
    imported = {one.name: one for one in store.listed()}
    found: dict[str, Candidate] = {}
    problems = []
    for word in words:
        kind, _, weights = word.partition("@")
        if not weights and kind in imported:
            kind, weights = imported[kind].architecture, kind
        try:
            spec, arch = find_architecture(kind, plugins)
        except PluginError as error:
            problems.append(Problem(word, error.message))
            continue
        upto = imported[weights].upto if weights in imported else None
        section = Section(kind=f"{spec.name}:{arch}", weights=weights or "pretrained", upto=upto, size=size)
        candidate = Candidate(section.kind if section.weights == "pretrained" else f"{section.kind}@{weights}", section)
        if candidate.name in found:
            problems.append(Problem(word, f"is named twice, as {candidate.name}"))
        found[candidate.name] = candidate
    if problems or not words:
        raise UserError(
            "not every candidate is a backbone" if words else "no candidate is named",
            problems=problems,
            fix="--candidates resnet50,torchvision:mobilenet_v2,resnet18@weights.safetensors; graft backbones list",
        )
    return list(found.values())


def here(*, plugins: Plugins, console: Console, size: int | None = None) -> list[Candidate]:
    """Return every backbone whose weights need no network: embedded, imported, or in a cache.

    Args:
        plugins: The sources of backbones. One that fails is left out and said.
        console: Warns of it.
        size: As in `named`.
    """
    words = []
    for spec in sources(plugins):
        try:
            words += [f"{spec.name}:{name}" for name in _kept(plugins.target(spec)())]
        except GraftError as error:
            console.warn(f"backbones of '{spec.name}' are left out: {error.message}")
    found = []
    for word in (*words, *(f"{one.architecture}@{one.name}" for one in store.listed())):
        try:
            found += named([word], plugins=plugins, size=size)
        except UserError as error:  # imported for a source whose plugin is off
            console.warn(f"{error.problems[0]}: left out")
    return found


def _kept(source: BackboneSource) -> Iterator[str]:
    """Yield the names of a source's weights that are in a cache."""
    from graft.backbones.hub import cached

    seen = set()
    for arch in source.names():
        for tagged in source.tagged(arch):
            info = source.pretrained(tagged)
            if info is not None and info.origin not in seen and cached(info.origin):
                seen.add(info.origin)
                yield tagged
