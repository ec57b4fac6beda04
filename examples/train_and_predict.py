"""Train on a folder of class folders, then say what new images show.

python examples/train_and_predict.py PHOTOS NEW
"""

from __future__ import annotations

import sys

import graft


def main() -> None:
    photos, new = sys.argv[1:]
    run = graft.train("examples/scenes.toml", f"data.train={photos}")
    accuracy = run.results["metrics"]["test"]["accuracy"]
    print(f"accuracy {accuracy['value']:.3f}, 95 % between {accuracy['low']:.3f} and {accuracy['high']:.3f}")
    for file in graft.load(run.path).predict([new]):
        print(file.path, file.row["label"] if file.error is None else file.error)


if __name__ == "__main__":
    main()
