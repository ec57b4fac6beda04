"""The contract, as every plugin's author checks it."""

from __future__ import annotations

from graft.testing import HeadConformance, MetricConformance, PluginConformance, ReaderConformance, TaskConformance


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


class TestMetrics(MetricConformance):
    name = ("map", "map50")
