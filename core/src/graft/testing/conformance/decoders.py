"""Decoders: that size, pixels, parts, digest and picture agree, and that bad files are `BadImage`."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from graft.data import BadImage, Decoder
from graft.data.decoder import build_decoder
from graft.plugins import DecoderSpec
from graft.testing.conformance.base import Conformance, Subject
from graft.testing.conformance.readers import DAMAGES

_REFUSED = "a graft.data.BadImage with a code and a reason"
_CODES = {"missing", "unreadable", "empty", "format", "corrupt", "truncated", "oversized", "coloured"}


class DecoderConformance(Conformance):
    """What is checked of a decoder. Write `good`, which writes some files that it reads."""

    kind = DecoderSpec
    base = Decoder

    def good(self, folder: Path) -> Sequence[Path]:
        """Write files that it reads into an empty folder, and return them: of several sizes, and of several parts."""
        raise NotImplementedError("write `good`: it writes files that the decoder reads, and returns them")

    @pytest.fixture
    def files(self, tmp_path: Path) -> Sequence[Path]:
        """Files that it reads."""
        folder = tmp_path / "files"
        folder.mkdir()
        return list(self.good(folder))

    @pytest.fixture
    def decoder(self, subject: Subject) -> Decoder:
        """The decoder, as a training builds it."""
        assert isinstance(subject.spec, DecoderSpec)
        with subject.doing("building it", expected="target(options=)", at=subject.method("__init__")):
            return build_decoder(subject.spec, subject.options, plugins=subject.plugins)

    def test_files__are_known_by_name(self, subject: Subject, decoder: Decoder, files: Sequence[Path]) -> None:
        """It reads its own files and no others; what it adds to the usual ones is in its descriptor, too."""
        spec, at = subject.spec, subject.method("reads")
        assert isinstance(spec, DecoderSpec)
        for file in files:
            subject.demand(decoder.reads(file), f"reads says no of '{file.name}'", expected="True", at=at)
            name = decoder.stem(file)
            subject.demand(
                name and file.name.startswith(name) and name != file.name,
                f"stem of '{file.name}' is '{name}'",
                expected="the name without the whole suffix: say `suffixes`",
                at=subject.method("stem"),
            )
        for suffix in spec.suffixes:
            subject.demand(
                suffix.startswith(".") and suffix in subject.target.suffixes,
                f"its descriptor has the suffix '{suffix}', and the class {subject.target.suffixes}",
                expected="the same suffixes, with their dots",
                at=subject.place,
            )
        foreign = files[0].with_name("notes.docx")
        foreign.write_bytes(b"PK")
        subject.demand(not decoder.reads(foreign), "reads says yes of 'notes.docx'", expected="False", at=at)

    def test_pixels__are_as_they_are_said_to_be(
        self, subject: Subject, decoder: Decoder, files: Sequence[Path]
    ) -> None:
        """`size` is that of `decode`, for each part and number of channels; types and ranges are the contract's."""
        at = subject.method("decode")
        subject.demand(
            isinstance(decoder.channels, tuple) and decoder.channels,
            f"channels is {decoder.channels!r}",
            expected="a tuple of numbers of channels",
            at=subject.target,
        )
        for part in self._parts(subject, decoder, files):
            with subject.doing(f"size, of '{part.name}',", expected="(H, W)", at=subject.method("size")):
                size = decoder.size(part)
            for channels in decoder.channels:
                with subject.doing(f"decode, of '{part.name}',", expected="pixels", at=at):
                    pixels = decoder.decode(part, channels=channels)
                subject.demand(
                    pixels.shape == (*size, channels),
                    f"'{part.name}' decodes to {pixels.shape} with channels={channels}, and its size is {size}",
                    expected="(H, W, channels) with H and W as `size` says",
                    at=at,
                )
                good = pixels.dtype == np.uint8 or (
                    pixels.dtype == np.float32 and np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1
                )
                subject.demand(
                    good,
                    f"'{part.name}' decodes to {pixels.dtype}, {pixels.min()} … {pixels.max()}",
                    expected="uint8 0…255, or float32 0…1",
                    at=at,
                )
                again = decoder.decode(part, channels=channels)
                subject.demand(
                    np.array_equal(pixels, again), "the second time, other pixels", expected="the same", at=at
                )
            with subject.doing("picture", expected="(H, W, 3) uint8", at=subject.method("displayed")):
                picture = decoder.picture(part)
            subject.demand(
                picture.dtype == np.uint8 and picture.shape == (*size, 3),
                f"the picture of '{part.name}' is {picture.shape} {picture.dtype}",
                expected="(H, W, 3) uint8",
                at=subject.method("displayed"),
            )
            if size[0] * size[1] == 1:
                continue
            try:
                with subject.doing("decode, of more than max_pixels,", expected=_REFUSED, at=at, allowed=BadImage):
                    decoder.decode(part, channels=decoder.channels[0], max_pixels=1)
            except BadImage as error:
                subject.demand(
                    error.code == "oversized", f"more than max_pixels is '{error.code}'", expected="oversized", at=at
                )
            else:
                subject.fail(
                    f"'{part.name}' has {size[0] * size[1]} pixels, and is decoded with max_pixels=1",
                    expected='BadImage("oversized", …) before it is decoded',
                    at=at,
                )

    def test_parts__belong_to_their_file(self, subject: Subject, decoder: Decoder, files: Sequence[Path]) -> None:
        """Parts are below their file, or the file itself; a part's part is itself; each has a digest of its own."""
        at = subject.method("parts")
        digests = []
        for file in files:
            parts = self._parts(subject, decoder, [file])
            subject.demand(len(set(parts)) == len(parts) > 0, f"parts gave {parts}", expected="each part once", at=at)
            for part in parts:
                below = part == file or file in part.parents
                subject.demand(below, f"the part {part} of {file}", expected="a path below its file's", at=at)
                subject.demand(
                    list(decoder.parts(part)) == [part] or part == file,
                    f"the parts of the part '{part.name}' are {decoder.parts(part)}",
                    expected="itself",
                    at=at,
                )
                subject.demand(
                    decoder.file(part) == file,
                    f"the file of {part} is {decoder.file(part)}",
                    expected=f"{file}",
                    at=subject.method("file"),
                )
                digests.append(decoder.digest(part))
        at = subject.method("digest")
        subject.demand(
            len(set(digests)) == len(digests),
            "two images have one digest",
            expected="one for each image: give files of different content in `good`",
            at=at,
        )
        copy = files[0].with_name(f"copy-{files[0].name}")
        shutil.copy(files[0], copy)
        same = decoder.digest(self._parts(subject, decoder, [copy])[0]) == digests[0]
        subject.demand(same, "a copy of a file has another digest", expected="what depends on its content", at=at)

    def test_bad_files__are_refused(self, subject: Subject, decoder: Decoder, files: Sequence[Path]) -> None:
        """A file that is damaged, missing or a folder is `BadImage`, or decodes, and is never anything else."""
        for file in files:
            content = file.read_bytes()
            for damage, change in DAMAGES.items():
                file.write_bytes(change(content))
                refused = self._refused(subject, decoder, file, f"'{file.name}' {damage}")
                subject.demand(
                    refused or damage not in ("emptied", "replaced by bytes that are no text"),
                    f"'{file.name}' {damage} decodes",
                    expected=_REFUSED,
                    at=subject.method("decode"),
                )
            file.unlink()
            gone = self._refused(subject, decoder, file, f"'{file.name}', which is not there,")
            subject.demand(gone, "a missing file decodes", expected=_REFUSED, at=subject.method("decode"))
            file.mkdir()
            self._refused(subject, decoder, file, f"a folder called '{file.name}'")
            file.rmdir()
            file.write_bytes(content)

    def test_copies_and_threads__see_the_same(self, subject: Subject, decoder: Decoder, files: Sequence[Path]) -> None:
        """Threads share it, and processes get a pickled copy."""
        channels = decoder.channels[0]
        parts = self._parts(subject, decoder, files)
        expected = [decoder.decode(part, channels=channels) for part in parts]
        with subject.doing("pickling it", expected="what survives pickling", at=subject.target):
            copy: Decoder = pickle.loads(pickle.dumps(decoder))  # noqa: S301 - our own
            copied = [copy.decode(part, channels=channels) for part in parts]
        _same(subject, expected, copied, "a pickled copy gives other pixels")
        with (
            subject.doing("decode, in 8 threads at once,", expected="no state that threads share"),
            ThreadPoolExecutor(8) as pool,
        ):
            for _ in range(4):
                threaded = list(pool.map(lambda part: decoder.decode(part, channels=channels), parts * 4))
                _same(subject, expected * 4, threaded, "in threads, it gives other pixels")

    def _parts(self, subject: Subject, decoder: Decoder, files: Sequence[Path]) -> list[Path]:
        with subject.doing("parts", expected="paths", at=subject.method("parts")):
            return [part for file in files for part in decoder.parts(file)]

    def _refused(self, subject: Subject, decoder: Decoder, file: Path, said: str) -> bool:
        """Return whether it is refused, and fail unless that is by `BadImage`."""
        refused = False

        def size_of(path: Path) -> None:
            decoder.size(path)

        def decoded(path: Path) -> None:
            decoder.decode(path, channels=decoder.channels[0])

        def parts(path: Path) -> None:
            for part in decoder.parts(path):
                decoded(part)

        for name, call in (("size", size_of), ("decode", decoded), ("parts", parts)):
            try:
                with subject.doing(f"{said}: {name}", expected=_REFUSED, at=subject.method(name), allowed=BadImage):
                    call(file)
            except BadImage as error:
                refused = refused or name != "size"
                subject.demand(
                    error.code in _CODES and error.reason,
                    f"{said}: {name} refuses it as {error.code!r}: {error.reason!r}",
                    expected=f"one of {', '.join(sorted(_CODES))}, and a reason",
                    at=subject.method(name),
                )
        return refused


def _same(subject: Subject, one: Sequence[np.ndarray], other: Sequence[np.ndarray], what: str) -> None:
    same = all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    subject.demand(same, what, expected="the same pixels", at=subject.method("decode"))
