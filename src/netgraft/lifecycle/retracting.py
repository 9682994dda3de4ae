"""Taking a version back: in the library itself, or at a server that has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from netgraft.delivery.format.head import unpack_head
from netgraft.delivery.offering.published import Published
from netgraft.delivery.strict_json import read_json
from netgraft.delivery.trust.accepting import newest_trust
from netgraft.errors import DeliveryError, LinkError, SettingError, TokenError, unknown_name

if TYPE_CHECKING:
    from netgraft.library import Library

_PATIENCE_S = 20.0
_MOST_ANSWER_BYTES = 8_000_000


@dataclass(frozen=True)
class Retracted:
    """A version that is offered no more.

    Attributes:
        name: of the model.
        version: that was taken back.
        offered: the version that is the newest now; None where none is left.
        refused: why devices refuse that one, such as that only keys that were withdrawn signed it; None where they take
            it, or none is left.
    """

    name: str
    version: int
    offered: int | None
    refused: str | None = None


def retract(library: Library, name: str, version: int | None = None) -> Retracted:
    """Offer the latest version of a published model no more; a running server sees it within a second.

    Args:
        library: that is published.
        name: of the model.
        version: the latest, to be sure of it; by default whatever is.

    Raises:
        SettingError: there is no such name or version.
        DeliveryError: the version is not the latest.
        StorageError: the place cannot be written.
    """
    published = Published.of(library)
    wanted = published.latest(name)[0] if version is None else version
    published.retract(name, wanted)
    left = published.versions(name)
    if not left:
        return Retracted(name, wanted, None)
    return Retracted(name, wanted, left[-1], _refused(lambda: (published.head(name, left[-1]), published.trust())))


def retract_at(url: str, name: str, version: int | None = None, *, token: str | None = None) -> Retracted:
    """Offer the latest version of a model at a server no more.

    Args:
        url: of the server.
        name: of the model.
        version: the latest, to be sure of it; by default whatever is.
        token: of scope admin.

    Raises:
        SettingError: there is no such name or version.
        TokenError: the token is missing, or of another scope.
        LinkError: the server cannot be reached.
        DeliveryError: it refuses for another reason.
    """
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with _client(url, headers) as client:
        versions, path = _offered(client, name), f"/v1/models/{quote(name, safe='')}"
        wanted = versions[-1] if version is None else version
        _asked(client, "DELETE", f"{path}/versions/{wanted}")
        left = [each for each in versions if each != wanted]
        if not left:
            return Retracted(name, wanted, None)
        head = f"{path}/head?version={left[-1]}"
        refused = _refused(lambda: (_answer(client, "GET", head).content, _answer(client, "GET", "/v1/trust").content))
    return Retracted(name, wanted, left[-1], refused)


def _refused(read: Callable[[], tuple[bytes, bytes]]) -> str | None:
    """Return why devices refuse a head by the trust chain that is published with it; None where they do not.

    Args:
        read: returns the head and the chain.
    """
    try:
        head, chain = read()
        document = newest_trust(chain)
        unpack_head(head, lambda message, signatures: document.check("publisher", message, signatures))
    except DeliveryError as error:  # the version is retracted, whatever comes of this
        return str(error)
    return None


def _client(url: str, headers: Mapping[str, str]) -> httpx.Client:
    """Return what asks a server.

    Raises:
        LinkError: the text is no URL.
    """
    try:
        return httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=_PATIENCE_S)
    except httpx.InvalidURL as error:
        raise LinkError(f"the URL of a server is required, got {url}: {error}") from error


def _offered(client: httpx.Client, name: str) -> list[int]:
    """Return the versions of a name that a server offers, in order.

    Raises:
        SettingError: there are none; says the nearest name.
        DeliveryError: the answer is no list of models.
    """
    try:
        models = {str(each["name"]): sorted(map(int, each["versions"])) for each in _asked(client)["models"]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DeliveryError):
            raise
        raise DeliveryError(f"a server of Netgraft is required, got one without a list of models: {error}") from error
    if not models:
        raise SettingError(f"a published model is required, got {name!r}: nothing is published there")
    if not models.get(name):
        raise SettingError(unknown_name("a published model", name, models))
    return models[name]


def _asked(client: httpx.Client, method: str = "GET", path: str = "/v1/models") -> Mapping[str, Any]:
    """Return the JSON object that a server answers.

    Raises:
        LinkError, TokenError, DeliveryError: it does not.
    """
    value = _json(_answer(client, method, path))
    if not isinstance(value, dict):
        raise DeliveryError("an answer must be a JSON object, got another value")
    return value


def _answer(client: httpx.Client, method: str, path: str) -> httpx.Response:
    """Return what a server answers.

    Raises:
        LinkError, TokenError, DeliveryError: it does not.
    """
    try:
        answer = client.request(method, path)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise LinkError(f"a server that can be reached is required, got {client.base_url}: {error}") from error
    if answer.status_code != httpx.codes.OK:
        kind = TokenError if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN) else DeliveryError
        raise kind(_reason(answer) or f"an answer of the server is required, got status {answer.status_code}")
    return answer


def _reason(answer: httpx.Response) -> str:
    """Return why a server refuses; empty where it, or a proxy in its place, does not say so in JSON."""
    try:
        value = _json(answer)
    except DeliveryError:
        return ""
    return str(value.get("error") or "") if isinstance(value, dict) else ""


def _json(answer: httpx.Response) -> Any:
    """Return the JSON value of an answer.

    Raises:
        DeliveryError: it is none.
    """
    return read_json(answer.content, "an answer", DeliveryError, most_bytes=_MOST_ANSWER_BYTES)
