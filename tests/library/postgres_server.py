"""A PostgreSQL server of the tests' own: an unprivileged user, a temporary folder, a unix socket, no TCP."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

USER = "nobody"


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs; Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: float(path.parts[4]))
    which = shutil.which("pg_ctl")
    return found[-1].parent if found else Path(which).parent if which else None


@contextmanager
def server(folder_of_programs: Path) -> Iterator[str]:
    """Give the URL of a running server."""
    folder = Path(tempfile.mkdtemp(prefix="netgraft-pg-"))
    as_user = {"user": USER, "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    if as_user:
        shutil.chown(folder, USER, "nogroup")
    data, environment = folder / "data", {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}

    def call(program: str, *words: str) -> None:
        command = [str(folder_of_programs / program), "-D", str(data), *words]
        with (folder / "out.txt").open("wb") as out:  # the server keeps what it inherits: no pipes
            subprocess.run(
                command, stdout=out, stderr=out, env=environment, cwd=folder, check=True, timeout=60, **as_user
            )

    try:
        call("initdb", "-U", "netgraft", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions")
        options = f"-k {folder} -c listen_addresses= -c fsync=off -c shared_buffers=8MB -c max_connections=20"
        call("pg_ctl", "-w", "-t", "50", "-l", str(folder / "log.txt"), "-o", options, "start")
        try:
            yield f"postgresql://netgraft@/postgres?host={quote(str(folder), safe='')}"
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
