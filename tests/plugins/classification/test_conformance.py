"""The contract, as every plugin's author checks it."""

from __future__ import annotations

from graft.testing import HeadConformance, MetricConformance, PluginConformance, TaskConformance


class TestPlugin(PluginConformance):
    name = "classification"


class TestTask(TaskConformance):
    name = "classification"
    exports = False  # other tests do


class TestHeads(HeadConformance):
    name = ("linear", "mlp", "lstm", "gru", "logistic", "linear-svm", "svm", "knn", "fitted-mlp")


class TestForest(HeadConformance):
    name = "forest"
    options = {"trees": 10}  # noqa: RUF012


class TestMetrics(MetricConformance):
    name = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")


class TestRanking(MetricConformance):
    name = ("auroc", "average_precision")
    mergeable = False  # rows are ranks among all samples: to sort once, and not for each resample
