from __future__ import annotations

import sys
from pathlib import Path

import pytest

from distributions import HEADER, install, reader
from graft.plugins import discovery


def test_installed__reads_metadata_and_imports_nothing(site: Path) -> None:
    install(site, "graft-zoo", "raise ImportError", version="2.5", entry="zoo")
    zoo = next(candidate for candidate in discovery.installed() if candidate.name == "zoo")
    assert (zoo.version, zoo.distribution, zoo.licence, zoo.source) == ("2.5", "graft-zoo", "MIT", "graft_zoo")
    assert "graft_zoo" not in sys.modules


def test_installed__names_rivals_for_an_entry_point_by_their_distribution(site: Path) -> None:
    install(site, "one-zoo", HEADER, entry="zoo")
    install(site, "two-zoo", HEADER, entry="zoo")
    candidates = {candidate.name: candidate for candidate in discovery.installed()}
    assert "zoo" not in candidates
    assert candidates["one-zoo"].shared == candidates["two-zoo"].shared == "zoo"


def test_installed__lives_with_missing_metadata(site: Path) -> None:
    install(site, "bare", HEADER)
    (site / "bare-1.0.dist-info" / "METADATA").unlink()
    bare = next(candidate for candidate in discovery.installed() if candidate.name == "bare")
    assert (bare.version, bare.licence) == (None, None)


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        ("License-Expression: MIT\nLicense: old", "MIT"),
        ("License: BSD\n        with a long text", "BSD"),
        ("Classifier: License :: OSI Approved :: Apache Software License", "Apache Software License"),
        ("", None),
    ],
)
def test_installed__finds_the_licence(site: Path, lines: str, licence: str | None) -> None:
    install(site, "licensed", HEADER)
    metadata = site / "licensed-1.0.dist-info" / "METADATA"
    metadata.write_text(f"Metadata-Version: 2.1\nName: licensed\nVersion: 1.0\n{lines}\n", encoding="utf-8")
    found = next(candidate for candidate in discovery.installed() if candidate.name == "licensed")
    assert found.licence == licence


def test_local__imports_a_file_under_its_own_name(tmp_path: Path, site: Path) -> None:
    path = tmp_path / "my_own_reader.py"
    path.write_text(reader("own", module="my_own_reader") + "class Reader: pass\n", encoding="utf-8")
    (candidate,) = discovery.local({"mine": path})
    assert candidate.load() is sys.modules["my_own_reader"] is candidate.load()


@pytest.mark.parametrize(
    ("file", "message"),
    [("json.py", "hides the module 'json'"), ("my-own.py", r"call it my_own\.py"), ("absent.py", "there is no file")],
)
def test_local__refuses_a_file_it_cannot_import(tmp_path: Path, site: Path, file: str, message: str) -> None:
    if file != "absent.py":
        (tmp_path / file).write_text(HEADER, encoding="utf-8")
    (candidate,) = discovery.local({"mine": tmp_path / file})
    with pytest.raises((ImportError, FileNotFoundError), match=message):
        candidate.load()


def test_local__another_file_of_the_same_name_takes_its_place(tmp_path: Path, site: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "twin_plugin.py").write_text(f"where = {folder!r}", encoding="utf-8")
    modules = [discovery.local({"twin": tmp_path / folder / "twin_plugin.py"})[0].load() for folder in ("a", "b")]
    assert [module.where for module in modules] == ["a", "b"]  # type: ignore[attr-defined]


def test_local__a_file_that_fails_leaves_no_module(tmp_path: Path, site: Path) -> None:
    (tmp_path / "half_done.py").write_text("raise ValueError", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^$"):
        discovery.local({"half": tmp_path / "half_done.py"})[0].load()
    assert "half_done" not in sys.modules


def test_core__is_a_plugin_like_others() -> None:
    assert (discovery.core().name, discovery.core().distribution) == ("core", "graft-core")
