"""From the raw rows of the comparison with other systems to its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from benchmarks.delivery_peers_codecs import USABLE
from benchmarks.page import markdown_table
from benchmarks.raw import Row

OURS = "Netgraft"
_ABSENT = "none"
#: What `research` names beside these and cannot be run here, with the reason.
NOT_RUN = (
    ("Ollama", "neither Debian nor Python packages have its program; what there is to install is a client for it"),
    ("ModelMesh", "a controller in a Kubernetes cluster; the storage initializer of KServe ran"),
    ("Firebase ML, Play for On-device AI, Core ML deployment", "services of their makers with clients for phones"),
    ("desync", "neither Debian nor Python packages have it; casync ran, whose format and chunks it shares"),
    (
        "RAUC, streaming and adaptive updates",
        "need network block devices and dm-verity, which the kernel of this machine has not",
    ),
    ("RAUC with hawkBit, Mender's server", "servers in containers; the clients ran by themselves"),
    ("Mender's binary delta", "a commercial add-on; it takes xdelta3, which is among the codecs"),
    ("Uptane", "no client to install; it adds a second repository to TUF that says what each device is to have"),
    ("Once-for-All, MatFormer, MatQuant", "ways to train, without a way to a device; there is no package"),
    ("ProgressiveNet, P2U", "no package; their idea re-implemented is among the codecs"),
    ("sc2bench, Neurosurgeon", "split one inference between device and server; nothing is installed on a device"),
)
_Cell = Callable[[list[Row]], str]


def summary(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Return the tables of the page."""
    done = [row for row in rows if "failed" not in row]
    ran = [name for name in names if any(row["peer"] == name and row["part"] == "whole" for row in done)]
    own = {name: [row for row in done if row["peer"] == name] for name in ran}
    blocks = [
        _scores(done),
        "## Bytes and seconds at 10 Mb/s",
        _table(own, _BYTES),
        _NOTES,
        "## When something goes wrong",
        _table(own, _WRONG),
        _FAIR,
        _standing(own),
        "## While a model changes",
        _answers(own.get(OURS, [])),
        "## Codecs, whoever carries them",
        _codecs(done),
        "## Not run",
        markdown_table(["system", "why"], [*_missing(rows), *NOT_RUN]),
        "## Versions",
        markdown_table(
            ["system", "what ran", "made for"], [[n, _of(own[n], "version"), _of(own[n], "made_for")] for n in ran]
        ),
        _failed(rows),
    ]
    return "\n\n".join(filter(None, blocks))


def _of(rows: Iterable[Row], key: str) -> str:
    return next((str(row[key]) for row in rows if key in row), "")


def _part(rows: Iterable[Row], part: str, form: str = "float32") -> list[Row]:
    return [row for row in rows if row["part"] == part and row.get("form") == form]


def _kb(count: float) -> str:
    return f"{count / 1000:,.1f}"


def _middle(rows: Sequence[Row], key: str, show: Callable[[float], str]) -> str:
    values = [row[key] for row in rows if row.get(key) is not None]
    return show(median(values)) if values else "-"


def _seconds(value: float) -> str:
    return f"{value:.3f}"


# --- the first table


def _usable(rows: list[Row]) -> str:
    """Return the seconds to the first model with most of the score."""
    runs = _part(rows, "whole")
    if not any("models" in row for row in runs):
        return _middle(runs, "seconds", _seconds)
    found = [next((m["s"] for m in row["models"] if m["accuracy"] >= row["usable_score"]), None) for row in runs]
    known = [value for value in found if value is not None]
    return _seconds(median(known)) if known else "-"


def _usable_bytes(rows: list[Row]) -> str:
    """Return the bytes to the first model with most of the score."""
    runs = _part(rows, "whole")
    if not any("models" in row for row in runs):
        return _middle(runs, "down", _kb)
    found = [next((m["bytes"] for m in row["models"] if m["accuracy"] >= row["usable_score"]), None) for row in runs]
    known = [value for value in found if value is not None]
    return _kb(median(known)) if known else "-"


def _small(rows: list[Row]) -> str:
    runs = _part(rows, "small")
    if not runs:
        return "no such feature"
    best = max(run["models"][-1]["accuracy"] if run["models"] else 0.0 for run in runs)
    return f"{_middle(runs, 'down', _kb)}, score {best:.3f}"


def _update(form: str) -> _Cell:
    def cell(rows: list[Row]) -> str:
        runs = _part(rows, "update", form)
        return _middle([run for run in runs if run["held"] == "v2"], "down", _kb) if runs else "-"

    return cell


_BYTES: tuple[tuple[str, _Cell], ...] = (
    ("until usable, kB", _usable_bytes),
    ("until usable, s", _usable),
    ("whole, kB", lambda rows: _middle(_part(rows, "whole"), "down", _kb)),
    ("whole, s", lambda rows: _middle(_part(rows, "whole"), "seconds", _seconds)),
    ("sent up, kB", lambda rows: _middle(_part(rows, "whole"), "up", _kb)),
    ("whole as int8, kB", lambda rows: _middle(_part(rows, "whole", "int8"), "down", _kb)),
    ("whole as int8, s", lambda rows: _middle(_part(rows, "whole", "int8"), "seconds", _seconds)),
    ("a tenth to spare, kB", _small),
    ("update, kB", _update("float32")),
    ("update of int8, kB", _update("int8")),
)


# --- the second table


def _kill(rows: list[Row]) -> str:
    runs = _part(rows, "kill")
    if any(run["held"] != "v1" for run in runs):
        return "**does not go on**"
    answered = "works meanwhile" if runs and all(run["between"] == "v1" for run in runs) else ""
    return ", ".join(filter(None, [_middle(runs, "again", lambda count: _kb(max(0.0, count))), answered]))


def _rest(rows: list[Row]) -> str:
    """Return what became of a release that lies damaged on the server."""
    runs = [run for run in _part(rows, "rest") if run["files"]]
    return _worst(runs, {"v1": "refused", "v2": "repaired"}, "taken")


def _forged(rows: list[Row]) -> str:
    return _worst(_part(rows, "forged"), {"v1": "refused"}, "taken")


def _old(rows: list[Row]) -> str:
    return _worst(_part(rows, "old"), {"v2": "refused"}, "taken")


def _worst(runs: Sequence[Row], good: dict[str, str], bad: str) -> str:
    """Return the outcome of runs in a word; one bad run counts."""
    if not runs:
        return "-"
    outcomes = {good.get(run["held"], f"**{bad}**" if run["held"] != "nothing" else "**nothing left**") for run in runs}
    word = max(outcomes, key=lambda text: text.startswith("**"))
    return f"{word}, {_middle(runs, 'down', _kb)} kB" if word == "refused" else word


def _way(rows: list[Row]) -> str:
    runs = _part(rows, "way")
    if not runs or not all(run["flipped"] for run in runs):
        return "-"
    if any(run["held"] == "damaged" for run in runs):
        return "**taken**"
    whole = median(row["down"] for row in _part(rows, "whole"))
    if all(run["held"] == "v1" for run in runs):
        return f"repaired, {_kb(median(run['down'] for run in runs) - whole)} kB more"
    if any(run.get("again_held", run["held"]) != "v1" for run in runs):
        return "**stays broken**"
    more = median(run["down"] + run["again_down"] for run in runs) - whole
    return f"refused; {_kb(more)} kB more when started again"


_WRONG: tuple[tuple[str, _Cell], ...] = (
    ("killed at half: fetched twice, kB", _kill),
    ("wrong on the server", _rest),
    ("wrong on the way", _way),
    ("forged version 2", _forged),
    ("old version again", _old),
)


def _table(own: dict[str, list[Row]], columns: Sequence[tuple[str, _Cell]]) -> str:
    head = ["system", *(title for title, _ in columns)]
    return markdown_table(head, [[name, *(cell(rows) for _, cell in columns)] for name, rows in own.items()])


# --- words


def _scores(rows: Sequence[Row]) -> str:
    labs = [row for row in rows if row["part"] == "lab"]
    if not labs:
        return ""
    lines = [
        [form, *(f"{median(row['scores'][f'{form} {name}'] for row in labs):.4f}" for name in ("v1", "v2"))]
        for form in ("float32", "int8", "root")
    ]
    text = "Scores on validation rows (accuracy, or R2). The network has {:,} numbers.".format(labs[0]["numbers"])
    return f"{text}\n\n{markdown_table(['what is delivered', 'version 1', 'version 2'], lines)}"


_NOTES = f"""\
Usable: {100 * USABLE:.0f} % of the float32 network's score; only {OURS} has a model before the whole is there. A tenth
to spare, of memory and of bytes: the others' documentation has no way for a device to say it, so a publisher must make
a second model under another name (with container images, for another platform). An update of {OURS} is held to the
version before and gains less; see the scores."""


_FAIR = """\
Over TLS a bit that turns on the way ends the connection: shown is what a client checks by itself. A device that is told
a commit (Hub), a digest (OCI) or a sum takes no forged and no old version, and no update either. Mender, RAUC and
MLflow leave the choice of a version to whoever runs their server; SWUpdate ran with the option that its manual gives
against old versions. Bytes fetched twice include heads and lists that are asked for again, and what lay in the killed
process's socket."""


_MEASURES = (
    ("bytes of the whole, the others in float32", "down", "whole", "float32"),
    ("bytes of the whole, the others in int8", "down", "whole", "int8"),
    ("seconds of the whole, the others in float32", "seconds", "whole", "float32"),
    ("seconds of the whole, the others in int8", "seconds", "whole", "int8"),
    ("bytes of an update, the others in float32", "down", "update", "float32"),
    ("bytes of an update, the others in int8", "down", "update", "int8"),
    ("bytes sent up", "up", "whole", "float32"),
    ("bytes fetched twice after a kill", "again", "kill", "float32"),
)


def _ahead(own: dict[str, list[Row]], title: str, key: str, part: str, form: str) -> str:
    """Return which systems take less than we do; the others' file may be of another form than float32."""
    runs = {name: _part(rows, part, "float32" if name == OURS else form) for name, rows in own.items()}
    found = {
        name: median(max(0.0, row[key]) for row in each if row.get(key) is not None)
        for name, each in runs.items()
        if any(row.get(key) is not None for row in each)
    }
    less = sorted((value, name) for name, value in found.items() if value < found.get(OURS, 0.0))
    names = ", ".join(name for _, name in less) or "nobody"
    return f"- {title}: ahead of {OURS} is {names} ({len(less)} of {len(found) - 1})."


def _standing(own: dict[str, list[Row]]) -> str:
    """Return who is ahead of us and by what, counted from the rows."""
    if OURS not in own:
        return ""
    lines = [_ahead(own, title, key, part, form) for title, key, part, form in _MEASURES]
    for title, part, bad in (
        ("a damaged file on the server", "rest", ("damaged",)),
        ("a bit that turned on the way", "way", ("damaged",)),
        ("a forged version", "forged", ("forged",)),
        ("the old version again", "old", ("v1",)),
    ):
        took = [name for name, rows in own.items() if any(row["held"] in bad for row in _part(rows, part))]
        lines.append(f"- {title} was taken by {', '.join(took) or 'nobody'} ({len(took)} of {len(own)}).")
    return "\n".join(lines)


def _answers(rows: Sequence[Row]) -> str:
    runs = _part(rows, "answers")
    if not runs:
        return ""
    asked = sum(sum(run["answers"].values()) for run in runs)
    failed = sum(run["failed_answers"] for run in runs)
    longest_ms = 1e3 * max(run["longest_s"] for run in runs)
    return (
        f"`netgraft device run` was asked row after row while it fetched and took version 2: {asked:,} answers,"
        f" {failed} of them failed, the longest took {longest_ms:.0f} ms (`delivery_soak` has a million with kills)."
        " The others bring files: they have no runtime that could go on answering, so there is nothing to measure."
    )


def _codecs(rows: Sequence[Row]) -> str:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["part"] == "codecs":
            found.setdefault(row["codec"], []).append(row)
    lines = [[f"{OURS}, all bytes on the wire", *_our_codec(rows)]]
    for name, runs in found.items():
        cells = [_middle(runs, key, _kb) for key in ("usable", "whole", "update")]
        scores = [_middle(runs, key, lambda value: f"{value:.4f}") for key in ("score", "update_score")]
        lines.append([name, cells[0], cells[1], scores[0], cells[2], scores[1]])
    head = ["codec", "until usable, kB", "whole, kB", "score", "update, kB", "score of version 2"]
    return markdown_table(head, lines)


def _our_codec(rows: Sequence[Row]) -> list[str]:
    own = [row for row in rows if row["peer"] == OURS]
    labs = [row for row in rows if row["part"] == "lab"]
    scores = [_show_score(labs, f"root {name}") for name in ("v1", "v2")]
    whole = _middle(_part(own, "whole"), "down", _kb)
    return [_usable_bytes(own), whole, scores[0], _update("float32")(own), scores[1]]


def _show_score(labs: Sequence[Row], key: str) -> str:
    return f"{median(row['scores'][key] for row in labs):.4f}" if labs else "-"


def _missing(rows: Sequence[Row]) -> list[tuple[str, Any]]:
    return [(row["peer"], row["missing"]) for row in rows if row["part"] == "missing"]


def _failed(rows: Sequence[Row]) -> str:
    lines = [f"- {row['peer']}, {row['part']}: {row['failed']}" for row in rows if "failed" in row]
    return "## Failed to run\n\n" + "\n".join(lines) if lines else ""
