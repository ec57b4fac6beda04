"""What the report says about the data."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graft.data.decoder import STANDARD
from graft.data.samples import Catalogue, Sample
from graft.report.data_page import data_sections
from graft.report.page import Block, Chapter, Page, render
from graft.report.sections import Gallery, Picture
from graft.report.verdict import Verdict

SHOWS = {"a.png": ("sky", "road"), "b.png": ("sky", "road", "car"), "c.png": ("sky",)}


class Scenes:
    """A task whose images show several classes, as of masks; of each the rarest keeps its share in a split."""

    classes = ("sky", "road", "car")

    def strata(self, catalogue: Catalogue) -> list[str]:
        return ["sky", "car", "sky"]

    def shows(self, catalogue: Catalogue) -> list[tuple[str, ...]]:
        return [SHOWS[sample.id] for sample in catalogue.samples]

    def encode(self, sample: Sample) -> Any:
        return sample.target

    def draw(self, *_: Any) -> None:
        return None


def test_examples__every_class_has_one_though_it_is_the_rarest_of_no_image(tmp_path: Path) -> None:
    samples = []
    for name in SHOWS:
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / name)
        samples.append(Sample(id=name, path=tmp_path / name, target=()))
    catalogue = Catalogue(samples=tuple(samples), classes=Scenes.classes, reader="x", root=tmp_path)
    prepared: Any = SimpleNamespace(catalogue=catalogue, split={"train": [0, 1, 2]}, split_by="at random")
    (tmp_path / "split.csv").write_text("id,split\na.png,train\nb.png,train\nc.png,train\n")
    sections = data_sections(tmp_path, prepared, Scenes(), STANDARD)  # type: ignore[arg-type]
    [found] = [one for one in sections if one.title == "One training image of each class"]
    [gallery] = found.parts
    assert isinstance(gallery, Gallery)
    shown = {picture.caption: picture.path.name for picture in gallery.pictures}
    assert shown == {"sky": "a.png", "road": "a.png", "car": "b.png"}


@pytest.mark.parametrize(("place", "said"), [("scan.nii.gz/z=012", "scan.nii.gz/z=012"), ("scan.png", "scan.png")])
def test_names__of_a_part_say_the_file_that_it_is_of(tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / Path(place).parts[0]).touch()
    pictures = [Picture(path=tmp_path / place, caption="x", pixels=np.zeros((2, 2, 3), np.uint8))]
    block = Block(title="", how_to_read="", parts=[Gallery(pictures=pictures)])
    verdict = Verdict(tone="good", headline="h", judgement="j")
    text = render(Page(title="t", subtitle="s", verdict=verdict, chapters=[Chapter(title="c", blocks=[block])]))
    assert f">{said}<" in text
