"""A folder of images and a folder of masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from graft.data.decoder import Decoder
from graft.data.reader import Reader
from graft.data.readers import SPLIT_WORDS, is_hidden, walk
from graft.data.samples import Catalogue, Sample
from graft.errors import DataError, Problem
from graft_segmentation.masks import ClassFiles, MaskFile, MaskSource
from graft_segmentation.options import MaskFolderOptions
from graft_segmentation.readers.coding import BACKGROUND, coding_of

IMAGES = ("images", "image", "img", "imgs", "JPEGImages")
MASKS = ("masks", "mask", "labels", "label", "annotations", "groundtruth", "gt", "SegmentationClass")
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
        names = sorted({name for images, masks, _ in parts for name in _class_folders(images, masks, self.decoder)})
        for images, masks, split in parts:
            folders = _Masks(masks, options.suffix, self.decoder)
            for image in sorted(_files(images)):
                if not self.decoder.reads(image):
                    continue
                below = image.relative_to(images)
                mask = folders.of_classes(below, names) if names else folders.of(below)
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
        partners = _split_folders(masks)
        splits = _split_folders(images)
        for name, folder in splits.items():
            same = [other for word, other in partners.items() if _split(word) == _split(name)]
            yield folder, partners.get(name, same[0] if same else masks / name), _split(name)
        if not splits:
            yield images, masks, None
        return
    folders = _split_folders(root)
    pairs = {name: _pair(folder, options) for name, folder in folders.items()}
    if not any(pairs.values()):
        return
    for name, own in pairs.items():
        # Of images without masks each is named later.
        if own is None and (alone := _first(folders[name], _image_names(options))) is not None:
            own = alone, folders[name] / (options.masks or MASKS[0])
        if own is not None:
            yield *own, _split(name)


def _pair(root: Path, options: MaskFolderOptions) -> tuple[Path, Path] | None:
    images = _first(root, _image_names(options))
    masks = _first(root, (options.masks,) if options.masks else MASKS)
    return (images, masks) if images is not None and masks is not None else None


def _image_names(options: MaskFolderOptions) -> Sequence[str]:
    return (options.images,) if options.images else IMAGES


def _split_folders(root: Path) -> dict[str, Path]:
    return {folder.name: folder for folder in sorted(root.iterdir()) if folder.is_dir() and _split(folder.name)}


def _first(root: Path, names: Sequence[str]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _split(name: str) -> str | None:
    return SPLIT_WORDS.get(name.lower())


def _class_folders(images: Path, masks: Path, decoder: Decoder) -> list[str]:
    """Return the names of folders that hold masks of one class each: those that images have none of."""
    if not masks.is_dir():
        return []
    inside = [entry for entry in masks.iterdir() if not is_hidden(entry.name)]
    flat = any(file.is_file() and file.name.lower().endswith(_endings(decoder)) for file in inside)
    return [] if flat else [entry.name for entry in inside if entry.is_dir() and not (images / entry.name).is_dir()]


def _files(folder: Path) -> Iterator[Path]:
    return (Path(place, name) for place, names in walk(folder) for name in names if not is_hidden(name))


def _endings(decoder: Decoder) -> tuple[str, ...]:
    return (*_MASK_SUFFIXES, *decoder.suffixes, *decoder.mask_suffixes)


class _Masks:
    """Finds masks by the names of images.

    Args:
        folder: Of the masks.
        suffix: What stands in a mask's name behind that of its image.
        decoder: Knows names and endings.
    """

    def __init__(self, folder: Path, suffix: str, decoder: Decoder) -> None:
        self._folder, self._suffix, self._decoder = folder, suffix, decoder
        self._listed: dict[Path, dict[str, Path]] = {}

    def of(self, below: Path) -> list[Path]:
        """Return the mask of an image, by the image's path below its folder."""
        file = self._find(self._folder, below)
        return [] if file is None else [file]

    def of_classes(self, below: Path, classes: Sequence[str]) -> dict[str, Path]:
        """Return an image's mask of each class that has one."""
        found = {name: self._find(self._folder / name, below) for name in classes}
        return {name: file for name, file in found.items() if file is not None}

    def _find(self, folder: Path, below: Path) -> Path | None:
        place = folder / below.parent
        if place not in self._listed:
            # Endings are the same in capitals; names are not.
            self._listed[place] = {
                f"{file.name[: -len(ending)]}{ending}": file
                for file in (sorted(place.iterdir()) if place.is_dir() else ())
                for ending in _endings(self._decoder)
                if file.name.lower().endswith(ending) and file.is_file()
            }
        stem = f"{self._decoder.stem(below)}{self._suffix}"
        known = self._listed[place]
        return next((known[name] for ending in _endings(self._decoder) if (name := f"{stem}{ending}") in known), None)


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
