from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from netgraft.cli import main
from netgraft.delivery.trust.accepting import PublicKey, SigningKey


def test_new_key_is_for_its_owner_and_its_public_half_for_devices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "site.key"
    assert main(["key", "new", str(file)]) == 0
    key = SigningKey.read(file)
    assert PublicKey.read(tmp_path / "site.key.pub") == key.public
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    said = capsys.readouterr()
    assert said.out == f"{file} signs, {file}.pub is for devices; id {key.id}\n"
    assert said.err == ""


def test_json_names_the_files_and_the_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "k"
    assert main(["key", "new", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"key": str(file), "public": f"{file}.pub", "id": SigningKey.read(file).id}


def test_key_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "k"
    assert main(["key", "new", str(file)]) == 0
    before = file.read_bytes()
    capsys.readouterr()
    assert main(["key", "new", str(file)]) == 2
    assert f"a new file is required, got {file}, which is there already" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_folder_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "new", str(tmp_path / "no" / "k")]) == 2
    assert "a file that can be written is required" in capsys.readouterr().err
