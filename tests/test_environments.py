"""Environments of workers: made with what is recorded, apart from our packages, refused where they are not
whole."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.environments import env
from loc import environments
from loc.app import environments as app_environments
from loc.app.environments import locked_by, make, remove
from loc.backend import Need, installed
from loc.environments import Environment, Row
from loc.errors import ChildError, MissingError, UsageError
from loc.weights.shelf import Shelf

ROW = Row(id="toy", title="A toy", requirements=("tinyspeech",), proof=("tinyspeech",), size="nothing")


def wheel(folder: Path, version: str) -> None:
    """A package of one line."""
    info = f"tinyspeech-{version}.dist-info"
    with zipfile.ZipFile(folder / f"tinyspeech-{version}-py3-none-any.whl", "w") as out:
        out.writestr("tinyspeech.py", f"VERSION = {version!r}\n")
        out.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinyspeech\nVersion: {version}\n")
        out.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        out.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels in place of a package index, and a row that asks it for one."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "1.0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(environments, "known", lambda: {"toy": ROW})
    return folder


def asked(environment: Environment, scratch: Path, code: str) -> str:
    args, variables = environment.command("stages.dub.pace", scratch)
    done = subprocess.run(
        [args[0], "-P", "-c", code], env=variables, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_an_environment_is_made_locked_and_made_again_as_it_was(index: Path, tmp_path: Path) -> None:
    data, scratch = tmp_path / "data", tmp_path / "scratch"
    environment = environments.find(data, "toy")
    need, shelf = Need("environment", "toy"), Shelf(data)
    assert environment.lacks() == "not made yet"
    assert not installed(need, shelf)
    with pytest.raises(MissingError, match="toy") as caught:
        environment.fingerprint()
    assert caught.value.fix == "loc models env toy"

    make(environment)
    assert installed(need, shelf)
    first = environment.fingerprint()
    said, line = environment.lock.read_text().splitlines()
    assert said == f"# for requirements {ROW.digest}"
    assert line.startswith("tinyspeech==1.0 --hash=sha256:")
    assert asked(environment, scratch, "import tinyspeech; print(tinyspeech.VERSION)") == "1.0"
    # Our own code is there, and none of our packages.
    assert asked(environment, scratch, "import loc.worker, stages; print('ok')") == "ok"
    lost = "import importlib.util as u; print(u.find_spec('numpy'), u.find_spec('pydantic'))"
    assert asked(environment, scratch, lost) == "None None"

    # A newer version is out; the lock still says which it was.
    wheel(index, "2.0")
    (environment.folder / environments.STATE).write_text(
        json.dumps({**json.loads((environment.folder / environments.STATE).read_text()), "lock": "0" * 64})
    )
    assert environment.lacks() == "its lock was changed"
    make(environment)
    assert environment.fingerprint() == first
    assert remove(environment)
    make(environment)
    assert environment.fingerprint() != first


def test_the_table_is_data_and_what_is_to_be_removed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.environments.known", lambda: {"toy": ROW})
    monkeypatch.setattr(environments, "known", lambda: {"toy": ROW})
    app = typer.Typer()
    app.command()(env)
    flags = ["--data-dir", str(tmp_path)]
    shown = CliRunner().invoke(app, flags)
    assert shown.exit_code == 0
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["name", "toy"]
    assert "loc models env NAME" in shown.stderr
    refused = CliRunner().invoke(app, [*flags, "--remove"])
    assert isinstance(refused.exception, UsageError)
    assert shown.stdout == CliRunner().invoke(app, flags).stdout


def test_what_cannot_be_imported_leaves_nothing_usable(index: Path, tmp_path: Path) -> None:
    row = ROW.model_copy(update={"proof": ("no_such_module",)})
    environment = Environment(row, tmp_path / "envs" / "toy")
    with pytest.raises(ChildError, match="no_such_module") as caught:
        make(environment)
    assert "no_such_module" in str(caught.value) + caught.value.why
    assert environment.lacks() == "not made yet"


def test_a_lock_outlasts_an_interruption(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = environments.find(tmp_path, "toy")
    make(environment)
    first = environment.fingerprint()
    wheel(index, "2.0")
    (environment.folder / "venv/bin/python").unlink()

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(app_environments, "run", stop)
        with pytest.raises(KeyboardInterrupt):
            make(environment)
    assert environment.lacks() == "not made yet"
    make(environment)
    assert environment.fingerprint() == first


@pytest.mark.parametrize("older", [False, True])
def test_a_lock_that_was_copied_is_kept_to(index: Path, tmp_path: Path, older: bool) -> None:
    here, there = (environments.find(tmp_path / name, "toy") for name in ("here", "there"))
    make(here)
    wheel(index, "2.0")
    lock = here.lock.read_text()
    there.folder.mkdir(parents=True)
    # Locks were written without saying what they are of once.
    there.lock.write_text(lock.partition("\n")[2] if older else lock)
    make(there)
    assert there.fingerprint() == here.fingerprint()


def test_other_requirements_make_it_anew(index: Path, tmp_path: Path) -> None:
    environment = environments.find(tmp_path, "toy")
    make(environment)
    newer = Environment(ROW.model_copy(update={"requirements": ("tinyspeech>=1",)}), environment.folder)
    assert newer.lacks() == "made for other requirements"
    wheel(index, "2.0")
    said: list[str] = []
    make(newer, said.append)
    assert "tinyspeech==2.0" in newer.lock.read_text()
    assert "Its lock is of other requirements, and not used" in said


def test_nothing_is_locked_without_a_hash() -> None:
    item = {"metadata": {"name": "x", "version": "1"}, "download_info": {"url": "file:///x"}}
    with pytest.raises(ChildError, match="no hash of x"):
        locked_by({"install": [item]})


def test_a_worker_that_forbids_the_network_reaches_nobody() -> None:
    code = (
        "import socket\nfrom loc.worker import forbid_network\nforbid_network()\n"
        "reach = lambda: socket.create_connection(('127.0.0.1', 9))\n"
        "calls = [reach, lambda: socket.getaddrinfo('here', 1)]\n"
        "for call in calls:\n"
        "    try:\n        call()\n    except OSError as error:\n        print(error.strerror)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["This process has no network."] * 2


def test_the_published_ones_name_what_they_hold() -> None:
    for row in environments.known().values():
        assert row.requirements
        assert row.proof
