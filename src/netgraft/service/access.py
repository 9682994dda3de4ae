"""Who may ask for what: one gate for both planes.

Reading needs a token of scope device where tokens are required; uploading and retracting need their scopes always. A
token that comes must hold, even where none is needed. Each client, told apart by its token or else its address, has a
rate. The chunk plane and the control plane ask the same gate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from netgraft.errors import TokenError
from netgraft.service.limits import Bucket, Buckets, Limits
from netgraft.service.tokens import Claims, read_token

#: Paths that watchers ask: they need no token and are not counted against a rate.
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
_KNOWN_TOKENS, _PASS_S = 4096, 60.0


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered.

    Attributes:
        status: of HTTP: 401, 403 or 429.
        text: one line that says why.
        retry_after_s: for 429, when to come again.
    """

    status: int
    text: str
    retry_after_s: int = 0


@dataclass(frozen=True, slots=True)
class Pass:
    """A client that was let in once: it need not show its token again for a while.

    Attributes:
        bucket: what it may still ask.
        until_s: how long, on the steady clock.
    """

    bucket: Bucket
    until_s: float


def scope_for(method: str, path: str) -> str | None:
    """Return the scope that a request needs, or None where it needs none."""
    if path in OPEN_PATHS:
        return None
    if method == "DELETE":
        return "admin"
    return "publisher" if method == "PUT" else "device"


class Gate:
    """Says which requests are let in."""

    def __init__(
        self,
        limits: Limits,
        *,
        secret: bytes,
        require_tokens: bool,
        wall_s: Callable[[], float],
        steady_s: Callable[[], float],
    ) -> None:
        """Build the gate.

        Args:
            limits: hold the rate.
            secret: of the tokens.
            require_tokens: whether reading needs one.
            wall_s: seconds since 1970.
            steady_s: seconds that never go back.
        """
        self._buckets = Buckets(limits)
        self._secret, self._require_tokens = secret, require_tokens
        self._wall_s, self._steady_s = wall_s, steady_s
        self._known: dict[str, Claims] = {}

    def check(
        self, *, method: str, path: str, authorization: str | None, address: str, count: int = 1
    ) -> Refusal | None:
        """Return None for a request that is let in, else why it is not.

        Args:
            method: of the request.
            path: of the request, decoded.
            authorization: its header, if it came.
            address: of the client.
            count: of the requests that it counts as.
        """
        scope = scope_for(method, path)
        if scope is None:
            return None
        return self.check_scope(scope, authorization, address, count)

    def check_scope(self, scope: str, authorization: str | None, address: str, count: int = 1) -> Refusal | None:
        """Return None for a request that needs a scope and is let in, else why it is not."""
        found = self.admit(scope, authorization, address)
        return found if isinstance(found, Refusal) else self.limited(found.bucket, self._steady_s(), count)

    def admit(self, scope: str, authorization: str | None, address: str) -> Pass | Refusal:
        """Return the pass of a client, with which requests can be counted, or why it gets none.

        A refusal counts as a request; so does each guess at a token.
        """
        now_s, left_s = self._steady_s(), _PASS_S
        client, why = address, None
        if authorization is not None:
            try:
                claims = self._claims(authorization)
            except TokenError as error:
                why = Refusal(401, str(error))
            else:
                client, left_s = f"token {claims.id}", min(_PASS_S, claims.expires_s - self._wall_s())
                if not claims.allows(scope):
                    text = f"a token of scope {scope} is required, got one of scope {claims.scope}"
                    why = Refusal(403, text)
        elif self._require_tokens or scope != "device":
            why = Refusal(401, f"a token of scope {scope} is required, got none")
        bucket = self._buckets.of(client, now_s)
        if why is not None:
            return self.limited(bucket, now_s) or why
        return Pass(bucket, now_s + left_s)

    @staticmethod
    def limited(bucket: Bucket, now_s: float, count: int = 1) -> Refusal | None:
        """Return None and count a request, or several, or say that there are too many."""
        wait_s = bucket.take(now_s, count)
        if not wait_s:
            return None
        return Refusal(429, "fewer requests per second are required", max(1, math.ceil(wait_s)))

    def _claims(self, authorization: str) -> Claims:
        """Return what a token says; one that held before is looked up."""
        known = self._known.get(authorization)
        if known is not None and self._wall_s() < known.expires_s:
            return known
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer":
            raise TokenError("a header 'Authorization: Bearer TOKEN' is required, got another kind")
        claims = read_token(self._secret, token.strip(), now_s=self._wall_s())
        if len(self._known) >= _KNOWN_TOKENS:
            self._known.clear()
        self._known[authorization] = claims
        return claims
