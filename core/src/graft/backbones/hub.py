"""Files of weights from the Hugging Face hub or an address: from the cache, or, where allowed, from the network."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse

from graft.errors import OfflineError, WeightsError
from graft.home import home, offline

_CHUNK = 1 << 20


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
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    repo, _, revision = repo.partition("@")
    try:
        for name in names:
            cached = try_to_load_from_cache(repo, name, revision=revision or None)
            if isinstance(cached, str):
                return Path(cached)
        what = f"{names[0]} of hf-hub:{repo}"
        if offline():
            raise OfflineError(f"{what} is not in the cache, and Graft is offline", fix=_bring(what, arch))
        for name in names:
            try:
                return Path(hf_hub_download(repo, name, revision=revision or None))
            except EntryNotFoundError as error:
                # Also what the hub's library raises when it cannot be reached, as `LocalEntryNotFoundError`.
                if "Local" in type(error).__name__:
                    raise OfflineError(f"{what}: the hub cannot be reached", fix=_bring(what, arch)) from error
    except RepositoryNotFoundError as error:
        raise WeightsError(f"hf-hub:{repo}: no such repository, or it is private") from error
    except HFValidationError as error:
        raise WeightsError(f"hf-hub:{repo}: this is no name of a repository (owner/name)") from error
    except HfHubHTTPError as error:
        raise WeightsError(f"hf-hub:{repo}: the hub refused ({error})") from error
    except OSError as error:
        raise OfflineError(f"{what}: the hub cannot be reached ({error})", fix=_bring(what, arch)) from error
    raise WeightsError(f"hf-hub:{repo} has none of {', '.join(names)}")


def url_file(url: str, *, arch: str | None = None) -> Path:
    """Return the file at `url`, kept in `$GRAFT_HOME/hub`.

    A name like `resnet18-f37072fd.pth` states the first digits of the file's SHA-256, which are checked.

    Raises:
        OfflineError: When it is not there and the network is off or cannot be reached.
        WeightsError: When what came is not what the name states.
    """
    name = Path(urlparse(url).path).name
    path = home() / "hub" / name
    if path.exists():
        return path
    what = f"{name} ({url})"
    if offline():
        raise OfflineError(f"{what} is not in the cache, and Graft is offline", fix=_bring(url, arch))
    import httpx

    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file, httpx.stream("GET", url, follow_redirects=True, timeout=30) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
            file.flush()
            os.fsync(file.fileno())
        stated = re.search(r"-([0-9a-f]{8,64})\.[^.]+$", name)
        if stated and not digest.hexdigest().startswith(stated[1]):
            raise WeightsError(f"{url}: what came is not what the name states (SHA-256 {digest.hexdigest()[:8]}…)")
        Path(partial).replace(path)
    except httpx.HTTPError as error:
        raise OfflineError(f"{what} cannot be downloaded ({error})", fix=_bring(url, arch)) from error
    finally:
        Path(partial).unlink(missing_ok=True)
    return path


def _bring(what: str, arch: str | None) -> str:
    return (
        f"bring {what} from a machine with a network, then "
        f'graft backbones import FILE --name NAME --arch {arch or "ARCH"} and backbone.weights = "NAME"'
    )
