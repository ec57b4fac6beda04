"""The contract, as every plugin's author checks it."""

from __future__ import annotations

from graft.testing import HeadConformance, MetricConformance, PluginConformance, ReaderConformance, TaskConformance


class TestPlugin(PluginConformance):
    name = "segmentation"


class TestTask(TaskConformance):
    name = "segmentation"
    exports = False  # other tests do
    words = ("head.width=8",)


class TestHeads(HeadConformance):
    name = ("unet", "unet++", "deeplabv3", "deeplabv3+", "fpn", "pspnet", "upernet", "segformer", "fcn")
    options = {"width": 8}  # noqa: RUF012


class TestMaskReader(ReaderConformance):
    name = "masks"


class TestMetrics(MetricConformance):
    name = ("iou", "dice", "pixel_accuracy", "boundary_f1")
