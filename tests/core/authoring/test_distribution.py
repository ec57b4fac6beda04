"""What is written works as it is: its own tests pass, installed as pip would install it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from distributions import install_editable, run_pytest
from graft.authoring.distribution import KINDS, LICENCES, new, package
from graft.errors import PluginError, UserError
from graft.plugins import core_plugins, load_plugins
from graft.testing.commands import Graft

GRAIN = '''"""Adds grain."""

import numpy as np

from graft.plugins import AugmentationSpec, StrategySpec, hookimpl

HOOK_API = 1


@hookimpl
def graft_augmentations():
    return [AugmentationSpec(name="grain", summary="Grain.", target="sandy_grain:Grain", tasks=("classification",))]


@hookimpl
def graft_strategies():
    return [StrategySpec(name="sandy", summary="Slow.", recipe={"pace": {"lr": 1e-5}})]


class Grain:
    """Cuts the centre out, and adds noise."""

    def __init__(self, *, size, options):
        self.size = size

    def __call__(self, image, target, seed):
        height, width = self.size
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        image = image[top : top + height, left : left + width]
        most = 255 if image.dtype == np.uint8 else 1
        noise = np.random.default_rng(seed).normal(scale=0.05 * most, size=image.shape)
        return np.clip(image + noise, 0, most).astype(image.dtype), target
'''


def run_own_tests(site: Path, projects: list[Path], *options: str) -> str:
    """Return what pytest says of several distributions' own tests, in one process."""
    done = run_pytest(site, *(project / "tests" for project in projects), *options, folder=site)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    return done.stdout


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """A distribution of each kind, and one around a file, installed together: each process imports torch."""
    folder = tmp_path_factory.mktemp("every")
    plugins = load_plugins(names=["classification"])
    projects = [new(f"my-{kind}", kind, out=folder, licence="MIT", plugins=plugins) for kind in KINDS]
    (folder / "sandy_grain.py").write_text(GRAIN)
    projects.append(package(folder / "sandy_grain.py", out=folder, licence="MIT", plugins=plugins))
    for project in projects:
        install_editable(folder / "site", project)
    return folder / "site", projects


def test_new_and_package__pass_their_own_tests(every: tuple[Path, list[Path]]) -> None:
    site, projects = every
    # That it knows of no places, the tests of a file would have to say.
    said = run_own_tests(site, projects, "-k", "not (Grain and places)", "-rp")
    for project in projects:
        assert f"TestPlugin::test_plugin__is_light[{project.name.removeprefix('graft-')}]" in said


def test_new__a_domain_shows_its_data_and_what_training_sees_of_them(
    every: tuple[Path, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(every[0]))
    monkeypatch.delenv("GRAFT_PLUGINS", raising=False)
    graft = Graft(tmp_path)
    done = graft("data", "sample", "classification", "shapes", "--domain", "my-domain", "--size=32", "--per-class=4")
    assert done.code == 0, done.err
    assert len(list((tmp_path / "shapes" / "target" / "train" / "round").iterdir())) == 4
    done = graft("data", "preview", "classify", "shapes/target", "--domain", "my-domain")
    assert done.code == 0, done.err
    assert "of 'my-domain-light' each" in done.err
    for name in [name for name in sys.modules if name.startswith("graft_my_")]:
        del sys.modules[name]


def test_new__is_clean(every: tuple[Path, list[Path]]) -> None:
    _, projects = every
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--no-cache", *map(str, projects)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
    for project in projects[:-1]:
        assert tomllib.loads((project / "pyproject.toml").read_text())["tool"]["mypy"]["strict"]
        left = [file for file in project.rglob("*") if file.is_file() and "example" in file.read_text().lower()]
        assert not left, left
        assert (project / "LICENSE").read_text().startswith("MIT License")
        assert (project / ".github" / "workflows" / "test.yml").is_file()


def test_package__a_plugin_of_one_file(tmp_path: Path) -> None:
    file = tmp_path / "sandy_grain.py"
    file.write_text(GRAIN)
    project = package(file, out=tmp_path, licence="BSD-3-Clause", plugins=load_plugins(names=["classification"]))
    assert project.name == "graft-sandy-grain"
    assert (project / "src" / "sandy_grain.py").read_text() == GRAIN
    table = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    names = [re.fullmatch(r"([a-z-]+)>=\d+\.\d+", one) for one in table["dependencies"]]
    assert [one and one[1] for one in names] == ["graft-core", "graft-classification", "numpy"]
    assert table["description"] == "Adds grain."
    tests = (project / "tests" / "test_contract.py").read_text()
    assert re.findall(r"class Test\w+\((\w+)\)", tests) == [
        *("PluginConformance", "AugmentationConformance", "StrategyConformance")
    ]


def test_package__tests_whatever_it_offers(tmp_path: Path) -> None:
    file = tmp_path / "motley.py"
    kinds = {kind: f"graft_{kind.lower()}s" for kind in ("Reader", "Writer", "Decoder", "Output", "Command")}
    more = {"Reader": 'gives="labels"', "Writer": 'takes="labels"', "Output": 'tasks=("classification",)'}
    hooks = [
        f"@hookimpl\ndef {hook}():\n    return [{kind}Spec("
        f'name="motley-{kind.lower()}", summary="One.", target="motley:{kind}", {more.get(kind, "")})]\n'
        for kind, hook in kinds.items()
    ]
    file.write_text("from graft.plugins import *\n\nHOOK_API = 1\n\n" + "\n".join(hooks))
    project = package(file, out=tmp_path, licence="MIT", plugins=load_plugins(names=["classification"]))
    tests = project / "tests" / "test_contract.py"
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "--no-cache", str(tests)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout
    found = set(re.findall(r"class Test\w+\((\w+)\)", tests.read_text()))
    assert found == {"PluginConformance", *(f"{kind}Conformance" for kind in kinds)}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Leaf", "write leaf"),
        ("leaf_.rust-", "write leaf-rust"),
        ("../leaf", "lower case letters"),
        ("blätter", "lower case letters"),
        ("3d", "lower case letters"),
        ("core", "is taken.*\n.*my-core"),
        ("graft-classification", "is taken"),
        ("classify", "is taken"),
        ("doctor", "is taken"),
        ("accuracy", "there is a metric called 'accuracy' already"),
    ],
)
def test_new__names_that_do_not_fit(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        new(name, "metric", out=tmp_path, licence=LICENCES[0], plugins=load_plugins(names=["classification"]))
    assert re.search(said, str(caught.value))
    assert not list(tmp_path.iterdir())


def test_new__a_name_of_a_plugin_that_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        new("medical", "domain", out=tmp_path, licence=LICENCES[0], plugins=core_plugins())
    assert 'pip install "graft-core[medical]", or take another name, as in my-medical' in str(caught.value)


def test_new__never_writes_over_anything(tmp_path: Path) -> None:
    plugins = load_plugins(names=["classification"])
    new("leaf", "strategy", out=tmp_path, licence=LICENCES[0], plugins=plugins)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(UserError, match="is there already"):
        new("leaf", "metric", out=tmp_path, licence=LICENCES[0], plugins=plugins)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    with pytest.raises(UserError, match="no template of a loss"):
        new("other", "loss", out=tmp_path, licence=LICENCES[0], plugins=plugins)
    with pytest.raises(UserError, match="licence 'GPL' is not at hand"):
        new("other", "metric", out=tmp_path, licence="GPL", plugins=plugins)
    assert not (tmp_path / "graft-other").exists()


def test_package__what_is_none(tmp_path: Path) -> None:
    plugins = load_plugins(names=["classification"])
    with pytest.raises(UserError, match="there is no file"):
        package(tmp_path / "nothing.py", out=tmp_path, licence=LICENCES[0], plugins=plugins)
    (tmp_path / "lame_duck.py").write_text("raise ValueError('quack')\n")
    with pytest.raises(PluginError, match="quack"):
        package(tmp_path / "lame_duck.py", out=tmp_path, licence=LICENCES[0], plugins=plugins)
    assert not (tmp_path / "graft-lame-duck").exists()


def test_new__wrote_the_example(tmp_path: Path) -> None:
    example = Path(__file__).parents[3] / "examples" / "third-party-plugin" / "graft-regression"
    made = new("regression", "task", out=tmp_path, licence="MIT", plugins=load_plugins(names=["classification"]))
    own = {"README.md", "LICENSE"}  # a page for readers of the examples; the year
    for file in made.rglob("*"):
        name = file.relative_to(made).as_posix()
        if file.is_file() and name not in own:
            assert (example / name).read_text() == file.read_text(), name
