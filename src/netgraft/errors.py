"""Errors of Netgraft, one tree, split by who must act.

::

    NetgraftError
    ├── InputError          the caller: a setting, a limit, a path
    │   ├── SettingError    unknown name, value out of range
    │   ├── LimitError      no candidate can meet the limits
    │   └── OutputError     the place to write to is not usable
    ├── TableError          the data: a table, a column, a target
    ├── ModelError          the publisher: a model folder that is damaged or of another format
    ├── JournalError        the caller: a journal of another table, format or setting
    ├── LibraryError        the caller: a library that is missing, locked, damaged or out of reach, a name that is taken
    ├── TransferError       the caller: a source that cannot serve as a start
    └── DeliveryError       a model on its way to a device
        ├── SituationError  the caller: a situation with an unknown key or a value out of range
        ├── BudgetError     the caller: no cut fits the situation, or its data budget is used up
        ├── TokenError      the caller: a token is missing, expired or of another scope
        ├── StorageError    the device: its folder is in use, full or damaged
        ├── LinkError       the link: unreachable, refused, timed out, cut short
        ├── TrustError      the publisher: keys or signatures that are not enough
        ├── HeadError       the publisher: a head that is forged, expired, rolled back or says what cannot be
        └── ChunkError      the publisher or the link: bytes that fail their hash, size or form

The text of an error says what is required, then what came, with the value. All of them mean that the input is wrong:
the command line prints the text as one line and exits 2. Anything else that escapes is a fault of Netgraft (exit 1).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NetgraftError(ValueError):
    """The input is wrong; the text says what is required and what came."""


class InputError(NetgraftError):
    """The caller must change an argument."""


class SettingError(InputError):
    """A setting has an unknown name or a value out of range."""


class LimitError(InputError):
    """No candidate of the search space can meet the limits."""


class OutputError(InputError):
    """The place to write to cannot be used."""


class TableError(NetgraftError):
    """The data must change: a table, a column or a target is not usable."""


class ModelError(NetgraftError):
    """A model folder is damaged, was tampered with, or is of another format version."""


class JournalError(NetgraftError):
    """A journal belongs to another table, format version or setting."""


class LibraryError(NetgraftError):
    """A library is missing, locked, damaged, out of reach or of another format version, or a name in it is taken."""


class TransferError(NetgraftError):
    """A source cannot serve as a start for the task."""


class DeliveryError(NetgraftError):
    """A model cannot get to a device, or not in this form."""


class SituationError(DeliveryError):
    """A situation has an unknown key or a value out of range."""


class BudgetError(DeliveryError):
    """No cut fits the situation, or its data budget is used up."""


class TokenError(DeliveryError):
    """A token is missing, expired, forged or of another scope."""


class StorageError(DeliveryError):
    """A device's folder is in use, full or damaged, or the store of what is published cannot be read."""


class LinkError(DeliveryError):
    """The network failed: unreachable, refused, timed out or cut short."""


class TrustError(DeliveryError):
    """Keys or signatures are not enough to be trusted."""


class HeadError(DeliveryError):
    """A head is damaged, forged, expired, rolled back, or says what cannot be."""


class ChunkError(DeliveryError):
    """Bytes of a chunk fail their hash, their size or their form."""


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Return the text for an unknown name, with the nearest known ones.

    Args:
        what: the kind of thing that is named, such as ``"device"``.
        name: the name that came.
        known: the names that exist.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; the nearest is {near[0]!r}" if near else ""
    listed = ", ".join(names) if len(names) <= 12 else ", ".join(names[:12]) + ", ..."
    return f"{what} must be one of {listed}, got {name!r}{hint}"
