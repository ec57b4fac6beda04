"""What samples are called."""

from pathlib import Path

import pytest

from graft.data.samples import Sample, noun_of

ONE, TWO = Path("1.png"), Path("2.png")


@pytest.mark.parametrize(
    ("frames", "noun"),
    [((), "images"), ((ONE,), "sequences"), ((ONE, ONE), "images"), ((ONE, TWO), "sequences")],
    ids=["image", "one frame", "views of one image", "sequence"],
)
def test_noun_of__views_of_one_image_are_no_sequence(frames: tuple[Path, ...], noun: str):
    samples = [Sample(id="other", path=ONE, target=()), Sample(id="this", path=ONE, target=(), frames=frames)]
    assert noun_of(samples) == noun
