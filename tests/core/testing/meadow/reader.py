"""The reader."""

import json

from graft.data import Catalogue, Reader, Sample
from graft.errors import DataError, Problem


class JsonlReader(Reader):
    """Lines of `{"image": …, "ripeness": …}`, in `labels.jsonl` beside the images, perhaps by split."""

    def detect(self, path):
        return "a labels.jsonl in it" if path.is_dir() and any(path.glob("**/labels.jsonl")) else None

    def read(self, path, options):
        samples, problems = [], []
        for file in sorted(path.glob("**/labels.jsonl")):
            split = file.parent.name if file.parent != path else None
            try:
                lines = file.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                problems.append(Problem(str(file), f"cannot be read: {error}"))
                continue
            if not lines:
                problems.append(Problem(str(file), "is empty"))
            for number, line in enumerate(lines, 1):
                where = f"{file} line {number}"
                try:
                    row = json.loads(line)
                    image, word = file.parent / row["image"], row[options.key]
                except (ValueError, KeyError, TypeError) as error:
                    problems.append(Problem(where, f"is no such object: {error}"))
                    continue
                if not isinstance(word, str):
                    problems.append(Problem(where, "the word is none"))
                    continue
                name = image.relative_to(path).as_posix()
                samples.append(Sample(id=name, path=image, target=word, split=split, where=where))
        if problems or not samples:
            raise DataError(f"{path} cannot be used", problems=problems, fix="correct these lines")
        return Catalogue(
            samples=tuple(sorted(samples, key=lambda sample: sample.id)),
            classes=tuple(sorted({sample.target for sample in samples})),
            reader="jsonl",
            root=path,
        )
