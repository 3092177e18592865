"""`loc models` and `loc licences` as a user meets them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.options import RUN_FIELDS
from loc.errors import ExitCode
from loc.settings import Settings
from loc.weights.table import published
from tests.cli.test_cli import ENVIRONMENT, folder, loc
from tests.network import ROOT, leaving, watched

__all__ = ["folder"]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "tiny.pt").write_bytes(b"tensors")
    return folder


def models(tmp_path: Path, *args: str) -> tuple[int, str, str]:
    done = loc("models", *args, "--data-dir", str(tmp_path / "data"))
    return done.returncode, done.stdout, done.stderr


def test_a_model_of_ones_own_comes_and_goes(mine: Path, tmp_path: Path) -> None:
    add = ("add", "mine", str(mine), "--architecture", "whisper", "--licence", "mit")
    assert models(tmp_path, *add)[0] == ExitCode.DONE
    code, listed, _ = models(tmp_path, "list", "--json")
    rows = {row["id"]: row for row in json.loads(listed)}
    assert code == ExitCode.DONE
    assert rows.keys() == {*published(), "mine"}
    assert (rows["mine"]["here"], rows["mine"]["state"]) == (True, "yours")
    assert not any(rows[name]["here"] for name in published())
    assert models(tmp_path, "path", "mine")[1] == f"{mine / 'tiny.pt'}\n"
    assert models(tmp_path, "verify")[0] == ExitCode.DONE
    (mine / "tiny.pt").write_bytes(b"another")
    code, said, err = models(tmp_path, "verify", "mine")
    assert code == ExitCode.MISSING
    assert "mine: tiny.pt: changed" in said
    assert "fix: Put the file back, or `loc models remove mine` and add it again." in err
    assert "loc models pull" not in err
    assert models(tmp_path, "remove", "mine")[0] == ExitCode.DONE
    assert (mine / "tiny.pt").exists()
    assert models(tmp_path, "path", "mine")[0] == ExitCode.MISSING


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--architecture", "gpt", "--licence", "mit"), "No backend loads"),
        (("--architecture", "whisper", "--licence", "mine"), "no licence 'mine'"),
        (("--architecture", "whisper", "--licence", "mit", "--quality", "superb"), "--quality"),
        (("--architecture", "whisper", "--licence", "mit", "--pair", "enja"), "--pair"),
    ],
)
def test_what_is_said_of_a_model_must_be_so(
    mine: Path, tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    code, _, err = models(tmp_path, "add", "mine", str(mine), *flags)
    assert code == ExitCode.USAGE
    assert said in err


def test_a_folder_in_which_no_backend_finds_its_model_is_refused(mine: Path, tmp_path: Path) -> None:
    add = ("add", "mine", str(mine), "--architecture", "whisper", "--licence", "mit")
    (mine / "README.md").write_text("A fine-tune.")
    (mine / "best.pt").write_bytes(b"tensors")
    code, _, err = models(tmp_path, *add)
    assert code == ExitCode.INPUT
    assert "README.md, best.pt, tiny.pt" in err
    assert json.loads(models(tmp_path, "list", "--json")[1])[0]["id"] != "mine"
    (mine / "best.pt").unlink()
    assert models(tmp_path, *add)[0] == ExitCode.DONE


def test_offline_pulls_nothing(tmp_path: Path) -> None:
    variables, log = watched(tmp_path / "watch")
    done = subprocess.run(
        [sys.executable, "-c", LOC, "models", "pull", "whisper-tiny", "--offline", "--data-dir", tmp_path],
        env={**ENVIRONMENT, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (ExitCode.REFUSED, "")
    assert "--offline forbids the network" in done.stderr
    assert "reached out" not in log.read_text()


def test_an_unknown_id_is_a_usage_error(tmp_path: Path) -> None:
    assert models(tmp_path, "pull", "gpt-9")[0] == ExitCode.USAGE


def test_licences_are_listed_whole_and_for_one_dub(tmp_path: Path) -> None:
    done = loc("licences", "--json")
    assert json.loads(done.stdout)["mit"]["commercial"] == "yes"
    assert "research only" in loc("licences").stdout
    report = tmp_path / "talk.ja.report.json"
    part = {"item": "mei", "kind": "voice", "licence": "CC BY", "terms": "Credit the author."}
    report.write_text(json.dumps({"backends": [{"stage": "dub", "name": "openjtalk", "licences": [part]}]}))
    said = loc("licences", str(report)).stdout
    assert "dub/openjtalk  voice  mei   CC BY" in said
    assert "CC BY: Credit the author." in said
    report.write_text("{}")
    assert loc("licences", str(report)).returncode == ExitCode.INPUT


def test_plan_names_what_to_pull_with_size_and_licence(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").write_bytes((folder / "talk.mp4").read_bytes())
    where = ("--data-dir", str(tmp_path / "data"), "--work-dir", str(tmp_path / "work"))
    (tmp_path / "talk.en.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nyes\n")
    said = loc("plan", str(tmp_path / "talk.mp4"), "--lang", "ja", *where).stdout
    better = said.partition("Better, once they are here:\n")[2].partition("\n\n")[0]
    assert (
        "translate ja: m2m100:m2m100-1.2b (good): loc models pull m2m100-1.2b  "
        "(about 4.6 GiB; M2M100's weights, MIT License)" in better
    )
    assert (
        "dub ja: kokoro:kokoro-82m (good): loc models env kokoro && loc models pull kokoro-82m  (" in better
    )
    assert "2 to 7 GB for its environment" in better
    assert not (tmp_path / "data").exists()
    rows = json.loads(loc("plan", str(tmp_path / "talk.mp4"), "--lang", "ja", "--json", *where).stdout)
    [translate] = [row for row in rows["rows"] if row["stage"] == "translate"]
    assert translate["offers"][0]["pull"] == ["madlad400-3b"]


def test_offline_takes_no_remote_backend_not_even_a_named_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").write_bytes((folder / "talk.mp4").read_bytes())
    (tmp_path / "talk.en.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nyes\n")
    named = ("--backend", "translate=llm", "--llm-url", "http://127.0.0.1:9/v1", "--llm-model", "any")
    done = loc("run", "talk.mp4", "--lang", "ja", "--offline", *named, cwd=tmp_path)
    assert done.returncode == ExitCode.MISSING
    assert "remote backends are off with --offline" in done.stderr


@pytest.fixture
def spoken_by_a_child(folder: Path, tmp_path: Path) -> Path:
    """A video with its texts, whose voice is that of a worker, a process of its own."""
    (tmp_path / "talk.mp4").write_bytes((folder / "talk.mp4").read_bytes())
    (tmp_path / "talk.es.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nsí\n", encoding="utf-8")
    (tmp_path / "talk.en.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nyes\n")
    return tmp_path


LOC = "from cli.main import main; main()"
RUN = ("-c", LOC, "run", "talk.mp4", "--lang", "es", "--no-lipsync", "--backend", "dub=espeak")


def test_a_run_with_what_is_here_opens_no_socket_nor_do_its_children(spoken_by_a_child: Path) -> None:
    variables, log = watched(spoken_by_a_child / "watch")
    done = subprocess.run(
        [sys.executable, *RUN], cwd=spoken_by_a_child, env={**ENVIRONMENT, **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (ExitCode.DONE, ExitCode.DEFECTS), done.stderr
    assert (spoken_by_a_child / "talk.es.mp4").exists()
    lines = log.read_text().splitlines()
    assert not [line for line in lines if "reached out" in line], lines
    assert any("espeak_worker" in line for line in lines), lines


@pytest.mark.parametrize("flags", [("--offline",), ()])
def test_a_run_that_is_offline_cannot_leave_the_machine(
    spoken_by_a_child: Path, flags: tuple[str, ...]
) -> None:
    variables, log = leaving(spoken_by_a_child / "leave")
    done = subprocess.run(
        [sys.executable, *RUN, "--until", "ingest", *flags], cwd=spoken_by_a_child,
        env={**ENVIRONMENT, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.DONE, done.stderr
    # The run's own process ends last.
    last = log.read_text().splitlines()[-1]
    assert (last == "RefusedError") == bool(flags)


def test_a_run_with_what_is_here_works_where_there_is_no_network_at_all(spoken_by_a_child: Path) -> None:
    """In a namespace without even a loopback device that is up, which holds for ffmpeg too."""
    alone = ["unshare", "--user", "--map-root-user", "--net", "--"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("this machine gives its users no namespace")
    path = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*alone, sys.executable, *RUN], cwd=spoken_by_a_child, env={**ENVIRONMENT, **path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (ExitCode.DONE, ExitCode.DEFECTS), done.stderr
    assert (spoken_by_a_child / "talk.es.mp4").exists()


def test_every_setting_is_a_flag_of_run_but_those_of_pulling() -> None:
    assert set(Settings.model_fields) - set(RUN_FIELDS) == {"hub", "mirrors"}
