"""A whole model: mixing, finishing, saving and loading, and folders that must be refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from netgraft.errors import ModelError, OutputError
from netgraft.records import sha256_hex
from netgraft.runtime import Architecture, Column, Encoding, Model, Network, Output, Trees, load, save
from netgraft.runtime import model as model_module
from netgraft.runtime.model import finish, softmax


def constant_network(outputs: list[list[float]]) -> Network:
    """Return a network of depth 0 whose members answer these outputs whatever comes in."""
    bias = np.array(outputs, np.float32)  # [k, c]
    a = Architecture(1, (), bias.shape[1], "linear", 1, 1, 1, (), bias.shape[0])
    return Network(a, {"head_bias": bias, "skip": np.zeros((1, bias.shape[1]), np.float32)})


def stump(values: list[float], outputs: int) -> Trees:
    """Return one tree per output that splits feature 0 at 0 into 0 and the output's value."""
    n = len(values)
    tensors = {
        "root": np.arange(n, dtype=np.int32) * 3,
        "feature": np.tile(np.array([0, -1, -1], np.int16), n),
        "value": np.array([[0, 0, v] for v in values], np.float32).ravel(),
        "left": (np.arange(3 * n) // 3 * 3 + 1).astype(np.int32),
        "order": np.zeros(0, np.float32),
    }
    return Trees((), outputs, tensors)


def model(*parts: Network | Trees, output: Output | None = None, mixture: list[float] | None = None) -> Model:
    one = np.ones(1, np.float32)
    encoding = Encoding((Column("x", "numeric"),), 0 * one, one, -9 * one, 9 * one)
    weights = np.array(mixture or [1.0], np.float32)
    return Model(encoding, parts, weights, output or Output("regression", mean=10.0, scale=2.0), {"target": "y"})


RAW = {"x": np.array([-1, 1], np.float32)}


def test_regression_is_mixed_scaled_and_clipped() -> None:
    mixed = model(constant_network([[1.0], [3.0]]), stump([4.0], 1), mixture=[0.75, 0.25])
    np.testing.assert_allclose(mixed.predict(RAW).values, [10 + 2 * 1.5, 10 + 2 * 2.5])
    clipped = Output("regression", mean=10.0, scale=2.0, low=14.0, high=14.5)
    np.testing.assert_allclose(
        model(*mixed.parts, mixture=[0.75, 0.25], output=clipped).predict(RAW).values, [14.0, 14.5]
    )


def test_log_target_comes_back_and_overflow_is_clipped() -> None:
    output = Output("regression", log1p=True, mean=0.0, scale=1.0, low=0.0, high=50.0)
    mixed = np.array([[np.log(3.0)], [500.0], [-500.0]], np.float32)
    np.testing.assert_allclose(finish(output, mixed).values, [2, 50, 0], rtol=1e-6)


def test_members_are_averaged_after_the_softmax() -> None:
    output = Output("classification", ("a", "b"), temperature=2.0)
    predicted = model(constant_network([[0.0, 4.0], [2.0, 0.0]]), output=output).predict(RAW)
    expected = (softmax(np.array([0, 2], np.float32)) + softmax(np.array([1, 0], np.float32))) / 2
    np.testing.assert_allclose(predicted.probabilities, [expected, expected], rtol=1e-6)
    assert predicted.values.tolist() == [1, 1]


def test_batches_of_rows_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    made = model(stump([4.0], 1))
    raw = {"x": np.linspace(-1, 1, 10, dtype=np.float32)}
    whole = made.predict(raw).values
    monkeypatch.setattr(model_module, "_BATCH_ROWS", 3)
    np.testing.assert_array_equal(made.predict(raw).values, whole)
    assert made.predict({"x": np.zeros(0, np.float32)}).values.shape == (0,)


@pytest.mark.parametrize(
    "made",
    [
        model(constant_network([[1.0]])),
        model(constant_network([[1.0]]), stump([2.0], 1), mixture=[0.5, 0.5]),
        model(stump([1.0, 2.0], 2), output=Output("classification", (False, True), temperature=1.5)),
    ],
)
def test_saved_model_is_loaded_whole(made: Model, tmp_path: Path) -> None:
    (tmp_path / "stale.json").write_text("{}")
    save(tmp_path, {"root": made, "other-2.x": made})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("manifest.json", "other-2.x.json", "other-2.x.safetensors", "root.json", "root.safetensors"),
    ]
    again = load(tmp_path, "root")
    expected, found = made.predict(RAW), again.predict(RAW)
    np.testing.assert_array_equal(found.values, expected.values)
    assert again.output.classes == made.output.classes
    assert again.about == made.about
    assert (again.size_bytes, again.parameters) == (made.size_bytes, made.parameters)
    stored = safetensors.numpy.load((tmp_path / "root.safetensors").read_bytes())
    assert made.size_bytes == sum(value.nbytes for value in stored.values())


def folder(path: Path) -> Path:
    save(path, {"root": model(constant_network([[1.0]]))})
    return path


def rewrite(path: Path, name: str, data: bytes) -> None:
    """Change a file and the manifest's hash of it."""
    (path / name).write_bytes(data)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"][name] = sha256_hex(data)
    (path / "manifest.json").write_text(json.dumps(manifest))


def changed(path: Path, **changes: object) -> None:
    value = json.loads((path / "root.json").read_text())
    rewrite(path, "root.json", json.dumps(value | changes).encode())


def without(path: Path, tensor: str) -> None:
    stored = safetensors.numpy.load((path / "root.safetensors").read_bytes())
    rewrite(path, "root.safetensors", safetensors.numpy.save({k: v for k, v in stored.items() if k != tensor}))


def manifest(path: Path, **changes: object) -> None:
    value = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(value | changes))


HOSTILE: list[tuple[Callable[[Path], object], str]] = [
    (lambda p: (p / "manifest.json").unlink(), "a model folder with manifest.json is required, got"),
    (lambda p: (p / "manifest.json").write_text("{"), "must be readable JSON, got"),
    (lambda p: (p / "manifest.json").write_bytes(b"\xff"), "must be readable JSON, got"),
    (lambda p: (p / "manifest.json").write_text("[]"), "must be of format 1"),
    (lambda p: manifest(p, format=2), "must be of format 1"),
    (lambda p: manifest(p, roots=None), "must list its roots and files"),
    (lambda p: manifest(p, roots=["../secret"]), r"must name roots by letters, .*, got '../secret'"),
    (lambda p: manifest(p, roots=["other"]), "a root of .* must be one of other, got 'root'"),
    (lambda p: manifest(p, files={}), "must have the SHA-256 of the manifest"),
    (lambda p: (p / "root.json").unlink(), "the model file .*root.json is required"),
    (lambda p: (p / "root.json").write_text("{}"), "must have the SHA-256 of the manifest; the file was changed"),
    (lambda p: rewrite(p, "root.json", b"{"), "must be JSON and safetensors, got"),
    (lambda p: rewrite(p, "root.json", b"\xff\xfe"), "must be JSON and safetensors, got"),
    (lambda p: rewrite(p, "root.json", b"[]"), "must be a JSON object, got list"),
    (lambda p: rewrite(p, "root.safetensors", b"x" * 20), "must be JSON and safetensors, got"),
    (lambda p: changed(p, format=7), "a model must be of format 1, got 7"),
    (lambda p: changed(p, parts=[]), "a model must have at least one part, got none"),
    (lambda p: changed(p, columns=None), "a model must have every field of format 1"),
    (lambda p: changed(p, kind="poetry"), "an output must be a regression .*, got 'poetry'"),
    (lambda p: without(p, "output"), "a model must have every field of format 1, got none for 'output'"),
    (lambda p: without(p, "part_0.skip"), "a network must have the tensor 'skip'"),
]


@pytest.mark.parametrize(("attack", "text"), HOSTILE)
def test_damaged_folder_is_refused(attack: Callable[[Path], object], text: str, tmp_path: Path) -> None:
    attack(folder(tmp_path))
    with pytest.raises(ModelError, match=text):
        load(tmp_path, "root")


def test_network_must_fit_its_encoding() -> None:
    made = model(constant_network([[1.0]]))
    value = made.to_json() | {"columns": []}
    stored = made.tensors() | {f"encoding.{name}": np.zeros(0, np.float32) for name in made.encoding.arrays()}
    with pytest.raises(ModelError, match=r"a network must fit its encoding \(0, \(\), 1\)"):
        Model.from_parts(value, stored)


def test_mixture_must_have_a_weight_per_part() -> None:
    made = model(stump([1.0], 1), stump([2.0], 1), mixture=[0.5, 0.5])
    with pytest.raises(ModelError, match=r"a mixture must have 2 weights, got \(1,\)"):
        Model.from_parts(made.to_json(), made.tensors() | {"mixture": np.ones(1, np.float32)})


def test_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="a folder that can be written is required"):
        save(tmp_path / "file" / "model", {"root": model(stump([1.0], 1))})


def test_root_must_have_a_plain_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a root's name must be letters, .*, got '../root'"):
        save(tmp_path, {"../root": model(stump([1.0], 1))})
