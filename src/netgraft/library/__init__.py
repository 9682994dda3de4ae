"""Earlier models, kept with where they come from: a folder by default, a database and an object store by URL."""

from netgraft.library.check import CheckReport
from netgraft.library.entry import Draft, Entry, Heading, StoredFile
from netgraft.library.library import Library
from netgraft.library.port import LibraryPort

__all__ = ["CheckReport", "Draft", "Entry", "Heading", "Library", "LibraryPort", "StoredFile"]
