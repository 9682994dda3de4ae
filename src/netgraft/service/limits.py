"""What a server refuses to spend on one client: requests per second, bytes, seconds, connections."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields

from netgraft.errors import SettingError

MOST_CLIENTS = 65_536


@dataclass(frozen=True)
class Limits:
    """Bounds that hold on both planes.

    Attributes:
        rate: requests per second of one client (a token, else an address); 0 for no bound.
        burst_s: how many seconds' worth of requests may come at once.
        request_s: within which a whole request must have come.
        idle_s: after which a connection without a request is closed, and one that takes no answer.
        upload_bytes_per_s: the slowest upload that is waited for; what has come of a body earns its time.
        head_bytes: of a request's line and headers.
        body_bytes: of a request's JSON.
        upload_bytes: of an upload of a version.
        connections: open at the same time.
        address_connections: of these, from one address.
        cache_bytes: of chunks kept in memory.
    """

    rate: float = 1000.0
    burst_s: float = 2.0
    request_s: float = 10.0
    idle_s: float = 60.0
    upload_bytes_per_s: float = 65_536.0
    head_bytes: int = 16_384
    body_bytes: int = 1_000_000
    upload_bytes: int = 256_000_000
    connections: int = 4096
    address_connections: int = 1024
    cache_bytes: int = 256_000_000

    def __post_init__(self) -> None:
        """Check every bound.

        Raises:
            SettingError: one is not positive; the rate may be 0.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if not (value > 0 or (field.name == "rate" and value == 0)):
                raise SettingError(f"the limit {field.name} must be > 0, got {value}")

    def seconds_for(self, came_bytes: int) -> float:
        """Return within how many seconds a request must be whole of whose body so much has come."""
        return self.request_s + came_bytes / self.upload_bytes_per_s


@dataclass(slots=True)
class Bucket:
    """How many requests one client may still make: a bucket that fills with time (token bucket).

    Attributes:
        rate: requests per second; 0 for no bound.
        size: most requests at once.
        level: requests that may be made now; below 0 what is owed.
        then_s: when the level was right, on a clock that never goes back.
    """

    rate: float
    size: float
    level: float
    then_s: float

    def take(self, now_s: float, count: int = 1) -> float:
        """Return 0 and count requests, or the seconds after which the client may come again.

        Args:
            now_s: of a clock that never goes back.
            count: of the requests that an answer stands for; of more than the bucket holds the rest is owed.
        """
        if not self.rate:
            return 0.0
        level = self.level + (now_s - self.then_s) * self.rate
        level = self.size if level > self.size else level
        self.then_s = now_s
        needed = min(count, self.size)
        if level < needed:
            self.level = level
            return (needed - level) / self.rate
        self.level = level - count
        return 0.0


class Buckets:
    """A bucket for each client; of more than 65,536 the one that was first heard of is forgotten."""

    def __init__(self, limits: Limits) -> None:
        """Begin with nobody."""
        self._rate, self._size = limits.rate, max(1.0, limits.rate * limits.burst_s)
        self._of: OrderedDict[str, Bucket] = OrderedDict()

    def of(self, client: str, now_s: float) -> Bucket:
        """Return the bucket of a client, a full one where it is new.

        Args:
            client: a token's id or an address.
            now_s: of a clock that never goes back.
        """
        found = self._of.get(client)
        if found is None:
            found = self._of[client] = Bucket(self._rate, self._size, self._size, now_s)
            if len(self._of) > MOST_CLIENTS:
                self._of.popitem(last=False)
        return found
