"""Recipes made complete: every name looked up, every part's options checked by their owner, every mistake at once."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from graft.backbones.names import Reductions, architectures, find_architecture, reductions_of
from graft.errors import PluginError, Problem, did_you_mean
from graft.plugins.descriptors import (
    AugmentationSpec,
    BackboneSpec,
    DecoderSpec,
    Descriptor,
    DomainSpec,
    HeadSpec,
    MetricSpec,
    ReaderSpec,
    StrategySpec,
    TaskSpec,
)
from graft.recipe.at_once import unfit
from graft.recipe.fitting import misfits
from graft.recipe.layers import Layer, Path, Tree, dotted, get, leaves, plain
from graft.recipe.mistakes import UNKNOWN, Mistake, Mistakes, check, shown
from graft.recipe.resolved import ResolvedRecipe
from graft.recipe.schema import Evaluation, Recipe
from graft.recipe.stacking import stack
from graft.strategies.options import CHOICES

if TYPE_CHECKING:
    from graft.plugins import Plugins

D = TypeVar("D", bound=Descriptor)
T = TypeVar("T")
S = TypeVar("S", bound=Descriptor | StrategySpec)
Serving = HeadSpec | AugmentationSpec | MetricSpec
"""What is for certain tasks."""

_TOML_TYPES = (str, int, float, list, dict)


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
    return _Resolver(tree, plugins, Mistakes(tree, main, [*problems, *tree.problems])).resolve()


class _Resolver:
    """Looks every name up, and goes on after a mistake to find the others."""

    def __init__(self, tree: Tree, plugins: Plugins, mistakes: Mistakes) -> None:
        self.tree = tree
        self.plugins = plugins
        self.mistakes = mistakes
        self.complete = copy.deepcopy(tree.values)

    def resolve(self) -> ResolvedRecipe:
        self.plain_values()
        self.mistakes.add_all(check(Recipe, self.tree.values)[1])
        task, task_options = self.part(("task",), TaskSpec)
        domain, domain_options = self.part(("domain",), DomainSpec)
        self.found(StrategySpec, ("strategy", "preset"))
        reader, reader_options = self.reader()
        decoder, decoder_options = self.part(("data", "decoder"), DecoderSpec)
        source, arch = self.backbone()
        head, head_options = self.part(("head",), HeadSpec)
        augment, augment_options = self.part(("augment",), AugmentationSpec)
        chosen = self.choices()
        metrics = self.metrics()
        if task is not None:
            self.fit_together(task, reader, head, augment, metrics)
        if source is not None:
            self.fit_backbone(source, arch, chosen[("strategy", "unfreeze")], head, head_options)
        self.mistakes.stop()

        recipe = _present(check(Recipe, self.complete)[0])
        return ResolvedRecipe(
            recipe=recipe,
            task=_present(task),
            domain=domain,
            head=_present(head),
            augment=_present(augment),
            metrics=tuple(metrics.values()),
            backbone=_present(source),
            arch=arch,
            reader=reader,
            decoder=_present(decoder),
            task_options=_present(task_options),
            domain_options=domain_options,
            head_options=_present(head_options),
            augment_options=_present(augment_options),
            reader_options=reader_options,
            decoder_options=_present(decoder_options),
            origins={dotted(path): self.tree.source(path, "default") for path, _ in leaves(plain(recipe))},
        )

    def plain_values(self) -> None:
        for path, value in leaves(self.tree.values):
            if not isinstance(value, _TOML_TYPES):
                self.mistakes.add(path, f"expected a text, a number, a list or a table, got {shown(value)}")

    def found(self, kind: type[S], path: Path) -> S | None:
        """Return what the name at `path` stands for; None when it is missing, no text, or nobody's, which is said."""
        name = get(self.tree.values, path)
        if not isinstance(name, str) or not name:
            return None
        try:
            return self.plugins.find(kind, name)
        except PluginError as error:
            known = self.plugins.specs(kind)
            clash = any(spec.name == name for spec in known.values())
            close = None if clash else did_you_mean(name, known)
            what = f"there is no {kind.kind} '{name}'" if close else error.message
            self.mistakes.add(path, what, close or error.fix)
            return None

    def part(self, path: Path, kind: type[D]) -> tuple[D | None, BaseModel | None]:
        """Return the part at `path` and its options, and write the options' defaults into the recipe."""
        spec = self.found(kind, (*path, "kind"))
        if spec is None:
            return None, None
        try:
            model = self.plugins.options(spec)
        except PluginError as error:
            self.mistakes.add((*path, "kind"), error.message, error.fix)
            return spec, None
        return spec, self.options(path, model, kind.kind, self.others(spec))

    def others(self, spec: Descriptor) -> Iterator[tuple[str, type[BaseModel]]]:
        """Yield the name and the options of what could stand in the place of `spec`."""
        tasks = _tasks(spec)
        for name, other in self.plugins.specs(type(spec)).items():
            if not tasks or not _tasks(other) or tasks & _tasks(other):
                with suppress(PluginError):
                    yield name, self.plugins.options(other)

    def options(
        self, path: Path, model: type[BaseModel], what: str, others: Iterable[tuple[str, type[BaseModel]]]
    ) -> BaseModel | None:
        """Return the options of the part at `path`, checked.

        Args:
            path: Of the part.
            model: Checks them.
            what: What the part is, as in `head`.
            others: The models of what could be there instead: an unknown key may be one of theirs.
        """
        table = get(self.complete, path)
        given = {key: value for key, value in table.items() if key != "kind"}
        options, wrong = check(model, given)
        models = list(others) if wrong else []
        for mistake in wrong:
            if mistake.what == UNKNOWN and len(mistake.path) == 1:
                (key,) = mistake.path
                having = [f"'{name}'" for name, other in models if key in other.model_fields]
                hint = f"it is a key of {' and '.join(having)}" if having else mistake.hint
                mistake = Mistake(mistake.path, f"{UNKNOWN} of the {what} '{table['kind']}'", hint)
            self.mistakes.add_all([mistake], below=path)
        if options is not None:
            for former in given.keys() - model.model_fields.keys():  # a name that an option had before
                del table[former]
            table.update(plain(options))
        return options

    def reader(self) -> tuple[ReaderSpec | None, BaseModel | None]:
        table = get(self.tree.values, ("data", "reader"))
        if get(table, ("kind",)) != "auto":
            return self.part(("data", "reader"), ReaderSpec)
        for key in sorted(set(table) - {"kind"}):
            hint = "write data.reader.kind, too"
            self.mistakes.add(("data", "reader", key), "reader 'auto' takes no options", hint)
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
            qualifier, colon, _ = kind.rpartition(":")
            known = self.plugins.specs(BackboneSpec) if colon else _architectures(self.plugins)
            close = did_you_mean(qualifier or kind, known)
            what = f"there is no source of backbones '{qualifier}'" if colon else f"there is no backbone '{kind}'"
            self.mistakes.add(path, what if close else error.message, close or error.fix)
            return None, ""
        if ":" not in kind:
            self.complete["backbone"]["kind"] = f"{source.name}:{arch}"
        return source, arch

    def choices(self) -> dict[Path, BaseModel | None]:
        """Return the options of the parts that core alone offers, by path, and write their defaults into the recipe."""
        chosen: dict[Path, BaseModel | None] = dict.fromkeys(CHOICES)
        for path, (what, kinds) in CHOICES.items():
            kind = get(self.tree.values, (*path, "kind"))
            if kind in kinds:
                chosen[path] = self.options(path, kinds[kind], what, kinds.items())
            elif isinstance(kind, str):
                hint = did_you_mean(kind, kinds) or f"there are {', '.join(kinds)}"
                self.mistakes.add((*path, "kind"), f"there is no {what} '{kind}'", hint)
        return chosen

    def metrics(self) -> dict[int, MetricSpec]:
        """Return the metrics by their place in the recipe."""
        names = get(self.tree.values, ("evaluation", "metrics"))
        if not isinstance(names, list):
            return {}
        found = {i: self.found(MetricSpec, ("evaluation", "metrics", str(i))) for i in range(len(names))}
        return {i: spec for i, spec in found.items() if spec is not None}

    def fit_together(
        self,
        task: TaskSpec,
        reader: ReaderSpec | None,
        head: HeadSpec | None,
        augment: AugmentationSpec | None,
        metrics: Mapping[int, MetricSpec],
    ) -> None:
        """Say which of the parts are not for `task`."""
        if reader is not None and reader.gives != task.takes:
            what = f"reader '{reader.name}' gives {reader.gives}, but {task.name} takes {task.takes}"
            others = (name for name, spec in self.plugins.specs(ReaderSpec).items() if spec.gives == task.takes)
            self.mistakes.add(("data", "reader", "kind"), what, _instead(others))
        if head is not None:
            self.serves(task, head, ("head", "kind"))
            self.mistakes.add_all(unfit(head, augment, self.tree.values))
        if augment is not None:
            self.serves(task, augment, ("augment", "kind"))
        for index, metric in metrics.items():
            self.serves(task, metric, ("evaluation", "metrics", str(index)))
        overlap = ("evaluation", "overlap")
        if task.framing != "windows" and get(self.tree.values, overlap) != Evaluation().overlap:
            self.mistakes.add(overlap, f"{task.name} sees whole images, not windows", "leave it out")
        for mix in ("mixup", "cutmix"):
            path = ("strategy", "regularise", mix)
            if get(self.tree.values, path) and mix not in task.mixes:
                self.mistakes.add(path, f"{task.name} cannot mix its targets in proportion", "leave it 0")
        if len(metrics) == len(get(self.tree.values, ("evaluation", "metrics")) or ()):
            self.monitor([metric.name for metric in metrics.values()])

    def fit_backbone(
        self,
        source: BackboneSpec,
        arch: str,
        unfreeze: BaseModel | None,
        head: HeadSpec | None,
        head_options: BaseModel | None,
    ) -> None:
        """Say what does not fit the backbone's stages, where its index lists them; else building it says so."""
        upto = get(self.tree.values, ("backbone", "upto"))
        reductions: Reductions = ()
        with suppress(PluginError):
            reductions = reductions_of(source, arch)
        if not reductions:
            return
        try:
            for problem in misfits(
                reductions,
                upto=upto if isinstance(upto, str) else None,
                unfreeze=unfreeze,
                head=head,
                head_options=head_options,
                plugins=self.plugins,
            ):
                self.mistakes.add(tuple(problem.where.split(".")), problem.what, problem.hint)
        except PluginError as error:  # what the head's plugin names cannot be imported
            self.mistakes.add(("head", "kind"), error.message, error.fix)

    def monitor(self, metrics: Sequence[str]) -> None:
        """Say so unless the monitored value is a metric's: `f1`, or `f1.cat`."""
        path = ("train", "monitor")
        monitor = get(self.tree.values, path)
        if not isinstance(monitor, str) or any(f"{monitor}.".startswith(f"{metric}.") for metric in metrics):
            return
        if self.tree.source(path, "").startswith("task "):
            what = f"'{monitor}' is not among them, and train.monitor names it"
            self.mistakes.add(("evaluation", "metrics"), what, "add it, or set train.monitor to one of these")
        else:
            hint = did_you_mean(monitor, metrics) or _instead(metrics)
            self.mistakes.add(path, f"'{monitor}' is not among evaluation.metrics", hint)

    def serves(self, task: TaskSpec, spec: Serving, path: Path) -> None:
        if spec.tasks and task.name not in spec.tasks:
            known = self.plugins.specs(type(spec)).items()
            others = (name for name, other in known if not other.tasks or task.name in other.tasks)
            what = f"{spec.kind} '{spec.name}' is for {' and '.join(spec.tasks)}, not for {task.name}"
            self.mistakes.add(path, what, _instead(others))


def _architectures(plugins: Plugins) -> Iterator[str]:
    for spec in plugins.specs(BackboneSpec).values():
        with suppress(PluginError):
            yield from architectures(spec)


def _tasks(spec: Descriptor) -> set[str]:
    """Return the tasks that a part is for; none when it fits every task."""
    return set(getattr(spec, "tasks", ()))


def _present(value: T | None) -> T:
    """Return `value`: where there was no mistake, nothing is missing."""
    if value is None:
        raise AssertionError("a mistake in the recipe was not reported")
    return value


def _instead(names: Iterable[str]) -> str | None:
    listed = ", ".join(sorted(names))
    return f"there are {listed}" if listed else None
