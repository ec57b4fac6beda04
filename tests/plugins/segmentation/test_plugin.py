from __future__ import annotations

import subprocess
import sys

from graft.evaluation import Metric
from graft.plugins import HeadSpec, MetricSpec, ReaderSpec, TaskSpec, load_plugins
from graft.tasks import Head, Task

HEAVY = ("torch", "timm", "lightning", "torchvision", "albumentations", "matplotlib", "segmentation_models_pytorch")


def test_every_target_and_options_model_exists() -> None:
    plugins = load_plugins(names=["segmentation"])
    assert not plugins.broken
    for kind, base in ((TaskSpec, Task), (HeadSpec, Head), (MetricSpec, Metric), (ReaderSpec, object)):
        own = [spec for spec in plugins.specs(kind).values() if plugins.owner(spec).name == "segmentation"]
        assert own
        for spec in own:
            assert issubclass(plugins.target(spec), base)
            assert plugins.options(spec).model_json_schema()
            assert spec.summary.endswith(".")


def test_task__defaults_are_offered() -> None:
    plugins = load_plugins(names=["segmentation"])
    task = plugins.find(TaskSpec, "segmentation")
    assert task.head in plugins.specs(HeadSpec)
    assert set(task.metrics) <= set(plugins.specs(MetricSpec))
    assert task.monitor in task.metrics
    assert callable(plugins.sample(task))


def test_plugin_and_options_import_nothing_heavy() -> None:
    code = (
        "import sys, graft_segmentation.plugin, graft_segmentation.options, graft_segmentation.readers.folder\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
