"""The drawn presenters are what their truth says: that is what other tests rest on."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pysubs2
import pytest

from loc.analysis.face_tracker import track_range
from loc.analysis.faces import Faces, face_scale, foremost, lip_aperture
from loc.artifacts import SAMPLE_RATE, FrameRange
from loc.media.frames import first_look, scan_frames
from loc.media.probe import probe_source
from loc.media.shots import ShotFinder
from loc.settings import Settings
from tests.closures import closed_at
from tests.presenter import (
    MINA,
    OTTO,
    PRESENTERS,
    SAMPLE,
    SHORT,
    SHORT_PAIR,
    Film,
    Soundtrack,
    Truth,
    dialogue,
    draw_sheet,
    render,
    soundtrack,
    write_subtitles,
)
from tests.presenter.mouth import WIDEST_GAP, lip_lines
from tests.presenter.samples import SAMPLE_JAPANESE

Curve = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def tracked(two_shot_film: Film) -> Faces:
    """What our face tracker finds in a film of two shots."""
    video = probe_source(two_shot_film.path, Settings()).video
    scan = scan_frames(two_shot_film.path, video)
    time_base = first_look(two_shot_film.path, video.index).time_base
    timeline = scan.timeline(time_base)
    shots = two_shot_film.truth.shots
    ranges = [FrameRange(start=shot.start, stop=shot.stop) for shot in shots]
    return Faces.join(
        foremost(track_range(two_shot_film.path, video, timeline, part), len(part)) for part in ranges
    )


@pytest.fixture(scope="module")
def octave() -> Soundtrack:
    return soundtrack(dialogue("octave"))


def drawn_gap(truth: Truth) -> Curve:
    """Pixels between the lips in every frame."""
    return np.concatenate([face.gap for face in truth.faces])


def test_a_face_is_found_in_every_frame(tracked: Faces, two_shot_film: Film) -> None:
    assert len(tracked) == two_shot_film.truth.frames
    assert tracked.found.all()


def test_measured_lips_follow_the_drawn_ones(tracked: Faces, two_shot_film: Film) -> None:
    measured = lip_aperture(tracked.points) * face_scale(tracked.points)
    drawn = drawn_gap(two_shot_film.truth)
    for shot in two_shot_film.truth.shots:
        part = slice(shot.start, shot.stop)
        assert np.corrcoef(measured[part], drawn[part])[0, 1] > 0.85


def test_boxes_hold_the_face(tracked: Faces, two_shot_film: Film) -> None:
    boxes = np.concatenate([face.box for face in two_shot_film.truth.faces])
    middle = tracked.points.mean(axis=1)
    assert ((middle > boxes[:, :2]) & (middle < boxes[:, 2:])).all()


def test_shots_change_where_the_truth_says(two_shot_film: Film) -> None:
    video = probe_source(two_shot_film.path, Settings()).video
    finder = ShotFinder(video.average_rate)
    scan_frames(two_shot_film.path, video, finder.look)
    truth = two_shot_film.truth
    assert [(shot.start, shot.stop) for shot in finder.shots()] == [
        (shot.start, shot.stop) for shot in truth.shots
    ]


def test_lips_part_by_exactly_the_gap() -> None:
    for who in PRESENTERS:
        for gap in (0.0, 0.07, WIDEST_GAP):
            for width in (0.7, 1.0, 1.12):
                lips = lip_lines(who, gap, width)
                middle = len(lips.inner_up) // 2
                assert lips.inner_low[middle, 1] - lips.inner_up[middle, 1] == pytest.approx(gap)
                assert (lips.inner_low[:, 1] >= lips.inner_up[:, 1]).all()


def test_lips_close_for_every_bilabial(short_film: Film) -> None:
    (line,), (face,) = short_film.truth.lines, short_film.truth.faces
    middles = np.arange(short_film.truth.frames) + 0.5
    at = np.round(middles * SAMPLE_RATE / float(short_film.truth.fps))
    shut = closed_at(line.phones, at.astype(np.int64) - line.start)
    aperture = np.array(face.aperture)
    assert shut.sum() >= 4
    # At the edge of a closure the lips are on their way.
    assert np.median(aperture[shut]) < 0.08
    assert aperture[shut].max() < 0.3
    assert aperture.max() > 0.5


def test_phones_cover_the_speech_of_their_line(octave: Soundtrack) -> None:
    for line in octave.lines:
        phones = line.phones.phones
        assert phones[0].start >= 0
        assert phones[-1].stop <= line.stop - line.start + 1
        assert all(a.stop <= b.start for a, b in pairwise(phones))
        speech = octave.speech[line.start : line.stop, 0]
        assert np.sqrt(np.mean(speech**2)) > 0.05


def test_nothing_is_said_between_lines(octave: Soundtrack) -> None:
    speech = octave.speech[:, 0]
    for before, after in pairwise(octave.lines):
        assert before.stop < after.start
        assert not speech[before.stop : after.start].any()


@pytest.mark.parametrize(("kind", "low", "high"), [("octave", 1.7, 2.4), ("same", 1.0, 1.5)])
def test_voices_of_a_dialogue_differ_in_pitch(kind: str, low: float, high: float) -> None:
    sound = soundtrack(dialogue(kind))  # type: ignore[arg-type]
    pitches = [
        np.median([pitch(sound.speech[line.start : line.stop, 0]) for line in sound.lines[who::2]])
        for who in (0, 1)
    ]
    assert low < max(pitches) / min(pitches) < high


def pitch(speech: npt.NDArray[np.float32]) -> float:
    """Median fundamental frequency of the louder half of a line, by autocorrelation, Hz."""
    window = SAMPLE_RATE // 20
    frames = speech[: len(speech) // window * window].reshape(-1, window)
    loud = frames[(frames**2).mean(axis=1) > np.median((frames**2).mean(axis=1))]
    spectrum = np.abs(np.fft.rfft(loud, 2 * window, axis=1)) ** 2
    correlation = np.fft.irfft(spectrum, axis=1)
    lags = slice(SAMPLE_RATE // 350, SAMPLE_RATE // 65)
    return float(np.median(SAMPLE_RATE / (lags.start + correlation[:, lags].argmax(axis=1))))


def test_only_the_one_who_speaks_moves_the_lips(tmp_path: Path) -> None:
    truth = render(replace(SHORT_PAIR, size=(320, 180)), tmp_path / "pair.mp4")
    assert [face.presenter for face in truth.faces] == [MINA.name, OTTO.name]
    for face in truth.faces:
        for line in truth.lines:
            start, stop = (round(at * truth.fps / SAMPLE_RATE) for at in (line.start, line.stop))
            moves = max(face.aperture[start + 3 : stop - 3]) > 0.3
            assert moves == (face.presenter == line.speaker)


def test_the_same_script_is_the_same_film(short_film: Film, tmp_path: Path) -> None:
    again = tmp_path / "again.mp4"
    assert render(SHORT, again) == short_film.truth
    assert again.read_bytes() == short_film.path.read_bytes()


def test_truth_survives_json(short_film: Film) -> None:
    assert Truth.model_validate_json(short_film.truth.model_dump_json()) == short_film.truth


def test_music_is_as_loud_as_asked() -> None:
    sound = soundtrack(SHORT)
    (line,) = sound.lines
    speech, music = (
        10 * np.log10(np.mean(track**2)) for track in (sound.speech[line.start : line.stop], sound.music)
    )
    assert music - speech == pytest.approx(SHORT.music_db, abs=0.1)
    side, mid = sound.music[:, 0] - sound.music[:, 1], sound.music.sum(axis=1)
    assert np.mean(side**2) > 0.05 * np.mean(mid**2)
    assert np.abs(sound.mix).max() < 1


def test_sample_subtitles_say_what_is_said(tmp_path: Path) -> None:
    sound = soundtrack(SAMPLE)
    path = tmp_path / "sample.ja.srt"
    write_subtitles(path, sound.lines, SAMPLE_JAPANESE)
    cues = pysubs2.load(str(path))
    assert [cue.text for cue in cues] == list(SAMPLE_JAPANESE)
    assert [cue.start for cue in cues] == [round(line.start / 48) for line in sound.lines]
    assert 10 * SAMPLE_RATE < len(sound.mix) < 15 * SAMPLE_RATE


def test_contact_sheet(tmp_path: Path) -> None:
    draw_sheet(tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 100_000
