"""Everything that plugins offer, by kind and name, with its owner."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from graft.errors import GraftError, PluginError, Problem, did_you_mean
from graft.plugins.descriptors import HOOKS, CommandSpec, Contribution, Descriptor, DomainSpec, HeadSpec, TaskSpec
from graft.plugins.loading import BrokenPlugin, LoadedPlugin, PluginInfo, explain

if TYPE_CHECKING:
    from pydantic import BaseModel

D = TypeVar("D", bound=Contribution)

_LISTS = {"strategy": "graft strategies list"}
"""The command that lists one kind, where there is one that says more than that of all kinds."""


@dataclass(frozen=True, kw_only=True)
class DisabledPlugin:
    """A plugin that is installed and off; `why` says by whose wish."""

    name: str
    version: str | None
    why: str


@dataclass(frozen=True)
class _Offer:
    owner: PluginInfo
    spec: Contribution

    @property
    def qualified(self) -> str:
        return f"{self.owner.name}:{self.spec.name}"


class Plugins:
    """What the loaded plugins offer.

    A name that two plugins offer belongs to neither: each is reached by its qualified name, `plugin:name`, and the bare
    name is an error that says so. Core's own names cannot be taken: a plugin that tries is broken.

    Args:
        plugins: Those that work, core first.
        broken: Those that do not.
        off: Those that are switched off.
        settings: `[plugins.<name>]` of `plugins.toml`.
        notices: What else the user should know, one line each.
        manifest: The `plugins.toml` that was found.
        requires: Versions of distributions that it requires, and that are there.

    Attributes:
        loaded: The plugins that work, core first.
        broken: The plugins that do not, by name.
        off: The plugins that are switched off, by name.
        notices: What else the user should know, one line each.
        manifest: The `plugins.toml` that was found.
        requires: Versions of distributions that it requires, and that are there.
    """

    def __init__(
        self,
        plugins: Sequence[LoadedPlugin],
        *,
        broken: Sequence[BrokenPlugin] = (),
        off: Sequence[DisabledPlugin] = (),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        notices: Sequence[str] = (),
        manifest: Path | None = None,
        requires: Mapping[str, str] | None = None,
    ) -> None:
        self.loaded = tuple(plugin.info for plugin in plugins)
        self.broken = tuple(broken)
        self.off = tuple(off)
        self.notices = tuple(notices)
        self.manifest = manifest
        self.requires = dict(requires or {})
        self._settings = dict(settings or {})
        self._offers = [_Offer(plugin.info, spec) for plugin in plugins for spec in plugin.contributions]
        self._owners = {id(offer.spec): offer.owner for offer in self._offers}

    def specs(self, kind: type[D]) -> Mapping[str, D]:
        """Return all of `kind` by the name to use: the bare one, or the qualified one where two plugins clash."""
        return _by_name((offer.spec.name, offer) for offer in self._of(kind))

    def commands(self) -> Mapping[str, CommandSpec | TaskSpec]:
        """Return everything that stands directly behind `graft`: the tasks by their verbs, and the commands."""
        return _by_name(
            (word, offer)
            for kind in (TaskSpec, CommandSpec)
            for offer in self._of(kind)
            if (word := command_of(offer.spec))
        )

    def contributions(self, plugin: PluginInfo) -> tuple[Contribution, ...]:
        """Return what one plugin offers."""
        return tuple(offer.spec for offer in self._offers if offer.owner is plugin)

    def find(self, kind: type[D], name: str) -> D:
        """Return the one of `kind` called `name` or `plugin:name`.

        Raises:
            PluginError: When nobody offers it, two plugins do, or the plugin that is named is broken or off.
        """
        offers = list(self._of(kind))
        matching = [offer for offer in offers if name in (offer.spec.name, offer.qualified)]
        if len(matching) == 1:
            return cast(D, matching[0].spec)
        if matching:
            raise self._clash(kind, name, matching)
        raise self._missing(kind, name)

    def owner(self, spec: Contribution) -> PluginInfo:
        """Return the plugin that offers `spec`, which came from this object."""
        return self._owners[id(spec)]

    def target(self, spec: Descriptor) -> Any:
        """Import and return what `spec.target` names.

        Raises:
            PluginError: When something that it requires is not installed, or its code cannot be imported.
        """
        for module, install in spec.requires.items():
            if not _importable(module):
                message = f"{self._described(spec)} needs the module {module!r}, which is not installed"
                raise PluginError(message, fix=install)
        return self._imported(spec, spec.target)

    def sample(self, spec: TaskSpec | DomainSpec, takes: str | None = None) -> Callable[..., int]:
        """Import and return the function that writes sample data, which the descriptor must name.

        Args:
            spec: Of a task, or of a domain.
            takes: Of a domain, for which kind of target.

        Raises:
            PluginError: When its code cannot be imported.
        """
        target = spec.sample if isinstance(spec, TaskSpec) else spec.samples.get(takes or "")
        if target is None:
            raise ValueError(f"the {spec.kind} {spec.name} names no sample data")
        return cast("Callable[..., int]", self._imported(spec, target))

    def unfit(self, head: HeadSpec, reductions: Sequence[int], options: BaseModel) -> Problem | None:
        """Return what keeps a head from taking a backbone, as the head's own plugin says, or None.

        Args:
            head: The head.
            reductions: Of all stages of the backbone, stem first.
            options: The head's.

        Raises:
            PluginError: When its `fits` cannot be imported.
        """
        if head.fits is None:
            return None
        return cast("Problem | None", self._imported(head, head.fits)(tuple(reductions), options))

    def options(self, spec: Descriptor) -> type[BaseModel]:
        """Return the model that checks the options of `spec`: its own, or one that allows none.

        Raises:
            PluginError: When its code cannot be imported.
        """
        if spec.options is None:
            from graft.recipe.schema import Options

            return Options
        return cast("type[BaseModel]", self._imported(spec, spec.options))

    def settings(self, plugin: str) -> Mapping[str, Any]:
        """Return `[plugins.<plugin>]` of `plugins.toml`; empty when there is none."""
        return self._settings.get(plugin, {})

    def clashes(self) -> Iterator[str]:
        """Yield one line for each name that two plugins offer, with the spellings that reach either."""
        for kind in HOOKS.values():
            offers = list(self._of(kind))
            for name in sorted({offer.spec.name for offer in offers}):
                rivals = [offer for offer in offers if offer.spec.name == name]
                if len(rivals) > 1:
                    yield str(self._clash(kind, name, rivals)).replace("\nFix: ", ": ")

    def warnings(self) -> Iterator[str]:
        """Yield one line for each broken plugin, and the notices."""
        for plugin in self.broken:
            yield f"plugin {plugin} is broken: {plugin.cause} (run: graft doctor)"
        yield from self.notices

    def _of(self, kind: type[D]) -> Iterator[_Offer]:
        return (offer for offer in self._offers if isinstance(offer.spec, kind))

    def _described(self, spec: Contribution) -> str:
        return f"{spec.kind} {spec.name!r} of plugin {self.owner(spec)}"

    def _imported(self, spec: Descriptor, target: str) -> Any:
        module_name, _, path = target.partition(":")
        found: Any = None
        try:
            with redirect_stdout(sys.stderr):  # stdout is the command's own
                found = importlib.import_module(module_name)
            for attribute in path.split("."):
                found = getattr(found, attribute)
        except (GraftError, KeyboardInterrupt):
            raise
        except (Exception, SystemExit) as error:
            message = f"{self._described(spec)} cannot be used: {target}: {explain(error, importing=module_name)}"
            name = self.owner(spec).name
            raise PluginError(
                message, fix=f"mend or upgrade {name}; `graft plugins info {name}` says what it is"
            ) from error
        return found

    def _clash(self, kind: type[D], name: str, offers: Sequence[_Offer]) -> PluginError:
        owners = " and ".join(_installed_as(offer.owner) for offer in offers)
        spellings = " or ".join(offer.qualified for offer in offers)
        return PluginError(f"{kind.kind} {name!r} is offered by {owners}", fix=f"write {spellings}")

    def _missing(self, kind: type[D], name: str) -> PluginError:
        """Return the error for a name that nobody offers, with the most likely reason."""
        plugin = name.partition(":")[0] if ":" in name else name
        for faulty in self.broken:
            if faulty.name == plugin:
                message = f"{kind.kind} {name!r} cannot be used: plugin {faulty} is broken: {faulty.cause}"
                return PluginError(message, fix="graft doctor")
        for disabled in self.off:
            if disabled.name == plugin:
                message = f"{kind.kind} {name!r} cannot be used: plugin {disabled.name!r} is off, {disabled.why}"
                return PluginError(message, fix=f"switch {disabled.name!r} on")
        known = self.specs(kind)
        hint = did_you_mean(name, known)
        message = f"there is no {kind.kind} {name!r}" + (f" ({hint})" if hint else "")
        message += f"; there are {', '.join(sorted(known))}" if known else ""
        if install := installing(name):
            return PluginError(message, fix=install)
        if self.broken and hint is None:
            message += f"; it may belong to a plugin that is broken: {', '.join(str(b) for b in self.broken)}"
            return PluginError(message, fix="graft doctor")
        return PluginError(message, fix=_LISTS.get(kind.kind, f"graft plugins list --kind {kind.kind}"))


def installing(name: str) -> str | None:
    """Return what to type to install the plugin of that name, if it is one that Graft itself knows of by an extra."""
    try:
        extras = importlib.metadata.metadata("graft-core").get_all("Provides-Extra") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return f'pip install "graft-core[{name}]"' if name in extras else None


def _by_name(offers: Iterable[tuple[str, _Offer]]) -> dict[str, Any]:
    by_name: dict[str, list[_Offer]] = {}
    for name, offer in offers:
        by_name.setdefault(name, []).append(offer)
    names: dict[str, Any] = {}
    for name, rivals in by_name.items():
        if len(rivals) == 1:
            names[name] = rivals[0].spec
        else:
            names |= {f"{rival.owner.name}:{name}": rival.spec for rival in rivals}
    return names


def command_of(spec: Contribution) -> str | None:
    """Return the word that stands directly behind `graft` for a task or a command; None for other kinds."""
    if isinstance(spec, TaskSpec):
        return spec.verb
    return spec.name if isinstance(spec, CommandSpec) else None


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False
    except Exception:  # it is there, and importing it will say what is wrong
        return True


def _installed_as(owner: PluginInfo) -> str:
    return f"{owner.distribution} {owner.version}" if owner.distribution else owner.source
