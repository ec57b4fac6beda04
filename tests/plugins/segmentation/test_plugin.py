from __future__ import annotations

import subprocess
import sys

from graft.plugins import load_plugins

HEAVY = ("torch", "timm", "lightning", "torchvision", "albumentations", "matplotlib", "segmentation_models_pytorch")


def test_summaries_are_sentences() -> None:
    plugins = load_plugins(names=["segmentation"])
    (own,) = (plugin for plugin in plugins.loaded if plugin.name == "segmentation")
    assert [one.summary for one in plugins.contributions(own) if not one.summary.endswith(".")] == []


def test_readers_import_nothing_heavy() -> None:
    code = f"import sys, graft_segmentation.readers.folder\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
