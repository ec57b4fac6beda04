from __future__ import annotations

import base64
import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.figure import Figure

from graft.report.figures import learning_curves, learning_rates, picture
from graft.report.text import plain
from tones import HOSTILE


def svg(uri: str) -> str:
    assert uri.startswith("data:image/svg+xml;base64,")
    return base64.b64decode(uri.partition(",")[2]).decode()


@pytest.mark.parametrize("name", [*HOSTILE, "bell\x07 null\x00", "lone \udcff", "$", "\\", "a^b_c"])
def test_picture__names_as_they_are(name: str) -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.set_title(name)
    axes.set_xticks([0, 1], [name, "other"])
    axes.legend(axes.plot([0, 1], [1, 1000]), [name])
    axes.set_yscale("log")
    texts = [
        "".join(node.itertext())
        for node in ElementTree.fromstring(svg(picture(figure))).iter()
        if node.tag.endswith("}text")
    ]
    joined = "\n".join(texts)
    for word in plain(name).split():
        assert joined.count(word) >= 3, (word, texts)
    assert "mathdefault" not in joined, "matplotlib's own tick labels stay typeset"


def test_picture__large_ones_become_png() -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.scatter(range(20_000), range(20_000))
    assert picture(figure).startswith("data:image/png;base64,")


def test_picture__no_settings_left_behind() -> None:
    before = dict(matplotlib.rcParams)
    picture(Figure())
    assert dict(matplotlib.rcParams) == before


def test_picture__no_pyplot() -> None:
    code = (
        "import sys; from matplotlib.figure import Figure; from graft.report.figures import picture; picture(Figure());"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def rows(*epochs: dict[str, float | None]) -> list[dict[str, float | None]]:
    return [{"epoch": number, **row} for number, row in enumerate(epochs, 1)]


def test_learning_curves__lines_and_best_epoch() -> None:
    history = rows(
        {"train.loss": 2.0, "val.loss": 2.5, "val.f1": 0.5}, {"train.loss": 1.0, "val.loss": 2.0, "val.f1": 0.7}
    )
    drawn = learning_curves(history, monitor="f1", best_epoch=2)
    loss, metric = drawn.figure.axes
    assert [line.get_label() for line in loss.lines] == ["train", "validation", "kept: epoch 2"]
    assert list(loss.lines[1].get_ydata()) == [2.5, 2.0]
    assert list(metric.lines[0].get_ydata()) == [0.5, 0.7]
    assert metric.lines[1].get_xdata()[0] == 2
    assert "val.f1 goes from 0.500 to 0.700" in drawn.alt


def test_learning_curves__without_validation_and_with_gaps() -> None:
    drawn = learning_curves(rows({"train.loss": 2.0}, {"train.loss": None}), monitor="f1", best_epoch=None)
    assert len(drawn.figure.axes) == 1
    assert list(drawn.figure.axes[0].lines[0].get_xdata()) == [1]


def test_learning_rates__same_ones_are_one_line() -> None:
    history = rows(*({"lr.stem": 1e-3, "lr.stage1": 1e-3, "lr.stage2": 1e-3, "lr.head": 1e-2} for _ in range(2)))
    drawn = learning_rates(history)
    assert drawn is not None
    assert [line.get_label() for line in drawn.figure.axes[0].lines] == ["stem … stage2", "head"]
    assert learning_rates(rows({"train.loss": 1.0})) is None


def test_learning_rates__frozen_parts_are_named() -> None:
    drawn = learning_rates(rows({"lr.stem": 0.0, "lr.head": 1e-2}))
    assert drawn is not None
    stem, head = drawn.figure.axes[0].lines
    assert stem.get_label() == "frozen: stem"
    assert not len(stem.get_xdata())
    assert list(head.get_ydata()) == [1e-2]
    assert "not trained: stem" in drawn.alt
