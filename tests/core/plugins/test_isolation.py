from __future__ import annotations

import os
import random
import signal
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from graft.plugins.isolation import isolated


def test_isolated__brings_back_what_plugins_disturb(tmp_path: Path) -> None:
    folder, path, filters = Path.cwd(), list(sys.path), list(warnings.filters)
    handler = signal.getsignal(signal.SIGINT)
    state, numpy_state = random.getstate(), np.random.get_state()[1].tolist()
    with isolated():
        os.chdir(tmp_path)
        sys.path.insert(0, "/nowhere")
        warnings.simplefilter("ignore")
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        random.seed(1)
        np.random.seed(1)
    assert Path.cwd() == folder
    assert sys.path == path
    assert warnings.filters == filters
    assert signal.getsignal(signal.SIGINT) is handler
    assert random.getstate() == state
    assert np.random.get_state()[1].tolist() == numpy_state


def test_isolated__brings_it_back_after_an_exit(tmp_path: Path) -> None:
    folder = Path.cwd()
    with pytest.raises(SystemExit), isolated():
        sys.exit(os.chdir(tmp_path))
    assert Path.cwd() == folder


def test_isolated__keeps_stdout_clean(capsys: pytest.CaptureFixture[str]) -> None:
    with isolated():
        print("hello")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


def test_isolated__works_in_a_thread() -> None:
    """Only the main thread may set signal handlers."""
    done: list[bool] = []

    def body() -> None:
        with isolated():
            done.append(True)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert done == [True]


def test_isolated__works_where_the_working_folder_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with isolated():
        pass
