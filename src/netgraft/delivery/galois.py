"""Arithmetic of GF(256) on NumPy arrays, with the field polynomial 0x11d and the generator 2."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
BYTES = 256
_POLYNOMIAL = 0x11D
_ORDER = BYTES - 1  # of the multiplicative group


@functools.cache
def _tables() -> tuple[Bytes, NDArray[np.int64], Bytes]:
    """Return the powers of 2 [510], the logarithms [256], and all products [256, 256]."""
    powers, logarithms = np.zeros(2 * _ORDER, np.uint8), np.zeros(BYTES, np.int64)
    value = 1
    for exponent in range(_ORDER):
        powers[exponent] = powers[exponent + _ORDER] = value
        logarithms[value] = exponent
        value <<= 1
        if value >= BYTES:
            value ^= _POLYNOMIAL
    table = powers[logarithms[:, None] + logarithms[None]]
    table[0], table[:, 0] = 0, 0
    return powers, logarithms, table


def power(exponents: NDArray[np.integer]) -> Bytes:
    """Return 2 to the exponents, elementwise."""
    return _tables()[0][np.asarray(exponents) % _ORDER]


def product(a: Bytes, b: Bytes) -> Bytes:
    """Return the products, elementwise with broadcasting."""
    found: Bytes = _tables()[2][a, b]
    return found


def inverse(a: Bytes) -> Bytes:
    """Return one over each element; none may be 0."""
    powers, logarithms, _ = _tables()
    return powers[(_ORDER - logarithms[a]) % _ORDER]


def products(a: Bytes, b: Bytes) -> Bytes:
    """Return the product of two polynomials per column, lowest coefficient first: [m, w], [n, w] to [m + n - 1, w]."""
    found = np.zeros((len(a) + len(b) - 1, a.shape[1]), np.uint8)
    for place, coefficient in enumerate(a):
        found[place : place + len(b)] ^= product(b, coefficient[None])
    return found


def evaluated(polynomial: Bytes, points: int, sign: int) -> Bytes:
    """Return the values of a polynomial per column at 2**0, 2**sign, 2**(2 sign), ...

    Args:
        polynomial: [terms, w], lowest coefficient first.
        points: how many.
        sign: 1 or -1.

    Returns:
        The values, [points, w].
    """
    # one table for all lengths of a code: words have many terms and few points, locators few terms and many points
    many = len(polynomial) > points
    table = _multiples(_ORDER if many else len(polynomial), points if many else _ORDER, sign)
    value = np.zeros((polynomial.shape[1], table.shape[2]), np.uint8)
    for row, coefficients in zip(table, polynomial, strict=False):
        value ^= row.take(coefficients, axis=0)
    return np.ascontiguousarray(value.T[:points])


def parities(rows: Bytes, parity: int) -> Bytes:
    """Return the parity symbols [parity, w] that make data [symbols, w], highest coefficient first, code words."""
    value = np.zeros((rows.shape[1], parity), np.uint8)
    for row, symbols in zip(_remainders(parity), rows[::-1], strict=False):
        value ^= row.take(symbols, axis=0)
    return np.ascontiguousarray(value.T)


@functools.lru_cache(maxsize=16)
def _multiples(terms: int, points: int, sign: int) -> Bytes:
    """Return byte * 2**(sign * term * point) for every term, byte and point; uint8 [terms, 256, points]."""
    factors = power(sign * np.arange(terms)[:, None] * np.arange(points)[None])
    return _tables()[2][factors].transpose(0, 2, 1).copy()


@functools.lru_cache(maxsize=16)
def _remainders(parity: int) -> Bytes:
    """Return the remainder of byte * x**(parity + place), by place and byte; uint8 [255 - parity, 256, parity]."""
    table, tail = _tables()[2], _generator(parity)
    made = np.zeros((_ORDER - parity, parity), np.uint8)
    rest = tail.copy()
    for place in range(len(made)):
        made[place] = rest
        rest = np.concatenate([rest[1:], np.zeros(1, np.uint8)]) ^ product(tail, rest[:1])
    return table[made].transpose(0, 2, 1).copy()


@functools.cache
def _generator(parity: int) -> Bytes:
    """Return the polynomial with the roots 2**0, 2**1, ... without its leading 1, highest coefficient first."""
    made = np.ones((1, 1), np.uint8)
    for root in power(np.arange(parity)):
        made = products(made, np.array([[root], [1]], np.uint8))
    return np.ascontiguousarray(made[::-1, 0][1:])
