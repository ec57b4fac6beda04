"""What a model makes of sequences: their frames for heads that read them, else the mean over each one's frames."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graft import model as models
from graft.model import Activations, Model
from graft.sequences import Sequences, means
from shades import small_model

LENGTHS = (3, 1, 4)


class Seen(nn.Module):
    """A head that gives what it gets."""

    def forward(self, features: Any, image_size: tuple[int, int]) -> Any:
        assert image_size == (16, 16)
        return features


def built(needs: Any = "embedding", *, sequences: bool = False) -> Model:
    torch.manual_seed(0)
    return Model(small_model().backbone, Seen(), needs, sequences=sequences).eval()  # type: ignore[arg-type]


@pytest.fixture
def given() -> Sequences:
    frames = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Sequences(frames, LENGTHS)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_means__of_each_sequence_alone() -> None:
    rows = torch.rand(8, 2, 5)
    expected = [rows[:3].mean(dim=0), rows[3], rows[4:].mean(dim=0)]
    assert torch.equal(means(rows, LENGTHS), torch.stack(expected))
    assert torch.equal(means(rows, (8,)), rows.mean(dim=0, keepdim=True))


def test_model__a_head_that_reads_sequences_gets_frames_and_lengths(given: Sequences) -> None:
    features = built(sequences=True)(given)
    assert features.lengths == LENGTHS
    close(features.embedding, built()(given.frames).embedding)


def test_model__other_heads_get_the_mean_over_the_frames(given: Sequences) -> None:
    features = built()(given)
    assert features.lengths is None
    close(features.embedding, means(built()(given.frames).embedding, LENGTHS))
    pyramid = built("pyramid")
    for maps, of_frames in zip(pyramid(given).pyramid, pyramid(given.frames).pyramid, strict=True):
        close(maps, means(of_frames, LENGTHS))


def test_model__images_have_no_lengths(given: Sequences) -> None:
    assert built(sequences=True)(given.frames).lengths is None


@pytest.mark.parametrize("needs", ["embedding", "pyramid"])
@pytest.mark.parametrize("upto", range(3))
def test_model__goes_on_from_the_prefix_of_frames(given: Sequences, needs: Any, upto: int) -> None:
    model = built(needs, sequences=True)
    known = Activations(model.prefix(given.frames, upto), upto, (16, 16), LENGTHS)
    assert len(known) == 3
    assert known.to("cpu").lengths == LENGTHS
    after, direct = model(known), model(given)
    assert after.lengths == direct.lengths == LENGTHS
    for one, other in zip(_parts(after), _parts(direct), strict=True):
        assert torch.equal(one, other)


def test_model__without_gradients_few_frames_at_a_time(given: Sequences, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_AT_A_TIME", 3)
    model, seen = built(), []
    model.backbone.stages[0].register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    with torch.no_grad():
        few = model(given)
    assert seen == [3, 3, 2]
    whole = model(given)
    assert seen[3:] == [8], "what is to be learnt from is one calculation"
    close(few.embedding, whole.embedding)


def test_model__learns_from_every_frame(given: Sequences) -> None:
    model = built()
    frames = given.frames / 255
    frames.requires_grad_(True)
    model(Sequences(frames, LENGTHS)).embedding.sum().backward()
    assert (frames.grad.abs().sum(dim=(1, 2, 3)) > 0).all()


def _parts(features: Any) -> tuple[Tensor, ...]:
    return features.pyramid if features.embedding is None else (features.embedding,)
