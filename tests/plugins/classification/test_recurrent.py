"""Heads that read sequences: padding never leaks, and order counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from graft.backbones import BackboneInfo, StageInfo
from graft.tasks import Features
from graft_classification.heads import EmbeddingHead, LinearHead
from graft_classification.options import LinearOptions, RecurrentOptions, TaskOptions
from graft_classification.recurrent import GruHead, LstmHead, RecurrentHead
from graft_classification.task import ClassificationTask

CLASSES = ("left", "right", "up")
INFO = BackboneInfo(stages=(StageInfo(name="stem", channels=6, reduction=2),), embed_dim=6)
LENGTHS = (3, 1, 7, 2, 7)

heads = pytest.mark.parametrize("kind", [LstmHead, GruHead])
ways = pytest.mark.parametrize(
    "options",
    [
        {},
        {"pooling": "mean"},
        {"bidirectional": True, "layers": 2},
        {"bidirectional": True, "pooling": "mean"},
    ],
    ids=str,
)


def build(kind: type[EmbeddingHead], options: Any) -> EmbeddingHead:
    torch.manual_seed(0)
    task = ClassificationTask(classes=CLASSES, options=TaskOptions())
    return kind(info=INFO, classes=CLASSES, options=options, task=task).eval()


def sequences(lengths: tuple[int, ...] = LENGTHS) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(length, 6, generator=generator) for length in lengths]


def answer(head: EmbeddingHead, some: list[Tensor]) -> Tensor:
    features = Features(embedding=torch.cat(some), lengths=tuple(map(len, some)))
    return head(features, (8, 8)).detach()


@heads
@ways
def test_forward__alone_as_among_longer_ones(kind: type[RecurrentHead], options: dict[str, Any]) -> None:
    head, some = build(kind, RecurrentOptions(**options)), sequences()
    together = answer(head, some)
    alone = torch.cat([answer(head, [one]) for one in some])
    with_others = torch.cat([answer(head, [one, torch.full((40, 6), 1e3)])[:1] for one in some])

    assert together.shape == (5, 3)
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(with_others, alone, atol=1e-6, rtol=0)


@heads
@ways
def test_forward__the_order_of_frames_counts(kind: type[RecurrentHead], options: dict[str, Any]) -> None:
    head, some = build(kind, RecurrentOptions(**options)), sequences()
    forwards, backwards = answer(head, some), answer(head, [one.flip(0) for one in some])

    longer = torch.tensor(LENGTHS) > 1
    assert ((forwards - backwards).abs().amax(dim=1) > 1e-4).equal(longer)


@heads
def test_forward__an_image_is_a_sequence_of_one(kind: type[RecurrentHead]) -> None:
    head, images = build(kind, RecurrentOptions()), torch.cat(sequences())
    without = head(Features(embedding=images), (8, 8)).detach()

    torch.testing.assert_close(without, answer(head, list(images.split(1))), atol=1e-6, rtol=0)


@heads
def test_forward__last_is_the_last_frame_and_mean_all_of_them(kind: type[RecurrentHead]) -> None:
    """By the layers' own outputs, which they give for one sequence without packing."""
    for pooling in ("last", "mean"):
        head, some = build(kind, RecurrentOptions(pooling=pooling)), sequences()
        layers = head.layers
        for one, given in zip(some, answer(head, some), strict=True):
            outputs, _ = layers.steps(head.standardise(one))
            pooled = outputs[-1] if pooling == "last" else outputs.mean(dim=0)
            torch.testing.assert_close(given, layers.linear(pooled).detach(), atol=1e-6, rtol=0)


@heads
def test_forward__backwards_ends_at_the_first_frame(kind: type[RecurrentHead]) -> None:
    head, some = build(kind, RecurrentOptions(bidirectional=True)), sequences()
    for one, given in zip(some, answer(head, some), strict=True):
        outputs, _ = head.layers.steps(head.standardise(one))
        ends = torch.cat([outputs[-1, :128], outputs[0, 128:]])
        torch.testing.assert_close(given, head.layers.linear(ends).detach(), atol=1e-6, rtol=0)


@heads
@pytest.mark.parametrize("bidirectional", [False, True])
def test_head__learns_which_comes_first(kind: type[RecurrentHead], bidirectional: bool) -> None:
    """Two frames in either order: nothing that averages them can tell which."""
    ends = torch.randn(40, 2, 6, generator=torch.Generator().manual_seed(0))
    ends[:, 0, 0], ends[:, 1, 0] = 2.0, -2.0
    targets = torch.arange(40) % 2
    some = [pair.flip(0) if target else pair for pair, target in zip(ends, targets, strict=True)]

    def hits(head: EmbeddingHead, features: Features) -> int:
        optimizer = torch.optim.Adam(head.train().parameters(), lr=0.01)
        for _ in range(60):
            optimizer.zero_grad()
            head.loss(head(features, (8, 8)), targets)["classification"].backward()
            optimizer.step()
        return int((head.eval()(features, (8, 8)).argmax(dim=1) == targets).sum())

    options = RecurrentOptions(hidden=8, bidirectional=bidirectional)
    assert hits(build(kind, options), Features(embedding=torch.cat(some), lengths=(2,) * 40)) == 40
    averaged = Features(embedding=torch.stack(some).mean(dim=1))
    assert hits(build(LinearHead, LinearOptions()), averaged) < 36


@heads
def test_options__shape_the_layers(kind: type[RecurrentHead]) -> None:
    head = build(kind, RecurrentOptions(hidden=5, layers=3, bidirectional=True, dropout=0.4))
    steps = head.layers.steps
    assert (steps.hidden_size, steps.num_layers, steps.bidirectional, steps.dropout) == (5, 3, True, 0.4)
    assert head.layers.linear.in_features == 10
    assert build(kind, RecurrentOptions(dropout=0.4)).layers.steps.dropout == 0.0
