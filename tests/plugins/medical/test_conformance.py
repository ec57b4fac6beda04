"""The contract, as every plugin's author checks it."""

from __future__ import annotations

from graft.testing import DomainConformance, PluginConformance


class TestPlugin(PluginConformance):
    name = "medical"


class TestDomain(DomainConformance):
    name = "medical"
