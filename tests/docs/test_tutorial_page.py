"""What `docs/plugin-authors/tutorial.md` tells an author to type works, and gives what the page shows."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from distributions import install_editable, run_pytest
from graft.testing.commands import Graft

PAGES = Path(__file__).parents[2] / "docs" / "plugin-authors"
PAGE = (PAGES / "tutorial.md").read_text(encoding="utf-8")


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delenv("GRAFT_PLUGINS", raising=False)
    yield folder
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def plain(text: str, site: Path) -> list[str]:
    """Lines without how long it took; what is installed is where an editable install points."""
    text = re.sub(r" in \d+\.\d+s", "", text.replace(str(site), "graft-top-three/src"))
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_tutorial__as_it_is_printed(tmp_path: Path, site: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (grain,) = [block for block in blocks("python", (PAGES / "first-plugin.md").read_text()) if "class Grain" in block]
    (work / "grain.py").write_text(grain, encoding="utf-8")
    graft, project = Graft(work), work / "graft-top-three"
    for language, block in re.findall(r"^```(console|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        if language == "python":  # a line that takes the place of the one that begins alike
            (begin,) = re.findall(r"^ *\w+ \+?= ", block)
            for file in (project / "src" / "graft_top_three" / "metric.py", project / "tests" / "test_contract.py"):
                text = file.read_text()
                file.write_text(re.sub(rf"^{re.escape(begin)}.*\n", lambda _: block, text, flags=re.MULTILINE))  # noqa: B023
            continue
        shown = [line for line in block.splitlines() if not line.startswith("$")]
        for line in [line for line in block.splitlines() if line.startswith("$")]:
            program, *words = shlex.split(line[2:].replace('"', '\\"'))
            if program == "pip":
                install_editable(site, project)
            elif program == "pytest":
                done = run_pytest(site, *words, folder=work)
                said = plain(done.stdout + done.stderr, site)
                wanted = plain("\n".join(shown), site)
                assert [one for one in said if one in wanted] == wanted, said
            else:
                done = graft(*words)
                assert done.code == 0, done.err
                if shown:
                    assert plain(done.out, site) == plain("\n".join(shown), site)
    assert (work / "graft-grain" / "src" / "grain.py").read_text() == grain
    assert "top-three" in (work / "runs" / "first" / "results.json").read_text()


def test_tutorial__the_manifest_is_one(tmp_path: Path, site: Path) -> None:
    (manifest,) = blocks("toml")
    (tmp_path / "plugins.toml").write_text(manifest, encoding="utf-8")
    done = Graft(tmp_path)("plugins", "list")
    assert done.code == 2
    assert "graft-top-three" in done.err  # it is required, and not installed
