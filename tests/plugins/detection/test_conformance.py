"""The contract, as every plugin's author checks it."""

from __future__ import annotations

from pathlib import Path

from boxes import write_coco
from graft.data import Catalogue
from graft.testing import (
    HeadConformance,
    MetricConformance,
    OutputConformance,
    PluginConformance,
    ReaderConformance,
    TaskConformance,
    WriterConformance,
)
from graft_detection.formats.coco import CocoReader
from graft_detection.options import CocoOptions
from graft_detection.writers.table import BoxTableWriter
from graft_detection.writers.voc import VocWriter
from graft_detection.writers.yolo import YoloWriter


class TestPlugin(PluginConformance):
    name = "detection"


class TestTask(TaskConformance):
    name = "detection"
    exports = False  # other tests do
    words = ("head.width=64",)


class TestHeads(HeadConformance):
    name = ("retinanet", "fcos", "ssd", "faster-rcnn")
    options = {"width": 64}  # noqa: RUF012


class TestReader(ReaderConformance):
    name = "coco"


def images(folder: Path) -> Catalogue:
    """Return a few images with boxes."""
    return CocoReader().read(write_coco(folder / "given").parent, CocoOptions())


class TestVoc(ReaderConformance):
    name = "voc"

    def good(self, folder: Path) -> Path:
        VocWriter().write(images(folder.parent), folder)
        return folder


class TestYolo(ReaderConformance):
    name = "yolo"

    def good(self, folder: Path) -> Path:
        YoloWriter().write(images(folder.parent), folder)
        return folder / "data.yaml"


class TestTable(ReaderConformance):
    name = "csv-boxes"

    def good(self, folder: Path) -> Path:
        BoxTableWriter().write(images(folder.parent), folder)
        return next(folder.glob("*.csv"))


class TestMetrics(MetricConformance):
    name = ("map", "map50")


class TestWriters(WriterConformance):
    name = ("coco", "voc", "yolo")


class TestTableWriter(WriterConformance):
    name = "csv"
    file = "boxes.csv"


class TestCocoJson(OutputConformance):
    name = "coco"
