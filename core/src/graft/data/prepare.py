"""From `[data]` in a recipe to checked and divided samples. Torch-free."""

from __future__ import annotations

import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from graft.console import Console
from graft.data.decode import BadImage
from graft.data.decoder import STANDARD, Decoder
from graft.data.duplicates import find_duplicates, without_leaks
from graft.data.frames import digest_of, file_name, without_files
from graft.data.leaks import leaks_of
from graft.data.otherwise import read_otherwise
from graft.data.parts import grouped, in_parts
from graft.data.reader import Reader
from graft.data.readers._files import is_empty, require_path
from graft.data.samples import BadFile, Catalogue, DuplicateSet, PreparedData, Sample, noun_of
from graft.data.splits import divide, lacking
from graft.data.store import PixelStore
from graft.errors import DataError, GraftError, Problem, did_you_mean
from graft.plugins.descriptors import ReaderSpec
from graft.recipe.schema import Data

if TYPE_CHECKING:
    from graft.domains import Domain
    from graft.plugins import Plugins
    from graft.tasks.contract import Task


def check_paths(data: Data) -> None:
    """Raise unless there is something at each path that a recipe's data names; cheap enough to do first.

    Raises:
        DataError: When there is not.
    """
    for split in ("train", "val", "test"):
        if (given := getattr(data, split)) is not None:
            require_path(Path(given).expanduser(), f"data.{split}")


def read(
    data: Data,
    *,
    takes: str,
    reader: ReaderSpec | None,
    options: BaseModel | None,
    decoder: Decoder = STANDARD,
    plugins: Plugins,
) -> Catalogue:
    """Return all samples of a recipe's data, with `data.val` and `data.test` among them; no image is decoded.

    A file that the decoder finds several images in becomes a sample for each.

    Args:
        data: The recipe's `[data]`.
        takes: The kind of target that the task takes.
        reader: The reader that the recipe names; None detects it.
        options: Its options; None are its defaults.
        decoder: Knows the files.
        plugins: Where readers come from.

    Raises:
        DataError: When a path does not exist, no reader fits or more than one does, or the annotations are wrong.
    """
    check_paths(data)
    try:
        catalogue = _catalogue(data, takes=takes, reader=reader, options=options, decoder=decoder, plugins=plugins)
    except DataError as error:
        hint = read_otherwise(Path(data.train).expanduser(), decoder, plugins)
        if hint is None:
            raise
        raise DataError(error.message, problems=error.problems, fix=hint) from error
    return grouped(in_parts(catalogue, decoder), decoder, data.group)


def _catalogue(
    data: Data,
    *,
    takes: str,
    reader: ReaderSpec | None,
    options: BaseModel | None,
    decoder: Decoder,
    plugins: Plugins,
) -> Catalogue:
    """Return what the annotations of all parts of the data say."""
    train = Path(data.train).expanduser()
    passed_over: tuple[str, ...] = ()
    if reader is None:
        reader, reason, passed_over = _detected(train, takes, decoder, plugins)
        options = None
    else:
        reason = "as the recipe says"
    built: Reader = plugins.target(reader)(decoder=decoder)
    options = options if options is not None else plugins.options(reader)()
    catalogue = built.read(train, options)
    catalogue = replace(catalogue, notes=(f"read as '{reader.name}': {reason}", *passed_over, *catalogue.notes))
    for split, given in (("val", data.val), ("test", data.test)):
        if given is not None:
            catalogue = _with_split(catalogue, built.read(Path(given).expanduser(), options), split)
    return catalogue


def prepare(
    catalogue: Catalogue,
    data: Data,
    *,
    task: Task,
    domain: Domain | None = None,
    store: PixelStore,
    console: Console,
) -> PreparedData:
    """Return samples that are checked and divided: every image has been decoded once, and is in `store` if it fits.

    Args:
        catalogue: What `read` gave.
        data: The recipe's `[data]`: what to do with bad files and duplicates, and how to divide.
        task: Checks that the samples fit it, and says what a stratified split keeps the shares of.
        domain: Knows what else may not stand in two splits.
        store: Decodes the images.
        console: Says what was found.

    Raises:
        DataError: With every image that cannot be read (unless they are skipped), every class that is left empty,
            duplicates (when they stop), and what the task finds wrong.
    """
    noun = noun_of(catalogue.samples)
    classes = f" in {len(catalogue.classes)} classes" if catalogue.classes else ""
    console.say("Data", f"{len(catalogue.samples)} {noun}{classes}, {catalogue.root}")
    for note in catalogue.notes:
        console.say("Data", note)
    files, bad, problems = _checked(catalogue.samples, store, console)
    gone = {file.id for file in bad}
    left = (without_files(sample, gone) for sample in catalogue.samples)
    usable = replace(catalogue, samples=tuple(sample for sample in left if sample is not None))
    digests = {sample.id: digest_of(sample, files) for sample in usable.samples}
    problems = problems if data.on_bad == "stop" else []
    problems += _emptied(catalogue, usable, noun)
    total = sum(len(set(sample.files)) for sample in catalogue.samples)
    if bad and data.on_bad == "skip":
        codes = ", ".join(f"{count} {code}" for code, count in sorted(Counter(file.code for file in bad).items()))
        lost = len(catalogue.samples) - len(usable.samples)
        whole = f", and with them {lost} sequences" if lost and catalogue.sequences else ""
        console.warn(f"skipped {len(bad)} of {total} images that cannot be read ({codes}){whole}")
    if problems:
        raise DataError(_summary(bad, total), problems=problems, fix=_way_out(data, bad))

    strata = task.strata(usable)
    division = divide(usable.samples, strata, data.split, digests=digests)
    split: Mapping[str, Sequence[int]] = division.split
    duplicates = find_duplicates(usable.samples, split, digests)
    leaks = [same for same in duplicates if same.leaks]
    _say_duplicates(duplicates, data, console, noun)
    if leaks and data.duplicates == "drop":
        split, dropped = without_leaks(usable.samples, split, leaks)
        console.warn(f"left out {len(dropped)} copies of {noun} that are in a later split")
    elif leaks and data.duplicates == "stop":
        problems += [Problem(same.ids[0], f"also is {_others(same)}") for same in leaks]
    fixes = ["data.duplicates=drop leaves copies out of the earlier split"] if problems else []
    found = leaks_of(usable, split, domain)
    if found and data.leaks == "stop":
        problems += found
        fixes.append("data.split.by=group divides the samples anew; data.leaks=warn goes on all the same")
    elif found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        console.warn(f"the splits are not independent, so results look better than they are: {found[0]}{more}")
    problems += task.check(usable, split)
    if problems:
        fix = "; ".join(fixes) or None
        raise DataError(f"{catalogue.root} cannot be trained on as it is", problems=problems, fix=fix)
    for note in (*division.notes, *lacking(split, task.shows(usable))):
        console.warn(note)
    counts = ", ".join(f"{len(split[name])} {name}" for name in split)
    console.say("Split", f"{counts} ({division.by})")
    return PreparedData(
        catalogue=usable,
        split=split,
        split_by=division.by,
        bad_files=tuple(bad),
        duplicates=duplicates,
        digests=digests,
        files=files,
    )


def _detected(path: Path, takes: str, decoder: Decoder, plugins: Plugins) -> tuple[ReaderSpec, str, tuple[str, ...]]:
    """Return the one reader that knows `path`, why, and which readers could not be asked."""
    if path.is_dir() and is_empty(path):
        raise DataError(f"data.train: the folder {path} is empty", fix="name a folder with images in it")
    specs = {name: spec for name, spec in plugins.specs(ReaderSpec).items() if spec.gives == takes}
    found, passed_over = [], []
    for name, spec in specs.items():
        try:
            reason = plugins.target(spec)(decoder=decoder).detect(path)
        except Exception as error:  # a plugin's fault, which must not cost the readers of others
            text = error.message if isinstance(error, GraftError) else f"{type(error).__name__}: {error}"
            passed_over.append(f"reader '{name}' was not asked: {text}")
            continue
        if reason:
            found.append((name, spec, reason))
    if not found:
        known = ", ".join(f"{name} ({spec.summary})" for name, spec in specs.items())
        raise DataError(
            f"data.train: {path} is nothing that a reader of {takes} knows",
            problems=[Problem("", note) for note in passed_over],
            fix=f"name the reader with data.reader.kind=…; there are: {known}",
        )
    if len(found) > 1:
        raise DataError(
            f"data.train: {path} could be read in {len(found)} ways",
            problems=[Problem(name, reason) for name, _, reason in found],
            fix=f"choose one: data.reader.kind={found[0][0]}",
        )
    return found[0][1], found[0][2], tuple(passed_over)


def _with_split(catalogue: Catalogue, other: Catalogue, split: str) -> Catalogue:
    """Return `catalogue` with the samples of `other` as `split`; what had no split becomes train."""
    field = f"data.{split}"
    if any(sample.split == split for sample in catalogue.samples):
        raise DataError(
            f"{field} names {other.root}, but data.train has a split '{split}' of its own",
            fix=f"leave {field} out, or let data.train name the training part alone",
        )
    if any(sample.split for sample in other.samples):
        raise DataError(
            f"{field} names {other.root}, which is itself divided into splits",
            fix=f"let {field} name one part of it, as in {field}={other.root / split}",
        )
    known = set(catalogue.classes)
    problems = [
        Problem(field, f"the class {name!r} is not in data.train", did_you_mean(name, catalogue.classes))
        for name in other.classes
        if name not in known
    ]
    if problems:
        raise DataError(f"{other.root} has classes that training never sees", problems=problems, fix="rename them")
    main = (replace(sample, split=sample.split or "train") for sample in catalogue.samples)
    added = (replace(sample, id=f"{split}/{sample.id}", split=split) for sample in other.samples)
    samples = tuple(sorted((*main, *added), key=lambda sample: sample.id))
    notes = (*catalogue.notes, *(f"{field}: {note}" for note in other.notes))
    return replace(catalogue, samples=samples, notes=notes)


def _checked(
    samples: Sequence[Sample], store: PixelStore, console: Console
) -> tuple[dict[Path, str], list[BadFile], list[Problem]]:
    """Decode every file; return the digests of the good ones by path, and the bad ones, also as problems."""

    def check(path: Path) -> str | BadImage:
        try:
            store.load(path)
            return store.decoder.digest(path)
        except BadImage as error:
            return error

    # A file may be in a sample more than once: two views of an image are a sequence that shows it twice.
    wanted = [(sample, path) for sample in samples for path in dict.fromkeys(sample.files)]
    digests: dict[Path, str] = {}
    bad: list[BadFile] = []
    # What is wrong with a file may be so of all its parts, and is said once.
    alike: dict[tuple[Path, str], list[str]] = defaultdict(list)
    # Pillow decodes without holding the interpreter's lock.
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        with warnings.catch_warnings(), console.progress("Images", len(wanted)) as progress:
            # Odd metadata, which Pillow reads on in spite of; what it cannot read is an error.
            warnings.filterwarnings("ignore", module=r"PIL\.")
            results = pool.map(check, (path for _, path in wanted))
            for (sample, path), result in zip(wanted, results, strict=True):
                if isinstance(result, str):
                    digests[path] = result
                else:
                    name = file_name(sample, path)
                    bad.append(BadFile(id=name, path=path, code=result.code, reason=result.reason))
                    shown = f"{sample.where}: {name}" if sample.where else name
                    alike[store.decoder.file(path), str(result)].append(shown)
                progress.advance()
    finally:
        pool.shutdown(cancel_futures=True)
    problems = [
        Problem(f"{names[0]} and {len(names) - 1} more of its parts" if len(names) > 1 else names[0], what)
        for (_, what), names in alike.items()
    ]
    return digests, bad, problems


def _emptied(before: Catalogue, after: Catalogue, noun: str) -> list[Problem]:
    if not after.samples:
        return [Problem(str(before.root), "no image is left")]
    had, has = _images_per_class(before), _images_per_class(after)
    return [Problem(f"class {name}", f"none of its {had[name]} {noun} can be read") for name in had if not has[name]]


def _images_per_class(catalogue: Catalogue) -> Counter[str]:
    # Other kinds of targets than class names are the task's to check.
    known = set(catalogue.classes)
    targets = (sample.target for sample in catalogue.samples if isinstance(sample.target, tuple))
    return Counter(name for target in targets for name in target if isinstance(name, str) and name in known)


def _summary(bad: Sequence[BadFile], total: int) -> str:
    return f"{len(bad)} of {total} images cannot be read"


def _way_out(data: Data, bad: Sequence[BadFile]) -> str:
    if data.on_bad == "skip":
        return "repair the files, or remove the class from the data"
    codes = {file.code for file in bad}
    # What a decoder's options say may not fit a file that is sound.
    damaged = codes & {"missing", "unreadable", "empty", "format", "corrupt", "truncated", "oversized"}
    ways = ["repair or remove the files, or train without them: data.on_bad=skip"] if damaged else []
    if "oversized" in codes:
        ways.append("data.max_pixels=N allows larger ones")
    if "format" in codes:
        ways.append("--domain NAME reads files of its field: graft plugins list --kind domain")
    return "; ".join(ways) or "say it as it is written there, or train without these files: data.on_bad=skip"


def _say_duplicates(duplicates: Sequence[DuplicateSet], data: Data, console: Console, noun: str) -> None:
    leaks = [same for same in duplicates if same.leaks]
    conflicts = [same for same in duplicates if same.conflict]
    if leaks and data.duplicates == "warn":
        console.warn(
            f"{len(leaks)} {noun} are in more than one split, so results look better than they are: "
            f"{leaks[0].ids[0]} also is {_others(leaks[0])} (data.duplicates=drop leaves such copies out)"
        )
    for same in conflicts:
        console.warn(f"the same {noun.removesuffix('s')} is annotated in different ways: {', '.join(same.ids)}")
    if len(duplicates) > len(leaks):
        copies = sum(len(same.ids) - 1 for same in duplicates if not same.leaks)
        console.say("Data", f"{copies} {noun} are copies of others in the same split")


def _others(same: DuplicateSet) -> str:
    return ", ".join(f"{name} in {split}" for name, split in zip(same.ids[1:], same.splits[1:], strict=True))
