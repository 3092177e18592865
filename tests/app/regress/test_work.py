"""How the process of a sample ends, and what is said of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from loc.app.regress.samples import SampleFile
from loc.app.regress.work import calibrate, measure_samples, run, this_machine
from loc.errors import ExitCode, Interrupted
from loc.events import Event, Notice
from loc.settings import Settings


def script(text: str) -> list[str]:
    return [sys.executable, "-c", f"import json, os, sys\n{text}"]


RESULT = {
    "type": "result",
    "exit_code": 5,
    "inputs": [{"error": {"code": 5, "what": "There is no voice.", "why": "", "fix": "Install one."}}],
}


def test_what_it_tells_is_passed_on() -> None:
    said: list[Event] = []
    note = Notice(code="x", message="hello").model_dump_json()
    text = f"print({note!r}); print('no JSON'); print('{{\"type\": \"of-a-later-loc\"}}'); print('[1]')\n"
    ran = run(script(f"{text}print(json.dumps({RESULT!r}).replace('5', '0'))"), [said.append])
    assert said == [Notice(code="x", message="hello")]
    assert (ran.code, ran.result["exit_code"], ran.failure) == (0, 0, None)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (f"print({json.dumps(RESULT)!r}); sys.exit(5)", ExitCode.MISSING, "There is no voice. Install one."),
        (
            "print('error: --lang', file=sys.stderr); sys.exit(2)",
            ExitCode.USAGE,
            "ended with 2. error: --lang",
        ),
        ("os.kill(os.getpid(), 9)", ExitCode.INTERNAL, "Signal 9"),
        ("sys.exit(77)", ExitCode.INTERNAL, "ended with 77"),
        ("pass", ExitCode.INTERNAL, "ended with 0"),
    ],
)
def test_how_it_ended_is_said(text: str, code: ExitCode, words: str) -> None:
    failure = run(script(text), []).failure
    assert failure is not None
    assert (failure.code, words in str(failure)) == (code, True), failure


def test_an_interrupt_ends_everything() -> None:
    with pytest.raises(Interrupted):
        run(script("sys.exit(130)"), [])


def test_one_that_fails_keeps_no_other_from_being_tried(tmp_path: Path) -> None:
    samples = [SampleFile(name, tmp_path / name) for name in ("a.mp4", "b.mp4")]
    settings = Settings(languages=("ja",), work_dir=tmp_path / "work")
    measured = measure_samples(
        samples, lambda video, _: script(f"sys.exit({4 + (video.name == 'b.mp4')})"), settings, None
    )
    assert {name: failure.code for name, failure in measured.failures.items()} == {
        "a.mp4": ExitCode.INPUT,
        "b.mp4": ExitCode.MISSING,
    }
    assert not measured.samples


@pytest.mark.parametrize("cold", [True, False])
def test_where_a_sample_is_run(tmp_path: Path, cold: bool) -> None:
    asked: list[Settings] = []
    settings = Settings(languages=("ja",), work_dir=tmp_path / "work", output="elsewhere/")

    def command(_video: Path, own: Settings) -> list[str]:
        asked.append(own)
        return script("sys.exit(4)")

    measure_samples([SampleFile("a.mp4", tmp_path / "a.mp4")], command, settings, None, cold=cold)
    [own] = asked
    assert (own.work_dir == settings.work_dir) is not cold
    assert own.work_dir.is_relative_to(tmp_path / "work")
    assert Path(str(own.output)).is_relative_to(tmp_path / "work")
    assert not Path(str(own.output)).exists()


def test_this_machine_and_what_its_seconds_are_worth() -> None:
    machine = this_machine()
    assert machine.processor
    assert machine.cores >= 1
    assert calibrate() > 0


def test_a_language_that_failed_fails_its_sample(tmp_path: Path) -> None:
    """Accepted without it, it would never be missed again."""
    error = {"code": 5, "what": "There is no voice.", "why": "", "fix": "Install one."}
    languages = [
        {"language": "es", "error": None, "report": None},
        {"language": "ja", "error": error, "report": None},
    ]
    result = {"type": "result", "exit_code": 3, "inputs": [{"error": None, "languages": languages}]}
    text = script(f"print({json.dumps(result)!r}); sys.exit(3)")
    given = SampleFile("talk.mp4", tmp_path / "talk.mp4")
    measured = measure_samples(
        [given],
        lambda *_: text,
        Settings(languages=("es", "ja"), work_dir=tmp_path / "work"),
        None,
        cold=False,
    )
    assert not measured.samples
    assert str(measured.failures["talk.mp4"]) == "ja: There is no voice. Install one."
    assert measured.failures["talk.mp4"].code is ExitCode.MISSING


def test_loc_itself_is_given_the_keys_to_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOC_LLM_KEY", "secret")
    text = "print(json.dumps({'type': 'result', 'key': os.environ['LOC_LLM_KEY']}))"
    assert run(script(text), []).result["key"] == "secret"
