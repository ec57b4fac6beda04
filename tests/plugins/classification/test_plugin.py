from __future__ import annotations

import subprocess
import sys

from graft.plugins import load_plugins


def test_summaries_are_sentences() -> None:
    plugins = load_plugins(names=["classification"])
    (own,) = (plugin for plugin in plugins.loaded if plugin.name == "classification")
    assert [one.summary for one in plugins.contributions(own) if not one.summary.endswith(".")] == []


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
