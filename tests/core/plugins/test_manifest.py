from __future__ import annotations

from pathlib import Path

import pytest

from graft.errors import PluginError
from graft.plugins.manifest import BUNDLED, choose, find_manifest, read_manifest


def write(folder: Path, text: str) -> Path:
    path = folder / "plugins.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_find_manifest__takes_the_nearest_upward(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    write(tmp_path, "")
    assert find_manifest(deep) == tmp_path / "plugins.toml"
    nearer = write(tmp_path / "a", "")
    assert find_manifest(deep) == nearer


def test_read_manifest__gives_every_mistake_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        'disabel = ["x"]\nenable = "a"\ndisable = [1]\n[plugins]\nyolo = 1\n'
        '[[local]]\npth = "a.py"\nname = 3\n[[local]]\npath = "b/z.py"\n[[local]]\npath = "c/z.py"\n',
    )
    with pytest.raises(PluginError) as raised:
        read_manifest(path)
    assert [problem.where for problem in raised.value.problems] == [
        "disabel",
        "enable",
        "disable",
        "plugins.yolo",
        "local.0.pth",
        "local.0.path",
        "local.0.name",
        "local",
    ]
    assert "did you mean 'disable'?" in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("content", [b"enable = [", b"\xff\xfe", b"plugins = 1", b"local = 1"])
def test_read_manifest__refuses_what_it_cannot_use(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plugins.toml"
    path.write_bytes(content)
    with pytest.raises(PluginError, match=r"plugins\.toml"):
        read_manifest(path)


def test_read_manifest__accepts_the_files_that_are_shipped() -> None:
    assert read_manifest(BUNDLED).enable is None
    assert read_manifest(Path(__file__).parents[3] / "plugins.toml").enable is None


def test_choose__says_who_switches_a_plugin_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAFT_PLUGINS", raising=False)
    path = write(tmp_path, 'disable = ["yolo"]')
    choice = choose(start=tmp_path)
    assert choice.refuses("classification") is None
    assert choice.refuses("yolo") == f"in `disable` of {path}"


def test_choose__an_allow_list_leaves_the_rest_off_but_not_local_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRAFT_PLUGINS", raising=False)
    write(tmp_path, 'enable = ["a", "b"]\ndisable = ["b"]\n[[local]]\npath = "sub/mine.py"')
    choice = choose(start=tmp_path)
    assert [choice.refuses(name) is None for name in ("a", "b", "c", "mine")] == [True, False, False, True]
    assert choice.local == {"mine": tmp_path / "sub" / "mine.py"}


def test_choose__the_environment_goes_over_the_file_and_names_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 'disable = ["yolo"]')
    monkeypatch.setenv("GRAFT_PLUGINS", "yolo, other")
    choice = choose(start=tmp_path)
    assert choice.refuses("yolo") is None
    assert choice.refuses("classification") == "not in GRAFT_PLUGINS"
    assert choose(start=tmp_path, names=["third"]).refuses("yolo") is not None
    monkeypatch.setenv("GRAFT_PLUGINS", "")
    assert choose(start=tmp_path).refuses("yolo") == "not in GRAFT_PLUGINS"


def test_choose__keeps_settings(tmp_path: Path) -> None:
    write(tmp_path, '[plugins.medical]\nwindow = "lung"')
    assert choose(start=tmp_path).settings == {"medical": {"window": "lung"}}


def test_read_manifest__versions_are_texts_by_distribution(tmp_path: Path) -> None:
    assert read_manifest(write(tmp_path, 'requires = {"graft-core" = ">=0.1"}')).requires == {"graft-core": ">=0.1"}
    for text in ('requires = ["graft-core"]', "requires = {graft-core = 1}"):
        with pytest.raises(PluginError, match="requires: must be a table of versions by distribution"):
            read_manifest(write(tmp_path, text))
