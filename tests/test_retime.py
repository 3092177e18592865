"""`--retime-video` from one end to the other: flash, click, line and subtitle must stay together."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.graph import load_graph
from loc.app.batch import run_all
from loc.app.outcome import overall
from loc.artifacts import SAMPLE_RATE
from loc.errors import ExitCode
from loc.events import Defect, Event, Notice
from loc.media.subtitles import read_cues
from loc.settings import Settings
from tests.media import synth
from tests.test_inputs import heard, numbers, pictures, side, srt

LONG = "今日は皆さんにとても大切なことをお伝えしなければなりませんのでよく聞いてください。"
"""Too long for two seconds, whatever the voice does; a quarter more is enough."""

LAST = "以上です。"

CUES = (("01,000", "03,400", LONG), ("05,000", "05,900", LAST))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("retime") / "store"


Dub = Callable[..., dict[str, Any]]


@pytest.fixture
def dub(store: Path) -> Dub:
    """Dub a film into Japanese; its report, and what was said under `said`."""

    def run(video: Path, suffix: str = ".mp4", **changes: Any) -> dict[str, Any]:
        video.with_suffix(".ja.srt").write_text(srt(*CUES), encoding="utf-8")
        given = {"languages": ("ja",), "work_dir": store, "preset": "ultrafast", "lipsync": False}
        settings = Settings(**{**given, "retime_video": True, "page": "none", "overwrite": True, **changes})
        events: list[Event] = []
        outcomes = run_all([video], load_graph(), settings, [events.append])
        assert overall(outcomes) in (ExitCode.DONE, ExitCode.DEFECTS), outcomes
        report: dict[str, Any] = json.loads(video.with_suffix(".ja.report.json").read_text())
        codes = [event.code for event in events if isinstance(event, Notice | Defect)]
        return {**report, "said": codes, "video": video.with_suffix(f".ja{suffix}")}

    return run


def film(folder: Path, recipe: str = "h264", frames: int = 200) -> Path:
    sound = synth.beside(synth.clicks(Fraction(frames, synth.RATE)))
    return synth.make(folder, recipe, frames=frames, tracks=[sound])


@pytest.mark.parametrize("recipe", ["h264", "mpeg4", "vfr"])
def test_flash_click_line_and_subtitle_stay_together(dub: Dub, tmp_path: Path, recipe: str) -> None:
    video = film(tmp_path, recipe)
    before, _ = pictures(video)
    report = dub(video)
    (slowed,) = report["slowed"]
    factor = slowed["seconds"] / slowed["source_seconds"]
    assert 1.01 < factor < 1.252
    assert "retimed" in report["said"]
    assert not report["defects"]
    times, lumas = pictures(report["video"])
    assert numbers(lumas) == list(range(200)), "no frame is added or lost"
    first, last = slowed["frames"]
    shown = np.diff([float(time) for time in times])
    filmed = np.diff([float(time) for time in before])
    assert shown[first : last - 1] == pytest.approx(factor * filmed[first : last - 1], abs=2e-4)
    assert shown[:first] == pytest.approx(filmed[:first], abs=2e-4)
    assert shown[last:] == pytest.approx(filmed[last:], abs=2e-4)
    if recipe != "vfr":
        # Its flashes are counted in pictures, which are not at whole seconds there.
        # AVI says nothing of the picture that B-frames delay: there the source is 40 ms apart, and what is
        # slowed in proportion. Slowing the sound moves a click by up to 4.5 ms (measured).
        result, source = side(heard(report["video"])), side(heard(video))
        for number in range(25, 200, 25):
            assert synth.has_flash(lumas[number])
            apart = synth.click_error(source, Fraction(number, synth.RATE))
            assert apart == pytest.approx(-40 if recipe == "mpeg4" else 0, abs=1)
            assert factor * apart - 5 < synth.click_error(result, times[number]) < apart + 5, number
    long, end = report["lines"]
    assert long["overrun_seconds"] == 0
    later = slowed["seconds"] - slowed["source_seconds"]
    assert end["start"] == pytest.approx(5 + later, abs=0.001)
    cues = read_cues(report["video"].with_name(f"{report['video'].stem}.dub.srt").read_bytes(), "made")
    assert [cue.start / SAMPLE_RATE for cue in cues][-1] == pytest.approx(end["start"], abs=0.001)


def test_off_by_default_the_line_runs_over_and_the_picture_stays(dub: Dub, tmp_path: Path) -> None:
    report = dub(film(tmp_path), retime_video=False)
    assert report["slowed"] == []
    assert [defect["code"] for defect in report["defects"]] == ["overrun"]
    times, _ = pictures(report["video"])
    assert times[-1] == Fraction(199, 25)


def test_where_every_line_fits_asking_for_it_changes_nothing(dub: Dub, tmp_path: Path) -> None:
    video = film(tmp_path)
    video.with_suffix(".ja.srt").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.test_retime.CUES", (("01,000", "04,900", LAST),))
        on = dub(video)
        off = dub(video, retime_video=False)
    assert on["slowed"] == []
    assert on["output_sha256"] == off["output_sha256"]


def test_the_original_sound_goes_with_the_picture(dub: Dub, tmp_path: Path) -> None:
    report = dub(film(tmp_path), keep_original_audio=True, suffix=".mkv", container="mkv")
    assert "original-coded" in report["said"]
    times, _ = pictures(report["video"])
    original = side(heard(report["video"], 1))
    for number in range(25, 200, 25):
        assert abs(synth.click_error(original, times[number])) < 3.5, number


def test_a_second_run_finds_everything_made(dub: Dub, tmp_path: Path) -> None:
    video = film(tmp_path)
    first = dub(video)
    again = dub(video)
    assert again["output_sha256"] == first["output_sha256"]
    assert again["slowed"] == first["slowed"]
