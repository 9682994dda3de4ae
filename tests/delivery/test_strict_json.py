"""One reader of JSON from outside: what it takes, and what it refuses in which words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.delivery.strict_json import nesting, read_json
from netgraft.errors import DeliveryError, HeadError, TrustError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_what_json_writes_is_read(value: object) -> None:
    assert read_json(json.dumps(value).encode(), "a text", DeliveryError) == value


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "a text must be JSON, got: "),
        (b"\xff", "a text must be JSON, got: "),
        (b'{"a": {"b": 1, "b": 2}}', "a text must name each key once, got 'b' twice"),
        (b"[NaN]", "a text must have finite numbers, got NaN"),
        (b"[-Infinity]", "a text must have finite numbers, got -Infinity"),
        (b"[-1e999]", "a text must have finite numbers, got -1e999"),
        (b"[" * 25 + b"]" * 25, "a text must be nested at most 24 deep, got 25"),
        (b"[" * 1_000_000, "a text must be nested at most 24 deep, got 1000000"),
        (b"9" * 100_000, "a text must be JSON, got: "),
    ],
)
@pytest.mark.parametrize("kind", [HeadError, TrustError])
def test_what_two_readers_could_read_differently_is_refused(data: bytes, said: str, kind: type[DeliveryError]) -> None:
    with pytest.raises(kind) as caught:
        read_json(data, "a text", kind)
    assert str(caught.value).startswith(said)


def test_size_is_bounded_before_anything_is_read() -> None:
    with pytest.raises(TrustError, match="a stamp of at most 3 bytes is required, got 4"):
        read_json(b"null", "a stamp", TrustError, most_bytes=3)


def test_brackets_in_texts_do_not_count() -> None:
    assert nesting(b'{"a": "[[[[\\"[[", "b": ["\\\\", 1]}') == 2
