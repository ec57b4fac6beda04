"""The contract, as every plugin's author checks it."""

from __future__ import annotations

from graft.testing import AugmentationConformance, DomainConformance, PluginConformance


class TestPlugin(PluginConformance):
    name = "satellite"


class TestDomain(DomainConformance):
    name = "satellite"


class TestAugmentations(AugmentationConformance):
    name = ("overhead", "overhead-strong")
