from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from td3_examples import AGENTS, D, N, random_td3

from netgraft.agents.agent import Agent
from netgraft.agents.policy import Policy
from netgraft.agents.stored import pack, unpack
from netgraft.errors import InputError, ModelError, OutputError

STORED = Path(__file__).parent / "data" / "policy-v1.safetensors"
SEEN = np.random.default_rng(0).normal(1, 2, (AGENTS, D)).astype(np.float32)


def scaled_td3(**settings: object):  # type: ignore[no-untyped-def]
    td3 = random_td3(**settings)  # type: ignore[arg-type]
    td3.standardise(SEEN)
    return td3


@pytest.mark.parametrize("output", ["softmax", "tanh"])
def test_a_policy_acts_as_its_agent(output: str) -> None:
    td3 = scaled_td3(output=output)
    actions = td3.act(SEEN)
    for agent in range(AGENTS):
        policy = Policy.from_bytes(td3.policy(agent).to_bytes())
        np.testing.assert_allclose(policy.act(SEEN[agent]), actions[agent], rtol=1e-5)
        np.testing.assert_array_equal(policy.act(SEEN[agent]), td3.policy(agent).act(SEEN[agent]))
        assert policy.act(SEEN.reshape(1, AGENTS, D)).shape == (1, AGENTS, N)


def test_a_policy_is_a_value() -> None:
    td3 = scaled_td3()
    policy = td3.policy(0)
    before = policy.act(SEEN[0])
    td3.stack.parameters[...] = 0
    np.testing.assert_array_equal(policy.act(SEEN[0]), before)
    assert (policy.observation_size, policy.action_size) == (D, N)


def test_a_file_comes_back(tmp_path: Path) -> None:
    policy = scaled_td3().policy(1)
    policy.save(tmp_path / "policy.safetensors")
    loaded = Policy.load(tmp_path / "policy.safetensors")
    for name in ("parameters", "shift", "scale"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(policy, name))
    assert (loaded.layout, loaded.output) == (policy.layout, policy.output)
    assert [path.name for path in tmp_path.iterdir()] == ["policy.safetensors"]


def test_the_stored_file_of_version_1_is_read() -> None:
    policy = Policy.load(STORED)
    assert policy.layout.widths == (7, 6, 5, 4)
    expected = [0.26433448, 0.24702707, 0.23672793, 0.25191052]
    np.testing.assert_allclose(policy.act(np.linspace(-1, 1, 7)), expected, rtol=1e-5)


def test_tensors_have_the_shapes_of_torch() -> None:
    tensors, facts = unpack("netgraft-policy", scaled_td3().policy(0).to_bytes())
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        "layer0.weight": (48, D), "layer0.bias": (48,), "layer1.weight": (24, 48), "layer1.bias": (24,),
        "layer2.weight": (N, 24), "layer2.bias": (N,), "observation.shift": (D,), "observation.scale": (D,),
    }  # fmt: skip
    assert facts == {"widths": [D, 48, 24, N], "output": "softmax"}


def test_neither_numba_nor_torch_is_needed() -> None:
    code = (
        "import sys; from netgraft.agents import Policy; "
        f"print(len(Policy.load({str(STORED)!r}).act([0.0] * 7))); "
        "print(sorted({'numba', 'torch', 'scipy', 'gymnasium', 'netgraft.ran'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["4", "[]"]


def test_bad_observations() -> None:
    policy = Policy.load(STORED)
    with pytest.raises(InputError, match=r"an observation must have 7 numbers, got shape \(6,\)"):
        policy.act(np.zeros(6))
    with pytest.raises(InputError, match="an observation must be finite, got nan"):
        policy.act([np.nan] * 7)


def test_a_policy_of_another_shape() -> None:
    policy = Policy.load(STORED)
    with pytest.raises(ModelError, match=r"parameters of a policy must have shape \(107,\), got \(106,\)"):
        Policy(policy.layout, policy.parameters[1:], policy.shift, policy.scale)
    with pytest.raises(ModelError, match=r"shift of a policy must have shape \(7,\), got \(1,\)"):
        Policy(policy.layout, policy.parameters, policy.shift[:1], policy.scale)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a policy file is required, got .*nothing: No such file"):
        Policy.load(tmp_path / "nothing")
    with pytest.raises(OutputError, match="a folder that can be written is required"):
        Policy.load(STORED).save(STORED / "below")


@pytest.mark.parametrize("data", [b"", b"nothing", struct.pack("<Q", 3) + b"{}}", STORED.read_bytes()[:-8]])
def test_damaged_files(data: bytes) -> None:
    with pytest.raises(ModelError, match="a netgraft-policy file is required, got one that cannot be read"):
        Policy.from_bytes(data)


def changed(facts: dict[str, object] | None = None, **tensors: np.ndarray | None) -> bytes:
    """Return the stored policy with other facts or tensors."""
    old, old_facts = unpack("netgraft-policy", STORED.read_bytes())
    new = {name: tensors.get(name.replace(".", "_"), tensor) for name, tensor in old.items()}
    return pack("netgraft-policy", {k: v for k, v in new.items() if v is not None}, {**old_facts, **(facts or {})})


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (pack("other", {}, {}), "a netgraft-policy file is required, got the format 'other'"),
        (STORED.read_bytes().replace(b'"version":"1"', b'"version":"2"'), "version 1 of a .* is required, got '2'"),
        (STORED.read_bytes().replace(b'"facts"', b'"fects"'), "the facts of a netgraft-policy must be JSON, got None"),
        (pack("netgraft-policy", {}, [1]), r"the facts of a netgraft-policy must be an object, got \[1\]"),  # type: ignore[arg-type]
        (changed({"widths": [7, 6, 5]}), r"the widths of a .* must be four whole numbers from 1, got \[7, 6, 5\]"),
        (changed({"output": "none"}), "the output of a netgraft-policy must be one of softmax, tanh, got 'none'"),
        (changed({"widths": [7, 6, 5, 3]}), r"layer2.weight of a .* must be float32 \(3, 5\), got float32 \(4, 5\)"),
        (changed(layer0_bias=None), r"layer0.bias of a netgraft-policy must be float32 \(6,\), got none"),
        (changed(layer0_bias=np.zeros(6)), r"layer0.bias of a .* must be float32 \(6,\), got float64 \(6,\)"),
        (changed(layer0_bias=np.full(6, np.nan, "f")), "layer0.bias of a netgraft-policy must be finite"),
    ],
)
def test_hostile_files(data: bytes, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        Policy.from_bytes(data)


def test_an_agent_comes_back_and_learns_on() -> None:
    from td3_examples import random_replay

    td3 = scaled_td3()
    agent = Agent.from_bytes(td3.agent(1).to_bytes())
    for name in ("parameters", "targets", "shift", "scale"):
        np.testing.assert_array_equal(getattr(agent, name), getattr(td3.agent(1), name))
    other = scaled_td3(seed=9)
    other.replace(0, agent)
    assert np.isfinite(other.learn(random_replay(), updates=3)).all()
    np.testing.assert_array_equal(agent.policy().act(SEEN[1]), td3.policy(1).act(SEEN[1]))


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"critic": [11, 64, 24, 2]}, "the critic of a netgraft-agent must have 11 inputs and 1 output, got others"),
        ({"critic": "none"}, "the widths of a netgraft-agent must be four whole numbers from 1, got 'none'"),
        ({"output": 3}, "the output of a netgraft-agent must be one of softmax, tanh, got 3"),
        ({"actor": [D, 48, 25, N]}, "parameters of a netgraft-agent must be float32"),
    ],
)
def test_hostile_agents(facts: dict[str, object], text: str) -> None:
    tensors, old = unpack("netgraft-agent", scaled_td3().agent(0).to_bytes())
    with pytest.raises(ModelError, match=text):
        Agent.from_bytes(pack("netgraft-agent", tensors, {**old, **facts}))


def test_the_header_is_json() -> None:
    data = STORED.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert json.loads(data[8 : 8 + length])["__metadata__"]["format"] == "netgraft-policy"
