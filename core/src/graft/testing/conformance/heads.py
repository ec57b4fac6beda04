"""Heads: every pyramid, finite losses and gradients, decoding, state dicts."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from graft.backbones.contract import Backbone
from graft.errors import GraftError, Problem
from graft.model import Model
from graft.plugins import HeadSpec, TaskSpec
from graft.sequences import Sequences
from graft.tasks import Features, FittedHead, Head
from graft.testing.backbones import USUAL, tiny_backbone
from graft.testing.conformance.base import Conformance, Subject

if TYPE_CHECKING:
    from graft.engine._setup import Experiment
    from graft.testing.data import Lab

PYRAMIDS = (USUAL, (4, 4, 8, 16, 32), (1, 2, 4, 8, 16, 32), (2, 4, 8), (2, 4, 8, 16, 16))
"""The usual one, ConvNeXt's, VGG's, one that is cut off early, and one whose last stage is dilated."""

SIZES = (64, 75)
"""Sides of the input in pixels: the second is halved evenly by no stage."""


class Rig:
    """A head on a backbone, with the data of a task that it serves."""

    def __init__(self, subject: Subject, lab: Lab, reductions: Sequence[int] = USUAL, size: int = SIZES[0]) -> None:
        assert isinstance(subject.spec, HeadSpec)
        self.subject = subject
        self.spec = subject.spec
        self.size = size
        served = [name for name in self.spec.tasks if name in subject.plugins.specs(TaskSpec)]
        if not served:
            subject.fail(
                f"none of its tasks is offered: {', '.join(self.spec.tasks) or 'it names none'}",
                expected="at least one that is installed",
                at=subject.place,
            )
        self.backbone = self._backbone(reductions)
        self.reductions = tuple(stage.reduction for stage in self.backbone.info.stages)
        self.unfit = self._unfit()
        with subject.doing(
            f"setting a training of '{served[0]}' up", expected="data to check the head with", at=subject.place
        ):
            self.experiment: Experiment = lab.experiment(served[0], size=size)
            self.batch = lab.batch(served[0], size=size)

    def _backbone(self, reductions: Sequence[int]) -> Backbone:
        torch.manual_seed(0)
        return tiny_backbone(reductions)

    def head(self, seed: int = 0) -> Head:
        """Return a new head with weights at random."""
        torch.manual_seed(seed)
        classes = self.experiment.prepared.catalogue.classes
        with self.subject.doing(
            f"building it for stages of 1/{', 1/'.join(map(str, self.reductions))}",
            expected="a head; what it cannot take is said by the function that `fits` names",
            at=self.subject.method("__init__"),
        ):
            head: Head = self.subject.target(
                info=self.backbone.info, classes=classes, options=self.subject.options, task=self.experiment.task
            )
            return head

    def model(self, head: Head | None = None) -> Model:
        """Return the backbone with a head."""
        return Model(self.backbone, head or self.head(), self.spec.needs, sequences=self.spec.sequences)

    def images(self) -> Any:
        """Return the images of the batch; for a head that reads sequences, three frames of each, or the task's own."""
        images: Any = self.batch.images
        if not self.spec.sequences or isinstance(images, Sequences):
            return images
        frames = torch.stack([images, images.flip(2), images.flip(3)], dim=1)
        return Sequences(frames.flatten(0, 1), (3,) * len(images))

    def forward(self, model: Model, images: Any) -> Any:
        """Return the head's outputs."""
        size = images.shape[-2:] if isinstance(images, Tensor) else images.image_size
        shape = "×".join(map(str, size))
        reductions = ", 1/".join(map(str, self.reductions))
        what = f"forward, of {len(images)} images of {shape} pixels through stages of 1/{reductions},"
        with self.subject.doing(what, expected="outputs", at=self.subject.method("forward")):
            return model(images)

    def decode(self, head: Head, outputs: Any, sizes: Sequence[tuple[int, int]]) -> list[Any]:
        """Return the predictions, one for each image."""
        at = self.subject.method("decode")
        with self.subject.doing("decode", expected="a list with a prediction for each image", at=at):
            predictions = head.decode(outputs, sizes)
        self.subject.demand(
            isinstance(predictions, list) and len(predictions) == len(sizes),
            f"decode gave {len(predictions)} predictions for {len(sizes)} images",
            expected="a list with one prediction for each image, in their order",
            at=at,
        )
        return predictions

    def _fits(self) -> Any:
        """Return the function that `fits` names."""
        module, _, name = (self.spec.fits or self.spec.target).partition(":")
        return getattr(importlib.import_module(module), name)

    def _unfit(self) -> Problem | None:
        with self.subject.doing("`fits`", expected="None, or a graft.errors.Problem", at=self._fits()):
            problem = self.subject.plugins.unfit(self.spec, self.reductions, self.subject.options)
        if problem is not None:
            self.subject.demand(
                isinstance(problem, Problem) and problem.where.startswith("head"),
                f"`fits` gave {problem!r}",
                expected="None, or a graft.errors.Problem whose `where` is the recipe's key, as in head.kind",
                at=self._fits(),
            )
        return problem


class HeadConformance(Conformance):
    """What is checked of a head. Its data are the sample data of the first of its tasks that is installed."""

    kind = HeadSpec
    base = Head

    @pytest.fixture
    def rig(self, subject: Subject, graft_lab: Lab) -> Rig:
        """The head on the first backbone that it takes."""
        for reductions in PYRAMIDS:
            rig = Rig(subject, graft_lab, reductions)
            if rig.unfit is None:
                return rig
        return subject.fail(
            f"it takes none of the pyramids {PYRAMIDS}", expected="a head for usual backbones", at=subject.place
        )

    @pytest.mark.parametrize("reductions", PYRAMIDS, ids=lambda each: "-".join(map(str, each)))
    def test_learns__on_every_pyramid(self, subject: Subject, graft_lab: Lab, reductions: tuple[int, ...]) -> None:
        """It is refused by `fits`, or gives finite losses, and gradients to all of its parameters."""
        for size in SIZES:
            rig = Rig(subject, graft_lab, reductions, size)
            if rig.unfit is not None or rig.spec.fitted:
                return
            head = rig.head()
            self._prepare(rig, head)
            self._learn(rig, head)

    def _learn(self, rig: Rig, head: Head) -> None:
        subject, model, at = rig.subject, rig.model(head).train(), rig.subject.method("loss")
        torch.manual_seed(0)
        outputs = rig.forward(model, rig.images())
        with subject.doing("loss", expected="named terms", at=at):
            terms = head.loss(outputs, rig.batch.targets)
        named = isinstance(terms, Mapping) and terms and all(isinstance(one, Tensor) for one in terms.values())
        expected = "a dict of named scalar tensors"
        subject.demand(named, f"loss gave {type(terms).__name__}", expected=expected, at=at)
        for name, term in terms.items():
            scalar = term.ndim == 0
            subject.demand(scalar, f"the loss '{name}' has the shape {tuple(term.shape)}", expected=expected, at=at)
            finite = bool(torch.isfinite(term))
            subject.demand(finite, f"the loss '{name}' is {term.item()}", expected="finite losses", at=at)
        total = torch.stack(list(terms.values())).sum()
        expected = "a loss of what it is to learn: nothing detached, no torch.no_grad"
        subject.demand(total.requires_grad, "the loss depends on no parameter", expected=expected, at=at)
        with subject.doing("the backward pass", expected="gradients", at=at):
            total.backward()  # type: ignore[no-untyped-call]
        gradients = {name: one.grad for name, one in head.named_parameters() if one.requires_grad}
        idle = sorted(name for name, one in gradients.items() if one is None)
        subject.demand(
            not idle,
            f"{', '.join(idle[:3])} has no gradient: the loss does not depend on it",
            expected="a gradient for each parameter of the head",
            at=subject.method("forward"),
        )
        for name, gradient in gradients.items():
            finite = gradient is not None and bool(torch.isfinite(gradient).all())
            subject.demand(finite, f"the gradient of '{name}' is not finite", expected="finite gradients", at=at)
        subject.demand(
            any(one is not None and one.any() for one in gradients.values()) or not gradients,
            "all gradients are zero",
            expected="a loss to be learnt from",
            at=at,
        )
        subject.demand(
            any(one.grad is not None and one.grad.any() for one in rig.backbone.parameters()),
            "no gradient reaches the backbone",
            expected="outputs that depend on the features: nothing detached, no torch.no_grad",
            at=subject.method("forward"),
        )

    def _prepare(self, rig: Rig, head: Head) -> None:
        """Let it look at the training targets, as a new run does."""
        subject, at = rig.subject, rig.subject.method("prepare")
        before = {name: one.shape for name, one in head.state_dict().items()}
        with subject.doing("prepare", expected="what is worth a line in the run's record, or None", at=at):
            said = head.prepare(rig.experiment.targets_of("train"))
        after = {name: one.shape for name, one in head.state_dict().items()}
        subject.demand(
            before == after,
            f"prepare changed the names or shapes of its state: {sorted(set(before.items()) ^ set(after.items()))}",
            expected="what it learns in buffers that had that shape before, so that a checkpoint carries it",
            at=at,
        )
        with subject.doing("the record of prepare", expected="names and plain values", at=at):
            json.dumps(said)

    def test_decodes__each_image(self, rig: Rig, subject: Subject) -> None:
        """There is a prediction for each image, also of other shapes, which the task can say as a row."""
        head = self._ready(rig)
        model = rig.model(head).eval()
        images: Any = rig.batch.images
        images = images.frames if isinstance(images, Sequences) else images
        row = subject.method("decode")
        with torch.no_grad():
            for some in (images, images[:1], torch.randint(0, 256, (3, 3, 64, 99), dtype=torch.uint8)):
                size = (some.shape[-2], some.shape[-1])
                predictions = rig.decode(head, rig.forward(model, some), [size] * len(some))
                for prediction in predictions:
                    with subject.doing(
                        "the task's as_row, of what decode gave,", expected="a prediction as the task wants it", at=row
                    ):
                        json.dumps(rig.experiment.task.as_row(prediction), default=_plain)

    def test_eval__is_repeatable(self, rig: Rig, subject: Subject) -> None:
        """In eval mode the same images give the same predictions, and nothing of its state moves."""
        head = self._ready(rig)
        model = rig.model(head).eval()
        before = {name: one.clone() for name, one in head.state_dict().items()}
        images: Any = rig.batch.images
        sizes = [rig.batch.image_size] * len(images)
        outputs, rows = [], []
        for seed in (1, 2):
            torch.manual_seed(seed)
            np.random.seed(seed)
            with torch.no_grad():
                outputs.append(rig.forward(model, images))
                rows.append([rig.experiment.task.as_row(one) for one in rig.decode(head, outputs[-1], sizes)])
        same = all(torch.equal(a, b) for a, b in zip(*map(_tensors, outputs), strict=True))
        subject.demand(
            same,
            "forward gives other outputs for the same images",
            expected="nothing drawn at random in eval mode: nn.Dropout, or `if self.training`",
            at=subject.method("forward"),
        )
        subject.demand(
            str(rows[0]) == str(rows[1]),
            "decode gives other predictions for the same outputs",
            expected="the same predictions: no draw that is not seeded",
            at=subject.method("decode"),
        )
        moved = [name for name, one in head.state_dict().items() if not torch.equal(before[name], one)]
        subject.demand(
            not moved,
            f"{', '.join(moved)} changed in eval mode",
            expected="statistics that move in training mode only: a frozen head stays as it is to the last bit",
            at=subject.method("forward"),
        )

    def test_state__makes_the_same_head(self, rig: Rig, subject: Subject) -> None:
        """A new head with the state of a trained one says the same."""
        head = self._ready(rig)
        self._step(rig, head)
        other = rig.head(seed=9)
        state = head.state_dict()
        with subject.doing(
            "loading its state dict into a new head",
            expected="the names and shapes of any other head of these options; see Head.make_room",
            at=subject.method("__init__"),
        ):
            other.make_room(state)
            other.load_state_dict(state)
        images: Any = rig.batch.images
        with torch.no_grad():
            pair = [_tensors(rig.forward(rig.model(one).eval(), images)) for one in (head, other)]
        subject.demand(
            all(torch.equal(a, b) for a, b in zip(*pair, strict=True)),
            "a new head with the state of another gives other outputs",
            expected="all that it learns in parameters and buffers, which are in the state dict",
            at=subject.method("__init__"),
        )

    def test_exported__are_named_tensors(self, rig: Rig, subject: Subject) -> None:
        """What an exported model gives are named, finite tensors."""
        head, at = self._ready(rig), subject.method("exported")
        with torch.no_grad():
            outputs = rig.forward(rig.model(head).eval(), rig.batch.images)
            try:
                with subject.doing("exported", expected="tensors by name", at=at, allowed=GraftError):
                    given = head.exported(outputs)
            except GraftError:  # it says that, and why, it cannot be exported
                return
        good = isinstance(given, dict) and given and all(isinstance(one, Tensor) for one in given.values())
        subject.demand(good, f"exported gave {type(given).__name__}", expected="a dict of tensors", at=at)
        wrong = [name for name, one in given.items() if one.is_floating_point() and not torch.isfinite(one).all()]
        subject.demand(not wrong, f"{', '.join(wrong)} of exported is not finite", expected="finite values", at=at)

    def test_sequences__are_read_by_their_lengths(self, rig: Rig, subject: Subject) -> None:
        """A head that says so gives one prediction for each sequence, whatever its length."""
        if not rig.spec.sequences:
            return
        head = self._ready(rig).eval()
        rows = torch.randn(6, rig.backbone.info.embed_dim)
        for lengths in ((3, 1, 2), (6,)):
            with (
                subject.doing(
                    f"forward, of sequences of {lengths} frames,",
                    expected="outputs for each",
                    at=subject.method("forward"),
                ),
                torch.no_grad(),
            ):
                outputs = head(Features(embedding=rows, lengths=lengths), (32, 32))
            rig.decode(head, outputs, [(32, 32)] * len(lengths))

    def test_fitted__is_a_function_of_data_and_seed(self, rig: Rig, subject: Subject) -> None:
        """A head that is fitted at once gives the same for the same descriptions and seed."""
        subject.demand(
            issubclass(subject.target, FittedHead) is rig.spec.fitted,
            f"its descriptor says fitted={rig.spec.fitted}",
            expected="fitted=True for a graft.tasks.FittedHead, and for nothing else",
            at=subject.place,
        )
        if not rig.spec.fitted:
            return
        pair = [self._ready(rig).state_dict() for _ in range(2)]
        moved = [name for name in pair[0] if not torch.equal(pair[0][name], pair[1][name])]
        subject.demand(
            not moved,
            f"{', '.join(moved)} is another one after the same fit",
            expected="the same buffers for the same descriptions, targets and seed",
            at=subject.method("fit"),
        )

    def _ready(self, rig: Rig) -> Head:
        """Return a head that can predict: prepared, and fitted where it is of that kind."""
        head = rig.head()
        if not isinstance(head, FittedHead):
            self._prepare(rig, head)
            return head
        experiment, at = rig.experiment, rig.subject.method("fit")
        model = rig.model(head).eval()
        batches = [batch.images for batch in experiment.loader("train")]
        with torch.no_grad(), rig.subject.doing("fit", expected="what it chose, by name", at=at):
            described = torch.cat([head.describe(model.features(images)) for images in batches]).numpy()
            head.fit(described, experiment.targets_of("train"), seed=0, groups=None)
        return head

    def _step(self, rig: Rig, head: Head) -> None:
        """Let it learn a little, so that its state is not that of a new one."""
        if isinstance(head, FittedHead):
            return
        model = rig.model(head).train()
        terms = head.loss(rig.forward(model, rig.batch.images), rig.batch.targets)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        torch.optim.SGD(head.parameters(), lr=0.1).step()


def _tensors(outputs: Any) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    values = outputs.values() if isinstance(outputs, Mapping) else outputs
    return [tensor for value in values for tensor in _tensors(value)]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value.tolist()
