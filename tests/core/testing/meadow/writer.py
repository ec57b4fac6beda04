"""The writer."""

import json
import shutil

from graft.errors import DataError, Problem


class JsonlWriter:
    """What the reader reads."""

    def write(self, catalogue, out, *, link):
        missing = [sample.path for sample in catalogue.samples if not sample.path.is_file()]
        if missing:
            raise DataError("images are missing", problems=[Problem(str(path), "is not there") for path in missing])
        lines = {}
        for sample in catalogue.samples:
            folder = out / (sample.split or "")
            folder.mkdir(exist_ok=True)
            image = folder / sample.path.name
            (image.symlink_to if link else lambda path, to=image: shutil.copy(path, to))(sample.path.resolve())
            lines.setdefault(folder, []).append(json.dumps({"image": image.name, "ripeness": sample.target}))
        for folder, own in lines.items():
            (folder / "labels.jsonl").write_text("\n".join(own) + "\n", encoding="utf-8")
        return []
