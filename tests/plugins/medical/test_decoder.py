"""What scans become: the values that pydicom and nibabel give, through a window, in float."""

from __future__ import annotations

import gzip
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, apply_modality_lut
from pydicom.uid import JPEGLosslessSV1

from graft.data import BadImage
from graft_medical.decoder import MedicalDecoder
from graft_medical.options import MedicalOptions
from scans import CANARY, ct, volume

DRAW = np.random.default_rng(0)
SLICE = DRAW.integers(-1000, 1000, (12, 16))
CUBE = DRAW.integers(0, 900, (5, 6, 7)).astype(np.int16)


def decoder(**options: Any) -> MedicalDecoder:
    return MedicalDecoder(options=MedicalOptions(**options))


def test_dicom__units_through_a_window_in_float(tmp_path: Path) -> None:
    units = ct(tmp_path / "a.dcm", SLICE, slope=2, intercept=-1024)
    np.testing.assert_allclose(decoder().measured(tmp_path / "a.dcm"), units, atol=1e-6)
    found = decoder(window=(40, 400)).decode(tmp_path / "a.dcm", channels=1)[:, :, 0]
    np.testing.assert_allclose(found, ((units - (40 - 200)) / 400).clip(0, 1), atol=1e-6)
    assert found.dtype == np.float32
    assert len(np.unique(found * 255 % 1)) > 10, "not through 8 bits"
    assert decoder().size(tmp_path / "a.dcm") == (12, 16)
    assert decoder().decode(tmp_path / "a.dcm", channels=3).shape == (12, 16, 3)


def test_dicom__the_files_own_window_and_percentiles_without_one(tmp_path: Path) -> None:
    units = ct(tmp_path / "a.dcm", SLICE, WindowCenter=[100, 5], WindowWidth=[800, 9])
    found = decoder().decode(tmp_path / "a.dcm", channels=1)[:, :, 0]
    np.testing.assert_allclose(found, ((units + 300) / 800).clip(0, 1), atol=1e-6)
    units = ct(tmp_path / "b.dcm", SLICE)
    low, high = np.percentile(units, (10, 90))
    found = decoder(percentiles=(10, 90)).decode(tmp_path / "b.dcm", channels=1)[:, :, 0]
    np.testing.assert_allclose(found, ((units - low) / (high - low)).clip(0, 1), atol=1e-5)


def test_dicom__monochrome1_is_dark_where_values_are_high(tmp_path: Path) -> None:
    ct(tmp_path / "a.dcm", SLICE)
    ct(tmp_path / "b.dcm", SLICE, PhotometricInterpretation="MONOCHROME1")
    plain, inverted = (decoder(window=(0, 900)).decode(tmp_path / f"{name}.dcm", channels=1) for name in "ab")
    np.testing.assert_allclose(plain, 1 - inverted, atol=1e-6)


def test_dicom__frames_are_parts_and_neighbours_channels(tmp_path: Path) -> None:
    units = ct(tmp_path / "a.dcm", np.stack([SLICE, SLICE + 5, SLICE + 9]))
    one = decoder(window=(0, 4000))
    parts = one.parts(tmp_path / "a.dcm")
    assert [part.name for part in parts] == ["f=000", "f=001", "f=002"]
    assert one.parts(parts[0]) == (parts[0],)
    for part, expected in zip(parts, units, strict=True):
        np.testing.assert_allclose(one.measured(part), expected, atol=1e-6)
    near = decoder(window=(0, 4000), neighbours=1)
    assert near.channels == (3,)
    first = near.decode(parts[0], channels=3)
    alone = [one.decode(part, channels=1)[:, :, 0] for part in parts]
    np.testing.assert_array_equal(first, np.stack([alone[0], alone[0], alone[1]], axis=2))


def test_dicom__a_series_of_files_is_sorted_by_position(tmp_path: Path) -> None:
    order = (3, 0, 2, 1)
    for number, place in enumerate(order):
        ct(
            tmp_path / f"{number}.dcm",
            SLICE + 100 * place,
            SeriesInstanceUID="1.2.3",
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            ImagePositionPatient=[0, 0, 2.5 * place],
        )
    ct(tmp_path / "other.dcm", SLICE, SeriesInstanceUID="1.2.4", ImagePositionPatient=[0, 0, 1])
    one = decoder(window=(0, 4000), neighbours=1)
    found = one.decode(tmp_path / "2.dcm", channels=3)
    alone = [decoder(window=(0, 4000)).decode(tmp_path / f"{n}.dcm", channels=1)[:, :, 0] for n in (3, 2, 0)]
    np.testing.assert_array_equal(found, np.stack(alone, axis=2))
    lone = one.decode(tmp_path / "other.dcm", channels=3)
    np.testing.assert_array_equal(lone[:, :, 0], lone[:, :, 2])


def test_dicom__neighbours_are_of_the_same_volume_where_a_series_has_several(tmp_path: Path) -> None:
    for number in range(6):
        contrast, place = divmod(number, 3)
        ct(
            tmp_path / f"{5 - number}.dcm",
            SLICE + 100 * place + 1000 * contrast,
            SeriesInstanceUID="1.2.3",
            InstanceNumber=number + 1,
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            ImagePositionPatient=[0, 0, 2.5 * place],
        )
    plain, near = decoder(window=(0, 8000)), decoder(window=(0, 8000), neighbours=1)
    for middle, around in ((4, (5, 4, 3)), (1, (2, 1, 0))):
        found = near.decode(tmp_path / f"{middle}.dcm", channels=3)
        alone = [plain.decode(tmp_path / f"{n}.dcm", channels=1)[:, :, 0] for n in around]
        np.testing.assert_array_equal(found, np.stack(alone, axis=2))


def test_dicom__what_is_no_number_is_no_limit(tmp_path: Path) -> None:
    ct(tmp_path / "a.dcm", np.zeros((2, 2)))
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    del dataset.PixelData, dataset.RescaleSlope, dataset.RescaleIntercept, dataset.PixelRepresentation
    dataset.BitsAllocated = 32
    dataset.FloatPixelData = np.array([[np.nan, 0], [50, 100]], "<f4").tobytes()
    dataset.save_as(tmp_path / "a.dcm")
    found = decoder(percentiles=(0, 100)).decode(tmp_path / "a.dcm", channels=1)[:, :, 0]
    np.testing.assert_allclose(found, [[0, 0], [0.5, 1]])


@pytest.mark.parametrize("damage", range(60))
def test_dicom__damaged_attributes_are_bad_images_and_name_nobody(tmp_path: Path, damage: int) -> None:
    ct(
        tmp_path / "a.dcm",
        SLICE[:4, :4],
        SeriesInstanceUID="1.2.3",
        PixelSpacing=[1, 2],
        WindowCenter=40,
        WindowWidth=400,
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        ImagePositionPatient=[0, 0, 1],
    )
    content = bytearray((tmp_path / "a.dcm").read_bytes())
    draw = np.random.default_rng(damage)
    for place in draw.integers(132, len(content) - 32, 12):
        content[place] = draw.integers(0, 256)
    (tmp_path / "b.dcm").write_bytes(content)
    one, near = decoder(), decoder(neighbours=1)
    path = tmp_path / "b.dcm"
    said = []
    for ask in (
        lambda: [one.decode(part, channels=1, max_pixels=100) for part in one.parts(path)],
        lambda: near.decode(path, channels=3, max_pixels=100),
        lambda: one.size(path),
        lambda: one.group(path),
        lambda: one.spacing(path),
    ):
        try:
            ask()
        except BadImage as error:
            said.append(str(error))
    assert "CANARY" not in "".join(said)


def test_dicom__a_makers_own_encoding_is_said(tmp_path: Path) -> None:
    ct(tmp_path / "a.dcm", SLICE)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    dataset.file_meta.TransferSyntaxUID = "1.2.840.113619.5.2"
    dataset.save_as(tmp_path / "a.dcm", implicit_vr=True, little_endian=True, enforce_file_format=False)
    with pytest.raises(BadImage):
        decoder().decode(tmp_path / "a.dcm", channels=1)


def test_dicom__enhanced_objects_keep_their_units_by_frame(tmp_path: Path) -> None:
    def group(slope: float, intercept: float) -> Dataset:
        transformation, whole = Dataset(), Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept = slope, intercept
        whole.PixelValueTransformationSequence = [transformation]
        return whole

    stack = np.stack([SLICE, SLICE])
    ct(tmp_path / "shared.dcm", stack, SharedFunctionalGroupsSequence=[group(2, -30)])
    ct(tmp_path / "each.dcm", stack, PerFrameFunctionalGroupsSequence=[group(1, 5), group(3, 0)])
    one = decoder()
    for part in one.parts(tmp_path / "shared.dcm"):
        np.testing.assert_allclose(one.measured(part), SLICE * 2 - 30, atol=1e-6)
    first, second = (one.measured(part) for part in one.parts(tmp_path / "each.dcm"))
    np.testing.assert_allclose(first, SLICE + 5, atol=1e-6)
    np.testing.assert_allclose(second, SLICE * 3, atol=1e-6)


def test_dicom__without_a_suffix_is_known_by_its_mark(tmp_path: Path) -> None:
    ct(tmp_path / "IM0001", SLICE)
    (tmp_path / "README").write_text("hello")
    assert decoder().reads(tmp_path / "IM0001")
    assert not decoder().reads(tmp_path / "README")
    ct(tmp_path / "MR.1.2.840.113619", SLICE)
    assert decoder().reads(tmp_path / "MR.1.2.840.113619")


def test_dicom__jpeg_lossless_says_which_library_reads_it(tmp_path: Path) -> None:
    ct(tmp_path / "a.dcm", SLICE)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.PixelData = encapsulate([b"\xff\xd8\xff\xc3" + bytes(60)])
    dataset.save_as(tmp_path / "a.dcm")
    with pytest.raises(BadImage, match=r"JPEG Lossless.*pip install pylibjpeg pylibjpeg-libjpeg"):
        decoder().decode(tmp_path / "a.dcm", channels=1)


def test_group__tells_patients_apart_and_says_nothing(tmp_path: Path) -> None:
    for name, patient in (("a", "1"), ("b", "1"), ("c", "2"), ("d", "")):
        ct(tmp_path / f"{name}.dcm", SLICE, PatientID=patient)
    ct(tmp_path / "e.dcm", SLICE)
    one = decoder()
    a, b, c, nobody, canary = (one.group(tmp_path / f"{name}.dcm") for name in "abcde")
    assert a == b != c
    assert nobody is None
    assert canary is not None
    assert not any(value in canary for value in CANARY.values())
    for name in ("sub-03/x", "sub-03/y"):
        ct(tmp_path / f"{name}.dcm", SLICE, PatientID="")
    assert one.group(tmp_path / "sub-03/x.dcm") == one.group(tmp_path / "sub-03/y.dcm") == "sub-03"
    for name, series in (("f", "1.2.3"), ("g", "1.2.3"), ("h", "1.2.4")):
        ct(tmp_path / f"{name}.dcm", SLICE, PatientID="", SeriesInstanceUID=series)
    f, g, h = (one.group(tmp_path / f"{name}.dcm") for name in "fgh")
    assert f == g != h
    assert "1.2.3" not in f
    volume(tmp_path / "sub-07" / "anat" / "t1.nii.gz", CUBE)
    assert one.group(tmp_path / "sub-07" / "anat" / "t1.nii.gz" / "z=001") == "sub-07"


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SAR", "AIL"])
@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
def test_nifti__slices_are_the_same_however_it_is_stored(tmp_path: Path, axes: str, axis: str) -> None:
    volume(tmp_path / "v.nii.gz", CUBE, axes=axes)
    one = decoder(axis=axis)
    parts = one.parts(tmp_path / "v.nii.gz")
    place = {"sagittal": 0, "coronal": 1, "axial": 2}[axis]
    assert len(parts) == CUBE.shape[place]
    for index, part in enumerate(parts):
        expected = np.take(CUBE, index, axis=place).T[::-1]
        np.testing.assert_array_equal(one.measured(part), expected)
        assert one.size(part) == expected.shape
        assert one.decode(part, channels=1).shape == (*expected.shape, 1)


def test_nifti__percentiles_are_the_volumes(tmp_path: Path) -> None:
    volume(tmp_path / "v.nii", CUBE)
    one = decoder(percentiles=(0, 100))
    found = np.stack([one.decode(part, channels=1)[:, :, 0] for part in one.parts(tmp_path / "v.nii")])
    assert (found.min(), found.max()) == (0, 1)
    np.testing.assert_allclose(found[3], (CUBE[:, :, 3].T[::-1] - CUBE.min()) / (CUBE.max() - CUBE.min()), atol=1e-6)


def test_values__the_masks_slice_or_a_refusal(tmp_path: Path) -> None:
    volume(tmp_path / "v.nii", CUBE, axes="LPS")
    volume(tmp_path / "m.nii.gz", (CUBE > 400).astype(np.uint8))
    volume(tmp_path / "small.nii", CUBE[:4])
    volume(tmp_path / "odd.nii", CUBE.astype(np.float32) / 7)
    one = decoder()
    part = one.parts(tmp_path / "v.nii")[2]
    np.testing.assert_array_equal(one.values(tmp_path / "m.nii.gz", like=part), (CUBE[:, :, 2] > 400).T[::-1])
    with pytest.raises(BadImage, match="its 4 × 6 × 7 voxels are not the 5 × 6 × 7 of the image"):
        one.values(tmp_path / "small.nii", like=part)
    shifted = nibabel.Nifti1Image(np.zeros(CUBE.shape, np.uint8), np.diag([1.0, 2.0, 4.0, 1.0]))
    nibabel.save(shifted, tmp_path / "shifted.nii")
    with pytest.raises(BadImage, match="it lies elsewhere than the image: their affines differ by 1"):
        one.values(tmp_path / "shifted.nii", like=part)
    volume(tmp_path / "many.nii", np.zeros((*CUBE.shape, 2), np.uint8))
    with pytest.raises(BadImage, match="its 5 × 6 × 7 × 2 voxels are not the 5 × 6 × 7 of the image"):
        one.values(tmp_path / "many.nii", like=part)
    with pytest.raises(BadImage, match="fractions"):
        one.values(tmp_path / "odd.nii", like=part)
    Image.new("L", (5, 6)).save(tmp_path / "one.png")
    with pytest.raises(BadImage, match="it is one picture, for all images of a file"):
        one.values(tmp_path / "one.png", like=part)


def test_nifti__axes_of_length_one_are_none(tmp_path: Path) -> None:
    volume(tmp_path / "v.nii", CUBE[..., None])
    volume(tmp_path / "m.nii", (CUBE > 400).astype(np.uint8)[..., None])
    one = decoder()
    parts = one.parts(tmp_path / "v.nii")
    assert [part.name for part in parts[:2]] == ["z=000", "z=001"]
    np.testing.assert_array_equal(one.measured(parts[2]), CUBE[:, :, 2].T[::-1])
    np.testing.assert_array_equal(one.values(tmp_path / "m.nii", like=parts[2]), (CUBE[:, :, 2] > 400).T[::-1])


def test_stem__a_uid_is_a_whole_name() -> None:
    names = ("1.2.840.1", "MR.1.2.840.2", "scan.dcm", "v.nii.gz", "a.png")
    found = [decoder().stem(Path(name)) for name in names]
    assert found == ["1.2.840.1", "MR.1.2.840.2", "scan", "v", "a"]


def test_usual_images__are_read_as_usual(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 65535]], np.uint16)).save(tmp_path / "a.png")
    assert decoder().decode(tmp_path / "a.png", channels=1)[0, :, 0].tolist() == [0, 1]
    Image.new("RGB", (4, 3), (9, 8, 7)).save(tmp_path / "b.png")
    assert decoder().decode(tmp_path / "b.png", channels=3)[0, 0].tolist() == [9, 8, 7]
    with pytest.raises(BadImage, match="no neighbours to make 5 channels"):
        decoder(neighbours=2).decode(tmp_path / "b.png", channels=5)


def _nifti(*, row: list[float] | None = None, stream: bool = False) -> bytes:
    """Return a volume with a broken affine, or a damaged stream of values."""
    image = nibabel.Nifti1Image(np.random.default_rng(0).integers(0, 99, (9, 9, 9)).astype(np.int16), np.eye(4))
    content = bytearray(gzip.compress(image.to_bytes()) if stream else image.to_bytes())
    if row is not None:
        content[280:296] = np.array(row, "<f4").tobytes()
    if stream:
        content[700:720] = b"\xff" * 20
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.nii", _nifti(row=[0, 0, 0, 0])),
        ("a.nii", _nifti(row=[np.nan, 0, 0, 0])),
        ("a.nii.gz", _nifti(stream=True)),
        ("a.dcm", b"hello"),
        ("a.dcm", b"\0" * 128 + b"DICM"),
        ("a.dcm", b"\0" * 128 + b"DICM" + b"\xff" * 90),
        ("a.nii", b"hello"),
        ("a.nii.gz", b"\x1f\x8b\x08broken"),
        ("a.nii", b"\x5c\x01\0\0" + b"\0" * 400),
        ("a.nii", b""),
    ],
)
def test_damaged_files__are_bad_images(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    one = decoder()

    def read() -> None:
        for part in one.parts(tmp_path / name):
            one.decode(part, channels=1)

    with pytest.raises(BadImage):
        read()


def test_decoder__is_pickled_and_shared_by_threads(tmp_path: Path) -> None:
    volume(tmp_path / "v.nii.gz", CUBE)
    one = pickle.loads(pickle.dumps(decoder()))
    parts = list(one.parts(tmp_path / "v.nii.gz")) * 6
    alone = [one.decode(part, channels=1) for part in parts]
    with ThreadPoolExecutor(6) as pool:
        for found, expected in zip(pool.map(lambda part: one.decode(part, channels=1), parts), alone, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_real_files__give_the_values_that_pydicom_and_nibabel_give() -> None:
    root = os.environ.get("GRAFT_TEST_DATA")
    if not root:
        pytest.skip("GRAFT_TEST_DATA names no folder with real data")
    folder = Path(root, "data", "medical", "formats")
    one = decoder()
    for file in sorted(folder.glob("*.dcm")):
        dataset = pydicom.dcmread(file)
        raw = dataset.pixel_array
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            expected = apply_color_lut(raw, dataset) / 65535
        elif dataset.PhotometricInterpretation == "RGB":
            expected = raw / (2**dataset.BitsStored - 1)
        else:
            expected = apply_modality_lut(raw, dataset)
        parts = one.parts(file)
        frames = expected if len(parts) > 1 else [expected]
        for part, wanted in zip(parts, frames, strict=True):
            np.testing.assert_allclose(one.measured(part), wanted, rtol=1e-6, atol=1e-6, err_msg=part.name)
            assert one.decode(part, channels=3).shape == (*one.size(part), 3)
    for file in sorted(folder.glob("*.nii*")):
        whole = nibabel.as_closest_canonical(nibabel.load(file)).get_fdata()
        for part in one.parts(file):
            numbers = [int(text.partition("=")[2]) for text in part.name.split(",")]
            wanted = whole[:, :, numbers[-1]] if whole.ndim == 3 else whole[:, :, numbers[1], numbers[0]]
            np.testing.assert_allclose(one.measured(part), wanted.T[::-1], rtol=1e-6, atol=1e-6, err_msg=file.name)
