"""Recipes made complete: every name looked up, every part's options checked by their owner, every mistake at once."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from graft.backbones.names import find_architecture
from graft.errors import PluginError, Problem, RecipeError, did_you_mean
from graft.plugins.descriptors import (
    AugmentationSpec,
    BackboneSpec,
    Descriptor,
    DomainSpec,
    HeadSpec,
    MetricSpec,
    ReaderSpec,
    StrategySpec,
    TaskSpec,
)
from graft.recipe.layers import Layer, Path, Tree, dotted, get, leaves, plain
from graft.recipe.mistakes import Mistake, check
from graft.recipe.schema import Recipe
from graft.recipe.stacking import stack
from graft.recipe.writing import to_toml
from graft.strategies.options import UNFREEZE

if TYPE_CHECKING:
    from graft.plugins import Plugins

D = TypeVar("D", bound=Descriptor)
T = TypeVar("T")
S = TypeVar("S", bound=Descriptor | StrategySpec)

_TOML_TYPES = (str, int, float, list, dict)


@dataclass(frozen=True, kw_only=True)
class ResolvedRecipe:
    """A complete recipe and what its names stand for.

    Attributes:
        recipe: Complete: the head, the augmentation, the metrics, the monitored value and every option are filled in,
            the strategy preset is merged in, and the backbone is named with its source.
        task: The task.
        head: Its head.
        augment: The augmentation preset.
        metrics: The metrics, in the recipe's order.
        backbone: The source of the backbone.
        arch: The architecture's name there.
        reader: The data format; None when it is to be detected.
        task_options: The task's options.
        head_options: The head's.
        augment_options: The augmentation preset's.
        reader_options: The reader's; None when it is to be detected.
        origins: Where each value came from, by dotted path: `default`, `task …`, `domain …`, `preset …`, the file's
            name, `command line` or `Python`. Two recipes that differ in nothing else are equal.
    """

    recipe: Recipe
    task: TaskSpec
    head: HeadSpec
    augment: AugmentationSpec
    metrics: tuple[MetricSpec, ...]
    backbone: BackboneSpec
    arch: str
    reader: ReaderSpec | None
    task_options: BaseModel
    head_options: BaseModel
    augment_options: BaseModel
    reader_options: BaseModel | None
    origins: Mapping[str, str] = field(compare=False)

    @property
    def values(self) -> dict[str, Any]:
        """The recipe as nested plain values, without what is None."""
        return plain(self.recipe)  # type: ignore[no-any-return]

    def to_toml(self) -> str:
        """Return the recipe as TOML that resolves to the same recipe again."""
        return to_toml(self.values)


def resolve(values: Mapping[str, Any], *, plugins: Plugins, source: str = "recipe") -> ResolvedRecipe:
    """Return the complete recipe that nested `values` ask for; `source` is who they are from, in errors and origins.

    Raises:
        RecipeError: With every mistake at once.
    """
    return resolve_layers([Layer.of(values, source)], plugins=plugins, main=source)


def resolve_layers(
    layers: Sequence[Layer], *, plugins: Plugins, main: str, problems: Sequence[Problem] = ()
) -> ResolvedRecipe:
    """Return the complete recipe that `layers`, lowest first, amount to.

    Args:
        layers: What people wrote.
        plugins: Who offers the names.
        main: Who is told what is missing everywhere.
        problems: What is known to be wrong already.

    Raises:
        RecipeError: With every mistake at once.
    """
    tree = stack(layers, plugins)
    return _Resolver(tree, plugins, _Report(tree, main, [*problems, *tree.problems])).resolve()


@dataclass
class _Report:
    """Mistakes so far; the first at each path is kept."""

    tree: Tree
    main: str
    problems: list[Problem]
    seen: set[Path] = field(default_factory=set)

    def add(self, path: Path, what: str, hint: str | None = None) -> None:
        if path not in self.seen:
            self.seen.add(path)
            self.problems.append(Problem(f"{self.tree.source(path, self.main)}: {dotted(path)}", what, hint))

    def add_all(self, mistakes: Iterable[Mistake], below: Path = ()) -> None:
        for mistake in mistakes:
            self.add((*below, *mistake.path), mistake.what, mistake.hint)

    def stop_on_mistakes(self) -> None:
        if self.problems:
            count = len(self.problems)
            raise RecipeError(
                f"the recipe has {count} mistakes" if count > 1 else "the recipe has a mistake",
                problems=self.problems,
                fix="correct it; graft recipe schema lists every key and what it takes",
            )


class _Resolver:
    """Looks every name up, and goes on after a mistake to find the others."""

    def __init__(self, tree: Tree, plugins: Plugins, report: _Report) -> None:
        self.tree = tree
        self.plugins = plugins
        self.report = report
        self.complete = copy.deepcopy(tree.values)

    def resolve(self) -> ResolvedRecipe:
        self.plain_values()
        self.report.add_all(check(Recipe, self.tree.values)[1])
        task, task_options = self.part(("task",), TaskSpec)
        self.part(("domain",), DomainSpec)
        self.found(StrategySpec, ("strategy", "preset"))
        reader, reader_options = self.reader()
        source, arch = self.backbone()
        head, head_options = self.part(("head",), HeadSpec)
        augment, augment_options = self.part(("augment",), AugmentationSpec)
        self.unfreeze()
        metrics = self.metrics()
        if task is not None:
            self.fit_together(task, reader, head, augment, metrics)
        self.report.stop_on_mistakes()

        recipe = _present(check(Recipe, self.complete)[0])
        return ResolvedRecipe(
            recipe=recipe,
            task=_present(task),
            head=_present(head),
            augment=_present(augment),
            metrics=tuple(metrics.values()),
            backbone=_present(source),
            arch=arch,
            reader=reader,
            task_options=_present(task_options),
            head_options=_present(head_options),
            augment_options=_present(augment_options),
            reader_options=reader_options,
            origins={dotted(path): self.tree.source(path, "default") for path, _ in leaves(self.complete)},
        )

    def plain_values(self) -> None:
        for path, value in leaves(self.tree.values):
            if not isinstance(value, _TOML_TYPES):
                what = (
                    f"expected a text, a number, a list or a table, got a Python object of type {type(value).__name__}"
                )
                self.report.add(path, what)

    def found(self, kind: type[S], path: Path) -> S | None:
        """Return what the name at `path` stands for; None when it is missing, no text, or nobody's, which is said."""
        name = get(self.tree.values, path)
        if not isinstance(name, str) or not name:
            return None
        try:
            return self.plugins.find(kind, name)
        except PluginError as error:
            self.cannot_find(kind.kind, path, did_you_mean(name, self.plugins.specs(kind)), error)
            return None

    def cannot_find(self, kind: str, path: Path, close: str | None, error: PluginError) -> None:
        if close:
            self.report.add(path, f"there is no {kind} '{get(self.tree.values, path)}'", close)
        else:
            self.report.add(path, error.message, error.fix)

    def part(self, path: Path, kind: type[D]) -> tuple[D | None, BaseModel | None]:
        """Return the part at `path` and its options, and write the options' defaults into the recipe."""
        spec = self.found(kind, (*path, "kind"))
        if spec is None:
            return None, None
        try:
            model = self.plugins.options(spec)
        except PluginError as error:
            self.report.add((*path, "kind"), error.message, error.fix)
            return spec, None
        return spec, self.options(path, model)

    def options(self, path: Path, model: type[BaseModel]) -> BaseModel | None:
        table = get(self.complete, path)
        given = {key: value for key, value in table.items() if key != "kind"}
        options, mistakes = check(model, given)
        self.report.add_all(mistakes, below=path)
        if options is not None:
            table.update(plain(options))
        return options

    def reader(self) -> tuple[ReaderSpec | None, BaseModel | None]:
        table = get(self.tree.values, ("data", "reader"))
        if get(table, ("kind",)) != "auto":
            return self.part(("data", "reader"), ReaderSpec)
        for key in set(table) - {"kind"}:
            self.report.add(("data", "reader", key), "only a named reader takes options", "as in data.reader.kind=csv")
        return None, None

    def backbone(self) -> tuple[BackboneSpec | None, str]:
        """Return the source and the architecture, and write the source into the recipe: another may list it later."""
        path = ("backbone", "kind")
        kind = get(self.tree.values, path)
        if not isinstance(kind, str) or not kind:
            return None, ""
        try:
            source, arch = find_architecture(kind, self.plugins)
        except PluginError as error:
            self.report.add(path, error.message, error.fix)
            return None, ""
        if ":" not in kind:
            self.complete["backbone"]["kind"] = f"{source.name}:{arch}"
        return source, arch

    def unfreeze(self) -> None:
        path = ("strategy", "unfreeze")
        kind = get(self.tree.values, (*path, "kind"))
        if kind in UNFREEZE:
            self.options(path, UNFREEZE[kind])
        elif isinstance(kind, str):
            hint = did_you_mean(kind, UNFREEZE) or f"there are {', '.join(UNFREEZE)}"
            self.report.add((*path, "kind"), f"there is no way to unfreeze '{kind}'", hint)

    def metrics(self) -> dict[str, MetricSpec]:
        """Return the metrics by the names that the recipe gives them."""
        names = get(self.tree.values, ("evaluation", "metrics"))
        if not isinstance(names, list):
            return {}
        found = {name: self.found(MetricSpec, ("evaluation", "metrics", str(i))) for i, name in enumerate(names)}
        return {name: spec for name, spec in found.items() if spec is not None}

    def fit_together(
        self,
        task: TaskSpec,
        reader: ReaderSpec | None,
        head: HeadSpec | None,
        augment: AugmentationSpec | None,
        metrics: Mapping[str, MetricSpec],
    ) -> None:
        """Say which of the parts are not for `task`."""
        if reader is not None and reader.gives != task.takes:
            what = f"reader '{reader.name}' gives {reader.gives}, but {task.name} takes {task.takes}"
            others = (name for name, spec in self.plugins.specs(ReaderSpec).items() if spec.gives == task.takes)
            self.report.add(("data", "reader", "kind"), what, _instead(others))
        if head is not None:
            self.serves(task, head, ("head", "kind"), head.tasks)
        if augment is not None and augment.tasks:
            self.serves(task, augment, ("augment", "kind"), augment.tasks)
        names = get(self.tree.values, ("evaluation", "metrics"))
        for name, metric in metrics.items():
            self.serves(task, metric, ("evaluation", "metrics", str(names.index(name))), metric.tasks)
        if len(metrics) == len(names or ()):
            self.monitor([metric.name for metric in metrics.values()])

    def monitor(self, metrics: Sequence[str]) -> None:
        """Say so unless the monitored value is a metric's: `f1`, or `f1.cat`."""
        path = ("train", "monitor")
        monitor = get(self.tree.values, path)
        if not isinstance(monitor, str) or any(f"{monitor}.".startswith(f"{metric}.") for metric in metrics):
            return
        if self.tree.source(path, "").startswith("task "):
            what = f"'{monitor}' is not among them, and train.monitor names it"
            self.report.add(("evaluation", "metrics"), what, "add it, or set train.monitor to one of these")
        else:
            hint = did_you_mean(monitor, metrics) or _instead(metrics)
            self.report.add(path, f"'{monitor}' is not among evaluation.metrics", hint)

    def serves(self, task: TaskSpec, spec: D, path: Path, tasks: Sequence[str]) -> None:
        if task.name not in tasks:
            others = (
                name
                for name, other in self.plugins.specs(type(spec)).items()
                if task.name in (wanted := other.tasks) or not wanted
            )
            what = f"{spec.kind} '{spec.name}' is for {' and '.join(tasks)}, not for {task.name}"
            self.report.add(path, what, _instead(others))


def _present(value: T | None) -> T:
    """Return `value`: where there was no mistake, nothing is missing."""
    if value is None:
        raise AssertionError("a mistake in the recipe was not reported")
    return value


def _instead(names: Iterable[str]) -> str | None:
    listed = ", ".join(sorted(names))
    return f"there are {listed}" if listed else None
