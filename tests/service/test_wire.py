"""Heads of requests and ranges, against a slow reference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraft.service.wire import HeaderBlock, byte_range, header_block, request_line


def test_line() -> None:
    assert request_line(b"GET /c/a?b=c HTTP/1.1") == ("GET", "/c/a?b=c", True)
    assert request_line(b"HEAD * HTTP/1.0") == ("HEAD", "*", False)
    for line in (b"", b"GET /", b"GET / HTTP/1.2", b"GET /\xff HTTP/1.1", b"GET /a b HTTP/1.1", b"G / HTTP/1.1"):
        assert request_line(line) is None


def test_block() -> None:
    block = header_block(
        b"Host: a\r\ncontent-LENGTH:\t12 \r\nAuthorization: Bearer x\r\nRange: bytes=0-1\r\n"
        b'If-Range: "y"\r\nConnection: keep-alive, Close\r\nX:\r\n'
    )
    assert block == HeaderBlock(None, 12, "Bearer x", "bytes=0-1", '"y"', close=True, host=True)
    assert header_block(b"") == HeaderBlock()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"a\r\n", "headers of the form 'name: value' are required, got another line"),
        (b": a\r\n", "headers of the form"),
        (b"a b: c\r\n", "headers of the form"),
        (b"a: \x00\r\n", "headers of the form"),
        (b"a: b\rc\r\n", "headers of the form"),
        (b"Range: a\r\nrange: b\r\n", "one header 'range' is required, got two"),
        (b"Content-Length: 5, 5\r\n", "Content-Length must be a number, got '5, 5'"),
        (b"Content-Length: \xb2\r\n", "Content-Length must be a number"),
        (b"Content-Length: 9999999999999999\r\n", "Content-Length must be a number"),
        (b"transfer-encoding: identity\r\n", "a body with Content-Length is required, got Transfer-Encoding"),
        (b"a: b\r\n" * 101, "at most 100 headers are allowed, got 101"),
    ],
)
def test_fault(text: bytes, fault: str) -> None:
    assert str(header_block(text).fault).startswith(fault)


@given(st.binary(max_size=200))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    assert isinstance(header_block(data), HeaderBlock)
    request_line(data)


@given(st.integers(1, 50), st.none() | st.integers(0, 80), st.none() | st.integers(0, 80))
def test_range_is_what_a_slice_is(size: int, first: int | None, last: int | None) -> None:
    text = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    places = list(range(size))
    found = byte_range(text, size)
    if (first is None and last is None) or (first is not None and last is not None and last < first):
        assert found is None
        return
    if first is None:
        wanted = places[-last:] if last else []
    else:
        wanted = places[first:] if last is None else places[first : last + 1]
    assert found is not None
    assert places[found[0] : found[1]] == wanted
