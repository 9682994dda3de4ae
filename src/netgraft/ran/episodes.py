"""Seeds of episodes: what decides users and traffic, apart from the radio map's."""

from __future__ import annotations

from operator import index

from netgraft.errors import SettingError
from netgraft.seeds import child_seed


def checked_seed(seed: int) -> int:
    """Return a seed as a plain whole number.

    Raises:
        SettingError: it is none.
    """
    try:
        return index(seed)
    except TypeError as error:
        raise SettingError(f"seed must be a whole number, got {seed!r}") from error


def next_seed(seed: int) -> int:
    """Return the seed of the episode after that of a seed."""
    return child_seed(seed, "episode")
