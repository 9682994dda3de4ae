"""Serves what is published: a control plane (FastAPI) and a chunk plane in front of it, on one port."""

from netgraft.service.limits import Limits
from netgraft.service.server import serve
from netgraft.service.settings import Settings, settings_for
from netgraft.service.tokens import load_secret, new_token

__all__ = ["Limits", "Settings", "load_secret", "new_token", "serve", "settings_for"]
