"""The order of the layers: defaults < task < domain < fitted head < strategy preset < what people wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from graft.errors import PluginError
from graft.plugins.descriptors import DomainSpec, HeadSpec, StrategySpec, TaskSpec
from graft.recipe import at_once
from graft.recipe.layers import Layer, Path, Tree, defaults, get
from graft.recipe.schema import Recipe

if TYPE_CHECKING:
    from graft.plugins import Plugins

S = TypeVar("S", TaskSpec, DomainSpec, HeadSpec, StrategySpec)


def stack(written: Sequence[Layer], plugins: Plugins) -> Tree:
    """Return what `written`, lowest first, amounts to over the defaults and over what it chooses.

    A name that nobody offers adds no layer; whoever checks the names says so.
    """
    task = _chosen(written, ("task", "kind"), TaskSpec, plugins)
    domain = _chosen(written, ("domain", "kind"), DomainSpec, plugins)
    fragments = [] if domain is None else _fragments_of(domain, task)
    above = _of_one_preset([*fragments, *written])
    preset = _chosen(above, ("strategy", "preset"), StrategySpec, plugins)
    own = [] if task is None else _own(task)
    head = _chosen([*own, *above], ("head", "kind"), HeadSpec, plugins)

    tree = Tree()
    tree.lay(Layer(defaults(Recipe), "default"))
    for layer in (*own, *above[: len(fragments)]):
        tree.lay(layer)
    if head is not None and head.fitted:
        # Over the domain, whose augmentation is meant for heads that see an image often.
        tree.lay(Layer.of(at_once.FRAGMENT, f"head {head.name}"))
    if preset is not None:
        tree.lay(Layer.of({"strategy": preset.recipe}, f"preset {preset.name}"))
    for layer in above[len(fragments) :]:
        tree.lay(layer)
    return tree


def _own(task: TaskSpec) -> list[Layer]:
    """Return what a task's recipes have by default."""
    source = f"task {task.name}"
    parts = {
        "head": task.head,
        "augment": task.augment,
        "evaluation": {"metrics": task.metrics},
        "train": {"monitor": task.monitor},
    }
    return [Layer.of(parts, source), Layer.of(task.recipe, source)]


def _fragments_of(domain: DomainSpec, task: TaskSpec | None) -> list[Layer]:
    """Return what a domain says for every task, and over it what it says for this one."""
    fragments = [domain.recipe] if task is None else [domain.recipe, domain.recipes.get(task.name, {})]
    return [Layer.of(fragment, f"domain {domain.name}") for fragment in fragments]


def _of_one_preset(layers: Sequence[Layer]) -> list[Layer]:
    """Return `layers` without the strategies that refine another preset than the topmost one.

    The preset is laid below all files, so another one in a file would otherwise replace it.
    """
    kept, named = list(layers), None
    for index, layer in enumerate(layers):
        preset = get(layer.values, ("strategy", "preset"))
        if named is not None and preset not in (None, named):
            kept[:index] = [_without_strategy(lower) for lower in kept[:index]]
        named = preset or named
    return kept


def _without_strategy(layer: Layer) -> Layer:
    return replace(layer, values={key: value for key, value in layer.values.items() if key != "strategy"})


def _chosen(layers: Iterable[Layer], path: Path, kind: type[S], plugins: Plugins) -> S | None:
    """Return what the topmost name at `path` stands for, or None when there is none or nobody offers it."""
    names = [name for layer in layers if isinstance(name := get(layer.values, path), str)]
    try:
        return plugins.find(kind, names[-1]) if names else None
    except PluginError:
        return None
