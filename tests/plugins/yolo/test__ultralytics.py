"""What ultralytics does behind a user's back, in processes of their own: nothing of it is left."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib

from boxes import write_shapes

PROGRAM = """
import builtins, json, logging, os, random, socket, subprocess, sys, warnings
from pathlib import Path

asked = []
def trapped(name):
    def trap(*given, **_):
        asked.append([name, repr(given)])
        raise OSError("there is no network")
    return trap
for name in ("connect", "connect_ex", "sendto", "sendmsg"):
    setattr(socket.socket, name, trapped(name))
for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
    setattr(socket, name, trapped(name))

started = []
begin = subprocess.Popen.__init__
def counted(self, command, *given, **more):
    started.append(repr(command))
    begin(self, command, *given, **more)
subprocess.Popen.__init__ = counted

import cv2, matplotlib, numpy as np, torch, torchvision

def state():
    return {
        "environment": dict(os.environ),
        "torch threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "OpenCV threads": cv2.getNumThreads(),
        "random": [repr(random.getstate()), repr(np.random.get_state()), torch.get_rng_state().tolist()],
        "deterministic": [torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark,
                          torch.backends.cudnn.deterministic],
        "save": [torch.save.__module__, torch.load.__module__, cv2.imread.__module__, cv2.imshow.__module__],
        "shown": [repr(vars(torch._tensor_str.PRINT_OPTS)), repr(np.get_printoptions())],
        "matplotlib": [matplotlib.rcParams._get_backend_or_none(), repr([
            [name, matplotlib.rcParams[name]] for name in matplotlib.rcParams if name != "backend"])],
        "warnings": repr(warnings.filters),
        "logging": [
            [repr(one.handlers), one.propagate, one.level]
            for one in map(logging.getLogger, (None, "ultralytics", "coremltools", "sentry_sdk"))
        ],
        "default type": repr(torch.get_default_dtype()),
        "signals": repr([__import__("signal").getsignal(n) for n in (2, 15)]),
        "hooks": repr([sys.excepthook, sys.stdout, builtins.open]),
    }

torch.set_num_threads(2)
cv2.setNumThreads(3)
before = state()
started.clear()
import graft_yolo._ultralytics as ours
started_then = list(started)
changed = [name for name, value in state().items() if value != before[name]]
settings = dict(ours.SETTINGS)
"""

TRAIN = """
import graft
from graft_yolo.trunks import YoloSource
seeds = state()["random"], state()["torch threads"], state()["environment"]
run = graft.train({
    "task": "detection", "data": {"train": sys.argv[1], "val": sys.argv[1]},
    "backbone": {"kind": "yolo11n", "weights": "none", "size": 64}, "head": {"kind": "yolo"},
    "train": {"epochs": 1, "batch": 4}, "evaluation": {"bootstrap": 0},
})
graft.load(run.path).predict([str(Path(sys.argv[1]).parent)])
"""

TELL = """
print(json.dumps({
    "changed": changed, "asked": asked, "started": started, "started_then": started_then, "settings": settings,
    "online": sys.modules["ultralytics.utils"].ONLINE, "loaded": sorted(sys.modules),
}))
"""


def told(program: str, folder: Path, *arguments: object, **env: str) -> dict[str, Any]:
    """Run a program in an empty home, and return what it tells, and which files it left there."""
    home, cwd = folder / "home", folder / "work"
    for one in (home, cwd, folder / "tmp"):
        one.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "YOLO_", "GRAFT_"))}
    environment = {
        **kept,
        "HOME": str(home),
        "TMPDIR": str(folder / "tmp"),
        "GRAFT_HOME": str(folder / "graft"),
        "GRAFT_OFFLINE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Of others, not of ultralytics.
        "MPLCONFIGDIR": matplotlib.get_cachedir(),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        **env,
    }
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    said["out"] = done.stdout.splitlines()[:-1]
    said["files"] = sorted(str(path.relative_to(folder)) for path in (*home.rglob("*"), *(folder / "tmp").rglob("*")))
    said["work"] = sorted(path.name for path in cwd.iterdir())
    return said


def test_import_and_training__leave_no_trace(tmp_path: Path) -> None:
    file = write_shapes(tmp_path / "shapes", 8, size=64)
    said = told(PROGRAM + TRAIN + TELL, tmp_path, file)
    assert said["changed"] == []
    assert said["asked"] == []
    assert said["started_then"] == []
    assert not any("pip" in one or "git" in one for one in said["started"])
    assert said["files"] == []
    assert said["work"] == ["runs"]
    assert said["out"] == []
    # Whatever can be switched off is.
    assert not any(value for value in said["settings"].values() if isinstance(value, bool))
    assert said["online"] is False
    # Made from the machine's network address otherwise.
    assert said["settings"]["uuid"] == hashlib.sha256(b"0").hexdigest()
    assert not {"sentry_sdk", "wandb", "comet_ml", "clearml", "mlflow", "ultralytics.engine"} & set(said["loaded"])


def test_import__where_it_was_imported_before_its_settings_are_left(tmp_path: Path) -> None:
    program = "import ultralytics\n" + PROGRAM + TELL
    said = told(program, tmp_path, YOLO_CONFIG_DIR=str(tmp_path / "theirs"), YOLO_OFFLINE="1")
    assert said["settings"]["sync"] is True
    assert said["changed"] == []
