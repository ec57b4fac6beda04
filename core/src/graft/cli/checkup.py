"""What `graft doctor` looks at: versions that are known to bite, devices, space. Each check is one function."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any, Literal

from graft import home
from graft.cli.versions import installed_version

State = Literal["ok", "warn", "bad"]

_GB = 1 << 30
_TAR_FLOORS = {(3, 11): 13, (3, 12): 11, (3, 13): 4}
"""First patch release whose tarfile filters hold (CVE-2025-4517)."""

_KNOWN_BAD = {
    "lightning": {"2.6.2", "2.6.3"},
    "pytorch-lightning": {"2.6.2", "2.6.3"},
    "ultralytics": {"8.3.41", "8.3.42", "8.3.45", "8.3.46"},
}
"""Releases that carried malicious code."""

_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")

_PROBE = """
import json, torch
found = {"cuda": torch.version.cuda, "devices": [], "mps": torch.backends.mps.is_available(), "vision": None}
if torch.cuda.is_available():
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        found["devices"].append([device.name, device.total_memory])
try:
    import torchvision
    torch.ops.torchvision.nms
except Exception as error:
    found["vision"] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of `graft doctor`.

    Args:
        name: What was looked at.
        state: `ok`; `warn`: works, with a catch; `bad`: something will fail.
        value: What was found.
        fix: What to do about it.
    """

    name: str
    state: State
    value: str
    fix: str | None = None


def python() -> Check:
    """Check Python's version: Graft's floor, and the first safe patch release of each minor."""
    major, minor, patch = (int(part) for part in platform.python_version_tuple()[:3] if part.isdigit())
    value = platform.python_version()
    if (major, minor) < (3, 11):
        return Check(name="Python", state="bad", value=value, fix="use Python 3.11 or newer")
    floor = _TAR_FLOORS.get((major, minor), 0)
    if patch < floor:
        fixed = f"{major}.{minor}.{floor}"
        note = f"{value}: its tarfile lets an archive write outside its folder (CVE-2025-4517)"
        return Check(name="Python", state="warn", value=note, fix=f"upgrade Python to {fixed} or newer")
    return Check(name="Python", state="ok", value=value)


def torch() -> Check:
    """Check torch's version: weights are read safely from 2.10 on."""
    found = installed_version("torch")
    if found is None:
        return Check(name="torch", state="bad", value="not installed", fix="pip install torch torchvision")
    if _numbers(found) < (2, 10):
        note = f"{found}: reading a weights file can run code (CVE-2025-32434, CVE-2026-24747)"
        return Check(name="torch", state="bad", value=note, fix="pip install 'torch>=2.10'")
    return Check(name="torch", state="ok", value=found)


def torchvision() -> Check:
    """Check that torchvision was built for the installed torch, as its own metadata says."""
    name = "torchvision"
    found, torch_found = installed_version(name), installed_version("torch")
    if found is None:
        return Check(name=name, state="bad", value="not installed", fix="pip install torchvision")
    wanted = _built_for(name)
    fix = "install torch and torchvision together, from the same index: pip install --force-reinstall torch torchvision"
    if wanted and torch_found and wanted != torch_found.partition("+")[0]:
        note = f"{found} was built for torch {wanted}, and torch is {torch_found}: `torchvision::nms` will not exist"
        return Check(name=name, state="bad", value=note, fix=fix)
    tags = [version.partition("+")[2] for version in (found, torch_found or "") if "+" in version]
    if len(set(tags)) > 1:
        return Check(name=name, state="bad", value=f"{found} beside torch {torch_found}: other builds", fix=fix)
    return Check(name=name, state="ok", value=found)


def known_bad() -> Iterator[Check]:
    """Check for releases that carried malicious code."""
    for name, releases in _KNOWN_BAD.items():
        found = installed_version(name)
        if found in releases:
            yield Check(
                name=name,
                state="bad",
                value=f"{found} carried malicious code",
                fix=f"pip install --upgrade {name}, then change every password and token this machine could read",
            )
        elif found is not None:
            yield Check(name=name, state="ok", value=found)


def opencv() -> Iterator[Check]:
    """Check that at most one OpenCV wheel is installed: they write the same files."""
    found = [name for name in _OPENCV if installed_version(name)]
    if len(found) > 1:
        yield Check(
            name="OpenCV",
            state="warn",
            value=f"{' and '.join(found)} write the same files; the last one installed wins",
            fix=f"pip uninstall {' '.join(found)}; pip install opencv-python-headless",
        )
    elif found:
        yield Check(name="OpenCV", state="ok", value=f"{found[0]} {installed_version(found[0])}")


def albumentations() -> Iterator[Check]:
    """Check that the augmentation library is the one under MIT."""
    if successor := installed_version("albumentationsx"):
        yield Check(
            name="albumentationsx",
            state="warn",
            value=f"{successor} is under AGPL and stands in the place of albumentations (MIT)",
            fix="pip uninstall albumentationsx; pip install --force-reinstall albumentations==2.0.8",
        )
    found = installed_version("albumentations")
    if found is None:
        yield Check(name="albumentations", state="bad", value="not installed", fix="pip install albumentations==2.0.8")
    else:
        yield Check(name="albumentations", state="ok", value=found)


def devices(*, seconds: float = 120) -> Iterator[Check]:
    """Import torch and torchvision in a process of their own, and see which accelerators there are."""
    try:
        done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        yield Check(name="Import", state="bad", value=f"importing torch took more than {seconds:.0f} s")
        return
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        cause = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        yield Check(name="Import", state="bad", value=f"torch: {cause}", fix="pip install --force-reinstall torch")
        return
    found: dict[str, Any] = json.loads(lines[-1])
    if found["vision"]:
        fix = "pip install --force-reinstall torch torchvision"
        yield Check(name="Import", state="bad", value=f"torchvision: {found['vision']}", fix=fix)
    else:
        yield Check(name="Import", state="ok", value="torch and torchvision can be imported together")
    for name, memory in found["devices"]:
        yield Check(name="GPU", state="ok", value=f"{name}, {memory / _GB:.0f} GB")
    if found["mps"]:
        yield Check(name="GPU", state="ok", value="Apple (mps)")
    elif not found["devices"]:
        built = f"torch is built for CUDA {found['cuda']}" if found["cuda"] else "torch is a CPU build"
        yield Check(name="GPU", state="ok", value=f"none visible; {built}; training runs on the CPU")


def processors() -> Check:
    """Say how many cores this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Check(name="CPU", state="ok", value=f"{usable} of {os.cpu_count()} cores usable")


def memory() -> Iterator[Check]:
    """Check the memory that is free, where the platform says so, within the container's limit."""
    meminfo, limit = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
    try:
        lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
        available = int(lines["MemAvailable"].split()[0]) * 1024
        total = int(lines["MemTotal"].split()[0]) * 1024
        if limit.is_file() and (allowed := limit.read_text().strip()).isdigit():
            used = int(limit.with_name("memory.current").read_text())
            total, available = min(total, int(allowed)), min(available, max(int(allowed) - used, 0))
    except (OSError, ValueError, KeyError):
        return
    value = f"{available / _GB:.1f} of {total / _GB:.1f} GB free"
    if available < 2 * _GB:
        yield Check(
            name="Memory", state="warn", value=value, fix="close something, or lower data.cache_mb and train.batch"
        )
    else:
        yield Check(name="Memory", state="ok", value=value)


def disk() -> Iterator[Check]:
    """Check space and write permission where Graft writes."""
    places = {"Cache": home.home(), "Temporary": Path(tempfile.gettempdir()), "Here": Path.cwd()}
    for name, folder in places.items():
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(existing).free
        value = f"{folder}: {free / _GB:.1f} GB free"
        variable = {"Cache": "GRAFT_HOME", "Temporary": "TMPDIR"}.get(name)
        elsewhere = f"make room, or set {variable} to another folder" if variable else "make room, or work elsewhere"
        if not os.access(existing, os.W_OK):
            yield Check(name=name, state="bad", value=f"{folder}: cannot be written", fix=elsewhere)
        elif free < 2 * _GB:
            yield Check(name=name, state="bad" if free < _GB // 4 else "warn", value=value, fix=elsewhere)
        else:
            yield Check(name=name, state="ok", value=value)


def network() -> Check:
    """Say whether the network may be used, and through what."""
    if home.offline():
        by = next(name for name in ("GRAFT_OFFLINE", "HF_HUB_OFFLINE") if os.environ.get(name))
        return Check(name="Network", state="ok", value=f"switched off by {by}")
    proxies = [name for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy") if os.environ.get(name)]
    through = f", through the proxy of {proxies[0]}" if proxies else ""
    return Check(name="Network", state="ok", value=f"may be used for weights that are asked for{through}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:2])


def _built_for(distribution: str) -> str | None:
    """Return the torch version that a distribution's metadata demands exactly."""
    try:
        wanted = requires(distribution) or []
    except PackageNotFoundError:
        return None
    exact = (re.match(r"torch\s*\(?==\s*([\d.]+)", requirement) for requirement in wanted)
    return next((match[1] for match in exact if match), None)
