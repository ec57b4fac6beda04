"""What `docs/plugin-authors/domain.md` tells authors to write and type works, and gives what the page shows."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from graft.testing.commands import Graft

PAGE = (Path(__file__).parents[2] / "docs" / "plugin-authors" / "domain.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    make, code, write, line = blocks("python")
    before, fragment, behind = code.partition('"augment": "flip",\n            },\n')
    assert fragment
    (tmp_path / "thermal.py").write_text(f"{before}{fragment}{line}{behind}\n\n{write}", encoding="utf-8")
    (tmp_path / "plugins.toml").write_text(blocks("toml")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRAFT_PLUGINS", raising=False)
    exec(compile(make, "domain.md", "exec"), {})
    for label in ("leak", "sound"):
        for file in (tmp_path / "pipes" / label).iterdir():
            alone = "cam1_" in file.name or file.name in ("cam2_02.npy", "cam2_10.npy")[label == "sound" :][:1]
            target = tmp_path / "given" / ("test" if alone else "train") / label
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    yield tmp_path
    sys.modules.pop("thermal", None)


def test_domain__commands_give_what_is_shown(folder: Path) -> None:
    graft = Graft(folder)
    for block in blocks("console"):
        commands = [line for line in block.splitlines() if line.startswith("$ graft ")]
        expected = block.partition("\n")[2] if len(commands) == 1 else ""
        for command in commands:
            result = graft(*shlex.split(command.removeprefix("$ graft ")))
            assert result.code == (2 if "Fix:" in expected else 0), result.err
            if expected:
                said = (result.out + result.err).replace(f"{folder}/", "")
                assert [line.rstrip() for line in said.splitlines()] == expected.rstrip().splitlines()
    results = json.loads((folder / "runs" / "first" / "results.json").read_text())
    assert results["metrics"]["test"]["accuracy"]["value"] > 0.6
    assert "Temperatures" in (folder / "runs" / "first" / "report.html").read_text()
    bundle = json.loads((folder / "runs" / "first" / "bundle" / "bundle.json").read_text())
    assert len(list((folder / "sample" / "target" / "train" / "leak").iterdir())) == 6
    assert bundle["decoder"] == {
        "plugin": "thermal",
        "name": "thermal",
        "options": {"coldest": 0.0, "warmest": 100.0},
    }
