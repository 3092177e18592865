"""What is built installs and runs: away from the checkout, with its data, its backends and its licence."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import loc

ROOT = Path(__file__).resolve().parents[1]


def call(*args: object, cwd: Path) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run([str(arg) for arg in args], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    out = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it. The packages it needs are lent by this one."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    call(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel, cwd=home)
    # A folder named in a .pth file is searched, but .pth files inside it are not read: the editable
    # install of the checkout stays out.
    (folder,) = home.glob("lib/python*/site-packages")
    (folder / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def test_wheel_holds_the_packages_and_their_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"loc/policy/licences.toml", "stages/graph.py", "cli/main.py"} <= names
    parts = ("base.html.j2", "page.html.j2", "regress.html.j2", "page.css", "page.js")
    assert {f"loc/app/page/{part}" for part in parts} <= names
    assert {name.split("/")[0] for name in names} == {
        "cli",
        "stages",
        "loc",
        f"loc-{loc.__version__}.dist-info",
    }


def test_wheel_states_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        folder = f"loc-{loc.__version__}.dist-info"
        metadata = message_from_string(archive.read(f"{folder}/METADATA").decode())
        licence = archive.read(f"{folder}/licenses/LICENSE").decode()
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Apache License" in licence
    assert metadata["Requires-Python"] == "<3.13,>=3.11"


def test_installed_program_runs_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    program = installed / "bin" / "loc"
    assert call(program, "--version", cwd=tmp_path).split()[-1] == loc.__version__
    assert "Localize videos" in call(program, "--help", cwd=tmp_path)
    where = call(installed / "bin" / "python", "-c", "import loc; print(loc.__file__)", cwd=tmp_path)
    assert where.startswith(str(installed))


def test_installed_backends_load(installed: Path, tmp_path: Path) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["loc.backends"]
    code = (
        "from importlib.metadata import entry_points\n"
        "for point in sorted(entry_points(group='loc.backends')):\n"
        "    print(point.load().card.id)"
    )
    listed = call(installed / "bin" / "python", "-c", code, cwd=tmp_path).split()
    assert len(listed) == len(set(listed)) >= len(declared)
