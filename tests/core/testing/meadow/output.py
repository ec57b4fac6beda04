"""The output."""

from graft.outputs import Output


class Words(Output):
    """A file with the word for each image."""

    def write(self, predictor, paths, out):
        for file in predictor.predict(paths):
            if file.error is not None:
                yield file.path, file.error
                continue
            target = out / f"{file.path.stem}.word"
            target.write_text(file.row["word"])
            yield target, None
