"""What agents remember: their own transitions in a ring each, and those that an earlier agent left them.

A transition is one row of W = 2 D + N + 1 numbers: observation, action, reward, next observation, as they were seen,
not scaled. Episodes have no end here, so there is no mark of one. What a batch holds depends on the seed, the agent and
how often it was updated, on nothing else.

Transitions of a source carry the source's rewards: where its targets differ they mislead a critic, so their share of a
batch can shrink as an agent gathers its own (`anneal`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netgraft.agents.draws import draw_rows
from netgraft.errors import InputError, SettingError
from netgraft.ran.randomness import seed_word
from netgraft.seeds import child_seed

Rows = NDArray[np.float32]
Integers = NDArray[np.int64]


class Replay:
    """The memories of A agents.

    Attributes:
        own: their transitions, float32 [A, C, W].
        source: those of their sources, float32 [A, S, W].
        added: transitions that each agent added, int64 [A]; the last C are remembered.
        seed: of the batches.
    """

    def __init__(
        self, agents: int, observation_size: int, action_size: int, *, capacity: int = 10_000, seed: int = 0
    ) -> None:
        """Begin empty.

        Args:
            agents: how many, A.
            observation_size: numbers of an observation, D.
            action_size: numbers of an action, N.
            capacity: transitions that an agent remembers, C.
            seed: of the batches.

        Raises:
            SettingError: a number is below 1.
        """
        for name, value in (("agents", agents), ("observation_size", observation_size), ("action_size", action_size)):
            if value < 1:
                raise SettingError(f"{name} must be >= 1, got {value}")
        if capacity < 1:
            raise SettingError(f"capacity must be >= 1, got {capacity}")
        self.observation_size = observation_size
        self.action_size = action_size
        self.width = 2 * observation_size + action_size + 1
        self.own: Rows = np.zeros((agents, capacity, self.width), np.float32)
        self.source: Rows = np.zeros((agents, 0, self.width), np.float32)
        self.added: Integers = np.zeros(agents, np.int64)
        self._sources: Integers = np.zeros(agents, np.int64)
        self._shares = np.full(agents, np.nan)
        self._anneal = np.full(agents, np.inf)
        self.seed = seed
        self._word = seed_word(child_seed(seed, "replay"))

    @property
    def agents(self) -> int:
        """How many agents, A."""
        return len(self.added)

    @property
    def sizes(self) -> Integers:
        """Own transitions that each agent remembers, int64 [A]."""
        return np.minimum(self.added, self.own.shape[1])

    def add(self, observation: ArrayLike, action: ArrayLike, reward: ArrayLike, following: ArrayLike) -> None:
        """Remember one transition of every agent.

        Args:
            observation: [A, D].
            action: [A, N].
            reward: [A].
            following: the next observation [A, D].

        Raises:
            InputError: a shape is another, or a number is not finite.
        """
        d, n = self.observation_size, self.action_size
        row = np.empty((self.agents, self.width), np.float32)
        parts = (("observation", observation, d), ("action", action, n), ("reward", reward, 0), ("next", following, d))
        start = 0
        for name, value, size in parts:
            values = np.asarray(value)
            shape = (self.agents, size) if size else (self.agents,)
            if values.shape != shape:
                raise InputError(f"{name} must have shape {shape}, got {values.shape}")
            row[:, start : start + max(size, 1)] = values.reshape(self.agents, -1)
            start += max(size, 1)
        _require_finite(row)
        self.own[np.arange(self.agents), self.added % self.own.shape[1]] = row
        self.added += 1

    def transitions(self, agent: int, last: int | None = None) -> Rows:
        """Return an agent's own transitions [n, W], the oldest first.

        Args:
            agent: its number.
            last: at most as many, the latest.

        Raises:
            SettingError: `last` is negative.
        """
        if last is not None and last < 0:
            raise SettingError(f"last must be >= 0, got {last}")
        capacity, added = self.own.shape[1], int(self.added[agent])
        count = min(added, capacity) if last is None else min(added, capacity, last)
        return self.own[agent, np.arange(added - count, added) % capacity]

    def remembered(self, agent: int) -> int:
        """Return how many transitions an agent can learn from, its own and its source's."""
        return int(self.sizes[agent] + self._sources[agent])

    def observations(self, agent: int) -> Rows:
        """Return the observations [n, D] of these transitions."""
        d = self.observation_size
        return np.concatenate([self.transitions(agent)[:, :d], self.source[agent, : self._sources[agent], :d]])

    def remember(self, agent: int, transitions: ArrayLike) -> None:
        """Put transitions [n, W] into an agent's own memory in place of what was there, the oldest first.

        Raises:
            InputError: the shape is another, or a number is not finite.
        """
        rows = self._checked(transitions)[-self.own.shape[1] :]
        self.own[agent, : len(rows)] = rows
        self.added[agent] = len(rows)

    def set_source(
        self, agent: int, transitions: ArrayLike, *, share: float | None = None, anneal: float = np.inf
    ) -> None:
        """Give an agent the transitions of an earlier one (instance transfer).

        Args:
            agent: who gets them.
            transitions: [n, W], as `transitions` returns them; none takes the source away.
            share: of a batch that comes from them; None: all transitions, own and source, are equally likely.
            anneal: own transitions after which the share is 0; it shrinks linearly.

        Raises:
            InputError: the shape is another, or a number is not finite.
            SettingError: the share is outside [0, 1], or `anneal` is not > 0.
        """
        if share is not None and not 0 <= share <= 1:
            raise SettingError(f"share must be in [0, 1], got {share}")
        if not anneal > 0:
            raise SettingError(f"anneal must be > 0, got {anneal}")
        rows = self._checked(transitions)
        if len(rows) > self.source.shape[1]:
            wider = np.zeros((self.agents, len(rows), self.width), np.float32)
            wider[:, : self.source.shape[1]] = self.source
            self.source = wider
        self.source[agent, : len(rows)] = rows
        self._sources[agent] = len(rows)
        self._shares[agent] = np.nan if share is None else share
        self._anneal[agent] = anneal

    def source_shares(self) -> NDArray[np.float64]:
        """Return the probability that a transition of a batch is the source's; [A]."""
        own, source = self.sizes, self._sources
        even = source / np.maximum(own + source, 1)
        share = np.where(np.isnan(self._shares), even, self._shares)
        share = share * np.maximum(0.0, 1 - self.added / self._anneal)
        return np.where(source == 0, 0.0, np.where(own == 0, 1.0, share))

    def rows(self, updates: int, batch: int, agents: Integers, starts: Integers) -> Integers:
        """Return which transitions the batches of U updates hold, int64 [U, A, b]; below 0: row -1 - r of the source.

        Args:
            updates: how many, U.
            batch: transitions of each, b.
            agents: for whom.
            starts: updates that each agent had before [A].

        Raises:
            InputError: one of these agents remembers nothing.
        """
        known = self.sizes + self._sources
        if not known[agents].all():
            empty = agents[known[agents] == 0][0]
            raise InputError(f"an agent must remember a transition to learn, got none of agent {empty}")
        return np.asarray(
            draw_rows(self._word, updates, batch, agents, starts, self.sizes, self._sources, self.source_shares())
        )

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return everything but the seed as arrays by name; memories only as far as they are filled."""
        filled = int(self.sizes.max(initial=0))
        return {
            "own": self.own[:, :filled].copy(),
            "source": self.source.copy(),
            "added": self.added.copy(),
            "sources": self._sources.copy(),
            "shares": self._shares.copy(),
            "anneal": self._anneal.copy(),
        }

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take over what `state` returned of memories of the same sizes."""
        self.own[:, : state["own"].shape[1]] = state["own"]
        self.source = np.array(state["source"], np.float32)
        self.added[:] = state["added"]
        self._sources[:] = state["sources"]
        self._shares[:] = state["shares"]
        self._anneal[:] = state["anneal"]

    def _checked(self, transitions: ArrayLike) -> Rows:
        rows = np.asarray(transitions, np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise InputError(f"transitions must have shape (n, {self.width}), got {rows.shape}")
        _require_finite(rows)
        return rows


def _require_finite(rows: Rows) -> None:
    if not np.isfinite(rows).all():
        raise InputError(f"transitions must be finite, got {rows[~np.isfinite(rows)][0]}")
