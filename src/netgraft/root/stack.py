"""Many small networks as stacked tensors: one forward pass computes them all.

The P networks of a stack share inputs and outputs; all else differs. Smaller ones are padded with zeros: a unit whose
incoming and outgoing weights are zero has zero gradients on both sides (all activations are 0 at 0), so padding stays
zero under any elementwise optimiser and no mask is needed. Networks are sorted by depth, the deepest first, so that
layer l computes only those that have it. Members of all networks stand one after the other: Q of them in all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from netgraft.root.basis import FINEST_BINS, Basis
from netgraft.runtime.network import BASES, Architecture

Parameters = dict[str, Tensor]


@dataclass(frozen=True)
class StackShape:
    """The padded shape of a stack.

    Attributes:
        networks: the P architectures, the deepest first.
        numeric, slots, outputs: shared by all.
        members, bins, token, category: the largest of any.
        widths: the largest of any, per layer.
        skip: whether any has the linear path.
        bases: the kinds of basis that any projects, in order.
    """

    networks: tuple[Architecture, ...]
    numeric: int
    slots: tuple[int, ...]
    outputs: int
    members: int
    bins: int
    token: int
    category: int
    widths: tuple[int, ...]
    skip: bool
    bases: tuple[str, ...]

    @staticmethod
    def of(networks: Sequence[Architecture]) -> StackShape:
        """Return the shape that holds these networks; they must share inputs and outputs."""
        first = networks[0]
        depth = max(a.depth for a in networks)
        return StackShape(
            tuple(networks),
            first.numeric,
            first.slots,
            first.outputs,
            max(a.members for a in networks),
            max(a.bins for a in networks),
            max(a.token for a in networks),
            max(a.category for a in networks),
            tuple(max(a.widths[i] for a in networks if a.depth > i) for i in range(depth)),
            any(a.skip for a in networks),
            tuple(kind for kind in BASES[1:] if first.numeric and any(a.basis == kind for a in networks)),
        )

    @property
    def size(self) -> int:
        """Return the number of networks P."""
        return len(self.networks)

    @property
    def tokens(self) -> int:
        """Return the padded inputs D of the first layer."""
        return self.numeric * self.token + len(self.slots) * self.category

    def alive(self, layer: int) -> int:
        """Return how many networks have at least ``layer`` hidden layers."""
        return sum(a.depth >= layer for a in self.networks)

    def offsets(self) -> list[int]:
        """Return where each network's members begin among all Q, and Q; P + 1 numbers."""
        return [0, *np.cumsum([a.members for a in self.networks]).tolist()]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every parameter of one padded network."""
        k, c = self.members, self.outputs
        shapes: dict[str, tuple[int, ...]] = {}
        if self.bases:
            shapes["projection"] = (self.numeric, self.bins, self.token)
        if self.slots:
            shapes["categories"] = (sum(self.slots), self.category)
        for i, (inputs, width) in enumerate(zip((self.tokens, *self.widths[:-1]), self.widths, strict=False), start=1):
            shapes[f"weight_{i}"] = (inputs, width)
            shapes[f"bias_{i}"] = (width,)
            if k > 1:
                shapes[f"adapter_{i}"] = (k, inputs)
        if self.widths:
            shapes["head"] = (k, max(self.widths), c)
        shapes["head_bias"] = (k, c)
        if self.skip:
            shapes["skip"] = (self.tokens, c)
        return shapes


def token_places(shape: StackShape, network: Architecture) -> np.ndarray:
    """Return where one network's tokens lie among the padded tokens; int64 [D of the network]."""
    numeric = np.arange(shape.numeric)[:, None] * shape.token + np.arange(network.token)
    named = np.arange(len(shape.slots))[:, None] * shape.category + np.arange(network.category)
    return np.concatenate([numeric.ravel(), shape.numeric * shape.token + named.ravel()]).astype(np.int64)


class _Block:
    """A writable view of the part of a padded parameter that belongs to one network, addressed by index arrays."""

    def __init__(self, array: np.ndarray, index: tuple[np.ndarray | slice, ...]) -> None:
        self.array, self.index = array, index

    def __setitem__(self, _: object, value: np.ndarray) -> None:
        self.array[self.index] = value

    def get(self) -> np.ndarray:
        """Return a copy of the block."""
        return np.ascontiguousarray(self.array[self.index])


def place(shape: StackShape, network: Architecture, name: str, array: np.ndarray) -> _Block:
    """Return the block of one padded parameter that belongs to a network."""
    kind, _, number = name.partition("_")
    every, members = slice(None), slice(network.members)
    if name == "projection":
        return _Block(array, (every, slice(network.bins), slice(network.token)))
    if name == "categories":
        return _Block(array, (every, slice(network.category)))
    if name == "skip":
        return _Block(array, (token_places(shape, network), every))
    if name == "head_bias":
        return _Block(array, (members, every))
    if name == "head":
        return _Block(array, (members, slice(network.widths[-1]), every))
    layer = int(number)
    inputs = token_places(shape, network) if layer == 1 else slice(network.widths[layer - 2])
    if kind == "bias":
        return _Block(array, (slice(network.widths[layer - 1]),))
    if kind == "adapter":
        return _Block(array, (members, inputs))
    return _Block(array, (inputs, slice(network.widths[layer - 1])))


def fresh(network: Architecture, basis: Basis, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the first parameters of one network, its projection with ``network.bins`` rows per feature.

    A projection starts as a random direction times the feature's normal score (quantiles through the normal's inverse
    distribution function) plus noise, so an untrained network sees what a quantile transform would show it. Hidden
    layers: He et al. 2015. Adapters of the first layer: random signs, later ones: one (Gorishniy et al. 2024, "TabM",
    section 3.3).
    """
    a = network
    made: dict[str, np.ndarray] = {}
    if a.basis != "linear" and a.numeric:
        made["projection"] = _projection(a, basis, generator)
    if a.slots:
        made["categories"] = generator.normal(0, 0.5, (sum(a.slots), a.category))
        made["categories"][np.concatenate([[0], np.cumsum(a.slots[:-1])]).astype(int)] = 0
    for i, (inputs, width) in enumerate(zip((a.tokens, *a.widths[:-1]), a.widths, strict=False), start=1):
        gain = 1.0 if a.activation == "tanh" else np.sqrt(2.0)
        made[f"weight_{i}"] = generator.normal(0, gain / np.sqrt(inputs), (inputs, width))
        made[f"bias_{i}"] = generator.uniform(-0.1, 0.1, width)
        if a.members > 1:
            signs = generator.choice([-1.0, 1.0], (a.members, inputs)) if i == 1 else np.ones((a.members, inputs))
            made[f"adapter_{i}"] = signs
    if a.depth:
        width = a.widths[-1]
        made["head"] = generator.normal(0, 0.5 / np.sqrt(width), (a.members, width, a.outputs))
    made["head_bias"] = np.zeros((a.members, a.outputs))
    if a.skip:
        made["skip"] = np.zeros((a.tokens, a.outputs))
    return {name: value.astype(np.float32) for name, value in made.items()}


def tensor_names(network: Architecture) -> tuple[str, ...]:
    """Return the names of a network's parameters, as `fresh` gives them."""
    shape = StackShape.of([network])
    return tuple(shape.shapes())


def _projection(a: Architecture, basis: Basis, generator: np.random.Generator) -> np.ndarray:
    """Return a first projection [d, bins, token]."""
    direction = generator.normal(0, 1, (a.numeric, 1, a.token))
    direction[:, :, 0] = 1.0
    if basis.kind == "periodic":
        return generator.normal(0, 1 / np.sqrt(a.bins), (a.numeric, a.bins, a.token))
    counts = basis.counts(a.bins)
    noise = generator.normal(0, 0.3, (a.numeric, a.bins, a.token))
    made = (3.0 / counts)[:, None, None] * direction + noise / np.sqrt(counts)[:, None, None]
    made[np.arange(a.bins)[None, :] >= counts[:, None]] = 0
    return made


class Forward:
    """The arithmetic of a stack for fixed shape and bases; holds no parameters and no state that changes."""

    def __init__(self, shape: StackShape, bases: Mapping[str, Basis]) -> None:
        """Prepare the maps from each network's bins to the finest ones, and where members lie."""
        self.shape = shape
        self._bases = [bases[kind] for kind in shape.bases]
        self._alive = [shape.alive(layer) for layer in range(len(shape.widths) + 2)]
        self._offsets = shape.offsets()
        self._segments = [_segments(shape, layer) for layer in range(1, len(shape.widths) + 1)]
        counts = torch.tensor([a.members for a in shape.networks])
        self.network_of = torch.arange(shape.size).repeat_interleave(counts)  # [Q]
        within = torch.cat([torch.arange(a.members) for a in shape.networks])
        self._row_of = self.network_of * shape.members + within  # [Q] among P * members
        single = (counts == 1)[self.network_of].float().view(-1, 1, 1)
        self._single = single if bool(single.any()) else None
        self._refine, self._linear = _refinements(shape, self._bases)
        has_skip = torch.tensor([float(a.skip) for a in shape.networks]).view(-1, 1, 1)
        self._skip = None if bool(has_skip.all()) else has_skip  # zeros alone would not stay zero: tokens are not
        offset = np.concatenate([[0], np.cumsum(shape.slots[:-1])]) if shape.slots else np.zeros(0)
        self._slot_offset = torch.from_numpy(offset.astype(np.int64))

    def __call__(
        self, parameters: Parameters, numeric: Tensor, codes: Tensor, dropout: Dropout | None = None
    ) -> Tensor:
        """Return the outputs of all members of all networks.

        Args:
            parameters: [P, ...] by name.
            numeric: [b, d] float32.
            codes: [b, q] int64.
            dropout: how units are dropped while training, or None.

        Returns:
            [Q, c, b].
        """
        return self.from_tokens(parameters, self.tokens(parameters, numeric, codes), dropout)

    def tokens(self, parameters: Parameters, numeric: Tensor, codes: Tensor) -> Tensor:
        """Return the padded inputs of the first layer, [P, D, b]; rows are last so that copies run along them."""
        s, b = self.shape, len(numeric)
        parts = []
        if s.bases:
            parts.append(self._projected(parameters["projection"], numeric))
        elif s.numeric:
            parts.append(numeric.t().unsqueeze(0).expand(s.size, s.numeric, b))
        if s.slots:
            table = parameters["categories"].permute(1, 0, 2).reshape(sum(s.slots), s.size * s.category)
            named = functional.embedding(codes + self._slot_offset, table)  # [b, q, P * category]
            named = named.view(b, len(s.slots), s.size, s.category).permute(2, 1, 3, 0)  # [P, q, category, b]
            parts.append(named.reshape(s.size, len(s.slots) * s.category, b))
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]

    def _projected(self, projection: Tensor, numeric: Tensor) -> Tensor:
        """Return the numeric tokens [P, d * token, b] of projections [P, d, bins, token]."""
        s, b = self.shape, len(numeric)
        if self._refine is not None:
            projection = self._refine @ projection  # [P, d, all finest bins, token]
        values = [basis.values(numeric) for basis in self._bases]  # each [d, bins, b]
        if self._linear is not None:
            projection = projection + self._linear
            values.append(numeric.t().unsqueeze(1))
        z = torch.cat(values, dim=1) if len(values) > 1 else values[0]
        across = projection.permute(1, 0, 3, 2).reshape(s.numeric, s.size * s.token, -1)
        made = torch.bmm(across, z)  # [d, P * token, b]
        made = made.view(s.numeric, s.size, s.token, b).transpose(0, 1)  # [P, d, token, b]
        return made.reshape(s.size, s.numeric * s.token, b)

    def from_tokens(self, parameters: Parameters, tokens: Tensor, dropout: Dropout | None) -> Tensor:
        """Return the outputs [Q, c, b] from the inputs of the first layer [P, D, b]."""
        s, b = self.shape, tokens.shape[2]
        hidden, straight = tokens[: self._alive[1]], s.size - self._alive[1]
        done: list[Tensor] = []
        for layer in range(1, len(s.widths) + 1):
            alive, staying = self._alive[layer], self._alive[layer + 1]
            if alive == 0:
                break
            hidden = _activate(self._layer(parameters, hidden, layer), self._segments[layer - 1])
            if dropout is not None:
                hidden = dropout(hidden, self.network_of[: len(hidden)])
            hidden, ending = _split(hidden, self._offsets[staying])
            if len(ending):
                done.append(self._head(parameters, ending, self._offsets[staying]))
        done.reverse()  # networks are sorted deepest first, heads were made shallowest first
        if straight:
            done.append(self._bias(parameters, self._offsets[self._alive[1]], None).expand(-1, -1, b))
        outputs = torch.cat(done) if len(done) > 1 else done[0]
        if not s.skip:
            return outputs
        skip = parameters["skip"] if self._skip is None else parameters["skip"] * self._skip
        linear = torch.bmm(skip.transpose(1, 2), tokens)  # [P, c, b]
        return outputs + (linear if s.members == 1 else linear[self.network_of])

    def _layer(self, parameters: Parameters, hidden: Tensor, layer: int) -> Tensor:
        """Return a layer's sums [Q', width, b]; adapters scale the weights, which are smaller than the activations."""
        alive, q = self._alive[layer], self._offsets[self._alive[layer]]
        weight = parameters[f"weight_{layer}"][:alive].transpose(1, 2)  # [P', width, inputs]
        bias = parameters[f"bias_{layer}"][:alive].unsqueeze(2)
        if self.shape.members > 1:
            network = self.network_of[:q]
            adapter = parameters[f"adapter_{layer}"].flatten(0, 1)[self._row_of[:q]].unsqueeze(1)  # [Q', 1, inputs]
            if self._single is not None:
                adapter = torch.lerp(adapter, torch.ones(()), self._single[:q])
            weight, bias = weight[network] * adapter, bias[network]
            hidden = hidden[network] if layer == 1 else hidden
        return torch.baddbmm(bias, weight, hidden)

    def _head(self, parameters: Parameters, hidden: Tensor, start: int) -> Tensor:
        """Return the outputs [Q', c, b] of the members from ``start`` on, whose last layer is hidden [Q', width, b]."""
        head = parameters["head"].flatten(0, 1)[:, : hidden.shape[1]]  # [P * members, width, c]
        rows = slice(start, start + len(hidden))
        head = head[rows] if self.shape.members == 1 else head[self._row_of[rows]]
        return torch.baddbmm(self._bias(parameters, start, len(hidden)), head.transpose(1, 2), hidden)

    def _bias(self, parameters: Parameters, start: int, count: int | None) -> Tensor:
        """Return the head biases [Q', c, 1] of the members from ``start`` on."""
        rows = slice(start, None if count is None else start + count)
        bias = parameters["head_bias"].flatten(0, 1)  # [P * members, c]
        return (bias[rows] if self.shape.members == 1 else bias[self._row_of[rows]]).unsqueeze(2)


def _refinements(shape: StackShape, bases: Sequence[Basis]) -> tuple[Tensor | None, Tensor | None]:
    """Return the maps from each network's own bins to all finest bins, and the constant projection of linear networks.

    Returns:
        float32 [P, d, all finest bins, bins], or None when every network has the one basis at its finest; and
        [P, d, all finest bins, token] or None when no network is linear.
    """
    if not bases:
        return None, None
    linear = any(a.basis == "linear" for a in shape.networks)
    if not linear and len(bases) == 1 and all(a.bins == FINEST_BINS for a in shape.networks):
        return None, None
    rows = FINEST_BINS * len(bases) + int(linear)
    known: dict[tuple[str, int], np.ndarray] = {}
    refine = np.zeros((shape.size, shape.numeric, rows, shape.bins), np.float32)
    constant = np.zeros((shape.size, shape.numeric, rows, shape.token), np.float32)
    for p, network in enumerate(shape.networks):
        if network.basis == "linear":
            constant[p, :, -1, 0] = 1
            continue
        place_ = shape.bases.index(network.basis)
        key = (network.basis, network.bins)
        if key not in known:
            known[key] = bases[place_].refinement(network.bins)[:, :, : shape.bins]
        refine[p, :, place_ * FINEST_BINS : (place_ + 1) * FINEST_BINS] = known[key]
    return torch.from_numpy(refine), torch.from_numpy(constant) if linear else None


def _split(x: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """Return the first networks and the others."""
    if first == len(x):
        return x, x[:0]
    kept, others = torch.split(x, [first, len(x) - first])
    return kept, others


class Dropout:
    """Inverted dropout with a rate per network; one uniform draw per row and unit serves all networks and members."""

    def __init__(self, rates: Tensor, generator: torch.Generator) -> None:
        """Take rates [P] in [0, 1)."""
        self._distinct, self._place = torch.unique(rates, return_inverse=True)
        self._generator = generator

    @property
    def any(self) -> bool:
        """Return whether any network drops units."""
        return bool((self._distinct > 0).any())

    def keep(self, networks: Tensor) -> Dropout:
        """Return the dropout of only these networks."""
        return Dropout(self._distinct[self._place[networks]], self._generator)

    def __call__(self, hidden: Tensor, network_of: Tensor) -> Tensor:
        """Return hidden [Q', width, b] with units dropped and the others scaled up."""
        drawn = torch.rand(hidden.shape[1:], generator=self._generator)
        rates = self._distinct.view(-1, 1, 1)
        masks = (drawn >= rates).to(hidden.dtype) / (1 - rates)  # [distinct rates, width, b]
        return hidden * (masks if len(masks) == 1 else masks[self._place[network_of]])


def _segments(shape: StackShape, layer: int) -> list[tuple[int, int, str]]:
    """Return runs (start, stop, activation) of the members whose network has this layer."""
    runs: list[tuple[int, int, str]] = []
    offsets = shape.offsets()
    for p, network in enumerate(shape.networks[: shape.alive(layer)]):
        if runs and runs[-1][2] == network.activation:
            runs[-1] = (runs[-1][0], offsets[p + 1], network.activation)
        else:
            runs.append((offsets[p], offsets[p + 1], network.activation))
    return runs


_TORCH_ACTIVATIONS = {"relu": torch.relu, "silu": functional.silu, "tanh": torch.tanh}


def _activate(x: Tensor, runs: list[tuple[int, int, str]]) -> Tensor:
    """Return each network's activation of [Q', width, b]."""
    if len(runs) == 1:
        return _TORCH_ACTIVATIONS[runs[0][2]](x)
    return torch.cat([_TORCH_ACTIVATIONS[name](x[start:stop]) for start, stop, name in runs])
