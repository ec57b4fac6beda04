from __future__ import annotations

from pathlib import Path

from graft.data import STANDARD
from graft.data.otherwise import read_otherwise
from graft.plugins import DecoderSpec, DomainSpec
from toys import toy_plugins
from volumes import VolumeDecoder

VOLUMES = DecoderSpec(name="volumes", summary="Volumes", target="volumes:VolumeDecoder", suffixes=(".npy",))


def test_read_otherwise__says_what_reads_files_that_lie_there(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "SCAN.NPY").touch()
    plugins = toy_plugins(VOLUMES)
    assert read_otherwise(tmp_path, STANDARD, plugins) == ".npy files are read with data.decoder.kind=volumes"
    assert read_otherwise(folder / "SCAN.NPY", STANDARD, plugins) is not None
    assert read_otherwise(tmp_path, VolumeDecoder(), plugins) is None
    domain = DomainSpec(name="scans", summary="S", target="toys:D", recipe={"data": {"decoder": {"kind": "volumes"}}})
    assert read_otherwise(tmp_path, STANDARD, toy_plugins(VOLUMES, domain)) == ".npy files are read with --domain scans"
    (folder / "SCAN.NPY").rename(folder / "scan.png")
    assert read_otherwise(tmp_path, STANDARD, plugins) is None
