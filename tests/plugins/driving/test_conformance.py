"""The contract, as every plugin's author checks it."""

from __future__ import annotations

from graft.testing import AugmentationConformance, DomainConformance, PluginConformance


class TestPlugin(PluginConformance):
    name = "driving"


class TestDomain(DomainConformance):
    name = "driving"


class TestWeather(AugmentationConformance):
    name = ("road", "signs")
    places = False  # which fog and rain hide


class TestClearWeather(AugmentationConformance):
    name = ("road", "signs")
    options = dict.fromkeys(("rain", "fog", "glare", "night", "motion_blur", "noise"), 0.0)
