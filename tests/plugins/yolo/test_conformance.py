"""The contract, as every plugin's author checks it."""

from __future__ import annotations

from graft.testing import BackboneConformance, HeadConformance, PluginConformance


class TestPlugin(PluginConformance):
    name = "yolo"


class TestHead(HeadConformance):
    name = "yolo"


class TestTrunks(BackboneConformance):
    name = "yolo"
    archs = ("yolo11n",)
