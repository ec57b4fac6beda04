"""Faults that are planted in a small plugin: the kit finds each, and says where to mend it.

`GRAFT_WRITE_RESULTS=1 pytest tests/core/testing/test_mutations.py` writes docs/results/mutations.md.
"""

from __future__ import annotations

import ast
import importlib
import linecache
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from graft.backbones.names import read_index

MEADOW = Path(__file__).parent / "meadow"
PAGE = Path(__file__).parents[3] / "docs" / "results" / "mutations.md"


@dataclass(frozen=True)
class Fault:
    """One fault.

    Args:
        what: In a few words.
        file: Of the plugin.
        old: What stands there once.
        new: What is written instead.
        checks: Which checks are run, as pytest's `-k` has it.
    """

    what: str
    file: str
    old: str
    new: str
    checks: str

    def __str__(self) -> str:
        return self.what.replace(" ", "-")


FAULTS = (
    # the plugin and its descriptors
    Fault("a name that core has", "plugin.py", 'name="jsonl"', 'name="csv"', "TestPlugin"),
    Fault(
        "a name that another plugin has",
        "plugin.py",
        'name="hit_rate", summary',
        'name="accuracy", summary',
        "names_are_its_own",
    ),
    Fault("a heavy import", "plugin.py", "HOOK_API = 1", "import numpy\n\nHOOK_API = 1", "light and TestPlugin"),
    Fault("torch beside the options", "options.py", "from typing", "import torch\nfrom typing", "light and TestPlugin"),
    Fault("torch beside what fits", "needs.py", "from graft", "import torch\nfrom graft", "light and TestPlugin"),
    Fault(
        "a file written at import",
        "plugin.py",
        "HOOK_API = 1",
        "import pathlib\n\npathlib.Path('meadow.log').write_text('')\nHOOK_API = 1",
        "light and TestPlugin",
    ),
    Fault(
        "a socket opened at import",
        "plugin.py",
        "HOOK_API = 1",
        "import socket\n\nsocket.socket(type=socket.SOCK_DGRAM).connect(('127.0.0.1', 9))\nHOOK_API = 1",
        "light and TestPlugin",
    ),
    Fault(
        "a library that pip would not bring",
        "metric.py",
        "import numpy as np",
        "import numpy as np\nimport pytest",
        "comes_with",
    ),
    Fault(
        "an imported version of the contract",
        "plugin.py",
        "HOOK_API = 1",
        "from graft.plugins import HOOK_API",
        "version",
    ),
    Fault("a misspelt hook", "plugin.py", "def graft_metrics", "def graft_metricks", "TestPlugin"),
    Fault("a target that is not there", "plugin.py", "meadow.metric:HitRate", "meadow.metric:HitRates", "TestMetric"),
    Fault("a default head that nobody offers", "plugin.py", 'head="pooled"', 'head="poled"', "there and TestPlugin"),
    Fault(
        "options that take anything",
        "options.py",
        "class HeadOptions(Options)",
        "class HeadOptions(__import__('pydantic').BaseModel)",
        "TestHead and options",
    ),
    Fault("an option without a text", "options.py", '    """Of the hidden layer."""\n', "", "TestHead and options"),
    # the head
    Fault("a wrong shape on shallow pyramids", "head.py", "info.stages[-2:]", "info.stages[3:]", "TestHead and learns"),
    Fault(
        "a layer that nothing goes through",
        "head.py",
        "self.out(self.dropout(nn.functional.silu(hidden)))",
        "self.out(self.dropout(nn.functional.silu(hidden.detach())))",
        "TestHead and learns",
    ),
    Fault(
        "a loss that is not finite",
        "head.py",
        "nn.functional.cross_entropy(outputs, targets)",
        "nn.functional.cross_entropy(outputs, targets) / outputs.new_zeros(())",
        "TestHead and learns",
    ),
    Fault(
        "a loss for each image",
        "head.py",
        "cross_entropy(outputs, targets)}",
        'cross_entropy(outputs, targets, reduction="none")}',
        "TestHead and learns",
    ),
    Fault("too few predictions", "head.py", "for one in scores]", "for one in scores[:1]]", "TestHead and decodes"),
    Fault(
        "a nondeterministic decode",
        "head.py",
        "scores = outputs.float()",
        "scores = (outputs + torch.randn_like(outputs)).float()",
        "TestHead and eval",
    ),
    Fault("dropout in eval mode", "head.py", "self.dropout(nn", "nn.functional.dropout(nn", "TestHead and eval"),
    Fault(
        "frozen statistics that move",
        "head.py",
        "        means = [",
        "        self.seen += 1\n        means = [",
        "TestHead and eval",
    ),
    Fault(
        "state that no checkpoint has",
        "head.py",
        "self.dropout = nn",
        "self.hidden.register_forward_hook(lambda module, given, out, more=torch.randn(1): out + more)\n"
        "        self.dropout = nn",
        "TestHead and state",
    ),
    Fault(
        "a buffer that grows with the data",
        "head.py",
        "        self.seen += torch.bincount(torch.tensor(targets), minlength=len(self.seen))",
        "        self.seen = torch.tensor(targets).float()",
        "TestHead and learns",
    ),
    Fault(
        "scores of one class too few",
        "head.py",
        "len(classes))\n        self.register",
        "len(classes) - 1)\n        self.register",
        "TestHead and learns",
    ),
    Fault("a word where a problem is asked for", "needs.py", "return None", 'return "fine"', "TestHead and learns"),
    # the task
    Fault(
        "lost class names",
        "task.py",
        "super().__init__(classes=classes, options=options)",
        "super().__init__(classes=[str(number) for number, _ in enumerate(classes)], options=options)",
        "TestTask and not verbs",
    ),
    Fault("a column that no row has", "task.py", '("word", "score")', '("word", "sureness")', "TestTask and not verbs"),
    Fault(
        "an array in a row",
        "task.py",
        "float(prediction.scores[best])",
        "prediction.scores[best]",
        "TestTask and not verbs",
    ),
    Fault(
        "one error for all images",
        "task.py",
        "strict=True)], float)",
        "strict=True)], float).mean()",
        "TestTask and not verbs",
    ),
    Fault("a caption of two lines", "task.py", "}, truly {", "}\\n truly {", "TestTask and not verbs"),
    Fault(
        "a file that is not written",
        "task.py",
        'path.write_text(self.as_row(prediction)["word"])',
        "pass",
        "TestTask and verbs",
    ),
    # the metric
    Fault(
        "a metric off by one",
        "metric.py",
        "float(rows[:, 0].mean())",
        "float(rows[:, 0].sum() / (len(rows) + 1))",
        "TestMetric",
    ),
    Fault(
        "a metric of the order",
        "metric.py",
        "float(rows[:, 0].mean())",
        "float(rows[: len(rows) // 2 + 1, 0].mean())",
        "TestMetric",
    ),
    Fault("a row too few", "metric.py", ".astype(np.int64)", ".astype(np.int64)[1:]", "TestMetric"),
    Fault(
        "a metric that counts what it has seen",
        "metric.py",
        "        hits = [",
        "        self.n = getattr(self, 'n', 0) + len(targets)\n        hits = [self.n > len(targets) or ",
        "TestMetric",
    ),
    Fault("a value by another name", "metric.py", '{"hit_rate": float', '{"hits": float', "TestMetric"),
    # the reader
    Fault(
        "a reader that swallows damage",
        "reader.py",
        'problems.append(Problem(str(file), f"cannot be read: {error}"))',
        "pass",
        "TestReader",
    ),
    Fault("a traceback of a damaged line", "reader.py", "(ValueError, KeyError, TypeError)", "KeyError", "TestReader"),
    Fault(
        "samples in no order",
        "reader.py",
        "tuple(sorted(samples, key=lambda sample: sample.id))",
        "tuple(samples[::-1])",
        "TestReader",
    ),
    Fault(
        "ids that say where the data lie",
        "reader.py",
        "image.relative_to(path).as_posix()",
        "image.as_posix()",
        "TestReader",
    ),
    Fault(
        "an error that names no file",
        "reader.py",
        'Problem(str(file), f"cannot be read: {error}")',
        'Problem("", "cannot be read")',
        "TestReader",
    ),
    Fault(
        "a reader that takes everything",
        "reader.py",
        'if path.is_dir() and any(path.glob("**/labels.jsonl")) else None',
        "if path else None",
        "TestReader",
    ),
    # the augmentation
    Fault("boxes that are not flipped", "augment.py", "boxes=boxes, mask=mask)", "mask=mask)", "TestAugmentation"),
    Fault("masks that are not flipped", "augment.py", "boxes=boxes, mask=mask)", "boxes=boxes)", "TestAugmentation"),
    Fault(
        "boxes mixed up",
        "augment.py",
        "return replace(places, boxes=boxes, mask=mask)",
        "return replace(places, boxes=boxes, mask=mask, rows=None if boxes is None else places.rows[::-1])",
        "TestAugmentation",
    ),
    Fault(
        "a draw that is not seeded",
        "augment.py",
        "np.random.default_rng(seed)",
        "np.random.default_rng()",
        "TestAugmentation",
    ),
    Fault(
        "a seed that makes no difference",
        "augment.py",
        "np.random.default_rng(seed)",
        "np.random.default_rng(0)",
        "TestAugmentation",
    ),
    Fault(
        "an image written into",
        "augment.py",
        "        placement = ",
        "        image[0] = 0\n        placement = ",
        "TestAugmentation",
    ),
    Fault("another type of pixels", "augment.py", ".astype(image.dtype)", ".astype(np.float32)", "TestAugmentation"),
    Fault(
        "height and width swapped",
        "augment.py",
        "height, width = self.size",
        "width, height = self.size",
        "TestAugmentation",
    ),
    # the decoder
    Fault(
        "a size that is not that of the pixels",
        "decoder.py",
        "return self.frame(path).shape",
        "return self.frame(path).shape[::-1]",
        "TestDecoder",
    ),
    Fault(
        "a traceback of a bad file", "decoder.py", "(OSError, ValueError, EOFError)", "PermissionError", "TestDecoder"
    ),
    Fault("files of any size", "decoder.py", "frame.size > max_pixels", "frame.size < 0", "TestDecoder"),
    Fault(
        "a decoder that cannot be copied",
        "decoder.py",
        '    suffixes = (".npy",)',
        '    suffixes = (".npy",)\n\n    def __init__(self, *, options):\n'
        "        super().__init__(options=options)\n        self.key = lambda path: path",
        "TestDecoder",
    ),
    # the domain
    Fault("a fragment with a misspelt key", "plugin.py", '{"threshold": 0.4}', '{"treshold": 0.4}', "TestDomain"),
    Fault("a demo of no task", "plugin.py", 'demos={"ripeness"', 'demos={"ripness"', "TestDomain"),
    # the strategy
    Fault(
        "a preset with a misspelt key", "plugin.py", '"pace": {"lr": 1e-3}', '"pace": {"lrate": 1e-3}', "TestStrategy"
    ),
    # the writer
    Fault("a sample that is lost", "writer.py", "in catalogue.samples:\n", "in catalogue.samples[1:]:\n", "TestWriter"),
    Fault("splits that are lost", "writer.py", 'out / (sample.split or "")', "out", "TestWriter"),
    Fault(
        "other bytes each time",
        "writer.py",
        '"ripeness": sample.target}',
        '"ripeness": sample.target, "at": __import__("time").time_ns()}',
        "TestWriter and twice",
    ),
    Fault("a traceback of a missing image", "writer.py", "if missing:", "if None:", "TestWriter and missing"),
    # the output
    Fault(
        "an output that a bad image ends",
        "output.py",
        "yield file.path, file.error",
        "raise ValueError(file.error)",
        "TestOutput",
    ),
    Fault("a file in another folder", "output.py", '".word", out)', '".word", out.parent)', "TestOutput"),
    Fault(
        "one file for two images",
        "output.py",
        "places.of(file.path, top=file.path.parent)",
        "out / f'{file.path.stem}.word'",
        "TestOutput",
    ),
    Fault("no word on why", "output.py", "yield file.path, file.error", "pass", "TestOutput"),
    # the command
    Fault("completion of its own", "cli.py", "add_completion=False", "add_completion=True", "TestCommand"),
    Fault("a traceback of a command", "cli.py", "number = len(", "number = 1 / 0 + len(", "TestCommand"),
    Fault("words beside JSON", "cli.py", "    print(", '    print("berries:")\n    print(', "TestCommand"),
    # the source of backbones
    Fault("an index of what cannot be built", "index.txt", "three", "three\t2 4 8\nfour", "TestBackbone"),
    Fault(
        "wrong channels in its info",
        "source.py",
        "channels=width, reduction",
        "channels=width + 1, reduction",
        "TestBackbone",
    ),
    Fault(
        "two halves that are not the whole",
        "source.py",
        "nn.ReLU())",
        "nn.ReLU(), type('Noise', (nn.Module,), {'forward': lambda self, x: x + __import__('torch').rand(())})())",
        "TestBackbone",
    ),
    Fault(
        "a traceback of an unknown name",
        "source.py",
        'raise WeightsError(f"no backbone {arch}", fix="take three")',
        "raise KeyError(arch)",
        "TestBackbone",
    ),
)


OUTCOMES: dict[str, tuple[str, str, str]] = {}
"""Of each fault: the check that found it, what that said, and where it is to be mended."""


class Recorder:
    """Keeps what failed, and what ran."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, str]] = []
        self.passed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failures.append((report.nodeid.partition("::")[2], report.longreprtext))
        elif report.when == "call" and report.passed:
            self.passed.add(report.nodeid.split("::")[1])


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Recorder]]:
    """Install the plugin with a fault, or without, and run its tests in this process."""
    for variable in ("GRAFT_TRACE_PLUGINS", "GRAFT_RAISE_PLUGIN_ERRORS", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(fault: Fault | None = None, checks: str = "Test") -> Recorder:
        rival = fault is not None and "accuracy" in fault.new
        monkeypatch.setenv("GRAFT_PLUGINS", "meadow,classification" if rival else "meadow")
        package = tmp_path / "meadow"
        shutil.copytree(MEADOW, package, ignore=shutil.ignore_patterns("__pycache__", "checks.py"))
        if fault is not None:
            file = package / fault.file
            text = file.read_text(encoding="utf-8")
            assert text.count(fault.old) == 1, f"{fault.old!r} stands {text.count(fault.old)} times in {fault.file}"
            file.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
        info = tmp_path / "graft_meadow-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.4\nName: graft-meadow\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text("[graft]\nmeadow = meadow.plugin\n", encoding="utf-8")
        shutil.copy(MEADOW / "checks.py", tmp_path / "test_meadow.py")
        (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        importlib.invalidate_caches()
        recorder = Recorder()
        # Whatever takes longer than the checks do.
        unused = (
            "cacheprovider",
            "xdist",
            "faulthandler",
            "unraisableexception",
            "threadexception",
            "hypothesispytest",
        )
        without = ["--assert=plain", *(word for name in unused for word in ("-p", f"no:{name}"))]
        words = ["-x", "--import-mode=importlib", "-c", "pytest.ini", "--basetemp", "base", "-k", checks]
        pytest.main([*without, *words, "test_meadow.py"], plugins=[recorder])
        return recorder

    yield run
    for name in [name for name in sys.modules if name.partition(".")[0] in ("meadow", "test_meadow")]:
        del sys.modules[name]
    read_index.cache_clear()
    linecache.clearcache()


def test_kit__finds_nothing_where_nothing_is_wrong(plant: Callable[..., Recorder]) -> None:
    recorder = plant()
    assert recorder.failures == []
    classes = re.findall(r"^class (Test\w+)", (MEADOW / "checks.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert recorder.passed == set(classes)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_kit__finds_the_fault_and_says_where(fault: Fault, plant: Callable[..., Recorder], tmp_path: Path) -> None:
    recorder = plant(fault, fault.checks)
    assert len(recorder.failures) == 1
    check, text = recorder.failures[0]
    found = re.search(
        r"^(?P<said>\S[^\n]*)\n  expected  (?P<expected>.*)\n  mend      (?P<where>.*)$", text, re.MULTILINE
    )
    assert found is not None, text
    where = re.search(r"([\w./-]+):(\d+)$", found["where"])
    assert where is not None, found["where"]
    assert where[1] == f"meadow/{fault.file}", text
    begin, end = around(tmp_path / "meadow" / fault.file, fault)
    assert begin <= int(where[2]) <= end, f"{text}\nlines {begin} … {end}"
    said = found["said"].replace(str(tmp_path), "…").replace("|", "\\|")
    OUTCOMES[fault.what] = (check, said, found["where"])


def around(file: Path, fault: Fault) -> tuple[int, int]:
    """Return the lines of the class or function in which a fault is; of one outside of them, its own."""
    text = file.read_text(encoding="utf-8")
    first = text[: text.index(fault.new) if fault.new else text.index("width:")].count("\n") + 1
    last = first + fault.new.count("\n")
    if file.suffix == ".py":
        for node in ast.parse(text).body:
            begin = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and begin <= last and first <= (node.end_lineno or 0):
                return begin, node.end_lineno or begin
    return first, last


def test_table__is_as_committed() -> None:
    if len(OUTCOMES) < len(FAULTS):
        pytest.skip("only where all faults were planted in this process")
    rows = [
        f"| {number} | {fault.what} | `{fault.file}` | `{OUTCOMES[fault.what][0]}` | {said(fault)} | "
        f"`{OUTCOMES[fault.what][2].rpartition(', ')[2]}` |"
        for number, fault in enumerate(FAULTS, 1)
    ]
    page = HEAD.format(count=len(FAULTS)) + "\n".join(rows) + "\n"
    if os.environ.get("GRAFT_WRITE_RESULTS") == "1":
        PAGE.write_text(page, encoding="utf-8")
    assert columns(PAGE.read_text(encoding="utf-8")) == columns(page)


def columns(page: str) -> list[tuple[str, ...]]:
    """Return the columns of the table but for what is said, which torch and Python say differently elsewhere."""
    rows = [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in page.splitlines() if line.startswith("| ")]
    return [(*row[:4], row[-1]) for row in rows]


def said(fault: Fault) -> str:
    """Return what the kit said, short enough for a table."""
    text = OUTCOMES[fault.what][1]
    return text if len(text) <= 220 else f"{text[:219]}…"


HEAD = """# Faults that the kit finds

{count} faults, each planted alone in a small plugin with a contribution of most kinds (`tests/core/testing/meadow`),
whose tests are the classes of `graft.testing` with a name each. `tests/core/testing/test_mutations.py` plants them, and
asserts that each is found, and that the message names the file, and a line in the class or function, that has to be
mended. It also asserts that nothing is found where nothing is wrong, and that this table is what it saw.

Written by `GRAFT_WRITE_RESULTS=1 pytest tests/core/testing/test_mutations.py`.

| | planted | in | found by | what it says | what it says is to be mended |
|---|---|---|---|---|---|
"""
