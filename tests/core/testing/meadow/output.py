"""The output."""

from graft.outputs import Output, Places


class Words(Output):
    """A file with the word for each image."""

    def write(self, predictor, paths, out):
        places = Places(".word", out)
        for file in predictor.predict(paths):
            if file.error is not None:
                yield file.path, file.error
                continue
            target = places.of(file.path, top=file.path.parent)
            target.write_text(file.row["word"])
            yield target, None
