"""Exported models: one ONNX file that takes pixels, and is compared with torch before it gets its name."""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graft import atomic
from graft.data.decoder import StandardDecoder
from graft.errors import TrainingError, UserError
from graft.model import Model
from graft.runs.bundle import Bundle
from graft.sequences import Sequences

_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_BATCHES = (1, 7)
_TOLERANCE = 1e-4
_LARGEST = 2 * 10**9
"""Bytes of weights that one ONNX file can hold: it is a protobuf message."""


class _Exported(nn.Module):
    """From pixels, of a sequence the frames of one, to what the head calls its exported outputs, as a tuple."""

    def __init__(self, model: Model, *, sequences: bool) -> None:
        super().__init__()
        self.model = model
        self.sequences = sequences

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.named(images).values())

    def named(self, images: Tensor) -> dict[str, Tensor]:
        given = Sequences(images, (images.shape[0],)) if self.sequences else images
        return self.model.head.exported(self.model(given))


def export_onnx(bundle: Bundle, path: Path) -> dict[str, Any]:
    """Write the bundle's model as the ONNX file `path` and return what it is: inputs, outputs and how exact it is.

    Its input `images` is `(B, C, H, W)`, with H and W as in `preprocess.size`; B is free. It takes what the decoder
    gives: of usual images uint8, RGB 0…255; of any other decoder its channels as float32 0…1, and bytes divided by 255.
    Of a model of sequences it is `(T, C, H, W)`, the frames of one sequence, and each output has one row. Scaling,
    channel order, mean and standard deviation are inside. What is left to the caller, the decoder with its options,
    resizing and the centre crop, is described in the file's metadata, beside class names, task, versions and the
    licences of the weights and of the plugins.

    Raises:
        UserError: When the modules that it takes are not installed; says what to install.
        TrainingError: When the model cannot be exported or is too large, the file answers differently from torch
            (there is then no file), or it cannot be written.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"exporting to ONNX needs {', '.join(missing)}, not installed here", fix="pip install 'graft-core[onnx]'"
        )
    size = sum(tensor.nbytes for tensor in bundle.model.state_dict().values())
    if size > _LARGEST:
        raise TrainingError(
            f"{path} was not written: the model has {size / 1e9:.1f} GB, and an ONNX file holds at most 2 GB",
            fix="train a head that keeps less of each training image, or a smaller backbone",
        )
    import onnx

    module = _Exported(bundle.model, sequences=bundle.sequences).cpu().eval()
    axis = "frames" if bundle.sequences else "batch"
    proto = _exported(module, _images(bundle, 2), axis)
    metadata = _metadata(bundle)
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto, full_check=True)
    serialized = proto.SerializeToString()
    differences = {batch: _compare(module, serialized, _images(bundle, batch), path) for batch in _BATCHES}
    atomic.write_bytes(path, serialized)
    shape = [axis, bundle.preprocess.channels, *bundle.preprocess.size]
    return {
        "path": path,
        "bytes": len(serialized),
        "opset": max(entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")),
        "input": {"name": "images", "type": _takes(bundle)[0], "shape": shape},
        "outputs": [output.name for output in proto.graph.output],
        "max_abs_difference": max(differences.values()),
        "metadata": metadata,
    }


def _exported(module: _Exported, images: Tensor, axis: str) -> Any:
    with torch.inference_mode():
        names = list(module.named(images))
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the exporter, about its own workings
        try:
            program = torch.onnx.export(
                module,
                (images,),
                dynamo=True,
                verbose=False,
                input_names=["images"],
                output_names=names,
                dynamic_shapes={"images": {0: torch.export.Dim(axis, min=1)}},
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            first = str(error).strip().partition("\n")[0]
            raise TrainingError(f"torch cannot export this model: {first}") from error
    return program.model_proto  # type: ignore[union-attr]


def _metadata(bundle: Bundle) -> dict[str, str]:
    preprocess = bundle.preprocess
    weights = bundle.info["weights"]
    geometry = {
        "shorter": "resize the shorter side to floor(size / crop), keeping the aspect ratio, then cut out the centre",
        "squash": "resize to size, giving up the aspect ratio",
        "pad": "resize to fit into size, keeping the aspect ratio, and fill the rest, right or below, with mean",
        "windows": f"at its own resolution, in windows of size that have {preprocess.overlap:g} of it in common with "
        "the next; smaller images continued by reflection; blend what overlaps, less next to a window's border",
    }[preprocess.resize]
    return {
        "classes": json.dumps(list(bundle.classes)),
        "input": ", ".join(_takes(bundle)),
        "decoder": json.dumps(bundle.info.get("decoder")),
        "preprocess": json.dumps(preprocess.to_json()),
        "geometry": f"{geometry}; {preprocess.interpolation}, antialiased",
        "task": bundle.task_name,
        **({"sequences": _frames(bundle.max_frames)} if bundle.sequences else {}),
        "graft": str(bundle.info["graft"]),
        "weights": weights["name"] if weights else "none",
        "weights_licence": (weights["licence"] or "unknown") if weights else "none",
        "plugin_licences": json.dumps({name: one.get("licence") for name, one in bundle.info["plugins"].items()}),
    }


def _takes(bundle: Bundle) -> tuple[str, str]:
    """Return the input's type, and what its values are: other images than usual ones may have more than 8 bits."""
    if type(bundle.decoder) is StandardDecoder:
        return "uint8", f"{'RGB' if bundle.preprocess.channels == 3 else 'luminance'} 0…255 of an image upright (EXIF)"
    return "float32", "0…1, the channels as the decoder gives them; where it gives bytes, these divided by 255"


def _frames(most: int | None) -> str:
    some = "all of them" if most is None else f"of more than {most}, {most} from the first to the last, evenly spaced"
    return f"images are the frames of one sequence, in their order: {some}"


def _images(bundle: Bundle, batch: int) -> Tensor:
    """Return smooth fields with noise, of different contrast: neither of the two alone tells much about a network."""
    height, width = bundle.preprocess.size
    rng = np.random.default_rng(batch)
    coarse = torch.from_numpy(rng.random((batch, bundle.preprocess.channels, 5, 5), dtype=np.float32))
    smooth = nn.functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False).numpy()
    contrast = rng.uniform(0.2, 1, (batch, 1, 1, 1))
    pixels = (contrast * smooth + rng.normal(0, 0.05, smooth.shape)).clip(0, 1)
    bytes_wanted = _takes(bundle)[0] == "uint8"
    return torch.from_numpy((255 * pixels).astype(np.uint8) if bytes_wanted else pixels.astype(np.float32))


def _compare(module: nn.Module, serialized: bytes, images: Tensor, path: Path) -> float:
    """Return the largest difference between torch and onnxruntime.

    Raises:
        TrainingError: When it is too large, or leads to another decision.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(serialized, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    given: Mapping[str, NDArray[Any]] = dict(zip(names, session.run(names, {"images": images.numpy()}), strict=True))
    with torch.inference_mode():
        wanted = dict(zip(names, (output.numpy() for output in module(images)), strict=True))
    worst = 0.0
    for name in names:
        ours, theirs = wanted[name], given[name]
        same = ours.shape == theirs.shape and ours.dtype == theirs.dtype
        difference = float(np.abs(ours.astype(np.float64) - theirs).max(initial=0)) if same else float("inf")
        exact = 0 if ours.dtype.kind in "biu" else _TOLERANCE
        if not difference <= exact or not _same_decisions(ours, theirs):
            raise TrainingError(
                f"{path} was not written: onnxruntime gives another '{name}' than torch for {len(images)} images "
                f"(largest difference {difference:.2g}, allowed {exact:g})",
                fix="report this with the run's bundle.json: it is a mistake of the exporter",
            )
        worst = max(worst, difference)
    return worst


def _same_decisions(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
    """Return whether the largest entry along axis 1 is the same, unless the two largest are as good as equal."""
    if ours.dtype.kind != "f" or ours.ndim < 2 or ours.shape[1] < 2:
        return True
    second, first = np.moveaxis(np.sort(ours, axis=1), 1, 0)[-2:]
    clear = first - second > 2 * _TOLERANCE
    return bool((ours.argmax(axis=1) == theirs.argmax(axis=1))[clear].all())
