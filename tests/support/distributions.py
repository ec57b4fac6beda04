"""Installed plugins, made in code: real dist-info folders and modules in a folder that goes onto the path."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

HEADER = """
from graft.plugins import *
HOOK_API = 1
"""

COMMAND = """
@hookimpl
def graft_commands():
    return [CommandSpec(name={name!r}, summary="Does it.", target="{module}:app")]
"""

READER = """
@hookimpl
def graft_readers():
    return [ReaderSpec(name={name!r}, summary="Reads it.", target="{module}:Reader", gives="labels")]
"""


def install(site: Path, name: str, code: str, *, version: str = "1.0", entry: str | None = None) -> str:
    """Write the distribution `name` into `site`, and return its module.

    Args:
        site: The folder, which has to be on `sys.path`.
        name: The distribution's name.
        code: The module that has its hooks.
        version: Its version.
        entry: The entry point's name, by default the distribution's.
    """
    module = name.replace("-", "_")
    site.mkdir(exist_ok=True)
    (site / f"{module}.py").write_text(textwrap.dedent(code), encoding="utf-8")
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: MIT\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(f"[graft]\n{entry or name} = {module}\n", encoding="utf-8")
    return module


def reader(name: str, *, module: str) -> str:
    """Return the code of a plugin that offers one reader."""
    return HEADER + READER.format(name=name, module=module)


BROKEN = {
    "import-error": ("raise ImportError('the wheel is for another platform')", "another platform"),
    "missing-dependency": ("import surely_not_installed", "'surely_not_installed', which is not installed"),
    "syntax-error": ("def graft_tasks(:", "syntax error in syntax_error.py line 1"),
    "exits": ("import sys; sys.exit(3)", "calls sys.exit(3)"),
    "exits-with-text": ("raise SystemExit('no licence')", "calls sys.exit('no licence')"),
    "base-exception": ("raise BaseException('no more')", "BaseException: no more"),
    "misspelt-hook": (
        HEADER + "@hookimpl\ndef graft_taks():\n    return []\n",
        "there is no hook 'graft_taks' (did you mean 'graft_tasks'?)",
    ),
    "unmarked-hook": (HEADER + "def graft_tasks():\n    return []\n", "graft_tasks is not marked @hookimpl"),
    "hook-takes-arguments": (HEADER + "@hookimpl\ndef graft_tasks(config):\n    return []\n", "graft_tasks(config)"),
    "wrapper": (HEADER + "@hookimpl(wrapper=True)\ndef graft_tasks():\n    return (yield)\n", "is a wrapper"),
    "no-hooks": (HEADER, "has no hooks"),
    "from-the-future": (HEADER + "HOOK_API = 99\n", "hook API 99, and this Graft has 1: upgrade graft-core"),
    "from-the-past": (HEADER + "HOOK_API = 0\n", "hook API 0, and this Graft has 1: upgrade the plugin"),
    "no-api": ("from graft.plugins import hookimpl\n", "write `HOOK_API = 1`"),
    "takes-core-name": (reader("folder", module="takes_core_name"), "reader 'folder', which is core's own"),
    "takes-core-command": (
        HEADER + COMMAND.format(name="doctor", module="takes_core_command"),
        "command 'doctor', which is core's own",
    ),
    "raises": (
        HEADER + "@hookimpl\ndef graft_tasks():\n    raise ValueError('no')\n",
        "graft_tasks fails: ValueError: no",
    ),
    "raises-midway": (
        HEADER + READER.format(name="midway", module="x").replace("return [", "yield from [") + "    1 / 0\n",
        "graft_readers fails: ZeroDivisionError",
    ),
    "gives-nothing": (HEADER + "@hookimpl\ndef graft_tasks():\n    pass\n", "graft_tasks returned None"),
    "gives-one": (
        HEADER + READER.format(name="one", module="x").replace("[", "").replace("]", ""),
        "graft_readers returned one ReaderSpec",
    ),
    "gives-text": (HEADER + "@hookimpl\ndef graft_tasks():\n    return ['task']\n", "gave a str, and takes TaskSpec"),
    "gives-wrong-kind": (
        HEADER + READER.format(name="x", module="x").replace("graft_readers", "graft_tasks"),
        "graft_tasks gave a ReaderSpec, and takes TaskSpec",
    ),
    "gives-bad-target": (
        HEADER + READER.format(name="x", module="x").replace("x:Reader", "nowhere"),
        "write 'package.module:attribute'",
    ),
    "gives-twice": (
        HEADER + READER.format(name="x", module="x").replace("return ", "return 2 * "),
        "graft_readers gave two with the name 'x'",
    ),
}
"""Plugins that are broken, each by its distribution's name: its module, and what its cause must say."""

DISTURBING = """
print("hello from a plugin")
import os, random, signal, sys, warnings
os.chdir("/")
random.seed(0)
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path.insert(0, "/nowhere")
warnings.simplefilter("ignore")
"""
"""What a plugin may do to the process when it is imported; prepend it to a plugin that works."""


def install_editable(site: Path, project: Path) -> None:
    """Make a distribution's metadata and modules findable in a folder, as an editable install does."""
    table = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    info = site / f"{table['name'].replace('-', '_')}-{table['version']}.dist-info"
    info.mkdir(parents=True)
    points = "".join(f"{name} = {module}\n" for name, module in table["entry-points"]["graft"].items())
    (info / "entry_points.txt").write_text(f"[graft]\n{points}")
    header = f"Metadata-Version: 2.4\nName: {table['name']}\nVersion: {table['version']}\n"
    needs = "".join(f"Requires-Dist: {one}\n" for one in table["dependencies"])
    (info / "METADATA").write_text(f"{header}License-Expression: {table['license']}\n{needs}")
    for module in (project / "src").iterdir():
        (site / module.name).symlink_to(module)


def run_pytest(site: Path, *words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run pytest in a process of its own, in a folder, with what `install_editable` made findable in `site`."""
    path = os.pathsep.join([str(site), *filter(None, sys.path)])
    # Where these are set, pytest's summary is longer than an author sees it.
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *map(str, words)],
        cwd=folder,
        env={**inherited, "PYTHONPATH": path, "PYTEST_ADDOPTS": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
