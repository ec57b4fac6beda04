"""Domains: fragments that fit every task that they name, samples and demos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.backbones.names import find_architecture
from graft.console import Console
from graft.data import Catalogue
from graft.data.decoder import build_decoder
from graft.data.prepare import prepare, read
from graft.data.store import PixelStore
from graft.domains import Domain, build_domain
from graft.errors import GraftError, Problem
from graft.plugins import DomainSpec, Plugins, TaskSpec
from graft.preprocess import Preprocess
from graft.recipe import ResolvedRecipe, load_recipe
from graft.report.sections import Section
from graft.testing.conformance.base import Conformance, Subject

if TYPE_CHECKING:
    from graft.testing.data import Lab


class DomainConformance(Conformance):
    """What is checked of a domain, with every task that is installed."""

    kind = DomainSpec
    base = Domain

    def test_names__are_of_tasks(self, subject: Subject, graft_plugins: Plugins) -> None:
        """`recipes` and `demos` name tasks, `samples` kinds of targets, and `backbones` architectures."""
        spec = subject.spec
        assert isinstance(spec, DomainSpec)
        tasks = graft_plugins.specs(TaskSpec)
        takes = {one.takes for one in tasks.values()}
        for field, known in (("recipes", tasks), ("demos", tasks), ("samples", takes)):
            strange = sorted(set(getattr(spec, field)) - set(known))
            subject.demand(
                not strange,
                f"`{field}` names {', '.join(strange)}; there are {', '.join(sorted(known))}",
                expected="tasks that are installed with the tests" if known is tasks else "what a task takes",
                at=subject.place,
            )
        for name, reason in spec.backbones.items():
            with subject.doing(f"the backbone '{name}'", expected="an architecture that is listed", at=subject.place):
                find_architecture(name, graft_plugins)
            subject.demand(reason.strip(), f"no reason for '{name}'", expected="why it suits", at=subject.place)

    def test_fragments__fit_every_task(self, subject: Subject, graft_plugins: Plugins) -> None:
        """A recipe of any task with this domain is complete, and so is that of a demo."""
        spec = subject.spec
        assert isinstance(spec, DomainSpec)
        fitting = 0
        for task in graft_plugins.specs(TaskSpec).values():
            resolved = self._resolved(subject, graft_plugins, task, named=task.name in spec.recipes)
            fitting += resolved is not None
            if task.name in spec.demos:
                self._resolved(subject, graft_plugins, task, named=True, demo=True)
        subject.demand(fitting, "no task takes its fragment", expected="a fragment that fits", at=subject.place)

    def test_samples__are_read_with_it(self, subject: Subject, graft_plugins: Plugins, graft_lab: Lab) -> None:
        """Its sample data are written, read, checked and divided as its own fragment says; leaks and sections work."""
        spec = subject.spec
        assert isinstance(spec, DomainSpec)
        for takes in spec.samples:
            for task in graft_plugins.specs(TaskSpec).values():
                if task.takes == takes:
                    self._sample(subject, graft_plugins, graft_lab, task)

    def _sample(self, subject: Subject, plugins: Plugins, lab: Lab, task: TaskSpec) -> None:
        spec = subject.spec
        assert isinstance(spec, DomainSpec)
        function = plugins.sample(spec, task.takes)
        with subject.doing(f"its sample data for '{task.name}'", expected="sample data", at=function):
            folder = lab.folder(task.name, domain=spec.name)
        for part in ("source", "target", "README.txt"):
            there = (folder / part).exists()
            subject.demand(
                there, f"its sample data have no '{part}'", expected="source, target, README.txt", at=function
            )
        # What the images need to be told beside, `graft demo` says of them, too.
        demo = task.name in spec.demos
        resolved = self._resolved(subject, plugins, task, named=True, demo=demo, train=folder / "target")
        assert resolved is not None
        data = resolved.recipe.data
        with subject.doing(f"reading its sample data for '{task.name}'", expected="usable data", at=function):
            decoder = build_decoder(resolved.decoder, resolved.decoder_options, plugins=plugins)
            domain = build_domain(resolved, decoder=decoder, plugins=plugins)
            catalogue = read(
                data,
                takes=task.takes,
                reader=resolved.reader,
                options=resolved.reader_options,
                decoder=decoder,
                plugins=plugins,
            )
            made = plugins.target(task)(classes=catalogue.classes, options=resolved.task_options)
            # Channels as the fragment says, or the decoder would not give them.
            channels = resolved.recipe.backbone.channels
            frame = Preprocess(size=(32, 32), mean=(0.5,) * channels, std=(0.5,) * channels)
            store = PixelStore(frame.framed(task.framing), decoder=decoder)
            prepared = prepare(catalogue, data, task=made, domain=domain, store=store, console=Console(quiet=True))
        assert domain is not None
        splits = {name: list(indices) for name, indices in prepared.split.items()}
        self._leaks(subject, domain, prepared.catalogue, splits)
        samples = [prepared.catalogue.samples[index] for index in splits["test"] or splits["train"]]
        targets = [made.encode(sample) for sample in samples]
        with subject.doing("sections", expected="graft.report.sections.Section", at=subject.method("sections")):
            sections = domain.sections(made, samples, made.baseline(targets, targets), targets)
        subject.demand(
            all(isinstance(one, Section) for one in sections),
            f"sections gave {sections!r}",
            expected="a list of graft.report.sections.Section",
            at=subject.method("sections"),
        )

    def _leaks(self, subject: Subject, domain: Domain, catalogue: Catalogue, split: dict[str, list[int]]) -> None:
        at = subject.method("leaks")
        with subject.doing("leaks", expected="a list of graft.errors.Problem", at=at):
            found = domain.leaks(catalogue, split)
        good = isinstance(found, list) and all(isinstance(one, Problem) for one in found)
        subject.demand(good, f"leaks gave {found!r}", expected="a list of graft.errors.Problem", at=at)
        subject.demand(not found, f"its own sample data leak: {found[:1]}", expected="splits that share nothing", at=at)

    def _resolved(
        self,
        subject: Subject,
        plugins: Plugins,
        task: TaskSpec,
        *,
        named: bool,
        demo: bool = False,
        train: Path = Path("nowhere"),
    ) -> ResolvedRecipe | None:
        """Return a recipe of a task with the domain; None where it is refused and the domain does not name it."""
        spec = subject.spec
        assert isinstance(spec, DomainSpec)
        base: dict[str, Any] = {"task": task.name, "domain": spec.name, "data.train": str(train)}
        if demo:
            base |= {**task.demo, **spec.demos[task.name], "data.train": str(train)}
        try:
            return load_recipe(None, base=base, plugins=plugins)
        except GraftError as error:
            if named:
                subject.fail(
                    f"a recipe of '{task.name}' with it is refused: {' '.join(str(error).split())}",
                    expected="a fragment of a recipe",
                    at=subject.place,
                )
            return None
