"""A whole model as it is deployed: encoding, one or more parts, output; saved as safetensors and JSON, never pickle.

A model folder holds, for each root, ``NAME.json`` and ``NAME.safetensors``, and one ``manifest.json`` with the SHA-256
of every file. Nothing is decoded before its hash was checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from netgraft.errors import ModelError
from netgraft.records import canonical_json, sha256_hex, write_bytes
from netgraft.runtime import image, network, trees
from netgraft.runtime.encoding import Encoding, FloatArray, Inputs
from netgraft.runtime.image import ImageArchitecture, ImageNetwork
from netgraft.runtime.network import Architecture

FORMAT = 1
_MANIFEST = "manifest.json"
#: What may be joined to a folder: nothing that leads out of it.
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_BATCH_ROWS = 8_192


@dataclass(frozen=True)
class Network:
    """A network with its tensors, as `netgraft.runtime.network` describes them."""

    architecture: Architecture
    tensors: Mapping[str, NDArray[Any]]

    def outputs(self, inputs: Inputs) -> FloatArray:
        """Return the outputs of every member; float32 [n, k, c]."""
        return network.forward(self.architecture, self.tensors, inputs)


@dataclass(frozen=True)
class Trees:
    """Boosted trees with their arrays, as `netgraft.runtime.trees` describes them."""

    slots: tuple[int, ...]
    classes: int
    tensors: Mapping[str, NDArray[Any]]

    def outputs(self, inputs: Inputs) -> FloatArray:
        """Return the summed trees as the outputs of one member; float32 [n, 1, c]."""
        return trees.forward(self.tensors, self.slots, self.classes, inputs)[:, None, :]


#: What a model of a table is made of.
TablePart = Network | Trees
Part = TablePart | ImageNetwork


def table_part(part: Part) -> TablePart:
    """Return a part of a model of a table.

    Raises:
        ModelError: it is a network for images.
    """
    if isinstance(part, ImageNetwork):
        raise ModelError("a model of a table is required, got one of images")
    return part


@dataclass(frozen=True)
class Output:
    """What becomes of the outputs.

    Attributes:
        kind: ``regression`` or ``classification``.
        classes: the labels in the order of the outputs; empty for regression.
        log1p: whether the target was transformed by log(1 + y).
        mean, scale: of the (transformed) target on training rows; regression only.
        low, high: range of the target on training rows; predictions are clipped to it.
        temperature: logits are divided by it (Guo et al. 2017, "On Calibration of Modern Neural Networks", section
            4.2).
        interval: half-width of the split-conformal prediction interval at 90 %; NaN when not known.
    """

    kind: Literal["regression", "classification"]
    classes: tuple[Any, ...] = ()
    log1p: bool = False
    mean: float = 0.0
    scale: float = 1.0
    low: float = -np.inf
    high: float = np.inf
    temperature: float = 1.0
    interval: float = float("nan")

    @property
    def outputs(self) -> int:
        """Return the number of outputs c."""
        return max(1, len(self.classes))

    def array(self) -> FloatArray:
        """Return the numbers as they are stored; float32 [5] for regression, [1] for classification."""
        if self.kind == "classification":
            return np.array([self.temperature], np.float32)
        return np.array([self.mean, self.scale, self.low, self.high, self.interval], np.float32)

    @staticmethod
    def from_array(kind: Any, classes: tuple[Any, ...], log1p: bool, numbers: FloatArray) -> Output:
        """Return the output stored by `array`.

        Raises:
            ModelError: the kind is unknown or the array has another length.
        """
        expected = {"regression": 5, "classification": 1}
        if kind not in expected or numbers.shape != (expected[kind],):
            raise ModelError(f"an output must be a regression (5 numbers) or classification (1), got {kind!r}")
        if kind == "classification":
            return Output("classification", classes, temperature=float(numbers[0]))
        mean, scale, low, high, interval = (float(v) for v in numbers)
        return Output("regression", (), log1p, mean, scale, low, high, interval=interval)


@dataclass(frozen=True)
class Prediction:
    """Predictions for n rows.

    Attributes:
        values: float32 [n] for regression; class indices int64 [n] for classification.
        probabilities: float32 [n, c] for classification, else None.
    """

    values: NDArray[Any]
    probabilities: FloatArray | None = None


@dataclass(frozen=True)
class Model:
    """A deployable model.

    Attributes:
        encoding: from raw columns to encoded rows.
        parts: networks or trees; their outputs are mixed.
        mixture: float32 [parts] non-negative weights that sum to one.
        output: from mixed outputs to predictions.
        about: JSON values that say what it is (target, schema, point, lineage); not needed to compute.
    """

    encoding: Encoding
    parts: tuple[Part, ...]
    mixture: FloatArray
    output: Output
    about: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, raw: Mapping[str, NDArray[Any]]) -> Prediction:
        """Return the predictions for raw columns (types: `netgraft.runtime.encoding`).

        Raises:
            TableError: a column is missing.
        """
        return self.predict_encoded(self.encoding.apply(raw))

    def predict_encoded(self, inputs: Inputs) -> Prediction:
        """Return the predictions for encoded rows."""
        blocks = [
            mix(self.parts, self.mixture, self.output, inputs.take(slice(start, start + _BATCH_ROWS)))
            for start in range(0, max(1, len(inputs)), _BATCH_ROWS)
        ]
        return finish(self.output, np.concatenate(blocks))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return every stored array by name; their bytes are the size of the model."""
        stored: dict[str, NDArray[Any]] = {f"encoding.{k}": v for k, v in self.encoding.arrays().items()}
        for i, part in enumerate(self.parts):
            stored |= {f"part_{i}.{name}": np.ascontiguousarray(value) for name, value in part.tensors.items()}
        if len(self.parts) > 1:
            stored["mixture"] = np.asarray(self.mixture, np.float32)
        return stored | {"output": self.output.array()}

    @property
    def size_bytes(self) -> int:
        """Return the bytes of weights, heads, encoders, scalers and calibration as stored."""
        return sum(value.nbytes for value in self.tensors().values())

    @property
    def parameters(self) -> int:
        """Return the number of stored numbers."""
        return sum(value.size for value in self.tensors().values())

    def to_json(self) -> dict[str, Any]:
        """Return what is stored beside the arrays."""
        return {
            "format": FORMAT,
            "kind": self.output.kind,
            "classes": list(self.output.classes),
            "log1p": self.output.log1p,
            "columns": self.encoding.to_json(),
            "parts": [_part_to_json(part) for part in self.parts],
            "about": dict(self.about),
        }

    @staticmethod
    def from_parts(value: Mapping[str, Any], stored: Mapping[str, NDArray[Any]]) -> Model:
        """Return the model stored by `to_json` and `tensors`.

        Raises:
            ModelError: the format is another, or an array is missing or has another shape.
        """
        if value.get("format") != FORMAT:
            raise ModelError(f"a model must be of format {FORMAT}, got {value.get('format')!r}")
        try:
            encoding = Encoding.from_json(value["columns"], _below(stored, "encoding"))
            classes = tuple(value["classes"])
            output = Output.from_array(value["kind"], classes, bool(value["log1p"]), stored["output"])
            parts = tuple(
                _part(entry, _below(stored, f"part_{i}"), encoding, output) for i, entry in enumerate(value["parts"])
            )
        except (KeyError, TypeError) as error:
            raise ModelError(f"a model must have every field of format {FORMAT}, got none for {error}") from error
        if not parts:
            raise ModelError("a model must have at least one part, got none")
        mixture = stored.get("mixture", np.ones(1, np.float32))
        if mixture.shape != (len(parts),):
            raise ModelError(f"a mixture must have {len(parts)} weights, got {mixture.shape}")
        return Model(encoding, parts, mixture, output, value.get("about", {}))


def mix(parts: tuple[Part, ...], mixture: FloatArray, output: Output, inputs: Inputs) -> FloatArray:
    """Return the mixed outputs: standardised target [n, 1], or probabilities [n, c]; float32.

    One part's members are averaged after the softmax; several parts are averaged with the mixture's weights.
    """
    total = np.zeros((len(inputs), output.outputs), np.float32)
    for part, weight in zip(parts, mixture, strict=True):
        member_outputs = part.outputs(inputs)  # [n, k, c]
        if output.kind == "classification":
            member_outputs = softmax(member_outputs / np.float32(output.temperature))
        total += np.float32(weight) * member_outputs.mean(axis=1, dtype=np.float32)
    return total


def finish(output: Output, mixed: FloatArray) -> Prediction:
    """Return predictions from mixed outputs: classes by the largest probability, or the target in its own unit."""
    if output.kind == "classification":
        return Prediction(mixed.argmax(axis=1), mixed)
    values = np.float32(output.mean) + np.float32(output.scale) * mixed[:, 0]
    if output.log1p:
        with np.errstate(over="ignore"):  # infinity is clipped
            values = np.expm1(values)
    return Prediction(np.clip(values, np.float32(output.low), np.float32(output.high)).astype(np.float32))


def softmax(logits: FloatArray) -> FloatArray:
    """Return the softmax over the last axis in float32."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32)


def save(folder: Path, models: Mapping[str, Model], *, sync: bool = True) -> None:
    """Write the models into a folder, the manifest last.

    Args:
        folder: where to.
        models: by name.
        sync: as for `netgraft.records.write_bytes`.

    Raises:
        ModelError: a model's name is not made of letters, digits, ``.``, ``_`` and ``-``.
        OutputError: the folder cannot be written.
    """
    files = {file: data for name, model in models.items() for file, data in model_files(name, model).items()}
    for name, data in files.items():
        write_bytes(folder / name, data, sync=sync)
    write_bytes(folder / _MANIFEST, (canonical_json(manifest_of(list(models), files)) + "\n").encode(), sync=sync)
    for stale in folder.iterdir():
        if stale.suffix in (".json", ".safetensors") and stale.name not in files and stale.name != _MANIFEST:
            stale.unlink()


def model_files(name: str, model: Model) -> dict[str, bytes]:
    """Return the files of a model by their names.

    Args:
        name: of the model.
        model: to be stored.

    Raises:
        ModelError: the name is not made of letters, digits, ``.``, ``_`` and ``-``.
    """
    if not _NAME.fullmatch(name):
        raise ModelError(f"a root's name must be letters, digits, '.', '_' and '-', got {name!r}")
    text = canonical_json(model.to_json(), indent=None) + "\n"
    return {f"{name}.json": text.encode(), f"{name}.safetensors": safetensors.numpy.save(dict(model.tensors()))}


def manifest_of(names: Sequence[str], files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the manifest of a model folder: which models it has, and the hash of each of their files."""
    hashes = {name: sha256_hex(data) for name, data in sorted(files.items())}
    return {"format": FORMAT, "roots": list(names), "files": hashes}


def load(folder: Path, name: str) -> Model:
    """Return one model of a folder after its files' hashes were checked.

    Raises:
        ModelError: the folder is no model folder, was tampered with, or is of another format.
    """
    manifest = _manifest(folder)
    if name not in manifest["roots"]:
        raise ModelError(f"a root of {folder} must be one of {', '.join(manifest['roots'])}, got {name!r}")
    text, data = (_checked(folder, f"{name}.{ending}", manifest["files"]) for ending in ("json", "safetensors"))
    try:
        value, stored = json.loads(text), safetensors.numpy.load(data)
    except (ValueError, SafetensorError) as error:
        raise ModelError(f"{folder / name} must be JSON and safetensors, got: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{folder / name}.json must be a JSON object, got {type(value).__name__}")
    return Model.from_parts(value, stored)


def _manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a model folder."""
    path = folder / _MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelError(f"a model folder with {_MANIFEST} is required, got {folder}") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} must be readable JSON, got: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ModelError(f"{path} must be of format {FORMAT}")
    roots, files = manifest.get("roots"), manifest.get("files")
    if not isinstance(roots, list) or not isinstance(files, dict):
        raise ModelError(f"{path} must list its roots and files")
    for name in roots:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ModelError(f"{path} must name roots by letters, digits, '.', '_' and '-', got {name!r}")
    return manifest


def _checked(folder: Path, name: str, hashes: Mapping[str, str]) -> bytes:
    """Return a file's bytes if they have the manifest's hash."""
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        raise ModelError(f"the model file {folder / name} is required: {error.strerror}") from error
    if name not in hashes or sha256_hex(data) != hashes[name]:
        raise ModelError(f"{folder / name} must have the SHA-256 of the manifest; the file was changed or damaged")
    return data


def _below(stored: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays whose names start with the prefix, without it."""
    return {key[len(prefix) + 1 :]: value for key, value in stored.items() if key.startswith(prefix + ".")}


def _part_to_json(part: Part) -> dict[str, Any]:
    """Return what is stored of a part beside its arrays."""
    if isinstance(part, Network):
        return {"network": part.architecture.to_json()}
    if isinstance(part, ImageNetwork):
        return {"image": part.architecture.to_json()}
    return {"trees": {"slots": list(part.slots)}}


def _part(entry: Mapping[str, Any], stored: dict[str, NDArray[Any]], encoding: Encoding, output: Output) -> Part:
    """Return a checked part."""
    if "network" in entry:
        architecture = Architecture.from_json(entry["network"])
        network.check_tensors(architecture, stored)
        expected = (len(encoding.numeric_features), encoding.cardinalities, output.outputs)
        if (architecture.numeric, architecture.slots, architecture.outputs) != expected:
            raise ModelError(f"a network must fit its encoding {expected}, got another number of inputs or outputs")
        return Network(architecture, stored)
    if "image" in entry:
        shape = ImageArchitecture.from_json(entry["image"])
        image.check_tensors(shape, stored)
        expected = (len(encoding.numeric_features), encoding.cardinalities, output.outputs)
        if (shape.numeric, shape.slots, shape.outputs) != expected:
            raise ModelError(f"an image network must fit its encoding {expected}, got another number of inputs")
        return ImageNetwork(shape, stored)
    trees.check_arrays(stored, len(encoding.numeric_features), encoding.cardinalities, output.outputs)
    return Trees(encoding.cardinalities, output.outputs, stored)
