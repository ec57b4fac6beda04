"""A folder of images and a folder of masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from graft.data.decoder import Decoder
from graft.data.reader import Reader
from graft.data.samples import SPLITS, Catalogue, Sample
from graft.errors import DataError, Problem
from graft_segmentation.masks import ClassFiles, MaskFile, MaskSource
from graft_segmentation.options import MaskFolderOptions
from graft_segmentation.readers.coding import BACKGROUND, coding_of

IMAGES = ("images", "image", "img", "imgs", "JPEGImages")
MASKS = ("masks", "mask", "labels", "label", "annotations", "groundtruth", "gt", "SegmentationClass")
_ALIASES = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
_MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif", ".jpg", ".jpeg", ".webp", ".pgm")


class MaskFolderReader(Reader):
    """Reads `images/NAME.jpg` with `masks/NAME.png`, both perhaps below `train`, `val` and `test`, or above them."""

    def detect(self, path: Path) -> str | None:
        """Return why this is such a folder."""
        parts = list(_parts(path, MaskFolderOptions()))
        if not parts:
            return None
        images, masks, _ = parts[0]
        return f"there are {images.relative_to(path)}/ and {masks.relative_to(path)}/"

    def read(self, path: Path, options: BaseModel) -> Catalogue:
        """Return every image that has a mask.

        Raises:
            DataError: When folders are missing, and with every image without a mask.
        """
        if not isinstance(options, MaskFolderOptions):
            raise TypeError(f"MaskFolderOptions are needed, not {type(options).__name__}")
        parts = list(_parts(path, options))
        if not parts:
            raise DataError(
                f"{path}: there is no folder of images beside one of masks",
                fix="data.reader.images=FOLDER data.reader.masks=FOLDER, below the data's folder",
            )
        found: list[tuple[Path, Path, str | None, list[Path] | dict[str, Path]]] = []
        missing: list[Path] = []
        names = sorted({name for _, masks, _ in parts for name in _class_folders(masks, self.decoder)})
        for images, masks, split in parts:
            for image in sorted(file for file in images.rglob("*") if file.is_file() and self.decoder.reads(file)):
                below = image.relative_to(images)
                mask = _masks_of(masks, below, options.suffix, names, self.decoder)
                if mask:
                    found.append((image, images, split, mask))
                else:
                    missing.append(image)
        if missing or not found:
            _refuse(path, missing, options)
        coding, how, classes = None, "one mask per class", tuple(names)
        if names:
            classes = (BACKGROUND, *names) if BACKGROUND not in names else classes
        else:
            files = [(mask[0], image) for image, *_, mask in found if isinstance(mask, list)]
            coding, how = coding_of(options, files, path, self.decoder)
            classes = tuple(coding.classes)
        samples = []
        for image, _, split, mask in found:
            target: MaskSource
            if isinstance(mask, dict):
                target = ClassFiles(mask, image, background=BACKGROUND, decoder=self.decoder)
            else:
                assert coding is not None
                target = MaskFile(mask[0], image, coding, self.decoder)
            name = image.relative_to(path).as_posix()
            samples.append(Sample(id=name, path=image, target=target, split=split))
        return Catalogue(
            samples=tuple(sorted(samples, key=lambda sample: sample.id)),
            classes=classes,
            reader="masks",
            root=path,
            notes=(how,),
        )


def _parts(root: Path, options: MaskFolderOptions) -> Iterator[tuple[Path, Path, str | None]]:
    """Yield a folder of images, one of masks, and the split that they are, where there is one."""
    if not root.is_dir():
        return
    pair = _pair(root, options)
    if pair is not None:
        images, masks = pair
        splits = [folder for folder in sorted(images.iterdir()) if folder.is_dir() and _split(folder.name)]
        for folder in splits:
            if (masks / folder.name).is_dir():
                yield folder, masks / folder.name, _split(folder.name)
        if not splits:
            yield images, masks, None
        return
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and _split(folder.name) and (below := _pair(folder, options)) is not None:
            yield *below, _split(folder.name)


def _pair(root: Path, options: MaskFolderOptions) -> tuple[Path, Path] | None:
    images = _first(root, (options.images,) if options.images else IMAGES)
    masks = _first(root, (options.masks,) if options.masks else MASKS)
    return (images, masks) if images is not None and masks is not None else None


def _first(root: Path, names: Sequence[str]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _split(name: str) -> str | None:
    word = _ALIASES.get(name.lower(), name.lower())
    return word if word in SPLITS else None


def _class_folders(masks: Path, decoder: Decoder) -> list[str]:
    """Return the names of folders that hold masks of one class each."""
    folders = [folder for folder in masks.iterdir() if folder.is_dir()]
    flat = any(file.is_file() and file.name.lower().endswith(_endings(decoder)) for file in masks.iterdir())
    return [] if flat else [folder.name for folder in folders]


def _masks_of(
    masks: Path, below: Path, suffix: str, classes: Sequence[str], decoder: Decoder
) -> list[Path] | dict[str, Path]:
    if classes:
        per_class = {name: _mask(masks / name, below, suffix, decoder) for name in classes}
        return {name: file for name, file in per_class.items() if file is not None}
    file = _mask(masks, below, suffix, decoder)
    return [] if file is None else [file]


def _endings(decoder: Decoder) -> tuple[str, ...]:
    return (*_MASK_SUFFIXES, *decoder.suffixes, *decoder.mask_suffixes)


def _mask(masks: Path, below: Path, suffix: str, decoder: Decoder) -> Path | None:
    stem = masks / below.parent / f"{decoder.stem(below)}{suffix}"
    candidates = (stem.with_name(f"{stem.name}{ending}") for ending in _endings(decoder))
    return next((file for file in candidates if file.is_file()), None)


def _refuse(root: Path, missing: Sequence[Path], options: MaskFolderOptions) -> None:
    if not missing:
        raise DataError(f"{root}: there is no image in the folder of images")
    problems = [Problem(image.relative_to(root).as_posix(), "has no mask of its name") for image in missing]
    fix = "bring the masks, or remove the images"
    raise DataError(
        f"{root}: {len(missing)} images have no mask",
        problems=problems,
        fix=fix if options.suffix else f"{fix}; data.reader.suffix=_mask finds masks named NAME_mask.png",
    )
