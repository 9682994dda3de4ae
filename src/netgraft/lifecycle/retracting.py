"""Taking a version back: in the library itself, or at a server that has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from netgraft.delivery.published import Published
from netgraft.delivery.strict_json import read_json
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
    """

    name: str
    version: int
    offered: int | None


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
    return Retracted(name, wanted, left[-1] if left else None)


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
    with httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=_PATIENCE_S) as client:
        versions = _offered(client, name)
        wanted = versions[-1] if version is None else version
        _asked(client, "DELETE", f"/v1/models/{quote(name, safe='')}/versions/{wanted}")
    left = [each for each in versions if each != wanted]
    return Retracted(name, wanted, left[-1] if left else None)


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
    """Return what a server answers.

    Raises:
        LinkError, TokenError, DeliveryError: it does not.
    """
    try:
        answer = client.request(method, path)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise LinkError(f"a server that can be reached is required, got {client.base_url}: {error}") from error
    value = read_json(answer.content, "an answer", DeliveryError, most_bytes=_MOST_ANSWER_BYTES)
    if answer.status_code == httpx.codes.OK and isinstance(value, dict):
        return value
    text = value.get("error") if isinstance(value, dict) else None
    kind = TokenError if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN) else DeliveryError
    raise kind(str(text or f"an answer of the server is required, got status {answer.status_code}"))
