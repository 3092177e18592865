"""The command line as a user meets it: words, streams, exit codes, and what it does not load."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import COMMANDS, _Signals
from loc.errors import ExitCode

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    "COLUMNS": "120",
    "NO_COLOR": "1",
}
HEAVY = ("numpy", "pydantic", "av", "cv2", "mediapipe", "scipy", "soundfile", "torch", "loc.settings")
"""What `loc --help` must not load."""


def loc(
    *args: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *args],
        cwd=cwd,
        env={**ENVIRONMENT, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with half a second of a test picture over silence, and a Japanese subtitle for it."""
    folder = tmp_path_factory.mktemp("cli")
    args = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10:duration=0.5"]
    subprocess.run([*args, str(folder / "talk.mp4")], check=True)
    (folder / "talk.ja.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nはい\n", encoding="utf-8")
    return folder


def test_version() -> None:
    done = loc("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"loc \d+\.\d+\.\d+\n", done.stdout)


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    done = loc("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)
    probe = (
        "import sys; sys.argv = ['loc', '--help']\n"
        "from cli.main import main\n"
        "try: main()\n"
        f"finally: print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", probe], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = loc(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--json" in done.stdout or "Commands" in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("rnu",), ExitCode.USAGE, "Did you mean 'run'?"),
        (("run", "talk.mp4", "--bad"), ExitCode.USAGE, "--bad"),
        (("run", "talk.mp4"), ExitCode.USAGE, "--lang"),
        (("run", "talk.mp4", "--lang", "jp"), ExitCode.USAGE, "Did you mean ja"),
        (("run", "talk.mp4", "--lang", "ja", "--crf", "99"), ExitCode.USAGE, "--crf"),
        (("run", "talk.mp4", "--lang", "ja", "--until", "dubb"), ExitCode.USAGE, "dubb"),
        (("run", "talk.mp4", "--lang", "ja", "--deadline", "6pm"), ExitCode.USAGE, "06:00"),
        (("run", "talk.mp4", "--lang", "ja", "--deadline", "0s"), ExitCode.DEADLINE, "before its turn"),
        (("run", "talk.mp4", "--lang", "ja", "--nice", "20"), ExitCode.USAGE, "--nice"),
        (("run", "talk.mp4", "--lang", "ja", "--summary", "night.txt"), ExitCode.USAGE, ".json or .md"),
        (("run", "none.mp4", "--lang", "ja"), ExitCode.INPUT, "does not exist"),
        (("run", "talk.ja.srt", "--lang", "ja"), ExitCode.INPUT, "talk.ja.srt"),
        (("run", "talk.mp4", "--lang", "es", "--from", "en"), ExitCode.INPUT, "no sound track"),
        (("run", "talk.mp4", "--lang", "ja", "--backend", "dub=no"), ExitCode.USAGE, "Known"),
        (("run", "talk.mp4", "--lang", "ja", "--require-quality", "best"), ExitCode.MISSING, "quality"),
        (("run", "talk.mp4", "--lang", "ja", "--ffprobe", "no-such"), ExitCode.MISSING, "loc doctor"),
        (("run", "talk.mp4", "--lang", "ja", "--work-dir", "talk.mp4/x"), ExitCode.STORAGE, "work directory"),
        (("run", "talk.mp4", "--lang", "ja", "-o", "talk.mp4"), ExitCode.USAGE, "replace an input"),
        (("run", "talk.mp4", "none.mp4", "--lang", "es"), ExitCode.SOME_FAILED, "none.mp4"),
    ],
)
def test_errors_are_words_on_stderr_with_their_code(
    folder: Path, args: tuple[str, ...], code: ExitCode, words: str
) -> None:
    done = loc(*args, cwd=folder)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_without_a_font_nothing_is_begun_and_the_package_is_named(folder: Path, tmp_path: Path) -> None:
    fonts = tmp_path / "fonts.conf"
    fonts.write_text('<!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig></fontconfig>')
    args = ("run", "talk.mp4", "--lang", "ja", "--burn-subtitles", "--work-dir", str(tmp_path / "work"))
    done = loc(*args, cwd=folder, env={"FONTCONFIG_FILE": str(fonts)})
    assert done.returncode == ExitCode.MISSING
    assert "fonts-noto-cjk" in done.stderr
    assert not list((tmp_path / "work" / "actions").iterdir())
    # The track of subtitles needs none.
    plain = [arg for arg in args if arg != "--burn-subtitles"]
    done = loc(*plain, "--until", "ingest", "-q", cwd=folder, env={"FONTCONFIG_FILE": str(fonts)})
    assert done.returncode == ExitCode.DONE


@pytest.mark.parametrize(
    ("args", "full", "code"),
    [
        (("run", "talk.mp4", "none.mp4", "--lang", "es"), "stderr", ExitCode.SOME_FAILED),
        (("run", "none.mp4", "nor.mp4", "--lang", "es", "--json"), "stdout", ExitCode.STORAGE),
        (("status",), "stdout", ExitCode.STORAGE),
    ],
)
def test_where_a_full_disk_takes_no_words_the_code_still_tells(
    folder: Path, args: tuple[str, ...], full: str, code: ExitCode
) -> None:
    with Path("/dev/full").open("wb") as disk:
        out, err = (disk if full == name else subprocess.PIPE for name in ("stdout", "stderr"))
        command = [sys.executable, "-m", "cli", *args]
        done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, stdout=out, stderr=err, check=False)
    assert done.returncode == code, done.stderr
    assert b"internal error" not in (done.stderr or b"")


def test_debug_shows_the_traceback(folder: Path) -> None:
    done = loc("run", "talk.mp4", "--lang", "jp", "--debug", cwd=folder)
    assert done.returncode == ExitCode.USAGE
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("data", ["output = 'caf\xe9/'".encode("latin-1"), "crf = 20".encode("utf-16")])
def test_a_settings_file_in_another_encoding_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "loc.toml").write_bytes(data)
    done = loc("status", cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "loc.toml cannot be read" in done.stderr
    assert "UTF-8" in done.stderr


def test_flag_variable_file_default_in_that_order(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "loc.toml").write_text('languages = ["jp"]\ncrf = 77\n')
    video = str(folder / "talk.mp4")
    assert "'crf' in loc.toml" in loc("plan", video, cwd=tmp_path).stderr
    assert "LOC_CRF" in loc("plan", video, cwd=tmp_path, env={"LOC_CRF": "78"}).stderr
    assert "--crf" in loc("plan", video, "--crf", "79", cwd=tmp_path, env={"LOC_CRF": "78"}).stderr
    assert "'jp'" in loc("plan", video, "--crf", "20", cwd=tmp_path).stderr


def test_codec_that_a_container_does_not_hold(folder: Path) -> None:
    done = loc("run", "talk.mp4", "--lang", "ja", "-o", "talk.webm", "--codec", "h264", cwd=folder)
    assert done.returncode == ExitCode.USAGE
    assert "codec h264 does not go into webm, which takes vp9" in done.stderr


def test_first_to_last_step_of_a_job(folder: Path) -> None:
    """Plan, run, run again, status, explain, verify: one small job over silence, in this order."""
    args = ("talk.mp4", "--lang", "ja", "--no-lipsync")
    planned = json.loads(loc("plan", *args, "--json", cwd=folder).stdout)
    assert [row["stage"] for row in planned["rows"]][:1] == ["ingest"]
    assert planned["rows"][0]["misses"] > 0

    done = loc("run", *args, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "talk.ja.mp4\n"
    assert "note: talk.ja.srt is taken as the translation to ja." in done.stderr
    assert "basic quality" in done.stderr
    assert {path.name for path in folder.glob("talk.ja.*")} == {
        "talk.ja.srt",
        "talk.ja.mp4",
        "talk.ja.dub.srt",
        "talk.ja.report.json",
        "talk.ja.report.html",
    }
    assert "report: talk.ja.report.html" in done.stderr

    again = loc("run", *args, "--json", cwd=folder)
    lines = [json.loads(line) for line in again.stdout.splitlines()]
    assert lines[0]["type"] == "run-started"
    fits = [line["fit"] for line in lines if line["type"] == "line-fitted"]
    assert fits
    assert all(fit["rate"] <= 1.35 for fit in fits)
    result = lines[-1]
    assert (result["type"], result["exit_code"], result["inputs"][0]["misses"]) == ("result", 0, 0)
    assert result["inputs"][0]["languages"][0]["written"] == []

    runs = json.loads(loc("status", "--json", cwd=folder).stdout)["runs"]
    assert [run["state"] for run in runs] == ["finished", "finished"]
    changed = json.loads(loc("explain", *args, "--crf", "30", "--json", cwd=folder).stdout)["actions"]
    assert {change["field"].split(".")[-1] for item in changed for change in item["changes"]} == {"crf"}

    shown = loc("subtitles", "export", *args, "--dubbed", cwd=folder)
    assert shown.stdout == (folder / "talk.ja.dub.srt").read_text(encoding="utf-8") != ""
    (folder / "subs").mkdir()
    styled = loc("subtitles", "export", *args, "--dubbed", "--bilingual", "--to", "subs/talk.ass", cwd=folder)
    assert (styled.returncode, styled.stdout) == (0, "")
    assert "of 1 of 1 it is not known what the source says" in styled.stderr
    assert "はい" in (folder / "subs" / "talk.ass").read_text(encoding="utf-8")

    held = json.loads(loc("cache", "ls", "--json", cwd=folder).stdout)
    [source] = held["sources"]
    # No action made the sidecar's text.
    assert held["total"]["objects"] == source["objects"] + 1
    assert loc("cache", "ls", "--by", "run", cwd=folder).stdout.count("kept") == 1
    would = json.loads(loc("cache", "gc", "--dry-run", "--json", cwd=folder).stdout)
    assert (would["actions"], would["dry_run"]) == (0, True)
    assert "objects" in loc("cache", "gc", cwd=folder).stdout

    assert loc("cache", "verify", cwd=folder).returncode == 0
    victim = next(path for path in (folder / ".loc" / "objects").rglob("*") if path.is_file())
    victim.chmod(0o644)
    victim.write_bytes(b"spoilt")
    assert loc("cache", "verify", cwd=folder).returncode == ExitCode.STORAGE
    assert loc("cache", "verify", cwd=folder).returncode == 0

    own = loc("run", "talk.ja.mp4", "--lang", "es", cwd=folder)
    assert own.returncode == ExitCode.INPUT
    assert "written by loc" in own.stderr

    (folder / "talk.ja.mp4").write_bytes(b"edited by hand")
    refused = loc("run", *args, cwd=folder)
    assert refused.returncode == ExitCode.USAGE
    assert "--overwrite" in refused.stderr
    assert loc("run", *args, "--overwrite", cwd=folder).returncode == 0


def test_a_night_of_several_gives_way_and_ends_in_a_table(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "the other"):
        shutil.copy(folder / "talk.mp4", tmp_path / f"{name}.mp4")
        shutil.copy(folder / "talk.ja.srt", tmp_path / f"{name}.ja.srt")
    (tmp_path / "torn.mp4").write_bytes(b"")
    program, asked = tmp_path / "slow-ffmpeg", tmp_path / "niceness"
    program.write_text(f'#!/bin/sh\nnice >> "{asked}"\nexec ffmpeg "$@"\n')
    program.chmod(0o755)
    inputs = ("one.mp4", "torn.mp4", "the other.mp4")
    flags = ("--lang", "ja", "--no-lipsync", "--nice", "13", "--ffmpeg", str(program))
    done = loc("run", *inputs, *flags, cwd=tmp_path)
    assert done.returncode == ExitCode.SOME_FAILED
    assert done.stdout == "one.ja.mp4\nthe other.ja.mp4\n"
    assert done.stderr.splitlines()[-4:] == [
        "",
        "one.mp4          0  done",
        "torn.mp4         4  torn.mp4 is empty.",
        "the other.mp4    0  done",
    ]
    assert set(asked.read_text().split()) == {"13"}


def test_doctor_says_what_is_missing(folder: Path) -> None:
    done = loc("doctor", "--json", cwd=folder)
    checks = json.loads(done.stdout)
    assert (done.returncode == 0) == checks["can_run"]
    missing = loc("doctor", "--ffmpeg", "no-such-ffmpeg", cwd=folder)
    assert missing.returncode == ExitCode.MISSING
    assert "apt-get install ffmpeg" in missing.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_with_130_and_leaves_no_child(folder: Path, tmp_path: Path, number: int) -> None:
    """A stand-in for ffprobe that never ends holds a pipe open: what is read from it says that it started,
    and the end of the pipe that it is gone."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    slow = tmp_path / "ffprobe"
    slow.write_text(f"#!/bin/sh\nexec 3>{pipe}\necho started >&3\nexec sleep 600\n")
    slow.chmod(0o755)
    args = [sys.executable, "-m", "cli", "run", str(folder / "talk.mp4"), "--lang", "ja"]
    args += ["--ffprobe", str(slow), "--work-dir", str(tmp_path / "work")]
    running = subprocess.Popen(args, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    with pipe.open() as alive:
        assert alive.readline() == "started\n"
        running.send_signal(number)
        _, words = running.communicate(timeout=60)
        # The end of the pipe is what counts: several stand-ins may have started.
        assert set(alive.read().split()) <= {"started"}
    assert running.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in words


def test_a_signal_that_was_to_be_ignored_stays_so() -> None:
    """As nohup starts it, and as a script does with `&`."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signals = _Signals()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert signals.came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_reference_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli.reference", "--check"],
        env=ENVIRONMENT,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_regress_on_bad_input(folder: Path, tmp_path: Path) -> None:
    other, old = tmp_path / "other.json", tmp_path / "old.json"
    other.write_text("{}")
    old.write_text('{"kind": "loc-baseline", "schema_version": 0}')
    for args, code, words in (
        (("run", "none", "--baseline", str(other)), ExitCode.INPUT, "not a baseline"),
        (("run", str(folder), "--baseline", str(old)), ExitCode.INPUT, "version 0"),
        (("run", str(folder), "--baseline", "none.json"), ExitCode.INPUT, "loc regress accept"),
        (("run", str(folder)), ExitCode.USAGE, "--baseline"),
        (("accept", str(folder), "--baseline", str(other)), ExitCode.USAGE, "not replaced"),
        (("accept", str(tmp_path), "--baseline", "new.json", "--lang", "ja"), ExitCode.INPUT, "no video"),
        (("accept", str(folder), "--baseline", "new.json", "--only", "x*"), ExitCode.USAGE, "--only"),
        (("run", "x", "--baseline", str(old), "--tolerance", "loud=1"), ExitCode.USAGE, "loudness.peak"),
    ):
        done = loc("regress", *args, cwd=tmp_path)
        assert (done.returncode, words in done.stderr) == (code, True), (args, done.stderr)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
    assert other.read_text() == "{}"


def test_regress_from_accept_to_red(folder: Path, tmp_path: Path) -> None:
    """A film of a test picture: nothing to draw, a line to speak. Its text is changed, then it is emptied."""
    samples = tmp_path / "samples"
    samples.mkdir()
    for name in ("talk.mp4", "talk.ja.srt"):
        (samples / name).write_bytes((folder / name).read_bytes())
    flags = ("samples", "--baseline", "baseline.json", "--quiet", "--tolerance", "time=100")
    accepted = loc("regress", "accept", *flags[:-2], cwd=tmp_path)
    assert (accepted.returncode, accepted.stderr) == (0, "baseline.json written: 1 sample accepted.\n")
    before = (tmp_path / "baseline.json").read_bytes()
    same = loc("regress", "run", *flags, "--report", "report", cwd=tmp_path)
    assert (same.returncode, same.stdout.splitlines()[0]) == (0, "## loc regress: as accepted")
    reports = {path.name for path in (tmp_path / "report").iterdir()}
    assert reports == {"regress.html", "regress.md", "junit.xml", "measured.json"}
    assert (tmp_path / "report" / "regress.md").read_text() == same.stdout

    (samples / "talk.ja.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nいいえ\n", encoding="utf-8")
    worse = loc("regress", "run", *flags, "--report", "report", "--json", cwd=tmp_path)
    assert worse.returncode == ExitCode.DEFECTS
    found = json.loads(worse.stdout)
    assert found["exit_code"] == 3
    assert {item["measure"] for item in found["findings"] if item["verdict"] == "worse"} >= {"text"}
    assert loc("regress", "run", *flags[:2], "report/measured.json", *flags[3:], cwd=tmp_path).returncode == 0

    (samples / "talk.mp4").write_bytes(b"")
    failed = loc("regress", "run", *flags, cwd=tmp_path)
    assert (failed.returncode, "is empty" in failed.stdout) == (ExitCode.INPUT, True)
    refused = loc("regress", "accept", *flags[:-2], cwd=tmp_path)
    assert (refused.returncode, "as it was" in refused.stderr) == (ExitCode.INPUT, True)
    assert (tmp_path / "baseline.json").read_bytes() == before
