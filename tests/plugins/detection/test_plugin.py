from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from boxes import write_coco
from graft.data.prepare import read
from graft.plugins import ReaderSpec, load_plugins
from graft.recipe.schema import Data

HEAVY = ("torch", "timm", "lightning", "torchvision", "albumentations", "matplotlib", "yaml", "faster_coco_eval")


def test_summaries_are_sentences() -> None:
    plugins = load_plugins(names=["detection"])
    (own,) = (plugin for plugin in plugins.loaded if plugin.name == "detection")
    assert [one.summary for one in plugins.contributions(own) if not one.summary.endswith(".")] == []


def test_readers_import_nothing_heavy() -> None:
    code = (
        "import sys, graft_detection.formats.coco, graft_detection.formats.voc, graft_detection.formats.yolo\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_readers__auto_finds_the_one(tmp_path: Path) -> None:
    plugins = load_plugins(names=["detection"])
    file = write_coco(tmp_path)
    assert set(plugins.specs(ReaderSpec)) >= {"coco", "voc", "yolo", "csv-boxes"}
    for path in (file, tmp_path):
        catalogue = read(Data(train=str(path)), takes="boxes", reader=None, options=None, plugins=plugins)
        assert catalogue.reader == "coco"
        assert len(catalogue.samples) == 3
