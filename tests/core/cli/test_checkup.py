from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from graft.cli import checkup

Install = Callable[..., None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Pretend that these distributions are installed, and no others: `installed(torch="2.15.0")`."""

    def pretend(**versions: str) -> None:
        known = {name.replace("_", "-"): version for name, version in versions.items()}
        monkeypatch.setattr(checkup, "installed_version", known.get)

    return pretend


@pytest.mark.parametrize(
    ("version", "state"),
    [("3.10.9", "bad"), ("3.11.7", "warn"), ("3.11.13", "ok"), ("3.12.10", "warn"), ("3.13.4", "ok"), ("3.15.0", "ok")],
)
def test_python__floors(monkeypatch: pytest.MonkeyPatch, version: str, state: str) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: version)
    monkeypatch.setattr(platform, "python_version_tuple", lambda: tuple(version.split(".")))
    assert checkup.python().state == state


@pytest.mark.parametrize(("version", "state"), [("2.9.1", "bad"), ("2.10.0", "ok"), ("2.15.0+cu132", "ok")])
def test_torch__floor(installed: Install, version: str, state: str) -> None:
    installed(torch=version)
    assert checkup.torch().state == state


def test_torch__missing(installed: Install) -> None:
    installed()
    assert (checkup.torch().state, checkup.torchvision().state) == ("bad", "bad")


@pytest.mark.parametrize(
    ("torch", "torchvision", "state"),
    [
        ("2.15.0", "0.29.2", "ok"),
        ("2.15.0+cu132", "0.29.2+cu132", "ok"),
        ("2.15.0+cu132", "0.29.2", "ok"),
        ("2.14.0", "0.29.2", "bad"),
        ("2.15.0+cpu", "0.29.2+cu132", "bad"),
    ],
)
def test_torchvision__must_be_built_for_torch(
    monkeypatch: pytest.MonkeyPatch, installed: Install, torch: str, torchvision: str, state: str
) -> None:
    installed(torch=torch, torchvision=torchvision)
    monkeypatch.setattr(checkup, "requires", lambda name: ["numpy", "torch==2.15.0", "pillow>=5"])
    check = checkup.torchvision()
    assert check.state == state
    if torch == "2.14.0":
        assert "torchvision::nms" in check.value


def test_known_bad__releases(installed: Install) -> None:
    installed(lightning="2.6.2", ultralytics="8.3.43")
    states = {check.name: check.state for check in checkup.known_bad()}
    assert states == {"lightning": "bad", "ultralytics": "ok"}
    installed(ultralytics="8.3.46", pytorch_lightning="2.6.3")
    assert {check.state for check in checkup.known_bad()} == {"bad"}


def test_opencv__two_wheels(installed: Install) -> None:
    installed(opencv_python="5.0", opencv_python_headless="5.0")
    (check,) = checkup.opencv()
    assert check.state == "warn"
    assert check.fix is not None
    installed(opencv_python_headless="5.0")
    assert [check.state for check in checkup.opencv()] == ["ok"]


def test_albumentations__successor(installed: Install) -> None:
    installed(albumentationsx="2.1")
    assert [(check.name, check.state) for check in checkup.albumentations()] == [
        ("albumentationsx", "warn"),
        ("albumentations", "bad"),
    ]


@pytest.mark.parametrize(
    ("stdout", "code", "lines"),
    [
        (
            '{"cuda": "13.2", "devices": [["H200", 151397597184]], "mps": false, "vision": null}',
            0,
            [("Import", "ok", "together"), ("GPU", "ok", "H200, 141 GB")],
        ),
        (
            '{"cuda": null, "devices": [], "mps": false, "vision": "RuntimeError: operator torchvision::nms does not"}',
            0,
            [("Import", "bad", "torchvision::nms"), ("GPU", "ok", "CPU build")],
        ),
        ("", -11, [("Import", "bad", "without a word")]),
    ],
)
def test_devices__reads_the_probe(
    monkeypatch: pytest.MonkeyPatch, stdout: str, code: int, lines: list[tuple[str, str, str]]
) -> None:
    done = SimpleNamespace(returncode=code, stdout=stdout, stderr="")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    checks = list(checkup.devices())
    assert [(check.name, check.state) for check in checks] == [(name, state) for name, state, _ in lines]
    assert all(text in check.value for check, (_, _, text) in zip(checks, lines, strict=True))


def test_devices__gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(command: list[str], *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hangs)
    (check,) = checkup.devices()
    assert check.state == "bad"


@pytest.mark.parametrize(("free", "state"), [(1 << 40, "ok"), (1 << 30, "warn"), (1 << 20, "bad")])
def test_disk__space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, state: str) -> None:
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "not" / "yet"))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    checks = list(checkup.disk())
    assert [check.name for check in checks] == ["Cache", "Temporary", "Here"]
    assert {check.state for check in checks} == {state}
    assert not (tmp_path / "not").exists()


def test_network__says_who_switched_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    assert "GRAFT_OFFLINE" in checkup.network().value
    monkeypatch.delenv("GRAFT_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    assert "HTTPS_PROXY" in checkup.network().value


def test_machine__this_one_can_be_described() -> None:
    assert checkup.processors().state == "ok"
    assert len(list(checkup.memory())) <= 1
