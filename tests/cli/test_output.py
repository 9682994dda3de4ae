"""What people see: lines that fit their terminal, and nothing said twice."""

from __future__ import annotations

import io
import sys

import pytest

from netgraft.cli.connecting import event_printer
from netgraft.cli.output import note, print_fields, say, tell_error
from netgraft.delivery.device.events import Event

LONG = "a line with  two blanks in it, of which a terminal with forty columns has no room in one line"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


def test_terminal_gets_lines_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for stream, write in (("stdout", say), ("stderr", note)):
        made = Terminal()
        monkeypatch.setattr(sys, stream, made)
        write(LONG)
        lines = made.getvalue().splitlines()
        assert len(lines) == 3
        assert max(map(len, lines)) <= 40
        assert "with  two" in lines[0]
        assert all(line.startswith("  ") for line in lines[1:])


def test_programs_get_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say(LONG)
    note(LONG)
    said = capsys.readouterr()
    assert said.out == said.err == LONG + "\n"


def test_error_is_one_line_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    assert tell_error(f"{LONG}\nand more") == 2
    assert made.getvalue().count("\n") == 1


def test_fields_stand_below_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields([("a", "1"), ("long name", "2")])
    assert capsys.readouterr().out == "a          1\nlong name  2\n"


def test_events_say_a_text_once(capsys: pytest.CaptureFixture[str]) -> None:
    show = event_printer("done")
    for kind, text in (("retried", "refused"), ("retried", "refused"), ("retried", "timeout"), ("done", "why")):
        show(Event(kind, 0.5, 1000, text=text))  # type: ignore[arg-type]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("bytes")[1].strip() for line in lines] == ["refused", "as before", "timeout", ""]
    assert lines[0] == "retried       0.500 s      1000 bytes  refused"
