"""The contract, as every plugin's author checks it."""

from __future__ import annotations

from graft.testing import BackboneConformance, PluginConformance


class TestPlugin(PluginConformance):
    name = "small"


class TestBackbone(BackboneConformance):
    name = "graft-small"
