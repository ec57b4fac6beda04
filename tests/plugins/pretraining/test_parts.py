"""The reader, the decoder, the views and the metric, by what each of them is for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graft.data import BadImage
from graft.errors import DataError
from graft.recipe import Options
from graft_pretraining.augment import views
from graft_pretraining.decoder import GeneratedDecoder
from graft_pretraining.generators import GENERATORS, draw
from graft_pretraining.metrics import effective_rank
from graft_pretraining.options import ViewOptions
from graft_pretraining.reader import ImagesReader


@pytest.fixture
def decoder() -> GeneratedDecoder:
    return GeneratedDecoder(options=Options())


def described(path: Path, **values: object) -> Path:
    given = {"kind": "noise", "count": 3, "size": 16, "seed": 1, **values}
    path.write_text("\n".join(f"{key} = {value!r}".replace("'", '"') for key, value in given.items()))
    return path


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    return path


def test_reader__finds_images_however_deep_and_shows_each_twice(tmp_path):
    photo(tmp_path / "a.png")
    photo(tmp_path / "cats/of/2024/b.jpg")
    (tmp_path / "cats/notes.txt").write_text("no image")
    photo(tmp_path / ".hidden/c.png")
    catalogue = ImagesReader().read(tmp_path, Options())
    assert [sample.id for sample in catalogue.samples] == ["a.png", "cats/of/2024/b.jpg"]
    assert all(sample.frames == (sample.path, sample.path) for sample in catalogue.samples)
    assert {sample.split for sample in catalogue.samples} == {None}
    assert catalogue.classes == ()


def test_reader__folders_for_splits_are_splits_where_there_is_nothing_else(tmp_path):
    for name in ("train", "val"):
        photo(tmp_path / name / "x/1.png")
    assert [sample.split for sample in ImagesReader().read(tmp_path, Options()).samples] == ["train", "val"]
    photo(tmp_path / "bus/1.png")
    assert {sample.split for sample in ImagesReader().read(tmp_path, Options()).samples} == {None}


def test_reader__a_loop_of_links_ends(tmp_path):
    photo(tmp_path / "a/1.png")
    (tmp_path / "a/again").symlink_to(tmp_path, target_is_directory=True)
    assert len(ImagesReader().read(tmp_path, Options()).samples) == 1


def test_reader__no_image_is_said(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match="no image"):
        ImagesReader().read(tmp_path, Options())
    with pytest.raises(DataError, match="no image"):
        ImagesReader().read(tmp_path / "notes.txt", Options())


def test_reader__generated_images_are_samples_of_their_own(tmp_path, decoder):
    catalogue = ImagesReader(decoder=decoder).read(described(tmp_path / "noise.toml"), Options())
    assert [sample.id for sample in catalogue.samples] == [f"noise.toml/000000{n}" for n in range(3)]
    assert len({sample.group for sample in catalogue.samples}) == 3, "they may go to different splits"


@pytest.mark.parametrize("kind", GENERATORS)
def test_decoder__an_image_depends_on_the_seed_and_its_number_not_on_the_count(tmp_path, decoder, kind):
    few, many = described(tmp_path / "few.toml", kind=kind), described(tmp_path / "many.toml", kind=kind, count=9)
    images = [decoder.decode(part, channels=3) for part in decoder.parts(few)]
    for one, part in zip(images, decoder.parts(many), strict=False):
        np.testing.assert_array_equal(one, decoder.decode(part, channels=3))
    assert not np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], draw(kind, 0, size=16, seed=2))
    assert all(image.std() > 2 for image in images)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "dead-leafs"}, r"kind should be .*'noise', and is 'dead-leafs' \(did you mean 'dead-leaves'\?\)"),
        ({"count": 0, "size": 10_000}, "count should be .*, and is 0; size should be .*, and is 10000"),
        ({"sise": 3}, r"sise is an unknown key \(did you mean 'size'\?\)"),
        ({"fractal": 3}, "fractal is an unknown key .known are kind, count, size, seed."),
    ],
)
def test_decoder__a_wrong_description_says_which_key(tmp_path, decoder, change, said):
    with pytest.raises(BadImage, match=said):
        decoder.parts(described(tmp_path / "wrong.toml", **change))


def test_decoder__an_image_that_is_not_described_is_missing(tmp_path, decoder):
    file = described(tmp_path / "noise.toml")
    for name in ("0000003", "x", "-1"):
        with pytest.raises(BadImage, match="3 images"):
            decoder.decode(file / name, channels=3)


def test_views__some_are_grey_and_each_frame_is_drawn():
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    augment = views(size=(32, 32), options=ViewOptions())
    assert augment.each_frame
    seen = [augment(image, 0, seed)[0] for seed in range(200)]
    grey = sum(bool((view == view[..., :1]).all()) for view in seen)
    assert 20 < grey < 60, "a fifth of 200"
    never = views(size=(32, 32), options=ViewOptions(grey=0))
    assert not any((never(image, 0, seed)[0] == never(image, 0, seed)[0][..., :1]).all() for seed in range(50))


def test_views__come_from_another_camera_each():
    image = np.full((40, 40, 3), 120, np.uint8)
    image[:, 20:] = 200
    still = {"scale": 1.0, "flip": False, "rotate": 0.0, "colour": 0.0, "hue": 0.0, "grey": 0.0}
    grained = views(size=(40, 40), options=ViewOptions(**still, grain=0.1))
    deviations = [grained(image, 0, seed)[0][:, :10].std() for seed in range(100)]
    assert 30 < sum(deviation == 0 for deviation in deviations) < 70, "half of the time"
    assert 20 < max(deviations) < 30, "a tenth of 255"
    blurred = views(size=(40, 40), options=ViewOptions(**still, blur=2.0))
    levels = [len(np.unique(blurred(image, 0, seed)[0])) for seed in range(100)]
    assert 30 < sum(level == 2 for level in levels) < 80, "half of the time, or too little to be seen"
    assert max(levels) > 6
    grey = image[..., :1].astype(np.float32) / 255
    noisy = views(size=(40, 40), options=ViewOptions(**still, grain=0.1, blur=1.0))(grey, 0, 3)[0]
    assert noisy.dtype == np.float32
    assert noisy.shape == grey.shape
    assert 0 <= noisy.min() <= noisy.max() <= 1


def test_effective_rank__of_plain_cases():
    assert effective_rank(np.ones((5, 3))) == pytest.approx(1, abs=1e-4)
    assert effective_rank(np.eye(4)) == pytest.approx(4, abs=1e-4)
    assert effective_rank(np.zeros((4, 3))) == 1
    assert np.isnan(effective_rank(np.zeros((0, 3))))
