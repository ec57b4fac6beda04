"""Files of weights from the Hugging Face hub or an address: from the cache, or, where allowed, from the network."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlparse
from urllib.request import getproxies, urlopen

from graft import atomic
from graft.errors import OfflineError, WeightsError
from graft.home import home, offline

HUB = "hf-hub:"
TENSORS = ("model.safetensors", "pytorch_model.bin")
"""Names of the file of weights in a repository of the hub, the better one first."""

_LOOK = "look at https://huggingface.co for a repository of timm's, with model.safetensors in it"
_CHUNK = 1 << 20
_PATIENCE = 30.0
"""Seconds to wait for an answer."""


def hub_file(repo: str, names: Sequence[str], *, arch: str | None = None) -> Path:
    """Return the first of `names` that the hub's `repo` has, from the hub's own cache or from the network.

    Args:
        repo: `owner/name`, or `owner/name@revision`.
        names: File names in the order in which they are tried.
        arch: The architecture that it is wanted for, for the advice in errors.

    Raises:
        OfflineError: When it is not in the cache and the network is off or cannot be reached.
        WeightsError: When the hub has no such repo or none of the files.
    """
    from huggingface_hub import hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    # The bases are the errors of the HTTP library that this version of the hub's client uses.
    unreachable: tuple[type[Exception], ...] = (
        OSError,
        *(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception)),
    )
    repo, _, revision = repo.partition("@")
    try:
        for name in names:
            cached = try_to_load_from_cache(repo, name, revision=revision or None)
            if isinstance(cached, str):
                return Path(cached)
        what = hf_hub_url(repo, names[0], revision=revision or None)
        if offline():
            raise OfflineError(f"{what} is not in the cache, and Graft is offline", fix=_bring(what, arch))
        _reach(what, arch)
        for name in names:
            try:
                return Path(hf_hub_download(repo, name, revision=revision or None))
            except EntryNotFoundError as error:
                if isinstance(error, LocalEntryNotFoundError):  # the hub's library could not reach it
                    raise OfflineError(f"{what} cannot be reached", fix=_bring(what, arch)) from error
    except RepositoryNotFoundError as error:
        raise WeightsError(f"hf-hub:{repo}: no such repository, or it is private", fix=_LOOK) from error
    except HFValidationError as error:
        raise WeightsError(f"hf-hub:{repo}: this is no name of a repository", fix="hf-hub:owner/name") from error
    except HfHubHTTPError as error:
        raise WeightsError(f"hf-hub:{repo}: the hub refused ({error})", fix=_bring(what, arch)) from error
    except unreachable as error:
        raise OfflineError(f"{what} cannot be reached ({error})", fix=_bring(what, arch)) from error
    raise WeightsError(f"hf-hub:{repo} has none of {', '.join(names)}", fix=_LOOK)


def cached(origin: str) -> bool:
    """Return whether the weights that come from `origin`, a hub id or an address, need no network."""
    if origin.startswith(HUB):
        from huggingface_hub import try_to_load_from_cache

        repo, _, revision = origin.removeprefix(HUB).partition("@")
        return any(isinstance(try_to_load_from_cache(repo, name, revision=revision or None), str) for name in TENSORS)
    return not urlparse(origin).scheme.startswith("http") or _kept(origin).exists()


def _kept(url: str) -> Path:
    return home() / "hub" / Path(urlparse(url).path).name


def url_file(url: str, *, arch: str | None = None) -> Path:
    """Return the file at `url`, kept in `$GRAFT_HOME/hub`.

    A name like `resnet18-f37072fd.pth` states the first digits of the file's SHA-256, which are checked.

    Raises:
        OfflineError: When it is not there and the network is off or cannot be reached.
        WeightsError: When what came is not what the name states.
    """
    path = _kept(url)
    if path.exists():
        return path
    if offline():
        raise OfflineError(f"{url} is not in the cache, and Graft is offline", fix=_bring(url, arch))
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.sweep(path.parent)
    digest = hashlib.sha256()
    try:
        with urlopen(url, timeout=_PATIENCE) as answer, atomic.writing(path) as file:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
            stated = re.search(r"-([0-9a-f]{8,64})\.[^.]+$", path.name)
            if stated and not digest.hexdigest().startswith(stated[1]):
                what = f"what came is not what the name states (SHA-256 {digest.hexdigest()[:8]}…)"
                raise WeightsError(f"{url}: {what}", fix="try again; nothing was kept")
    except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise OfflineError(f"{url} cannot be downloaded ({error})", fix=_bring(url, arch)) from error
    return path


def _reach(url: str, arch: str | None) -> None:
    """Raise at once where nobody answers: the hub's library would try again for half a minute."""
    parts = urlparse(url)
    if getproxies():
        return
    try:
        socket.create_connection((parts.hostname or "", parts.port or 443), timeout=_PATIENCE).close()
    except OSError as error:
        raise OfflineError(f"{url} cannot be reached ({error})", fix=_bring(url, arch)) from error


def _bring(what: str, arch: str | None) -> str:
    return (
        f"bring {what} from a machine with a network, then "
        f'graft backbones import FILE --name NAME --arch {arch or "ARCH"} and backbone.weights = "NAME"'
    )
