"""Two dozen broken plugins are installed together, and the work goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from distributions import BROKEN, DISTURBING, install, reader
from graft.testing.commands import Graft


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All of them, two that clash, two with one entry point's name, and one that disturbs the process."""
    site = tmp_path / "site"
    site.mkdir()
    for name, (code, _) in BROKEN.items():
        install(site, name, code)
    install(site, "clash-a", reader("tiles", module="clash_a"))
    install(site, "clash-b", reader("tiles", module="clash_b"))
    install(site, "one-zoo", reader("one", module="one_zoo"), entry="zoo")
    install(site, "two-zoo", reader("two", module="two_zoo"), entry="zoo")
    install(site, "disturbs", DISTURBING + reader("disturbed", module="disturbs"))
    monkeypatch.syspath_prepend(str(site))
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(site)):
            del sys.modules[name]


@pytest.mark.usefixtures("broken")
def test_broken_plugins__a_whole_training_run_works(cli: Graft, photos: Path) -> None:
    result = cli("--json", "classify", "train", photos, "train.epochs=1", "train.batch=8", "evaluation.bootstrap=20")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert document["metrics"]["test"]
    assert "reader 'clash-a:tiles' was not asked: " in result.err
    for name in BROKEN:
        assert result.err.count(f"plugin {name} 1.0 is broken: ") == 1
        assert any(f"plugin {name} 1.0 is broken: " in warning for warning in document["warnings"])


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("arguments", [("--help",), ("doctor", "--fast"), ("plugins", "list")], ids=" ".join)
def test_broken_plugins__what_is_said_names_each(cli: Graft, arguments: tuple[str, ...]) -> None:
    result = cli(*arguments)
    assert result.code == 0
    assert result.out
    assert "hello from a plugin" not in result.out
    for name in BROKEN:
        assert result.err.count(f"plugin {name} 1.0 is broken: ") == 1


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("tiles", "offered by clash-a 1.0 and clash-b 1.0"),
        ("raises-midway:midway", "plugin raises-midway 1.0 is broken: graft_readers fails"),
        ("zoo:one", "there is no reader 'zoo:one'"),
    ],
)
def test_broken_plugins__asking_for_what_they_offer_is_an_error(
    cli: Graft, photos: Path, wanted: str, text: str
) -> None:
    result = cli("classify", "train", photos, f"data.reader={wanted}")
    assert result.code == 2
    assert text in result.err
    assert "Traceback" not in result.err
    assert not list(cli.folder.glob("runs/*"))
