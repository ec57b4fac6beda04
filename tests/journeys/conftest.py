"""What a user does, end to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.testing.commands import Graft
from photos import write_photos


@pytest.fixture
def cli(tmp_path: Path) -> Graft:
    """The command line in an empty folder."""
    return Graft(tmp_path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three classes with ten pictures each."""
    return write_photos(tmp_path / "photos")
