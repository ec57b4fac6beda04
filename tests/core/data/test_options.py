from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from graft.data.options import AugmentOptions, CsvOptions, FolderOptions


@pytest.mark.parametrize(
    ("model", "values", "field"),
    [
        (FolderOptions, {"class_level": 0}, "class_level"),
        (FolderOptions, {"group": "("}, "group"),
        (FolderOptions, {"clas_level": 1}, "clas_level"),
        (CsvOptions, {"labels": "x"}, "labels"),
        (AugmentOptions, {"scale": 0}, "scale"),
        (AugmentOptions, {"scale": 1.5}, "scale"),
        (AugmentOptions, {"rotate": 181}, "rotate"),
        (AugmentOptions, {"colour": -0.1}, "colour"),
        (AugmentOptions, {"aspect": 0.5}, "aspect"),
        (AugmentOptions, {"hue": 0.6}, "hue"),
    ],
)
def test_options__refuse(model, values, field):
    with pytest.raises(ValidationError) as caught:
        model(**values)
    assert caught.value.errors()[0]["loc"] == (field,)


def test_options__no_part_of_augmentation_is_chosen_by_default():
    assert AugmentOptions().model_dump(exclude_none=True) == {}


def test_options__are_light():
    code = (
        "import sys, graft.data, graft.data.options, graft.data.samples\n"
        "heavy = {'torch', 'numpy', 'PIL', 'albumentations', 'cv2', 'lightning', 'timm'} & set(sys.modules)\n"
        "import graft.data.readers.folder\n"
        "heavy |= {'torch', 'albumentations', 'cv2', 'lightning', 'timm'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
