"""The decoder."""

import numpy as np

from graft.data import BadImage, Decoder


class FilmDecoder(Decoder):
    """Films `(T, H, W)` of uint8, whose parts are `t=0`, `t=1` …."""

    suffixes = (".npy",)
    channels = (1, 3)

    def reads(self, path):
        return path.suffix == ".npy"

    def parts(self, path):
        if path.name.startswith("t="):
            return [path]
        return [path / f"t={number}" for number in range(len(self.film(path)))]

    def size(self, path):
        return self.frame(path).shape

    def decode(self, path, *, channels, max_pixels=100_000_000):
        frame = self.frame(path)
        if frame.size > max_pixels:
            raise BadImage("oversized", f"{frame.size} pixels")
        return np.repeat(np.array(frame)[:, :, None], channels, axis=2)

    def frame(self, path):
        film = self.film(path.parent if path.name.startswith("t=") else path)
        return film[int(path.name[2:]) if path.name.startswith("t=") else 0]

    def film(self, path):
        try:
            film = np.load(path, allow_pickle=False)
        except FileNotFoundError as error:
            raise BadImage("missing", "no such file") from error
        except (OSError, ValueError, EOFError) as error:
            raise BadImage("corrupt", str(error)) from error
        if film.ndim != 3 or film.dtype != np.uint8:
            raise BadImage("format", f"an array {film.shape} of {film.dtype}")
        return film
