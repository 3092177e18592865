"""`loc run` with a tiny MuseTalk on the shelf: it draws every cut that is drawn, and only inside its mask."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.graph import load_graph
from loc.app.run import RunResult, prepare, run_job
from loc.device import Device
from loc.errors import ExitCode, UsageError
from loc.events import ActionDone, CutDecided, Defect, Event, Notice
from loc.settings import Settings
from loc.store.workdir import WorkDir
from tests.lipsync.musetalk import tiny
from tests.presenter import Film, write_subtitles

Run = Callable[..., tuple[RunResult, list[Event]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, short_film: Film) -> Path:
    folder = tmp_path_factory.mktemp("musetalk")
    shutil.copy(short_film.path, folder / "talk.mp4")
    lines = short_film.truth.lines
    write_subtitles(folder / "talk.en.srt", lines, [line.text for line in lines])
    write_subtitles(folder / "talk.es.srt", lines, ["Los perros se mueven."] * len(lines))
    write_subtitles(folder / "talk.ja.srt", lines, ["犬は動きます。"] * len(lines))
    tiny.register(folder / "data")
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    def go(**changes: Any) -> tuple[RunResult, list[Event]]:
        given = {"languages": ("ja",), "work_dir": folder / "work", "overwrite": True, "page": "none"}
        given["source_language"] = "en"
        settings = Settings(**{**given, "data_dir": folder / "data", **changes})
        store, graph, events = WorkDir(settings.work_dir), load_graph(), list[Event]()
        prepared = prepare(folder / "talk.mp4", graph, store, settings)
        return run_job(prepared, graph, store, settings, [events.append]), events

    return go


def made(events: list[Event], action: str) -> int:
    return sum(isinstance(event, ActionDone) and event.action == action and not event.hit for event in events)


def test_it_is_chosen_where_its_weights_are_and_draws(run: Run) -> None:
    result, events = run()
    assert result.exit_code is ExitCode.DONE, result.error
    assert result.choices.card("lipsync", "ja").choice == "lipsync/musetalk:tiny"  # type: ignore[union-attr]
    assert made(events, "lipsync.draw") >= 1
    assert not [event for event in events if isinstance(event, Defect)]
    again, events = run()
    assert again.misses == 0


def test_another_language_or_edit_draws_cuts_that_are_prepared(run: Run, folder: Path) -> None:
    """What is prepared knows no sound; without the nets it could not have been made anew either."""
    run()
    result, events = run(languages=("es",))
    assert result.exit_code is ExitCode.DONE, result.error
    assert made(events, "lipsync.draw") >= 1
    assert made(events, "lipsync.prepare") == made(events, "faces.track") == 0
    edited = (folder / "talk.ja.srt").read_text("utf-8")
    (folder / "talk.ja.srt").write_text(edited.replace("犬は動きます。", "猫は動きます。", 1), "utf-8")
    _, events = run()
    assert made(events, "lipsync.draw") >= 1
    assert made(events, "lipsync.prepare") == 0
    (folder / "talk.ja.srt").write_text(edited, "utf-8")


def test_slowing_the_picture_for_a_dub_prepares_no_cut_anew(run: Run, folder: Path) -> None:
    run()
    said = (folder / "talk.ja.srt").read_text("utf-8")
    (folder / "talk.ja.srt").write_text(said.replace("犬は動きます。", 6 * "犬は静かに動きます。"), "utf-8")
    result, events = run(retime_video=True)
    (folder / "talk.ja.srt").write_text(said, "utf-8")
    assert result.exit_code in (ExitCode.DONE, ExitCode.DEFECTS), result.error
    assert made(events, "retime.stretch") >= 1
    assert made(events, "lipsync.draw") >= 1
    assert made(events, "lipsync.prepare") == 0


def test_a_knob_costs_what_it_shapes(run: Run) -> None:
    run()
    _, events = run(musetalk_audio_padding_left=3)
    assert made(events, "lipsync.draw") >= 1
    assert made(events, "lipsync.prepare") == 0
    _, events = run(musetalk_preset="jaw-seam")
    assert made(events, "lipsync.draw") >= 1
    assert made(events, "lipsync.prepare") >= 1
    assert made(events, "faces.track") == made(events, "dub.voice") == 0
    _, events = run(musetalk_extra_margin=18, musetalk_batch_size=3)
    assert made(events, "lipsync.draw") == 0
    result, events = run(musetalk_smoothing=True)
    assert result.exit_code is ExitCode.DONE, result.error
    assert made(events, "lipsync.draw") >= 1


def test_a_preset_without_effect_is_refused_with_the_reason(run: Run, folder: Path) -> None:
    """By plan as by run, before anything is made."""
    with pytest.raises(UsageError, match="hold the shift of the box at 0"):
        run(musetalk_preset="mouth-wide")
    settings = Settings(languages=("ja",), data_dir=folder / "data", musetalk_preset="mouth-weak")
    with pytest.raises(UsageError):
        prepare(folder / "talk.mp4", load_graph(), WorkDir(folder / "work"), settings, look=True)
    assert run(musetalk_bbox_shift=-5)[0].exit_code is ExitCode.DONE


def test_faces_that_are_not_the_filmed_one_are_warned_of_or_pass(run: Run) -> None:
    """Nets that know nothing draw something else."""
    result, events = run()
    assert result.languages[0].cuts_drawn >= 1
    assert "unlike" in [event.code for event in events if isinstance(event, Notice)]
    result, events = run(unlike="pass")
    assert result.exit_code is ExitCode.DONE, result.error
    assert made(events, "lipsync.draw") == 0
    assert result.languages[0].cuts_drawn == 0


def test_where_there_is_no_room_the_next_drafter_draws_and_says_so(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less memory than the nets take: `warp` draws. What is drawn already needs none."""
    work = folder / "room"
    with monkeypatch.context() as small:
        small.setattr(Device, "free_mb", lambda _device: 10)
        result, events = run(work_dir=work)
        assert result.exit_code is ExitCode.DONE, result.error
        assert made(events, "lipsync.draw") >= 1
        assert made(events, "lipsync.prepare") == 0
        said = "Drafts are drawn by warp. There is no room for Tiny on CPU (cpu)."
        assert [event.message for event in notices(events, "drafts-smaller")] == [said]
        assert any("It takes about" in event.message for event in notices(events, "room"))
        assert {event.backend for event in events if isinstance(event, CutDecided)} == {"warp"}
        report = report_of(result)
        assert said in report["run"]["notices"]
        assert [one["name"] for one in report["backends"] if one["stage"] == "lipsync"] == ["warp"]

        named, events = run(work_dir=work, backend={"lipsync": "musetalk"})
        assert named.exit_code is ExitCode.MISSING
        assert named.error is not None
        assert "There is no room for Tiny" in named.error.what
        assert "--backend" in (named.error.fix or "")
        assert made(events, "lipsync.draw") == 0

    result, events = run(work_dir=work)
    assert result.exit_code is ExitCode.DONE, result.error
    assert {event.backend for event in events if isinstance(event, CutDecided)} == {"musetalk"}
    assert [one["name"] for one in report_of(result)["backends"] if one["stage"] == "lipsync"] == ["musetalk"]
    monkeypatch.setattr(Device, "free_mb", lambda _device: 10)
    again, events = run(work_dir=work)
    assert (again.exit_code, again.misses) == (ExitCode.DONE, 0)
    assert not notices(events, "drafts-smaller")


def test_the_time_of_the_device_is_told_for_each_cut(run: Run, folder: Path) -> None:
    """What was prepared for it as well, once."""
    # Of other times alone a report that is there is not written again.
    (folder / "talk.ja.report.json").unlink(missing_ok=True)
    result, _ = run(work_dir=folder / "metered")
    spent = report_of(result)["run"]["device_seconds"]
    assert len(spent) == result.languages[0].cuts_drawn >= 1
    assert all(one["draft"] > 0 and one["final"] == 0 for one in spent)
    took = {"lipsync.prepare": 0.0, "lipsync.draw": 0.0}
    for record in WorkDir(folder / "metered").actions():
        if record.name in took:
            took[record.name] += record.detail["device_seconds"]
    assert min(took.values()) > 0
    assert sum(one["draft"] for one in spent) == pytest.approx(sum(took.values()), abs=0.01)


def notices(events: list[Event], code: str) -> list[Notice]:
    return [event for event in events if isinstance(event, Notice) and event.code == code]


def report_of(result: RunResult) -> dict[str, Any]:
    (language,) = result.languages
    report: dict[str, Any] = json.loads(language.targets.report.read_bytes())  # type: ignore[union-attr]
    return report


def test_another_can_be_named(run: Run) -> None:
    result, events = run(backend={"lipsync": "warp"})
    assert made(events, "lipsync.draw") >= 1
    assert result.choices.card("lipsync", "ja").choice == "lipsync/warp"  # type: ignore[union-attr]
