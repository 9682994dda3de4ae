"""The search of one domain of a fleet, as any process can do it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netgraft.errors import JournalError, LibraryError, NetgraftError, OutputError
from netgraft.lifecycle.domains import DomainTable
from netgraft.lifecycle.fleet_record import DomainResult
from netgraft.lifecycle.job import search_into
from netgraft.lifecycle.search import SearchSettings


@dataclass(frozen=True, eq=False)
class Job:
    """The search of one domain, as a process gets it.

    Attributes:
        planned: the domain, open.
        folder: where its front goes.
        table: its rows.
        settings: how to search.
        resume: whether to go on with a search whose journal is in the folder.
    """

    planned: DomainResult
    folder: Path
    table: DomainTable
    settings: SearchSettings
    resume: bool


def search_domain(job: Job) -> DomainResult:
    """Return what became of a domain after its front was written; still open when the user stopped it.

    Raises:
        OutputError, JournalError, LibraryError: something is wrong that is not the domain's.
    """
    try:
        front = search_into(job.folder, job.table.read, job.settings, resume=job.resume)
    except (OutputError, JournalError, LibraryError):
        raise
    except NetgraftError as error:
        return job.planned.failed(str(error))
    except Exception as error:  # whatever it is, the other domains go on
        return job.planned.failed(f"a fault of netgraft: {type(error).__name__}: {error}")
    return job.planned if front.interrupted else job.planned.done(front.to_json())
