from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from distributions import COMMAND, HEADER, install
from graft.testing.commands import Graft

APP = """
import typer
from graft.errors import DataError, TrainingError
app = typer.Typer(add_completion=False)

@app.command()
def run(how: str = "well") -> None:
    if how == "data":
        raise DataError("the labels are wrong", fix="correct them")
    if how == "training":
        raise TrainingError("the disk is full")
    if how == "bug":
        raise ZeroDivisionError("of our own making")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "offline":
        from graft.home import offline
        print(offline())
    print("done")
"""


@pytest.fixture
def tiles(site: Path) -> Path:
    """A plugin with the command `graft tiles`, whose code is in another module than its hooks."""
    install(site, "graft-tiles", HEADER + COMMAND.format(name="tiles", module="graft_tiles_cli"), entry="tiles")
    (site / "graft_tiles_cli.py").write_text(APP, encoding="utf-8")
    return site


def test_help__lists_tasks_and_commands_with_their_summaries(graft: Graft, tiles: Path) -> None:
    result = graft("--help")
    assert result.code == 0
    assert result.err == ""
    for word in ("classify", "demo", "doctor", "plugins", "tiles", "Does it."):
        assert word in result.out
    assert result.out.index("│ classify") < result.out.index("│ demo")


def test_help__imports_no_command(graft: Graft, tiles: Path) -> None:
    graft("--help")
    assert "graft_tiles_cli" not in sys.modules
    assert graft("tiles").out == "done\n"
    assert "graft_tiles_cli" in sys.modules


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help__of_a_command(graft: Graft, tiles: Path, option: str) -> None:
    result = graft("tiles", option)
    assert result.code == 0
    assert "--how" in result.out


@pytest.mark.parametrize("arguments", [("docter",), ("plugins", "lst"), ("--debgu",), ("doctor", "--fats")])
def test_usage__a_slip_is_2_with_a_hint(graft: Graft, arguments: tuple[str, ...]) -> None:
    result = graft(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert "Traceback" not in result.err
    assert any(word in result.err for word in ("'doctor'", "'list'", "--debug", "--fast"))


@pytest.mark.parametrize(
    ("how", "code", "text"),
    [
        ("well", 0, ""),
        ("data", 2, "graft: the labels are wrong\nFix: correct them\n"),
        ("training", 1, "graft: the disk is full\n"),
        ("interrupt", 130, ""),
    ],
)
def test_exit__code_and_text(graft: Graft, tiles: Path, how: str, code: int, text: str) -> None:
    result = graft("tiles", "--how", how)
    assert (result.code, result.err) == (code, text)


def test_exit__a_bug_is_1_and_one_sentence(graft: Graft, tiles: Path) -> None:
    result = graft("tiles", "--how", "bug")
    assert result.code == 1
    assert result.err.startswith("graft: internal error: ZeroDivisionError: of our own making\n")
    assert "graft --debug" in result.err
    assert "Traceback" not in result.err


def test_debug__shows_the_traceback(graft: Graft, tiles: Path) -> None:
    assert "Traceback" in graft("--debug", "tiles", "--how", "data").err
    with pytest.raises(ZeroDivisionError):
        graft("--debug", "tiles", "--how", "bug")


def test_offline__holds_for_the_command(graft: Graft, tiles: Path) -> None:
    assert graft("tiles", "--how", "offline", env={"GRAFT_OFFLINE": "", "HF_HUB_OFFLINE": ""}).out == "False\ndone\n"
    result = graft("--offline", "tiles", "--how", "offline", env={"GRAFT_OFFLINE": "", "HF_HUB_OFFLINE": ""})
    assert result.out == "True\ndone\n"


@pytest.mark.parametrize(
    "arguments", [("tiles", "--offline", "--how", "offline"), ("tiles", "--how", "offline", "--offline")]
)
def test_offline__behind_the_command(graft: Graft, tiles: Path, arguments: tuple[str, ...]) -> None:
    assert "True" in graft(*arguments, env={"GRAFT_OFFLINE": ""}).out


def test_offline__behind_two_dashes_is_a_word_like_others(graft: Graft, tiles: Path) -> None:
    result = graft("tiles", "--", "--offline", env={"GRAFT_OFFLINE": ""})
    assert result.code == 2
    assert "--offline" in result.err


def test_usage__a_verb_without_its_task(graft: Graft) -> None:
    assert "graft classify train" in graft("train", "photos").err
    assert "graft classify lr-find" in graft("lr-find", "photos").err
    assert "graft classify" not in graft("fly", "photos").err


def test_version__is_one_line(graft: Graft) -> None:
    result = graft("--version")
    assert result.code == 0
    assert result.out.startswith("graft ")
    assert "torch" in result.out
    assert result.out.count("\n") == 1


def test_plugins_toml__an_invalid_one_leaves_help_and_doctor(graft: Graft, work: Path) -> None:
    (work / "plugins.toml").write_text('disabel = ["x"]', encoding="utf-8")
    help_ = graft("--help")
    assert help_.code == 0
    assert "disabel: unknown key" in help_.err
    assert "doctor" in help_.out
    doctor = graft("doctor", "--fast")
    assert doctor.code == 0
    assert "disabel: unknown key (did you mean 'disable'?)" in doctor.out
    for arguments in (("classify", "train", "x"), ("plugins", "list"), ("nonsense",)):
        result = graft(*arguments)
        assert result.code == 2
        assert "disabel: unknown key" in result.err
        assert "Traceback" not in result.err


def test_command__that_two_plugins_offer(graft: Graft, tiles: Path) -> None:
    install(tiles, "other-tiles", HEADER + COMMAND.format(name="tiles", module="other"), entry="other")
    result = graft("tiles")
    assert result.code == 2
    assert "write other:tiles or tiles:tiles" in result.err
    assert graft("tiles:tiles").out == "done\n"
    assert "tiles:tiles" in graft("--help").out


def test_command__that_cannot_be_imported(graft: Graft, site: Path) -> None:
    install(site, "late", HEADER + COMMAND.format(name="late", module="late_cli"))
    (site / "late_cli.py").write_text("import surely_not_installed", encoding="utf-8")
    assert "late" in graft("--help").out
    result = graft("late")
    assert result.code == 2
    assert "command 'late' of plugin late 1.0 cannot be used: late_cli:app" in result.err
    assert "it needs the module 'surely_not_installed'" in result.err


def test_command__that_is_no_typer_app(graft: Graft, site: Path) -> None:
    install(site, "odd", HEADER + COMMAND.format(name="odd", module="odd") + "app = 3\n")
    assert "is no typer.Typer" in graft("odd").err


def test_command__of_a_broken_plugin(graft: Graft, site: Path) -> None:
    install(site, "faulty", "import surely_not_installed", version="2.1")
    result = graft("something")
    assert result.code == 2
    assert (
        "it may belong to a plugin that is broken: faulty 2.1 (it needs the module 'surely_not_installed'" in result.err
    )


def test_output__of_a_reader_that_went_away(work: Path) -> None:
    """As in `graft … | head`: no complaint, whatever the buffer held."""
    import subprocess

    process = subprocess.Popen(
        [sys.executable, "-c", "from graft.cli import main; main()", "plugins", "info", "core"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=work,
        env={**os.environ, "GRAFT_PLUGINS": ""},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()
