"""What a run does, leaves, repairs and refuses."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loc.app.batch import run_all
from loc.app.inputs import open_job
from loc.app.outcome import overall
from loc.app.record import events, runs
from loc.errors import ExitCode, Interrupted, StorageError, UsageError
from loc.events import Event, Notice, RunDone
from loc.settings import Settings
from loc.store.workdir import WorkDir
from tests.app.toy import MISSING, Toy

Make = Callable[..., Settings]


def store_of(settings: Settings) -> WorkDir:
    return WorkDir(settings.work_dir)


def codes(seen: list[Event]) -> list[str]:
    return [event.code for event in seen if isinstance(event, Notice)]


def test_run_writes_the_outputs_beside_the_video(toy: Toy, video: Path, settings: Make) -> None:
    [outcome] = run_all([video], toy.graph(), settings())
    assert outcome.code == ExitCode.DONE
    assert (video.parent / "talk.ja.mp4").read_bytes().startswith(b"video: pixels of ")
    assert (video.parent / "talk.ja.dub.srt").exists()
    report = json.loads((video.parent / "talk.ja.report.json").read_text())
    assert report["schema_version"] == 2
    assert report["backends"][0]["name"] == "toy"
    assert toy.opened == toy.closed == ["toy"]


def test_second_run_makes_nothing_and_rewrites_nothing(toy: Toy, video: Path, settings: Make) -> None:
    run_all([video], toy.graph(), settings())
    outputs = sorted(video.parent.glob("talk.ja.*"))
    before = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in outputs]
    toy.made.clear()
    [outcome] = run_all([video], toy.graph(), settings())
    assert outcome.result is not None
    assert (toy.made, outcome.result.misses, outcome.result.hits) == ([], 0, 3)
    assert outcome.result.languages[0].written == ()
    assert [(path.stat().st_ino, path.stat().st_mtime_ns) for path in outputs] == before


def test_second_language_shares_what_does_not_depend_on_it(toy: Toy, video: Path, settings: Make) -> None:
    run_all([video], toy.graph(), settings())
    toy.made.clear()
    run_all([video], toy.graph(), settings(languages=("ja", "es")))
    assert toy.made == ["translate.line", "deliver.mux"]


def test_until_stops_and_writes_nothing(toy: Toy, video: Path, settings: Make) -> None:
    [outcome] = run_all([video], toy.graph(), settings(until="translate"))
    assert outcome.code == ExitCode.DONE
    assert toy.made == ["ingest.read", "translate.line"]
    assert not list(video.parent.glob("talk.ja.*"))


def test_force_makes_one_stage_again_and_equal_output_ends_there(
    toy: Toy, video: Path, settings: Make
) -> None:
    run_all([video], toy.graph(), settings())
    toy.made.clear()
    run_all([video], toy.graph(), settings(force=("translate",)))
    assert toy.made == ["translate.line"]


@pytest.mark.parametrize("field", ["until", "force", "backend"])
def test_unknown_stage_is_a_usage_error(toy: Toy, video: Path, settings: Make, field: str) -> None:
    value = {"until": "dubb", "force": ("dubb",), "backend": {"dubb": "x"}}[field]
    with pytest.raises(UsageError, match="dubb"):
        run_all([video], toy.graph(), settings(**{field: value}))


def test_damaged_object_is_reported_and_made_again(toy: Toy, video: Path, settings: Make) -> None:
    run_all([video], toy.graph(), settings())
    output = video.parent / "talk.ja.mp4"
    whole = output.read_bytes()
    store = store_of(settings())
    for sha256, path in list(store.objects()):
        data = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        assert sha256
    output.unlink()
    toy.made.clear()
    seen: list[Event] = []
    [outcome] = run_all([video], toy.graph(), settings(), [seen.append])
    assert outcome.code == ExitCode.DONE
    assert "object-damaged" in codes(seen)
    assert output.read_bytes() == whole


def test_truncated_object_is_made_again(toy: Toy, video: Path, settings: Make) -> None:
    run_all([video], toy.graph(), settings())
    for _, path in list(store_of(settings()).objects()):
        os.truncate(path, 1)
    (video.parent / "talk.ja.mp4").unlink()
    seen: list[Event] = []
    [outcome] = run_all([video], toy.graph(), settings(), [seen.append])
    assert outcome.code == ExitCode.DONE
    assert "object-missing" in codes(seen)


def test_one_failed_language_leaves_the_others_alone(toy: Toy, video: Path, settings: Make) -> None:
    toy.fail_languages = {"ja"}
    [outcome] = run_all([video], toy.graph(), settings(languages=("ja", "es")))
    assert outcome.code == ExitCode.DEFECTS
    assert outcome.result is not None
    assert [item.error is None for item in outcome.result.languages] == [False, True]
    assert (video.parent / "talk.es.mp4").exists()


def test_all_languages_failed_gives_the_code_of_the_failure(toy: Toy, video: Path, settings: Make) -> None:
    toy.fail_languages = {"ja"}
    [outcome] = run_all([video], toy.graph(), settings())
    assert outcome.code == ExitCode.INTERNAL
    assert outcome.result is not None
    assert "no ja today" in str(outcome.result.error)


def test_defects_give_exit_code_3_and_stand_in_the_report(toy: Toy, video: Path, settings: Make) -> None:
    toy.defect_languages = {"ja"}
    [outcome] = run_all([video], toy.graph(), settings())
    assert outcome.code == ExitCode.DEFECTS
    report = json.loads((video.parent / "talk.ja.report.json").read_text())
    assert report["defects"] == [
        {"stage": "translate", "unit": "line 1", "code": "toy", "message": "not quite right"}
    ]


def test_a_report_has_the_notices_of_its_language_and_of_the_film(
    toy: Toy, video: Path, settings: Make
) -> None:
    toy.notices = {"": "Odd.", "ja": "Few voices.", "es": "Few voices.", "de": "Slow."}
    seen: list[Event] = []
    run_all([video], toy.graph(), settings(languages=("ja", "es", "de")), [seen.append])
    said = {
        language: json.loads(video.with_name(f"talk.{language}.report.json").read_text())["run"]["notices"]
        for language in ("ja", "es", "de")
    }
    assert {language: ["Few voices." in words, "Slow." in words] for language, words in said.items()} == {
        "ja": [True, False],
        "es": [True, False],
        "de": [False, True],
    }
    assert all("Odd." in words for words in said.values())
    told = [(event.message, event.language) for event in seen if isinstance(event, Notice)]
    assert [one for one in told if one[0] in toy.notices.values()] == [
        ("Odd.", None),
        ("Few voices.", "ja"),
        ("Few voices.", "es"),
        ("Slow.", "de"),
    ]


def test_missing_backend_ends_before_any_work_and_names_the_ways_out(
    toy: Toy, video: Path, settings: Make
) -> None:
    backend = toy.backend(needs=(MISSING,))
    [outcome] = run_all([video], toy.graph(backend), settings())
    assert outcome.code == ExitCode.MISSING
    assert toy.made == []
    text = str(outcome.error)
    assert "talk.ja.srt" in text
    assert "--translation ja=FILE" in text
    assert "apt-get install no-such-program" in text


def test_supplied_translation_needs_no_backend(toy: Toy, video: Path, settings: Make) -> None:
    (video.parent / "talk.ja.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nyaa\n")
    [outcome] = run_all([video], toy.graph(toy.backend(needs=(MISSING,))), settings())
    assert outcome.code == ExitCode.DONE
    assert toy.opened == []


def test_interrupt_is_recorded_and_the_next_run_goes_on(toy: Toy, video: Path, settings: Make) -> None:
    def interrupt(name: str) -> None:
        if name == "deliver.mux":
            raise KeyboardInterrupt

    toy.before_make = interrupt
    with pytest.raises(Interrupted):
        run_all([video], toy.graph(), settings())
    [record] = runs(store_of(settings()))
    assert record.exit_code == ExitCode.INTERRUPTED
    toy.before_make = lambda name: None
    toy.made.clear()
    [outcome] = run_all([video], toy.graph(), settings())
    assert outcome.code == ExitCode.DONE
    assert toy.made == ["deliver.mux"]


def test_interrupt_ends_the_whole_command(toy: Toy, video: Path, settings: Make) -> None:
    second = video.with_name("second.mp4")
    second.write_bytes(video.read_bytes())

    def interrupt(name: str) -> None:
        raise KeyboardInterrupt

    toy.before_make = interrupt
    with pytest.raises(Interrupted):
        run_all([video, second], toy.graph(), settings(source_language="en"))
    assert len(list(runs(store_of(settings())))) == 1


def test_a_fault_is_recorded_and_raised(toy: Toy, video: Path, settings: Make) -> None:
    def fault(name: str) -> None:
        raise ZeroDivisionError

    toy.before_make = fault
    with pytest.raises(ZeroDivisionError):
        run_all([video], toy.graph(), settings())
    [record] = runs(store_of(settings()))
    assert (record.exit_code, record.error) == (ExitCode.INTERNAL, "ZeroDivisionError")


def test_record_and_event_log_tell_the_run(toy: Toy, video: Path, settings: Make) -> None:
    [outcome] = run_all([video], toy.graph(), settings())
    [record] = runs(store_of(settings()))
    assert (record.exit_code, record.misses, record.hits) == (0, 3, 0)
    assert [stage.stage for stage in record.stages] == ["ingest", "translate", "deliver"]
    logged = list(events(store_of(settings()), record.id))
    assert isinstance(logged[-1], RunDone)
    assert {event.type for event in logged} >= {"run-started", "action-done", "output-written"}
    assert outcome.result is not None
    assert outcome.result.run == record.id


def test_event_log_holds_no_text(toy: Toy, video: Path, settings: Make) -> None:
    (video.parent / "talk.ja.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nhimitsu\n")
    run_all([video], toy.graph(), settings())
    folder = settings().work_dir / "runs"
    text = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert "himitsu" not in text
    assert "hello" not in text


def test_several_inputs_go_on_past_a_bad_one(toy: Toy, video: Path, settings: Make) -> None:
    bad = video.with_name("bad.mp4")
    bad.write_bytes(b"")
    outcomes = run_all([bad, video], toy.graph(), settings())
    assert [outcome.code for outcome in outcomes] == [ExitCode.INPUT, ExitCode.DONE]
    assert overall(outcomes) == ExitCode.SOME_FAILED
    assert (video.parent / "talk.ja.mp4").exists()


def test_a_fault_in_one_of_several_inputs_ends_none_of_the_others(
    toy: Toy, video: Path, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [video.with_name(f"{name}.mp4") for name in ("unprepared", "faulty")]
    for number, other in enumerate(others):
        # Of its own, so that its work is not found made.
        other.write_bytes(video.read_bytes() + bytes(8 + number))

    def opened(path: Path, *args: Any) -> Any:
        if path == others[0]:
            raise KeyError("unforeseen")
        return open_job(path, *args)

    faults = [ZeroDivisionError]

    def fault(name: str) -> None:
        if faults:
            raise faults.pop()

    monkeypatch.setattr("loc.app.run.open_job", opened)
    toy.before_make = fault
    outcomes = run_all([*others, video], toy.graph(), settings(workers=1))
    assert outcomes[0].error is not None
    assert "KeyError" in outcomes[0].error.what
    assert outcomes[1].error is not None
    assert "ZeroDivisionError" in outcomes[1].error.what
    assert [outcome.code for outcome in outcomes] == [ExitCode.INTERNAL, ExitCode.INTERNAL, ExitCode.DONE]
    assert overall(outcomes) == ExitCode.SOME_FAILED


def test_own_outputs_among_several_inputs_are_skipped_aloud(
    toy: Toy, video: Path, tiny: Path, settings: Make
) -> None:
    store_of(settings()).record_output(store_of(settings()).input_digest(tiny)[0])
    seen: list[Event] = []
    other = video.with_name("other.mp4")
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(tiny), "-c", "copy", "-metadata", "title=x", str(other)],
        check=True,
    )
    other.with_name("other.en.srt").write_text((video.parent / "talk.en.srt").read_text())
    outcomes = run_all([video, other], toy.graph(), settings(), [seen.append])
    assert [outcome.skipped for outcome in outcomes] == [True, False]
    assert "input-skipped" in codes(seen)
    assert overall(outcomes) == ExitCode.DONE
    [alone] = run_all([video], toy.graph(), settings())
    assert alone.code == ExitCode.INPUT


@pytest.mark.parametrize("content", [b"", b"not a video", None])
def test_unusable_inputs_are_input_errors_and_leave_nothing(
    toy: Toy, tmp_path: Path, settings: Make, content: bytes | None
) -> None:
    path = tmp_path / "x.mp4"
    if content is not None:
        path.write_bytes(content)
    [outcome] = run_all([path], toy.graph(), settings(source_language="en"))
    assert outcome.code == ExitCode.INPUT
    assert outcome.error is not None
    assert outcome.error.what
    assert not list(tmp_path.glob("x.ja.*"))


def test_full_disk_is_a_storage_error(
    toy: Toy, video: Path, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(name: str) -> None:
        raise OSError(28, "No space left on device")

    toy.before_make = full
    [outcome] = run_all([video], toy.graph(), settings())
    assert outcome.code == ExitCode.STORAGE
    assert outcome.result is not None
    assert isinstance(outcome.result.error, StorageError)
    assert "no space" in str(outcome.result.error)
