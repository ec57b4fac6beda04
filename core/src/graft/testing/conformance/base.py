"""What every conformance class has: the contribution, and how a failing check says what is to be mended."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import pytest

from graft.authoring.audit import faults_of_options
from graft.authoring.places import module_of, place, place_of_error, place_of_spec
from graft.errors import GraftError, PluginError
from graft.plugins import Contribution, Descriptor, Plugins


class Subject:
    """One contribution that is checked.

    Args:
        spec: Its descriptor.
        plugins: Who offers it.
        options: What its options are, where the defaults will not do.
    """

    def __init__(self, spec: Contribution, plugins: Plugins, options: Mapping[str, Any] | None = None) -> None:
        self.spec = spec
        self.plugins = plugins
        self.owner = plugins.owner(spec)
        self._given = dict(options or {})

    def __str__(self) -> str:
        target = f" ({self.spec.target})" if isinstance(self.spec, Descriptor) else ""
        return f"{self.spec.kind} '{self.spec.name}'{target}"

    @property
    def target(self) -> Any:
        """What the descriptor names."""
        assert isinstance(self.spec, Descriptor)
        try:
            return self.plugins.target(self.spec)
        except PluginError as error:
            # Installed or not, a descriptor has to be right: what it requires is asked for before it is imported.
            if isinstance(error.__cause__, Exception):
                self.fail(
                    str(error), expected="a target that can be imported", at=self._broken(error.__cause__) or self.place
                )
            pytest.skip(str(error))

    @property
    def options(self) -> Any:
        """The options that it is checked with."""
        assert isinstance(self.spec, Descriptor)
        with self.doing("its options", expected="an options model that takes what the test gives it", at=self.place):
            return self.plugins.options(self.spec)(**self._given)

    @property
    def place(self) -> str:
        """Where its descriptor stands."""
        return place_of_spec(self.spec, self.owner)

    def method(self, name: str) -> Any:
        """Return a method of the target to point at; the target itself where it has none."""
        return getattr(self.target, name, self.target)

    def fail(self, what: str, *, expected: str, at: Any = None) -> NoReturn:
        """Fail the check.

        Args:
            what: What was found, as in `decode gave 1 prediction for 2 images`.
            expected: What the contract asks for.
            at: The class, the method or `file:line` that is to be mended; by default the target.
        """
        if at is None:
            at = self.target if isinstance(self.spec, Descriptor) else self.place
        where = at if isinstance(at, str) else f"{getattr(at, '__qualname__', type(at).__qualname__)}, {place(at)}"
        what = " ".join(what.split())
        pytest.fail(f"{self}: {what}\n  expected  {expected}\n  mend      {where}", pytrace=False)

    def demand(self, good: Any, what: str, *, expected: str, at: Any = None) -> None:
        """Fail the check unless `good`; as `fail`."""
        if not good:
            self.fail(what, expected=expected, at=at)

    @contextmanager
    def doing(
        self, what: str, *, expected: str, at: Any = None, allowed: type[Exception] | tuple[type[Exception], ...] = ()
    ) -> Iterator[None]:
        """Let an error in the body fail the check, with the author's own line where it came from.

        Args:
            what: What is done, as in `decode`.
            expected: What the contract asks for.
            at: What is to be mended where the error does not come from the author's code.
            allowed: Errors that come through.
        """
        try:
            yield
        except allowed:
            raise
        except Exception as error:
            said = " ".join(str(error).split())
            self.fail(f"{what} raised {type(error).__name__}: {said}", expected=expected, at=self._broken(error) or at)

    def _broken(self, error: BaseException) -> str | None:
        return place_of_error(error, self._own())

    def _own(self) -> list[Path]:
        """Return the folder of the plugin's package, or the file of one that is a single file."""
        module = module_of(self.owner)
        file = getattr(module, "__file__", None)
        if file is None:
            return []
        return [Path(file).parent if module is not None and module.__package__ else Path(file)]


class Conformance:
    """What is checked of a contribution of any kind: that its descriptor is right.

    Subclass the class for its kind and say its `name`, or several:

        class TestCosine(HeadConformance):
            name = "cosine"
    """

    kind: ClassVar[type[Any]]
    """The descriptor's class."""
    base: ClassVar[type[Any] | None] = None
    """What the target must be a subclass of."""

    name: str | tuple[str, ...] = ()
    """The contribution's name, or several names that are all to be checked."""
    options: Mapping[str, Any] = {}
    """Its options in the checks, where the defaults are too slow for them, or some have no default."""

    @pytest.fixture
    def subject(self, graft_plugins: Plugins, graft_name: str) -> Subject:
        """The contribution."""
        try:
            spec = graft_plugins.find(self.kind, graft_name)
        except PluginError as error:
            pytest.fail(f"{self.kind.kind} '{graft_name}' is not offered: {error}", pytrace=False)
        return Subject(spec, graft_plugins, self.options)

    def test_descriptor__names_what_is_there(self, subject: Subject) -> None:
        """Its target can be imported, and is what its kind asks for."""
        spec = subject.spec
        if not isinstance(spec, Descriptor):
            return
        for module, install in spec.requires.items():
            told = isinstance(install, str) and install.strip()
            subject.demand(
                told,
                f"`requires` says nothing to install for the module {module!r}",
                expected="what a user types to install it",
                at=subject.place,
            )
        target = subject.target
        if self.base is not None and not (inspect.isclass(target) and issubclass(target, self.base)):
            what = f"its target is {target!r}"
            subject.fail(what, expected=f"a subclass of {self.base.__module__}.{self.base.__qualname__}")
        if inspect.isclass(target) and (left := sorted(getattr(target, "__abstractmethods__", ()))):
            subject.fail(f"{', '.join(left)} not implemented", expected="every abstract method of its base")

    def test_options__are_checked(self, subject: Subject) -> None:
        """Its options model refuses unknown keys, and can be described."""
        spec = subject.spec
        if not isinstance(spec, Descriptor) or spec.options is None:
            return
        with subject.doing("importing `options`", expected="a model that can be imported", at=subject.place):
            model = subject.plugins.options(spec)
        for what, expected in faults_of_options(model, self.options):
            subject.fail(what, expected=expected, at=model)


def typed(error: Exception) -> bool:
    """Return whether an error is one that users may see: a sentence, and no traceback."""
    return isinstance(error, GraftError) and bool(error.message.strip())
