"""Sources of backbones: what they list can be built, is as its info says, and can be run in two halves."""

from __future__ import annotations

import inspect
from importlib import resources
from typing import Any

import pytest
import torch

from graft.authoring.places import shown
from graft.backbones.contract import Backbone, WeightsInfo
from graft.backbones.names import architectures, stage_names
from graft.errors import GraftError, WeightsError
from graft.plugins import BackboneSpec
from graft.testing.conformance.base import Conformance, Subject

_METHODS = ("names", "build", "pretrained", "tagged", "fetch", "convert", "classifier")


class BackboneConformance(Conformance):
    """What is checked of a source of backbones.

    Say in `archs` which of its architectures are built: small ones, one of each kind. By default it is the first.
    """

    kind = BackboneSpec

    archs: tuple[str, ...] = ()
    """The architectures that are built."""
    size: int = 64
    """Side of the images in pixels."""

    @pytest.fixture
    def source(self, subject: Subject) -> Any:
        """The source."""
        missing = [name for name in _METHODS if not callable(getattr(subject.target, name, None))]
        subject.demand(not missing, f"it has no {', '.join(missing)}", expected="graft.backbones.BackboneSource")
        with subject.doing("building it", expected="a class that takes no arguments"):
            return subject.target()

    def _archs(self, subject: Subject) -> tuple[str, ...]:
        assert isinstance(subject.spec, BackboneSpec)
        return self.archs or tuple(architectures(subject.spec))[:1]

    def _listed(self, subject: Subject, arch: str) -> str:
        """Return where the index lists an architecture."""
        assert isinstance(subject.spec, BackboneSpec)
        package, _, name = subject.spec.index.partition(":")
        file = resources.files(package).joinpath(name)
        lines = file.read_text(encoding="utf-8").splitlines()
        found = [number for number, line in enumerate(lines, 1) if line.partition("\t")[0].strip() == arch]
        return f"{shown(str(file))}:{found[0] if found else 1}"

    def _built(self, subject: Subject, source: Any, arch: str, channels: int = 3) -> Backbone:
        at = subject.method("build")
        with subject.doing(f"build, of '{arch}' with {channels} channels,", expected="a Backbone", at=at):
            torch.manual_seed(0)
            built: Backbone = source.build(arch, channels=channels)
        subject.demand(isinstance(built, Backbone), f"build gave {built!r}", expected="graft.backbones.Backbone", at=at)
        return built.eval()

    def test_index__is_what_can_be_built(self, subject: Subject, source: Any) -> None:
        """The index lists what `names` has, with its own reductions."""
        spec = subject.spec
        assert isinstance(spec, BackboneSpec)
        with subject.doing("the index", expected="a text with a line for each name", at=subject.place):
            listed = architectures(spec)
        names = set(source.names())
        subject.demand(listed and names, "there are no names", expected="at least one", at=subject.method("names"))
        lost = sorted(set(listed) - names)
        subject.demand(
            not lost,
            f"{spec.index} lists {', '.join(lost[:3])}, which it cannot build",
            expected="the names of `names`",
            at=self._listed(subject, (lost or [""])[0]),
        )
        for arch in self._archs(subject):
            info = self._built(subject, source, arch).info
            reductions = tuple(stage.reduction for stage in info.stages)
            subject.demand(
                listed.get(arch, ()) in ((), reductions),
                f"{spec.index} has the reductions {listed.get(arch)} of '{arch}', and it has {reductions}",
                expected="the reductions of its stages, stem first",
                at=self._listed(subject, arch),
            )
            if listed.get(arch):
                called = [stage.name for stage in info.stages]
                subject.demand(
                    called == stage_names(len(called)),
                    f"the stages of '{arch}' are called {called}",
                    expected="stem, stage1 …, where the index has reductions",
                    at=subject.method("build"),
                )

    def test_info__is_what_comes_out(self, subject: Subject, source: Any) -> None:
        """Channels, reductions and the length of the embedding are those of the tensors, for any number of channels."""
        at = subject.method("build")
        for arch in self._archs(subject):
            for channels in (3, 1, 5):
                backbone = self._built(subject, source, arch, channels)
                subject.demand(
                    backbone.preprocess.channels == channels,
                    f"the preprocessing of '{arch}' with {channels} channels has {backbone.preprocess.channels}",
                    expected="graft.backbones.channels.adapt_preprocess",
                    at=at,
                )
                images = torch.rand(2, channels, self.size, self.size)
                with torch.no_grad(), subject.doing(f"the pyramid of '{arch}'", expected="feature maps", at=at):
                    maps, embedding = backbone.pyramid(images), backbone.embed(images)
                for stage, one in zip(backbone.info.stages, maps, strict=True):
                    near = abs(one.shape[-1] * stage.reduction - self.size) <= 2 * stage.reduction
                    subject.demand(
                        one.ndim == 4 and one.shape[1] == stage.channels and near,
                        f"{stage.name} of '{arch}' gives {tuple(one.shape)}, and its info says {stage}",
                        expected="(B, channels, H / reduction, W / reduction)",
                        at=at,
                    )
                subject.demand(
                    embedding.shape == (2, backbone.info.embed_dim),
                    f"the embedding of '{arch}' is {tuple(embedding.shape)}, and embed_dim {backbone.info.embed_dim}",
                    expected="(B, embed_dim)",
                    at=at,
                )

    def test_halves__give_the_whole(self, subject: Subject, source: Any) -> None:
        """`prefix` and then `suffix` is the same as both, to the last bit, wherever it is cut; nothing else matters."""
        for arch in self._archs(subject):
            backbone = self._built(subject, source, arch)
            images = torch.rand(2, 3, self.size, self.size)
            with torch.no_grad():
                whole = backbone.suffix(images, 0)
                for stage in range(len(backbone.stages) + 1):
                    with subject.doing(
                        f"'{arch}' cut behind stage {stage}",
                        expected="stages that need the one before them alone",
                        at=subject.method("build"),
                    ):
                        halves = backbone.suffix(backbone.prefix(images, stage), stage)
                    subject.demand(
                        torch.equal(whole, halves),
                        f"'{arch}' cut behind stage {stage} gives other features",
                        expected="stages without state, and each a function of the one before it",
                        at=subject.method("build"),
                    )
                again = backbone.suffix(images, 0)
            subject.demand(
                torch.equal(whole, again),
                f"'{arch}' gives other features in eval mode the second time",
                expected="the same",
                at=subject.method("build"),
            )

    def test_names__are_refused_in_words(self, subject: Subject, source: Any) -> None:
        """A name that it does not have is a `WeightsError`; what it knows of weights is well formed."""
        at = subject.method("build")
        try:
            with subject.doing("build, of 'no-such-network',", expected="WeightsError", at=at, allowed=GraftError):
                source.build("no-such-network")
        except WeightsError:
            pass
        else:
            subject.fail("it builds 'no-such-network'", expected="graft.errors.WeightsError", at=at)
        takes = inspect.signature(source.build).parameters
        subject.demand("channels" in takes, f"build takes {', '.join(takes)}", expected="channels=", at=at)
        for arch in self._archs(subject):
            for name in ("pretrained", "tagged", "classifier"):
                with subject.doing(f"{name}, of '{arch}',", expected="as in its contract", at=subject.method(name)):
                    given = getattr(source, name)(arch)
                if name == "pretrained":
                    good = given is None or isinstance(given, WeightsInfo)
                else:
                    good = not isinstance(given, str) and all(isinstance(one, str) for one in given)
                subject.demand(good, f"{name} gave {given!r}", expected="as in its contract", at=subject.method(name))
