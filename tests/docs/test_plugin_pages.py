"""What `docs/plugin-authors/` tells authors to write and type works, and gives what the pages show."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from graft.plugins import HOOKS, load_plugins
from graft.recipe import Options
from graft.testing.commands import Graft

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "plugin-authors"
FIRST = (PAGES / "first-plugin.md").read_text(encoding="utf-8")


def blocks(language: str, page: str = FIRST) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def without_figures(text: str, folder: Path | str) -> list[str]:
    """The lines with `#` for every number: those that training gives differ between processors."""
    text = re.sub(r" +about .* left", "", text.replace(str(folder), "/home/you/try"))
    text = re.sub(r"\d[\d.,]*(e[+-]\d+)?", "#", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    code, _ = blocks("python")
    (tmp_path / "grain.py").write_text(code, encoding="utf-8")
    (tmp_path / "plugins.toml").write_text(blocks("toml")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRAFT_PLUGINS", raising=False)
    yield tmp_path
    sys.modules.pop("grain", None)


def test_first_plugin__commands_give_what_is_shown(folder: Path) -> None:
    graft = Graft(folder)
    shown = blocks("console")
    assert len(shown) == 4
    for block in shown:
        command, _, expected = block.partition("\n")
        result = graft(*shlex.split(command.removeprefix("$ graft ")))
        assert result.code == (2 if "mistake" in expected else 0), result.err
        if expected:
            assert without_figures(result.out + result.err, folder) == without_figures(expected, folder)


def test_first_plugin__parts_alone(folder: Path) -> None:
    _, code = blocks("python")
    exec(compile(code, "first-plugin.md", "exec"), {})


@pytest.mark.parametrize("hook", HOOKS)
def test_hooks__say_who_uses_them_and_what_checks_it(hook: str) -> None:
    import graft.testing

    plugins, spec = load_plugins(start=ROOT), HOOKS[hook]
    kit = f"{spec.__name__.removesuffix('Spec')}Conformance"
    users = sorted(one.name for one in plugins.loaded if hook in one.hooks)
    section = (PAGES / "hooks.md").read_text(encoding="utf-8").partition(f"\n## {hook}\n")[2].partition("\n## ")[0]
    assert f"\nUsed by {', '.join(users)}. Checked by `graft.testing.{kit}`.\n" in section
    assert getattr(graft.testing, kit).kind is spec
    # The faults that the kit is tested with are of a plugin with a contribution of every kind.
    assert f"({kit}):" in (ROOT / "tests" / "core" / "testing" / "meadow" / "checks.py").read_text(encoding="utf-8")


def test_hooks__options_are_checked() -> None:
    page = (PAGES / "hooks.md").read_text(encoding="utf-8")
    (code,) = [block for block in blocks("python", page) if "class StainOptions" in block]
    names: dict[str, type[Options]] = {}
    exec(compile(code, "hooks.md", "exec"), names)
    assert names["StainOptions"](strength=0.2).model_dump() == {"strength": 0.2}
    with pytest.raises(ValueError, match="less than or equal to 1"):
        names["StainOptions"](strength=2)


def test_versions__as_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (PAGES / "versions.md").read_text(encoding="utf-8")
    plugin, optional, options = blocks("python", page)
    monkeypatch.delenv("GRAFT_PLUGINS", raising=False)
    (tmp_path / "plugins.toml").write_text('[[local]]\npath = "seagrass.py"\n', encoding="utf-8")
    file, graft = tmp_path / "seagrass.py", Graft(tmp_path)
    file.write_text(plugin, encoding="utf-8")
    (shown,) = blocks("console", page)
    command, _, expected = shown.partition("\n")
    done = graft(*shlex.split(command.removeprefix("$ graft ")))
    assert (done.err + done.out).replace(str(tmp_path), "/home/you/try").strip() == expected.strip()
    for hook, said in (
        (optional, "state   on"),
        (optional.replace("(optionalhook=True)", ""), "no hook 'graft_losses'"),
    ):
        sys.modules.pop("seagrass", None)
        file.write_text(f"{plugin.replace('HOOK_API = 2', 'HOOK_API = 1')}\n\n{hook}", encoding="utf-8")
        os.utime(file, (len(said), len(said)))  # two versions in one second: no compiled file of the other is taken
        assert said in graft("plugins", "info", "seagrass").out
    sys.modules.pop("seagrass")
    names: dict[str, type[Options]] = {}
    exec(compile(options, "versions.md", "exec"), names)
    assert names["GrainOptions"](amount=0.2).model_dump() == {"strength": 0.2}
    with pytest.raises(ValueError, match="amuont"):
        names["GrainOptions"](amuont=0.2)
