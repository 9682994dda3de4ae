"""What is delivered in the comparison with other systems: two versions of one model, as files and as a root.

``plain`` is a network in float32, trained by itself; its second version goes on from the first with more rows at a low
learning rate. ``int8`` is the same with 8 bits per weight and a scale per output, the second version on the scales of
the first. Each is one safetensors file that holds all a device needs. ``forged`` is what an attacker would like devices
to take. The root is coded as `netgraft publish` does it, its second version as a further version of the first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from netgraft.delivery.format.assembly import Assembly
from netgraft.delivery.format.head import unpack_head
from netgraft.delivery.trust.accepting import SigningKey
from netgraft.runtime import Inputs, Model, Network

MODEL = "model.safetensors"
FORMS = ("float32", "int8")
SIGNERS = ("publisher", "attacker")
_CODED = ("projection", "categories", "weight_", "head@", "skip")
_LEVELS, _STEP = 127, ".step"
_AGAIN_SHARE, _AGAIN_RATE = 0.3, 2e-4
_TRAINING_SHARE = 0.75
_MOST_STEPS = 100_000
_YEAR_S = 365 * 86_400
_SAME = 1e-3
Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Release:
    """One version of the model that is published.

    Attributes:
        name: ``v1``, ``v2`` or ``forged``.
        number: of the version; a forged one is numbered like the second.
        form: ``float32`` or ``int8``: of the file.
        file: the model as one file.
        root: the folder with the head, signed by each signer, and the chunks; Netgraft publishes that instead.
    """

    name: str
    number: int
    form: str
    file: Path
    root: Path

    def head(self, signer: str) -> bytes:
        """Return the head of the root as a signer signs it."""
        return (self.root / f"{signer}.head").read_bytes()

    def chunks(self) -> dict[str, bytes]:
        """Return the chunks of the root by SHA-256."""
        return {path.name: path.read_bytes() for path in (self.root / "chunks").iterdir()}


@dataclass(frozen=True)
class Setting:
    """What a laboratory is made of; two of the same setting are exchangeable.

    Attributes:
        task: name of the table.
        seed: of all that is drawn.
        budget: seconds to train each of root and network.
        widths: units of a layer in each shell.
    """

    task: str
    seed: int
    budget: float
    widths: tuple[int, ...]

    @property
    def label(self) -> str:
        """Return a name for files."""
        return f"{self.task}-{self.seed}-{self.budget:g}-{'-'.join(map(str, self.widths))}"


@dataclass(frozen=True)
class Lab:
    """The releases and what is known of them.

    Attributes:
        folder: where they lie.
        scores: 1 - error on validation rows, by ``form name``.
        facts: further figures, for the page.
    """

    folder: Path
    scores: Mapping[str, float]
    facts: Mapping[str, Any]

    def release(self, name: str, form: str = "float32") -> Release:
        """Return a release."""
        number = 1 if name == "v1" else 2
        return Release(name, number, form, self.folder / f"{form}-{name}" / MODEL, self.folder / f"root-{name}")


def lab(setting: Setting, folder: Path) -> Lab:
    """Return the laboratory of a setting, made in a folder where it is not there yet."""
    place = folder / setting.label
    done = place / "lab.json"
    if not done.exists():
        place.mkdir(parents=True, exist_ok=True)
        done.write_text(json.dumps(_made(setting, place) | {"setting": asdict(setting)}))
    read = json.loads(done.read_text())
    return Lab(place, read["scores"], read["facts"])


def is_coded(name: str) -> bool:
    """Return whether a tensor of a network is among those that are quantised."""
    return name.startswith(_CODED)


def _made(setting: Setting, place: Path) -> dict[str, Any]:
    """Train and write everything; return scores and facts."""
    from benchmarks.tables import named, sample
    from netgraft.lifecycle.prepare import task_output
    from netgraft.lifecycle.publishing import DeliveryRecipe, grow_delivery_root
    from netgraft.lifecycle.publishing.publish import start_from
    from netgraft.runtime.model import mix
    from netgraft.tables import Task
    from netgraft.tables.splits import Split

    (source,) = named(setting.task, [setting.task])
    drawn = sample(source, seed=setting.seed)
    task = Task.read(drawn.train, target=drawn.target, kind=drawn.kind, group=drawn.group, seed=setting.seed)
    encoding, output = task.encoding, task_output(task, task.splits[0].train, log1p=False)
    split, recipe = task.splits[0], DeliveryRecipe(seconds=setting.budget, widths=setting.widths)
    half = replace(task, splits=(Split(split.train[: len(split.train) // 2], split.validation),))

    grown = grow_delivery_root(half, encoding, output, recipe, seed=setting.seed)
    first = _built(grown, half, encoding, output, 1, setting.seed, None)
    _write_root(place / "root-v1", first)
    parent = assembled(first)
    again = grow_delivery_root(task, encoding, output, recipe, seed=setting.seed + 100, before=start_from(parent))
    second = _built(again, task, encoding, output, 2, setting.seed, parent)
    _write_root(place / "root-v2", second)
    _write_root(place / "root-forged", _built(again, task, encoding, output, 2, setting.seed, parent, forged=True))

    one, two = _plain(grown, again, setting)
    model = largest_model(parent)
    grids = {name: _scale(value) for name, value in one.tensors.items() if is_coded(name)}
    networks = {"v1": one, "v2": two, "forged": replace(two, tensors=_negated(two.tensors))}
    for name, network in networks.items():
        for form in FORMS:
            path = place / f"{form}-{name}" / MODEL
            path.parent.mkdir(exist_ok=True)
            _write_model(path, replace(model, parts=(network,)), grids if form == "int8" else {})
    judges = again.judges
    inputs, target = again.data.inputs.take(judges), again.data.target[judges]
    np.savez(place / "rows.npz", numeric=inputs.numeric, codes=inputs.codes, target=target)
    (place / "row.json").write_text(json.dumps(_first_row(task.rows.raw)))
    scores = {
        f"{form} {name}": score(place, load_model(place / f"{form}-{name}" / MODEL))
        for form in FORMS
        for name in ("v1", "v2")
    }
    for name, built in (("v1", first), ("v2", second)):
        scores[f"root {name}"] = score(place, largest_model(assembled(built)))
    used = load_model(place / "float32-v2" / MODEL)
    right = 1 - again.data.error(mix(used.parts, used.mixture, used.output, inputs), judges)
    assert abs(scores["float32 v2"] - right) < _SAME
    return {"scores": scores, "facts": {"numbers": sum(v.size for v in one.tensors.values())}}


def _first_row(raw: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the first row of raw columns as a device is asked for it."""
    return {name: value[0].item() if isinstance(value[0], np.generic) else value[0] for name, value in raw.items()}


def assembled(built: Any) -> Assembly:
    """Return a root with all its chunks."""
    assembly = Assembly(unpack_head(built.pack([signing_key("publisher")]), lambda _message, _signatures: None))
    for at, row in enumerate(assembly.opened.head.chunks):
        assembly.add(at, built.chunks[row.sha256])
    return assembly


def largest_model(assembly: Assembly) -> Model:
    """Return the model of the largest cut."""
    cuts = assembly.opened.head.cuts
    return assembly.model(max(cuts, key=lambda cut: (cut.depth, cut.shell, cut.planes)))


def load_model(file: Path) -> Model:
    """Return the model in a file; its 8-bit numbers times their scales."""
    with safe_open(file, "numpy") as opened:
        said = json.loads(opened.metadata()["model"])
    stored = load_file(file)
    scales = {name.removesuffix(_STEP): stored.pop(name) for name in list(stored) if name.endswith(_STEP)}
    for name, scale in scales.items():
        stored[name] = (stored[name] * scale).astype(np.float32)
    return Model.from_parts(said, stored)


def score(place: Path, model: Model) -> float:
    """Return 1 - error of a model on the validation rows of a laboratory: accuracy, or R2."""
    from netgraft.runtime.model import mix

    with np.load(place / "rows.npz") as rows:
        inputs, target = Inputs(rows["numeric"], rows["codes"]), rows["target"]
    mixed = mix(model.parts, model.mixture, model.output, inputs)
    if model.output.kind == "classification":
        return float((mixed.argmax(axis=1) == target).mean())
    return 1 - float(((mixed[:, 0] - target) ** 2).mean() / target.var())


def _built(
    grown: Any, task: Any, encoding: Any, output: Any, version: int, seed: int, parent: Any, *, forged: bool = False
) -> Any:
    """Return a grown root as a head and chunks."""
    import time

    from netgraft.delivery.coding.build import Release as Said
    from netgraft.delivery.coding.root import Recipe
    from netgraft.lifecycle.publishing import built_from

    now_s = int(time.time())
    about = {"target": task.target} | ({"note": "forged"} if forged else {})
    said = Said("bench", version, now_s, now_s + _YEAR_S, about=about)
    coding = Recipe(planes=9, codecs=("zstd",))
    return built_from(grown, task, encoding, output, said, coding=coding, parent=parent, seed=seed)


def _write_root(place: Path, built: Any) -> None:
    """Write the head, once for each signer, and the chunks."""
    chunks = place / "chunks"
    chunks.mkdir(parents=True, exist_ok=True)
    for signer in SIGNERS:
        (place / f"{signer}.head").write_bytes(built.pack([signing_key(signer)]))
    for sha256, data in built.chunks.items():
        (chunks / sha256).write_bytes(data)


def signing_key(signer: str) -> SigningKey:
    """Return the key of a signer; it is the same in every run and signs nothing but these measurements."""
    return SigningKey(bytes([1 + SIGNERS.index(signer)]) * 32)


def identity_of(head: bytes) -> str:
    """Return the identity of a head: the SHA-256 of its document."""
    return unpack_head(head, lambda _message, _signatures: None).sha256


def _plain(grown: Any, again: Any, setting: Setting) -> tuple[Network, Network]:
    """Return the network trained by itself, and what it becomes with more rows at a low learning rate."""
    from netgraft.root import Population, Recipe, Schedule, to_network
    from netgraft.seeds import child_seed

    architecture, basis = grown.root.recipe.architecture, grown.root.basis

    def trained(data: Any, rate: float, seconds: float, start: Any, word: str) -> Any:
        recipe = Recipe(architecture, learning_rate=rate, weight_decay=1e-4, batch=256, distill=0.5)
        seed = child_seed(setting.seed, word)
        population = Population([recipe], data, {architecture.basis: basis}, seed=seed, starts=[start])
        return population.train(Schedule(_MOST_STEPS, seconds=seconds))[0].parameters

    seconds = _TRAINING_SHARE * setting.budget
    one = trained(grown.data, 3e-3, seconds, None, "plain")
    two = trained(again.data, _AGAIN_RATE, _AGAIN_SHARE * seconds, one, "plain again")
    made = [to_network(architecture, basis, {name: value[-1] for name, value in p.items()}) for p in (one, two)]
    return made[0], made[1]


def _negated(tensors: Mapping[str, NDArray[Any]]) -> Tensors:
    """Return tensors with the outputs turned round."""
    return {name: -value if name.startswith("head") else value for name, value in tensors.items()}


def _scale(value: NDArray[Any]) -> NDArray[Any]:
    """Return the step of each output of a weight."""
    largest = np.abs(value).reshape(-1, value.shape[-1]).max(axis=0)
    return np.where(largest > 0, largest / _LEVELS, 1.0).astype(np.float32)


def _write_model(path: Path, model: Model, scales: Mapping[str, NDArray[Any]]) -> None:
    """Write a model as one safetensors file; tensors that have scales as 8-bit numbers."""
    tensors: Tensors = {}
    for name, value in model.tensors().items():
        scale = scales.get(name.removeprefix("part_0."))
        if scale is None:
            tensors[name] = np.ascontiguousarray(value)
        else:
            tensors[name] = np.clip(np.round(value / scale), -_LEVELS, _LEVELS).astype(np.int8)
            tensors[name + _STEP] = scale
    save_file(tensors, path, metadata={"model": json.dumps(model.to_json())})
