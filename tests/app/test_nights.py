"""Several inputs, folders, deadlines, and the summary that is left of a night."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import pytest

from loc.app import export
from loc.app.batch import run_all
from loc.app.outcome import Outcome, overall
from loc.app.record import runs
from loc.app.run import prepare
from loc.app.status import status
from loc.app.summary import Summary
from loc.deadline import Deadline
from loc.errors import (
    DeadlinePassed,
    ExitCode,
    InputError,
    Interrupted,
    LocError,
    StorageError,
    UsageError,
)
from loc.events import Event, Notice
from loc.media.probe import OWN_MARK
from loc.settings import Settings, load_settings
from loc.store.keys import digest_bytes
from loc.store.workdir import WorkDir
from tests.app.toy import Toy

Make = Callable[..., Settings]


@pytest.fixture
def three(video: Path) -> list[Path]:
    """Three videos of different content in one folder."""
    paths = [video, *(video.with_name(f"{name}.mp4") for name in ("tell", "told"))]
    for number, path in enumerate(paths[1:], start=1):
        path.write_bytes(video.read_bytes() + bytes(number))
        shutil.copy(video.with_name("talk.en.srt"), path.with_name(f"{path.stem}.en.srt"))
    return paths


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Put something in, and every deadline has passed."""
    passed: list[bool] = []
    end = Deadline("06:00", datetime(2026, 11, 27, 6, tzinfo=UTC), lambda: bool(passed))
    monkeypatch.setattr("loc.app.batch.deadline", lambda text: end)
    return passed


def read(path: Path) -> Summary:
    return Summary.model_validate_json(path.read_bytes())


def states(summary: Summary) -> list[tuple[str, str | None, int | None]]:
    return [(item.state, item.reason, item.exit_code) for item in summary.inputs]


def test_summary_tells_what_became_of_every_input(
    toy: Toy, three: list[Path], settings: Make, tmp_path: Path
) -> None:
    empty = three[0].with_name("empty.mp4")
    empty.touch()
    toy.fail_languages, toy.defect_languages = {"de"}, {"es"}
    file = tmp_path / "night.json"
    outcomes = run_all(
        [three[0], empty], toy.graph(), settings(languages=("ja", "es", "de"), summary=(file,))
    )
    summary = read(file)
    assert (summary.exit_code, summary.counts) == (8, {"defects": 1, "failed": 1})
    assert overall(outcomes) == ExitCode.SOME_FAILED
    assert summary.finished is not None
    talk, bad = summary.inputs
    assert (talk.state, talk.exit_code, len(talk.defects)) == ("defects", 3, 2)
    ja, es, de = talk.languages
    assert (ja.video, ja.defects, ja.misses, ja.hits) == (str(three[0].with_name("talk.ja.mp4")), 0, 2, 0)
    assert sorted(ja.written) == [str(path) for path in sorted(three[0].parent.glob("talk.ja.*"))]
    assert (es.defects, es.error) == (1, None)
    assert de.video is None
    assert de.error is not None
    assert de.error.what == "no de today"
    assert (bad.state, bad.exit_code, bad.languages) == ("failed", 4, ())
    assert bad.error is not None
    assert "empty" in bad.error.what
    # A second night finds everything made.
    toy.defect_languages = set()
    run_all([three[0]], toy.graph(), settings(languages=("ja",), summary=(file,)))
    [again] = read(file).inputs
    assert (again.state, again.misses, again.hits, again.languages[0].written) == ("done", 0, 3, ())


def test_summary_is_whole_at_any_instant(toy: Toy, three: list[Path], settings: Make, tmp_path: Path) -> None:
    file = tmp_path / "night.json"
    seen: list[Summary] = []
    toy.before_make = lambda name: seen.append(read(file))
    run_all(three, toy.graph(), settings(summary=(file,)))
    # What a kill at this instant leaves.
    second = seen[3]
    assert [item.state for item in second.inputs] == ["done", "working", "waiting"]
    assert (second.finished, second.exit_code) == (None, None)
    assert [item.state for item in read(file).inputs] == ["done"] * 3
    assert [path.name for path in tmp_path.glob(".*")] == []
    # Of all that were written in between, the newest alone is remembered as ours.
    outputs = list((settings().work_dir / "outputs").iterdir())
    assert len(outputs) == 1 + len({path.read_bytes() for path in three[0].parent.glob("*.ja.*")})


def test_two_summaries_of_one_kind_are_both_kept(
    toy: Toy, three: list[Path], settings: Make, tmp_path: Path
) -> None:
    files = (tmp_path / "here.json", tmp_path / "there.json", tmp_path / "page.md")
    seen: list[Event] = []
    run_all(three, toy.graph(), settings(summary=files), [seen.append])
    assert not [event for event in seen if isinstance(event, Notice) and event.code == "summary-lost"]
    assert [item.state for item in read(files[1]).inputs] == ["done"] * 3
    assert files[0].read_bytes() == files[1].read_bytes()
    outputs = list((settings().work_dir / "outputs").iterdir())
    assert len(outputs) == 2 + len({path.read_bytes() for path in three[0].parent.glob("*.ja.*")})
    # The next night replaces them.
    run_all(three, toy.graph(), settings(summary=files))


def test_summary_of_an_interrupted_night(toy: Toy, three: list[Path], settings: Make, tmp_path: Path) -> None:
    def interrupt(name: str) -> None:
        if len(toy.made) == 4:
            raise KeyboardInterrupt

    toy.before_make = interrupt
    with pytest.raises(Interrupted):
        run_all(three, toy.graph(), settings(summary=(tmp_path / "night.json",)))
    summary = read(tmp_path / "night.json")
    assert states(summary) == [
        ("done", None, 0),
        ("stopped", "interrupted", 130),
        ("waiting", "interrupted", None),
    ]
    assert summary.exit_code == ExitCode.INTERRUPTED


def test_a_fault_in_the_only_input_is_told(toy: Toy, video: Path, settings: Make, tmp_path: Path) -> None:
    def fault(name: str) -> None:
        raise ZeroDivisionError

    toy.before_make = fault
    with pytest.raises(ZeroDivisionError):
        run_all([video], toy.graph(), settings(summary=(tmp_path / "night.json",)))
    assert states(read(tmp_path / "night.json")) == [("failed", None, 1)]


def test_summary_replaces_nothing_but_summaries_of_ours(
    toy: Toy, video: Path, settings: Make, tmp_path: Path
) -> None:
    file = tmp_path / "night.json"
    file.write_text("{}")
    with pytest.raises(UsageError, match="exists and is not replaced"):
        run_all([video], toy.graph(), settings(summary=(file,)))
    assert (toy.made, file.read_text()) == ([], "{}")
    run_all([video], toy.graph(), settings(summary=(file,), overwrite=True))
    run_all([video], toy.graph(), settings(summary=(file,)))
    file.write_text(file.read_text().replace("talk", "walk"))
    with pytest.raises(UsageError, match="changed since"):
        run_all([video], toy.graph(), settings(summary=(file,)))


def test_a_name_with_no_room_for_more_is_refused_in_its_turn(
    toy: Toy, three: list[Path], settings: Make
) -> None:
    long = three[2].rename(three[2].with_name("x" * 251 + ".mp4"))
    outcomes = run_all([long, *three[:2]], toy.graph(), settings(source_language="en"))
    assert [outcome.code for outcome in outcomes] == [ExitCode.USAGE, ExitCode.DONE, ExitCode.DONE]
    toy.made.clear()
    named = settings(source_language="en", output=f"{long.parent}/{{lang}}{{ext}}")
    [outcome] = run_all([long], toy.graph(), named)
    assert (outcome.code, toy.made[-1]) == (ExitCode.DONE, "deliver.mux")


def odd_paths(folder: Path) -> list[Path]:
    """Inputs of which each cannot be read for another reason."""
    latin = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.mp4"))
    latin.write_bytes(b"x")
    loop = folder / "loop.mp4"
    loop.symlink_to("loop.mp4")
    broken = folder / "two\nlines.mp4"
    broken.write_bytes((folder / "talk.mp4").read_bytes())
    return [folder / "talk.mp4" / "deeper.mp4", folder / ("x" * 300 + ".mp4"), loop, latin, broken]


def test_an_odd_path_is_refused_in_its_turn_and_the_rest_goes_on(
    toy: Toy, three: list[Path], settings: Make, tmp_path: Path
) -> None:
    odd = odd_paths(three[0].parent)
    files = (tmp_path / "night.json", tmp_path / "night.md")
    seen: list[Event] = []
    outcomes = run_all([*odd, *three], toy.graph(), settings(summary=files), [seen.append])
    assert overall(outcomes) == ExitCode.SOME_FAILED
    assert [outcome.code for outcome in outcomes] == [ExitCode.INPUT] * len(odd) + [ExitCode.DONE] * 3
    assert "caf\\xe9.mp4" in [Path(item.input).name for item in read(files[0]).inputs]
    assert all(event.model_dump_json() for event in seen)
    for path in odd:
        with pytest.raises(InputError):
            prepare(path, toy.graph(), WorkDir(settings().work_dir), settings())
        [outcome] = run_all([path], toy.graph(), settings())
        assert outcome.code == ExitCode.INPUT


def test_odd_names_in_a_folder_and_beside_a_video(
    toy: Toy, three: list[Path], settings: Make, tmp_path: Path
) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/vid\xe9os"))
    three[0].parent.rename(folder)
    seen: list[Event] = []
    outcomes = run_all([folder], toy.graph(), settings(), [seen.append])
    assert [outcome.code for outcome in outcomes] == [ExitCode.INPUT] * 3
    folder.rename(three[0].parent)
    sidecar = os.fsencode(three[0].parent) + b"/talk.caf\xe9.srt"
    Path(os.fsdecode(sidecar)).write_bytes(three[0].with_name("talk.en.srt").read_bytes())
    outcomes = run_all([three[0]], toy.graph(), settings(), [seen.append])
    assert [outcome.code for outcome in outcomes] == [ExitCode.DONE]
    assert all(event.model_dump_json() for event in seen)
    with pytest.raises(UsageError, match="transcript"):
        load_settings({"transcript": Path(os.fsdecode(sidecar))})


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_path_that_the_system_cannot_look_at_is_refused_in_its_turn(
    toy: Toy, three: list[Path], settings: Make, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = Path.stat

    def fail(path: Path, **more: Any) -> os.stat_result:
        if path.name == "tell.mp4":
            raise OSError(number, os.strerror(number), str(path))
        return stat(path, **more)

    monkeypatch.setattr(Path, "stat", fail)
    for inputs in (three, [three[0].parent]):
        outcomes = run_all(inputs, toy.graph(), settings())
        codes = {outcome.path.name: outcome.code for outcome in outcomes if not outcome.skipped}
        assert codes == {
            "talk.mp4": ExitCode.DONE,
            "tell.mp4": ExitCode.INPUT,
            "told.mp4": ExitCode.DONE,
        }
        [error] = [outcome.error for outcome in outcomes if outcome.code == ExitCode.INPUT]
        assert os.strerror(number) in str(error)


def replaced(path: Path, data: bytes) -> None:
    """Put another file in a file's place, as an export does."""
    new = path.with_suffix(".new")
    new.write_bytes(data)
    new.replace(path)


def test_an_input_that_changed_before_its_turn_is_taken_as_it_is_then(
    toy: Toy, three: list[Path], settings: Make
) -> None:
    other = three[0].read_bytes() + b"exported once more"

    def change(name: str) -> None:
        if len(toy.made) == 1:
            replaced(three[1], other)
            three[2].unlink()

    toy.before_make = change
    seen: list[Event] = []
    outcomes = run_all(three, toy.graph(), settings(), [seen.append])
    assert [outcome.code for outcome in outcomes] == [ExitCode.DONE, ExitCode.DONE, ExitCode.INPUT]
    told = {event.code: event.message for event in seen if isinstance(event, Notice)}
    assert "tell.mp4 changed since" in told["input-changed"]
    assert "told.mp4 does not exist" in told["input-refused"]
    store = WorkDir(settings().work_dir)
    assert next(runs(store)).source == digest_bytes(other)


@pytest.mark.parametrize("languages", [("ja",), ("ja", "es")])
@pytest.mark.parametrize("at", ["ingest.read", "deliver.mux"])
def test_nothing_is_recorded_of_an_input_that_changed_while_it_was_read(
    toy: Toy, three: list[Path], settings: Make, languages: tuple[str, ...], at: str
) -> None:
    before, after = three[0].read_bytes(), three[0].read_bytes() + b"other"

    def change(name: str) -> None:
        if name == at:
            replaced(three[0], after)

    toy.before_make = change
    outcomes = run_all(three[:2], toy.graph(), settings(languages=languages))
    assert [outcome.code for outcome in outcomes] == [ExitCode.INPUT, ExitCode.DONE]
    assert "talk.mp4 changed while it was worked on" in str(outcomes[0].trouble)
    assert not list(three[0].parent.glob("talk.*.mp4"))
    # What was there before is made when it is back.
    toy.before_make = lambda _: None
    replaced(three[0], before)
    toy.made.clear()
    [outcome] = run_all(three[:1], toy.graph(), settings(languages=languages))
    assert outcome.code == ExitCode.DONE
    assert at in toy.made


def test_that_an_input_changed_is_told_before_what_was_met_for_it(
    toy: Toy, video: Path, settings: Make
) -> None:
    def change(_name: str) -> None:
        replaced(video, b"other")
        raise ValueError("no packet")

    toy.before_make = change
    [outcome] = run_all([video], toy.graph(), settings())
    assert "changed while it was worked on" in str(outcome.trouble)


def test_another_inode_of_the_same_bytes_is_no_change(toy: Toy, video: Path, settings: Make) -> None:
    """Some network file systems give a file new numbers at times."""
    old, data = video.stat(), video.read_bytes()

    def renumber(_name: str) -> None:
        replaced(video, data)
        os.utime(video, ns=(old.st_atime_ns, old.st_mtime_ns))

    toy.before_make = renumber
    [outcome] = run_all([video], toy.graph(), settings())
    assert outcome.code == ExitCode.DONE
    assert video.stat().st_ino != old.st_ino


def test_summary_may_not_be_an_input_or_an_output(toy: Toy, video: Path, settings: Make) -> None:
    odd = video.with_name("talk.json")
    odd.write_bytes(video.read_bytes())
    with pytest.raises(UsageError, match="would replace an input"):
        run_all([odd], toy.graph(), settings(summary=(odd,), overwrite=True))
    report = video.with_name("talk.ja.report.json")
    with pytest.raises(UsageError, match="The summary and talk"):
        run_all([video], toy.graph(), settings(summary=(report,)))
    with pytest.raises(ValueError, match=r"\.json or \.md"):
        settings(summary=(video.with_name("night.txt"),))


def test_a_summary_that_cannot_be_written_any_more_ends_no_night(
    toy: Toy, three: list[Path], settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, place = tmp_path / "night.json", export.place

    def full(store: WorkDir, path: Path, *more: Any) -> None:
        if path == file and toy.made:
            raise StorageError("no room")
        place(store, path, *more)

    monkeypatch.setattr(export, "place", full)
    seen: list[Event] = []
    outcomes = run_all(three, toy.graph(), settings(summary=(file,)), [seen.append])
    assert overall(outcomes) == ExitCode.DONE
    assert [event.code for event in seen if isinstance(event, Notice)].count("summary-lost") == 1
    assert [item.state for item in read(file).inputs] == ["working", "waiting", "waiting"]


def test_summary_as_a_page(toy: Toy, three: list[Path], settings: Make, tmp_path: Path) -> None:
    bad = three[0].with_name("a|b.mp4")
    bad.touch()
    toy.defect_languages = {"es"}
    files = (tmp_path / "night.json", tmp_path / "night.md")
    run_all([bad, *three], toy.graph(), settings(languages=("ja", "es"), summary=files))
    page = files[1].read_text()
    assert "3 done, with defects, 1 failed." in page
    assert "Exit code 8: several inputs, some of them failed." in page
    look, rows = page.split("## All")
    assert r"a\|b.mp4**: failed" in look
    assert "is empty." in look
    assert look.count("not quite right") == 3
    assert "talk.es.report.html" in look
    assert sum(line.startswith("| ") for line in rows.splitlines()) == 5
    assert read(files[0]).counts == {"defects": 3, "failed": 1}


def test_deadline_stops_between_actions_and_the_next_run_goes_on(
    toy: Toy, video: Path, settings: Make, late: list[bool]
) -> None:
    def pass_it(name: str) -> None:
        if name == "translate.line":
            late.append(True)

    toy.before_make = pass_it
    [outcome] = run_all([video], toy.graph(), settings(deadline="06:00"))
    # The action at work is finished.
    assert toy.made == ["ingest.read", "translate.line"]
    assert (outcome.code, overall([outcome])) == (ExitCode.DEADLINE, ExitCode.DEADLINE)
    assert outcome.result is not None
    assert "The deadline (06:00) came before the end." in str(outcome.result.error)
    assert toy.opened == toy.closed == ["toy"]
    assert not list(video.parent.glob("talk.ja.*"))
    store = WorkDir(settings().work_dir)
    [item] = status(store)
    assert (item.state, item.record.exit_code) == ("stopped", ExitCode.DEADLINE)
    late.clear()
    toy.before_make = lambda name: None
    [outcome] = run_all([video], toy.graph(), settings())
    assert outcome.code == ExitCode.DONE
    assert toy.made == ["ingest.read", "translate.line", "deliver.mux"]


def test_what_is_finished_before_the_deadline_is_delivered(
    toy: Toy, video: Path, settings: Make, late: list[bool]
) -> None:
    def pass_it(name: str) -> None:
        if len(toy.made) == 3:
            late.append(True)

    toy.before_make = pass_it
    [outcome] = run_all([video], toy.graph(), settings(languages=("ja", "es"), deadline="06:00"))
    assert outcome.code == ExitCode.DEADLINE
    assert outcome.result is not None
    assert [item.language for item in outcome.result.languages] == ["ja"]
    assert video.with_name("talk.ja.mp4").exists()


def test_no_input_begins_after_the_deadline(
    toy: Toy, three: list[Path], settings: Make, late: list[bool], tmp_path: Path
) -> None:
    def pass_it(name: str) -> None:
        if len(toy.made) == 4:
            late.append(True)

    toy.before_make = pass_it
    file = tmp_path / "night.json"
    outcomes = run_all(three, toy.graph(), settings(summary=(file,), deadline="06:00"))
    assert [outcome.state for outcome in outcomes] == ["done", "stopped", "waiting"]
    assert overall(outcomes) == ExitCode.DEADLINE
    summary = read(file)
    assert states(summary) == [("done", None, 0), ("stopped", "deadline", 9), ("waiting", "deadline", 9)]
    assert (summary.exit_code, summary.deadline) == (9, "2026-11-27T06:00:00+00:00")
    assert len(list(runs(WorkDir(settings().work_dir)))) == 2
    late.clear()
    toy.before_make = lambda name: None
    run_all(three, toy.graph(), settings(summary=(file,), deadline="06:00"))
    assert states(read(file)) == [("done", None, 0)] * 3
    assert len(toy.made) == 9


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ((DeadlinePassed,), ExitCode.DEADLINE),
        ((StorageError,), ExitCode.STORAGE),
        ((StorageError, DeadlinePassed), ExitCode.SOME_FAILED),
        ((DeadlinePassed, DeadlinePassed), ExitCode.DEADLINE),
    ],
)
def test_the_code_of_several_is_what_most_needs_a_person(
    tmp_path: Path, codes: tuple[type[LocError], ...], code: ExitCode
) -> None:
    assert overall([Outcome(tmp_path, error=kind("x")) for kind in codes]) == code


def test_a_defect_outweighs_the_deadline(
    toy: Toy, three: list[Path], settings: Make, late: list[bool]
) -> None:
    def pass_it(name: str) -> None:
        if len(toy.made) == 4:
            late.append(True)

    toy.before_make, toy.defect_languages = pass_it, {"ja"}
    outcomes = run_all(three, toy.graph(), settings(deadline="06:00"))
    assert [outcome.state for outcome in outcomes] == ["defects", "stopped", "waiting"]
    assert overall(outcomes) == ExitCode.DEFECTS


def test_a_folder_stands_for_the_videos_in_it(toy: Toy, three: list[Path], settings: Make) -> None:
    folder = three[0].parent
    shutil.copy(three[1], folder / ".half.mp4")
    (folder / "deeper").mkdir()
    shutil.copy(three[1], folder / "deeper" / "other.mp4")
    (folder / "LOUD.MOV").write_bytes(three[0].read_bytes() + bytes(9))
    shutil.copy(folder / "talk.en.srt", folder / "LOUD.en.srt")
    seen: list[Event] = []
    outcomes = run_all([folder, three[1]], toy.graph(), settings(), [seen.append])
    assert [outcome.path.name for outcome in outcomes] == ["LOUD.MOV", "talk.mp4", "tell.mp4", "told.mp4"]
    assert overall(outcomes) == ExitCode.DONE
    [told] = [event.message for event in seen if isinstance(event, Notice) and event.code == "folder"]
    assert told == f"{folder}: 4 videos. 4 other files are not looked at."
    # What was written among them is skipped the next night, and is no clash with itself.
    toy.made.clear()
    outcomes = run_all([folder], toy.graph(), settings())
    assert toy.made == []
    assert [item.path.name for item in outcomes if item.skipped] == [
        "LOUD.ja.mp4",
        "talk.ja.mp4",
        "tell.ja.mp4",
        "told.ja.mp4",
    ]
    assert overall(outcomes) == ExitCode.DONE


def marked(source: Path, path: Path) -> None:
    """A video with the mark that loc puts on its own."""
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        track = made.add_stream_from_template(given.streams.video[0], opaque=True)
        track.metadata["handler_name"] = OWN_MARK
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = track
                made.mux_one(packet)


def codes(outcomes: list[Outcome]) -> dict[str, int | None]:
    return {outcome.path.name: None if outcome.skipped else int(outcome.code) for outcome in outcomes}


@pytest.mark.parametrize("overwrite", [False, True])
def test_outputs_of_a_work_directory_that_is_lost_stop_no_night(
    toy: Toy, three: list[Path], settings: Make, tmp_path: Path, overwrite: bool
) -> None:
    folder = three[0].parent
    marked(three[0], folder / "talk.ja.mp4")
    before = (folder / "talk.ja.mp4").read_bytes()
    outcomes = run_all([folder], toy.graph(), settings(overwrite=overwrite))
    assert codes(outcomes) == {
        "talk.ja.mp4": None,
        "talk.mp4": int(ExitCode.DONE if overwrite else ExitCode.USAGE),
        "tell.mp4": 0,
        "told.mp4": 0,
    }
    assert overall(outcomes) == (ExitCode.DONE if overwrite else ExitCode.SOME_FAILED)
    assert ((folder / "talk.ja.mp4").read_bytes() != before) is overwrite
    [alone] = run_all([folder / "tell.ja.mp4"], toy.graph(), settings())
    assert (codes([alone]), alone.code) == ({"tell.ja.mp4": int(ExitCode.INPUT)}, ExitCode.INPUT)


def test_a_marked_video_is_none_of_the_inputs_even_alone(
    toy: Toy, video: Path, settings: Make, tmp_path: Path
) -> None:
    marked(video, tmp_path / "dub.mp4")
    [outcome] = run_all([tmp_path / "dub.mp4"], toy.graph(), settings())
    assert outcome.code == ExitCode.INPUT
    assert "written by loc" in str(outcome.error)


def test_an_input_that_another_would_replace_is_refused_with_it_and_the_rest_goes_on(
    toy: Toy, three: list[Path], settings: Make
) -> None:
    """Nothing tells an earlier output without a mark from a video of its own."""
    folder = three[0].parent
    other = folder / "talk.ja.mp4"
    shutil.copy(three[0], other)
    shutil.copy(folder / "talk.en.srt", folder / "talk.ja.en.srt")
    before = other.read_bytes()
    outcomes = run_all([folder], toy.graph(), settings(overwrite=True, languages=("ja", "es")))
    assert codes(outcomes) == {
        "talk.ja.mp4": int(ExitCode.USAGE), "talk.mp4": int(ExitCode.USAGE), "tell.mp4": 0, "told.mp4": 0
    }  # fmt: skip
    assert overall(outcomes) == ExitCode.SOME_FAILED
    assert other.read_bytes() == before
    output = f"{folder}/{{stem}}{{ext}}"
    [itself] = run_all([three[0]], toy.graph(), settings(output=output, overwrite=True))
    assert itself.code == ExitCode.USAGE


def test_videos_of_one_output_are_refused_in_their_turn_and_the_rest_goes_on(
    toy: Toy, three: list[Path], settings: Make, tmp_path: Path
) -> None:
    """Which of the two the output would be of is not for the order of a folder to say."""
    folder, out = three[0].parent, tmp_path / "out"
    same = folder / "talk.mov"
    shutil.copy(three[1], same)
    files = (tmp_path / "night.json", tmp_path / "night.md")
    seen: list[Event] = []
    outcomes = run_all([folder], toy.graph(), settings(output=f"{out}/", summary=files), [seen.append])
    assert codes(outcomes) == {
        "talk.mov": int(ExitCode.USAGE), "talk.mp4": int(ExitCode.USAGE), "tell.mp4": 0, "told.mp4": 0
    }  # fmt: skip
    assert overall(outcomes) == ExitCode.SOME_FAILED
    assert sorted(path.name for path in out.glob("*.mp4")) == ["tell.ja.mp4", "told.ja.mp4"]
    told = [event.message for event in seen if isinstance(event, Notice) and event.code == "input-refused"]
    assert ["would both be written to" in message for message in told] == [True, True]
    assert [item.error.code if item.error else 0 for item in read(files[0]).inputs] == [2, 2, 0, 0]
    assert files[1].read_text().count("would both be written to") == 2


def test_a_video_that_is_named_twice_is_one_input(
    toy: Toy, three: list[Path], settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(three[0].parent)
    outcomes = run_all([Path("talk.mp4"), three[0].parent], toy.graph(), settings())
    assert [(str(outcome.path), outcome.code) for outcome in outcomes] == [
        ("talk.mp4", ExitCode.DONE), (str(three[1]), ExitCode.DONE), (str(three[2]), ExitCode.DONE)
    ]  # fmt: skip


def test_a_kill_while_inputs_are_read_leaves_a_summary(
    toy: Toy, three: list[Path], settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_all(three, toy.graph(), settings())
    file = tmp_path / "night.json"
    found: list[list[str]] = []
    digest = WorkDir.input_digest

    def watched(store: WorkDir, path: Path) -> Any:
        found.append([item.state for item in read(file).inputs])
        return digest(store, path)

    monkeypatch.setattr(WorkDir, "input_digest", watched)
    run_all([three[0].parent], toy.graph(), settings(summary=(file,)))
    assert found[0] == ["waiting"] * 6


@pytest.mark.parametrize("readable", [True, False])
def test_a_folder_without_videos_cannot_be_used(
    toy: Toy, video: Path, settings: Make, tmp_path: Path, readable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    (folder / "notes.txt").touch()
    if not readable:
        iterdir = Path.iterdir

        def refuse(path: Path) -> Any:
            if path == folder:
                raise PermissionError(13, os.strerror(13), str(path))
            return iterdir(path)

        monkeypatch.setattr(Path, "iterdir", refuse)
    [outcome] = run_all([folder], toy.graph(), settings())
    assert outcome.code == ExitCode.INPUT
    assert ("There is no video in" if readable else "cannot be read") in str(outcome.error)
    monkeypatch.undo()
    outcomes = run_all([folder, video], toy.graph(), settings())
    assert overall(outcomes) == ExitCode.SOME_FAILED
    assert json.loads(video.with_name("talk.ja.report.json").read_text())


@pytest.mark.parametrize("name", [".", "..", "/", "down/.."])
def test_a_folder_named_by_where_it_lies_is_refused_in_its_turn(
    toy: Toy, video: Path, settings: Make, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "nothing"
    (folder / "down").mkdir(parents=True)
    monkeypatch.chdir(folder / "down" if name == ".." else folder)
    [outcome] = run_all([Path(name)], toy.graph(), settings())
    assert outcome.code == ExitCode.INPUT
    assert ("/ cannot be used" if name == "/" else f"There is no video in {folder}.") in str(outcome.error)
    outcomes = run_all([Path(name), video], toy.graph(), settings())
    assert [outcome.code for outcome in outcomes] == [ExitCode.INPUT, ExitCode.DONE]


def test_the_words_of_one_video_are_not_given_to_several(toy: Toy, three: list[Path], settings: Make) -> None:
    given = settings(transcript=three[0].with_name("talk.en.srt"))
    with pytest.raises(UsageError, match="--transcript: the words of one video, and 3 are named"):
        run_all(three, toy.graph(), given)
    assert toy.made == []
    # What was written beside one is no second video.
    run_all([three[0]], toy.graph(), given)
    outcomes = run_all([three[0], three[0].with_name("talk.ja.mp4")], toy.graph(), given)
    assert sorted(outcome.skipped for outcome in outcomes) == [False, True]
