from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from graft.data import STANDARD
from graft.data.geometry import prepare_image
from graft.errors import UserError
from graft.runs.bundle import load_bundle
from graft.runs.predict import Predictor, expand
from tones import HOSTILE, PREPROCESS, save_tones, write_images


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder, _, plugins = save_tones(tmp_path_factory.mktemp("model") / "bundle")
    return Predictor(load_bundle(folder, plugins=plugins), device="cpu")


def test_predict__same_as_the_model_on_prepared_images(predictor: Predictor, tmp_path: Path) -> None:
    paths = write_images(tmp_path, 5)
    files = list(predictor.predict(paths, batch=2))
    assert [file.path for file in files] == paths
    for file in files:
        image = torch.from_numpy(prepare_image(file.path, PREPROCESS).transpose(2, 0, 1).copy())
        with torch.no_grad():
            outputs = predictor.bundle.model(image[None])
        (expected,) = predictor.bundle.model.head.decode(outputs, [PREPROCESS.size])
        np.testing.assert_allclose(file.prediction, expected, atol=1e-6)
        assert file.row["path"] == str(file.path)
        assert file.row["label"] in HOSTILE
        assert file.row["error"] is None


def test_predict__a_table_stands_for_the_files_in_it(predictor: Predictor, tmp_path: Path) -> None:
    first, second = write_images(tmp_path, 2)
    table = tmp_path / "new.csv"
    table.write_text(f"path\n{second.name}\n{first.name}\n")
    assert [file.path for file in predictor.predict([table, first])] == [second, first, first]


def test_predict__bad_files_are_rows(predictor: Predictor, tmp_path: Path) -> None:
    good, other = write_images(tmp_path, 2)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    files = list(predictor.predict([broken, good, tmp_path / "missing.png", other], batch=3))
    assert [file.error is None for file in files] == [False, True, False, True]
    assert "[missing]" in str(files[2].error)
    assert files[0].prediction is None
    assert files[0].row == {"path": str(broken), "error": files[0].error}


def test_predict__streams_and_reads_ahead_within_bounds(predictor: Predictor, tmp_path: Path) -> None:
    (path,) = write_images(tmp_path, 1)
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield path

    results = predictor.predict(endless(), batch=2)
    for _ in range(3):
        next(results)
    assert taken <= 10, "a few batches ahead, not everything"
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_predict__whatever_the_batch(predictor: Predictor, tmp_path: Path) -> None:
    paths = write_images(tmp_path, 7)
    single, whole = ([file.prediction for file in predictor.predict(paths, batch=batch)] for batch in (1, 7))
    np.testing.assert_allclose(single, whole, atol=1e-6)


def test_expand__folders_sorted_and_images_only(tmp_path: Path) -> None:
    deeper = write_images(tmp_path / "b" / "c", 2)
    upper = write_images(tmp_path / "a", 1)
    (tmp_path / "a" / "notes.txt").write_text("no image")
    (tmp_path / "a" / "X.JPG").write_bytes(b"")
    assert list(expand([tmp_path], STANDARD)) == [*upper, tmp_path / "a" / "X.JPG", *deeper]
    explicit = tmp_path / "a" / "notes.txt"
    assert list(expand([explicit], STANDARD)) == [explicit], "a file that is named is always taken"


def test_expand__folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "a", 1)
    closed = tmp_path / "closed"
    closed.mkdir()
    scan = os.scandir

    def refusing(path: str) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)  # root may read everything
    assert list(expand([tmp_path], STANDARD)) == [tmp_path / "a" / "00.png", closed]


def test_expand__folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no image"):
        list(expand([tmp_path], STANDARD))


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_predict__name_that_is_no_utf8(predictor: Predictor, tmp_path: Path) -> None:
    (path,) = write_images(tmp_path, 1)
    odd = path.rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")))
    (file,) = predictor.predict([odd])
    assert file.error is None
    assert file.row["path"].endswith("\\xff.png")


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_predictor__device_that_is_not_there(predictor: Predictor, device: str) -> None:
    with pytest.raises(UserError, match=device):
        Predictor(predictor.bundle, device=device)


def test_predict__not_a_positive_batch(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="batch = 0"):
        predictor.predict([tmp_path], batch=0)


def test_predict__imports_neither_lightning_nor_matplotlib(tmp_path: Path) -> None:
    save_tones(tmp_path / "bundle")
    write_images(tmp_path / "images", 1)
    code = (
        "import sys; from tones import tones_plugins as p;"
        "[sys.modules.pop(m) for m in list(sys.modules) if m.startswith('matplotlib')];"
        "from graft.runs.predict import Predictor;"
        f"r = list(Predictor.from_path({str(tmp_path)!r}, plugins=p(), device='cpu').predict({str(tmp_path)!r}));"
        "heavy = ('lightning', 'pytorch_lightning', 'timm', 'torchvision', 'albumentations', 'sklearn', 'matplotlib');"
        "sys.exit(repr([m for m in heavy if m in sys.modules]) if any(m in sys.modules for m in heavy) else len(r) - 1)"
    )
    support = Path(__file__).parents[2] / "support"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(support)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
