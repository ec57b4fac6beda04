from __future__ import annotations

import subprocess
import sys

from graft.evaluation import Metric
from graft.plugins import HeadSpec, MetricSpec, TaskSpec, load_plugins
from graft.tasks import Head, Task

HEAVY = ("torch", "timm", "lightning", "torchvision", "albumentations", "matplotlib", "sklearn")


def test_every_target_and_options_model_exists() -> None:
    plugins = load_plugins(names=["classification"])
    assert not plugins.broken
    for kind, base in ((TaskSpec, Task), (HeadSpec, Head), (MetricSpec, Metric)):
        own = [spec for spec in plugins.specs(kind).values() if plugins.owner(spec).name == "classification"]
        assert own
        for spec in own:
            assert issubclass(plugins.target(spec), base)
            assert plugins.options(spec).model_json_schema()


def test_summaries_are_sentences() -> None:
    plugins = load_plugins(names=["classification"])
    (own,) = (plugin for plugin in plugins.loaded if plugin.name == "classification")
    assert [one.summary for one in plugins.contributions(own) if not one.summary.endswith(".")] == []


def test_task__defaults_are_offered() -> None:
    plugins = load_plugins(names=["classification"])
    task = plugins.find(TaskSpec, "classification")
    assert task.head in plugins.specs(HeadSpec)
    assert set(task.metrics) <= set(plugins.specs(MetricSpec))
    assert task.monitor in task.metrics


def test_plugin_and_options_import_nothing_heavy() -> None:
    code = (
        "import sys, graft_classification.plugin, graft_classification.options, graft.evaluation\n"
        "import graft_classification.classical.options\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_sections_and_metrics_need_neither_sklearn_nor_pyplot() -> None:
    code = (
        "import sys, numpy as np\n"
        "from graft_classification.sections import sections\n"
        "from graft_classification.options import TaskOptions\n"
        "from graft_classification.scores import Scores\n"
        "assert 'matplotlib' not in sys.modules\n"
        "rows = [Scores(row) for row in np.eye(2, dtype=np.float32)]\n"
        "sections(rows, [0, 1], classes=('a', 'b'), options=TaskOptions())\n"
        "print([name for name in ('sklearn', 'matplotlib.pyplot', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
