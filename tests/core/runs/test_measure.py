from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from graft.console import Console
from graft.data.decode import MAX_PIXELS
from graft.data.decoder import Decoder, StandardDecoder
from graft.errors import DataError, RunError
from graft.runs.measure import measure_data, measure_run
from tones import finished_run, write_images

CLASSES = ("dark", "light", "grey")


def test_measure_run__the_numbers_that_training_wrote(tmp_path: Path) -> None:
    run, _, plugins = finished_run(tmp_path, CLASSES, shares=(4, 3, 5))
    for split in ("test", "val"):
        values = measure_run(run, split=split, plugins=plugins, console=Console(quiet=True), device="cpu")
        expected = run.results["metrics"][split]
        assert values.keys() == expected.keys()
        for name, value in values.items():
            for bound in ("value", "low", "high"):
                assert getattr(value, bound) == pytest.approx(expected[name][bound], abs=1e-9), (name, bound)
    assert expected["share"]["low"] is None, "no interval on the split that chose the epoch"


class Darkened(StandardDecoder):
    """Every image as if the light were off."""

    def decode(self, path: Path, *, channels: int, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
        return np.zeros_like(super().decode(path, channels=channels, max_pixels=max_pixels))


def test_measure_run__other_pixels_and_the_same_targets(tmp_path: Path) -> None:
    run, material, _ = finished_run(tmp_path, CLASSES, shares=(4, 3, 5))
    given = []

    def dark(decoder: Decoder) -> Decoder:
        given.append(decoder)
        return Darkened()

    values = run.evaluate(decoder=dark, intervals=False)
    assert isinstance(given[0], StandardDecoder)
    assert all(value.low is None for value in values.values())
    # One answer for all images, so one class is always right and the others never are.
    labels = [sample.target[0] for sample in material.outcomes["test"].samples]
    shares = [labels.count(name) / len(labels) for name in CLASSES]
    assert any(values["share"].value == pytest.approx(share) for share in shares)
    assert run.evaluate()["share"].low is not None


def test_measure_run__no_such_split(tmp_path: Path) -> None:
    run, _, plugins = finished_run(tmp_path, CLASSES, shares=(4, 4, 0))
    with pytest.raises(RunError, match="no test split"):
        measure_run(run, plugins=plugins, console=Console(quiet=True), device="cpu")


def test_measure_run__data_that_is_gone_or_less(tmp_path: Path) -> None:
    run, _, plugins = finished_run(tmp_path, CLASSES)
    table = tmp_path / "data" / "labels.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-1]))
    with pytest.raises(DataError, match=r"23\.png: not in the data any more"):
        measure_run(run, plugins=plugins, console=Console(quiet=True), device="cpu")
    table.unlink()
    with pytest.raises(DataError, match=r"labels\.csv does not exist"):
        measure_run(run, plugins=plugins, console=Console(quiet=True), device="cpu")


def test_measure_run__file_that_cannot_be_read_any_more(tmp_path: Path) -> None:
    run, material, plugins = finished_run(tmp_path, CLASSES)
    material.outcomes["test"].samples[0].path.write_bytes(b"")
    with pytest.raises(DataError, match="1 of 6 images cannot be read"):
        measure_run(run, plugins=plugins, console=Console(quiet=True), device="cpu")


def test_measure_run__images_that_have_changed(tmp_path: Path) -> None:
    run, material, plugins = finished_run(tmp_path, CLASSES)
    first, second = (sample.path for sample in material.outcomes["test"].samples[:2])
    console = Console(quiet=True)
    measure_run(run, plugins=plugins, console=console, device="cpu")
    assert console.warnings == []
    first.write_bytes(second.read_bytes())
    measure_run(run, plugins=plugins, console=console, device="cpu")
    assert console.warnings == [f"1 images have changed since the run was made: {first.name} …"]


def labelled(folder: Path, labels: list[str]) -> Path:
    files = write_images(folder, len(labels), seed=5)
    with (folder / "more.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "label"), *zip((f.name for f in files), labels, strict=True)])
    return folder / "more.csv"


def test_measure_data__classes_in_the_model_s_order(tmp_path: Path) -> None:
    run, _, plugins = finished_run(tmp_path, CLASSES)
    data = labelled(tmp_path / "more", ["light", "light", "dark"])  # "grey" does not occur, the order is another
    values = measure_data(run.path, data, plugins=plugins, console=Console(quiet=True), device="cpu", bootstrap=20)
    rows = list(run.predict([tmp_path / "more"]))
    right = [file.row["label"] == label for file, label in zip(rows, ["light", "light", "dark"], strict=True)]
    assert values["share"].value == pytest.approx(sum(right) / 3)


def test_measure_data__class_that_the_model_does_not_know(tmp_path: Path) -> None:
    run, _, plugins = finished_run(tmp_path, CLASSES)
    data = labelled(tmp_path / "more", ["light", "drak"])
    with pytest.raises(DataError, match="did you mean 'dark'"):
        measure_data(run.path, data, plugins=plugins, console=Console(quiet=True), device="cpu")


def test_measure_data__bad_files_are_left_out_and_said(tmp_path: Path) -> None:
    run, _, plugins = finished_run(tmp_path, CLASSES)
    data = labelled(tmp_path / "more", ["light", "dark"])
    (tmp_path / "more" / "00.png").write_bytes(b"")
    console = Console(quiet=True)
    assert measure_data(run.path, data, plugins=plugins, console=console, device="cpu")
    assert "left out 1 of 2 images" in console.warnings[0]
