"""The domain's part of the report: intervals over patients, millimetres where all files say them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from graft.data import STANDARD
from graft.data.samples import Sample
from graft.recipe.schema import Options
from graft_classification.options import TaskOptions
from graft_classification.scores import Scores
from graft_medical.decoder import MedicalDecoder
from graft_medical.domain import Medical
from graft_medical.options import MedicalOptions
from graft_segmentation.target import MaskTarget, Segmented
from scans import ct, volume


def sample(path: Path, group: str | None = None) -> Sample:
    return Sample(id=path.name, path=path, target=None, group=group)


def test_scores__are_reported_by_patient() -> None:
    draw = np.random.default_rng(0)
    labels = [number % 2 for number in range(40)]
    scores = [Scores(np.array([1 - s, s], np.float32)) for s in (0.3 * draw.random(40) + 0.4 * np.array(labels))]
    task = SimpleNamespace(classes=("clear", "nodule"), options=TaskOptions())
    domain = Medical(options=Options(), decoder=STANDARD)
    for groups, said in ([f"patient {n // 4}" for n in range(40)], "10 patients"), ([None] * 40, "40 images"):
        given = [sample(Path("a.png"), group) for group in groups]
        (own,) = domain.sections(task, given, scores, labels)
        assert said in own.how_to_read
        assert "patient 3" not in str(own)
        assert own.parts[0].rows[1][:4] == ("nodule", 20, "1.000 (1.00–1.00)", "1.000 (1.00–1.00)")
    assert domain.sections(task, [], [], []) == []


@pytest.mark.parametrize("kind", ["nifti", "dicom", "mixed"])
def test_masks__are_measured_in_millimetres_where_all_files_say_them(tmp_path: Path, kind: str) -> None:
    decoder = MedicalDecoder(options=MedicalOptions())
    volume(tmp_path / "v.nii", np.zeros((20, 30, 2), np.int16))  # 1 × 2 mm, across and down
    ct(tmp_path / "a.dcm", np.zeros((30, 20), int), PixelSpacing=[2, 1])
    ct(tmp_path / "b.dcm", np.zeros((30, 20), int))
    paths = {
        "nifti": decoder.parts(tmp_path / "v.nii"),
        "dicom": [tmp_path / "a.dcm"],
        "mixed": [tmp_path / "a.dcm", tmp_path / "b.dcm"],
    }[kind]
    true, said = np.zeros((30, 20), np.uint8), np.zeros((30, 20), np.uint8)
    true[5:10, 5:10] = said[9:14, 5:10] = 1
    task = SimpleNamespace(classes=("background", "lesion"))
    targets = [MaskTarget(None, {}, False, moved_to=true)] * len(paths)
    domain = Medical(options=Options(), decoder=decoder)
    (own,) = domain.sections(task, [sample(path) for path in paths], [Segmented(said)] * len(paths), targets)
    (row,) = own.parts[0].rows
    unit, far = ("pixels", 4) if kind == "mixed" else ("mm", 8)
    assert own.parts[0].columns[1] == f"Hausdorff 95, {unit}"
    assert row[:2] == ("lesion", far)
    assert row[3:] == (len(paths), 1.0, 0)
