"""A device needs no torch: what the base installation runs imports nothing heavy."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_BLOCKED = """
import sys

BLOCKED = {blocked!r}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
"""


def extras() -> set[str]:
    """Return the import names of what the base installation does not have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [text for extra in ("search", "serve", "codec") for text in project["optional-dependencies"][extra]]
    plain = {name.split(";")[0].split(">")[0].split("=")[0].strip().replace("-", "_") for name in names}
    return {{"scikit_learn": "sklearn"}.get(name, name) for name in plain}


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that has the base installation only."""
    text = _BLOCKED.format(blocked=extras()) + code
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, cwd=ROOT)


def test_extras_are_what_the_test_blocks() -> None:
    assert {"torch", "polars", "sklearn", "lightgbm", "fastapi", "sqlalchemy", "constriction"} <= extras()


@pytest.mark.parametrize(
    "module",
    [
        "runtime",
        "delivery",
        "delivery.format.assembly",
        "delivery.device.client",
        "delivery.device.engine",
        "delivery.device.inspecting",
        "delivery.planning.planner",
        "delivery.planning.situation",
        "delivery.device.store",
        "delivery.device.telling",
        "delivery.trust.accepting",
        "devices",
        "cli",
    ],
)
def test_what_a_device_runs_needs_the_base_only(module: str) -> None:
    done = run(f"import netgraft.{module}")
    assert done.returncode == 0, done.stderr


def test_commands_that_need_more_say_which_package() -> None:
    code = "from netgraft.cli import main\nsys.exit(main(['search', 'table.csv', '--target', 'y']))"
    done = run(code)
    assert done.returncode == 2
    assert "is required for this command, got an installation without it: pip install 'netgraft[full]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["fetch", "--help"],
        ["device", "run", "--help"],
        ["device", "status", "--help"],
        ["device", "rollback", "--help"],
        ["key", "new", "--help"],
    ],
)
def test_commands_of_a_device_start_without_extras(words: list[str]) -> None:
    done = run(f"from netgraft.cli import main\nsys.exit(main({words!r}))")
    assert done.returncode == 0, done.stderr


def test_folder_of_a_device_is_looked_into_without_extras(tmp_path: Path) -> None:
    words = [["device", verb, str(tmp_path / "d")] for verb in ("status", "check", "rollback")]
    code = (
        "from pathlib import Path\nfrom netgraft.cli import main\n"
        "from netgraft.delivery.device.store import device_folder\n"
        f"with device_folder(Path({str(tmp_path / 'd')!r})):\n    pass\n"
        f"print([main(each) for each in {words!r}])"
    )
    done = run(code)
    assert done.stdout.splitlines()[-1] == "[0, 0, 2]", done.stderr


def test_version_is_retracted_at_a_server_without_extras() -> None:
    done = run("from netgraft.cli import main\nsys.exit(main(['retract', 'http://127.0.0.1:9', 'm']))")
    assert done.returncode == 2
    assert "a server that can be reached is required" in done.stderr


def test_the_base_alone_is_installed_and_runs(tmp_path: Path) -> None:
    """Install the project without extras into an empty environment, and run a device's commands there."""
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-cache-dir"]
    # what builds the project comes first, because the copy below is built without an environment of its own
    done = subprocess.run([*install, "setuptools>=77"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no package index can be reached: {done.stderr.strip()[-200:]}")
    copy = tmp_path / "project"
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    subprocess.run([*install, str(copy)], check=True, capture_output=True)
    listed = subprocess.run([str(python), "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    assert "netgraft" in listed
    assert "torch" not in listed
    code = "import netgraft.delivery.device.client, netgraft.delivery.device.engine, netgraft.runtime"
    subprocess.run([str(python), "-c", code], check=True, cwd=tmp_path)
    command = tmp_path / "venv" / "bin" / "netgraft"
    subprocess.run([str(command), "key", "new", str(tmp_path / "k")], check=True, cwd=tmp_path, capture_output=True)
    refused = subprocess.run(
        [str(command), "search", "t.csv", "--target", "y"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "pip install 'netgraft[full]'" in refused.stderr
