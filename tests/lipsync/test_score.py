"""Scores of drawn cuts: lips that obey, lips that do not, and what drawing did to the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loc.analysis.agreement import SIGNIFICANT
from loc.analysis.face_tracker import KnownFace
from loc.artifacts import Clip, Cut, Score, Source
from loc.backend import Host
from loc.settings import Settings
from loc.store.workdir import WorkDir
from stages.lipsync import score as scoring
from stages.lipsync import watch
from stages.lipsync.contract import Drafter, Patch, RedrawWindow
from stages.lipsync.warp import Warp
from tests.lipsync.test_stage import FRAME, Rig, dub_of, ingest_film
from tests.presenter import MINA, Film, Said, Script, Shot, shoot

SPEECH = Script(
    lines=(
        Said(MINA, "My brother bought a yellow boat.", pause=0.2),
        Said(MINA, "Half of the apples were gone today.", pause=0.4),
    ),
    shots=(Shot(0, "close", "plain"),),
    tail=0.2,
    size=(640, 360),
    music=False,
)
SOUNDS = "maasapaekobuuimsalaaepotwamiisaubaoem"
"""Nearly four seconds of other speech, with closures and without an even beat."""


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return shoot(SPEECH, tmp_path_factory.mktemp("talk") / "talk.mp4")


@pytest.fixture(scope="module")
def ingested(talk: Film, tmp_path_factory: pytest.TempPathFactory) -> tuple[WorkDir, Source]:
    return ingest_film(talk.path, tmp_path_factory.mktemp("score") / "store")


@pytest.fixture
def rig(ingested: tuple[WorkDir, Source], talk: Film, tmp_path: Path) -> Iterator[Rig]:
    store, source = ingested
    rig = Rig(store, source, talk.path, Warp(Host(Settings(), tmp_path)))
    yield rig
    for runner in rig.runners:
        runner.close()


def the_cut(rig: Rig, *clips: Clip) -> Cut:
    (cut,) = rig.run(dub_of(*clips)).cuts
    return cut


def scored(rig: Rig, *clips: Clip) -> Score:
    score = the_cut(rig, *clips).score
    assert score is not None
    return score


class Late(Warp):
    """Draws what was to be drawn three frames earlier."""

    def draw(self, window: RedrawWindow) -> Iterator[Patch]:
        delayed = {
            name: np.concatenate([np.repeat(values[:1], 3), values[:-3]])
            for name, values in (("aperture", window.plan.aperture), ("width", window.plan.width))
        }
        yield from super().draw(replace(window, plan=replace(window.plan, **delayed)))


class Babbling(Warp):
    """Draws the right movement backwards: as lively, and wrong."""

    def draw(self, window: RedrawWindow) -> Iterator[Patch]:
        plan = replace(window.plan, aperture=window.plan.aperture[::-1], width=window.plan.width[::-1])
        yield from super().draw(replace(window, plan=plan))


class Heard(Babbling):
    """Says of itself that it does not follow the phones."""

    follows_phones = False


def drawn_by(rig: Rig, kind: type[Warp], place: int, tmp_path: Path) -> Score:
    """The score of one renderer. A place of its own: what another has drawn there would be found made."""
    backend: Drafter = kind(Host(Settings(), tmp_path))
    rig.backend = backend
    return scored(rig, rig.clip(5 * FRAME + place, SOUNDS))


def test_lips_that_obey_score_high_and_in_time(rig: Rig, tmp_path: Path) -> None:
    score = drawn_by(rig, Warp, 0, tmp_path)
    assert score.measure == "renderer-obedience"
    assert score.value is not None
    assert score.value > 0.6
    assert score.offset == 0
    assert score.p is not None
    assert score.p <= SIGNIFICANT
    assert score.n >= 38, "every second frame of three seconds and more"
    assert score.closures >= 8


def test_lips_drawn_three_frames_late_are_found_three_frames_late(rig: Rig, tmp_path: Path) -> None:
    score = drawn_by(rig, Late, 11, tmp_path)
    assert score.offset is not None
    assert abs(score.offset - 3) <= 1
    assert score.offset_ms == 40 * score.offset


def test_lips_that_move_as_much_to_no_purpose_score_low(rig: Rig, tmp_path: Path) -> None:
    right, wrong = drawn_by(rig, Warp, 0, tmp_path), drawn_by(rig, Babbling, 23, tmp_path)
    assert right.value is not None
    assert wrong.value is not None
    assert wrong.value < right.value / 2
    assert wrong.p is not None
    assert wrong.p > SIGNIFICANT


def test_a_renderer_that_hears_for_itself_is_measured_and_called_so(rig: Rig, tmp_path: Path) -> None:
    assert drawn_by(rig, Heard, 37, tmp_path).measure == "viseme-agreement"


def test_a_word_is_unscored_and_its_picture_is_measured_all_the_same(rig: Rig) -> None:
    score = scored(rig, rig.clip(5 * FRAME))
    assert score.value is None
    assert score.unscored is not None
    assert "s of speech are under 2 s" in score.unscored
    assert score.picture is not None


def test_a_cut_that_is_not_drawn_has_no_score(rig: Rig) -> None:
    assert the_cut(rig).score is None


def test_what_warp_does_to_the_picture_cannot_be_seen_at_its_edge(rig: Rig) -> None:
    picture = scored(rig, rig.clip(5 * FRAME, SOUNDS)).picture
    assert picture is not None
    assert picture.outside == 0
    assert picture.seam < 2.3
    assert picture.lip_colour is not None
    assert picture.lip_colour < 10
    assert 0.6 < picture.sharpness < 1.4


class Green(Warp):
    """Tints what it draws."""

    def draw(self, window: RedrawWindow) -> Iterator[Patch]:
        for patch in super().draw(window):
            pixels = patch.pixels.astype(int) + np.array([-30, 20, -30])
            yield replace(patch, pixels=np.clip(pixels, 0, 255).astype(np.uint8))


class Soft(Warp):
    """Blurs what it draws."""

    def draw(self, window: RedrawWindow) -> Iterator[Patch]:
        import cv2

        for patch in super().draw(window):
            yield replace(patch, pixels=np.asarray(cv2.GaussianBlur(patch.pixels, (0, 0), 3), np.uint8))


def test_tint_and_blur_are_seen(rig: Rig, tmp_path: Path) -> None:
    plain, green, soft = (
        drawn_by(rig, kind, place, tmp_path).picture for kind, place in ((Warp, 0), (Green, 51), (Soft, 67))
    )
    assert plain is not None
    assert green is not None
    assert soft is not None
    assert green.seam > 2.3 > plain.seam
    assert green.lip_colour is not None
    assert plain.lip_colour is not None
    assert green.lip_colour > plain.lip_colour + 10
    assert soft.sharpness < 0.8 * plain.sharpness


def test_only_what_changed_is_watched_again(rig: Rig) -> None:
    first = rig.clip(5 * FRAME, SOUNDS)
    rig.run(dub_of(first))
    rig.made()
    rig.run(dub_of(first))
    assert rig.made() == []
    rig.run(dub_of(rig.clip(5 * FRAME, SOUNDS[::-1])))
    assert sorted(rig.made()) == ["lipsync.draw", "lipsync.score", "lipsync.watch"]


def test_a_redraw_that_cannot_be_watched_stays_drawn(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no eyes")

    monkeypatch.setattr(watch, "_window", broken)
    cut = the_cut(rig, rig.clip(5 * FRAME + 77, SOUNDS))
    assert cut.route == "draft"
    assert cut.drawn_frames > 75
    assert cut.score is not None
    assert cut.score.unscored == "What was drawn could not be watched."
    assert not rig.runners[-1].defects


def test_lips_that_are_not_found_any_more_are_unscored(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KnownFace, "find", lambda *_: None)
    score = scored(rig, rig.clip(5 * FRAME + 83, SOUNDS))
    assert score.unscored is not None
    assert "The lips were found in 0 of" in score.unscored
    assert score.picture is not None
    assert (score.picture.lip_colour, score.picture.jitter) == (None, None)
    assert score.picture.seam < 2.3


def test_the_end_of_a_movement_is_no_trembling() -> None:
    count, moves = 24, slice(8, 16)
    rests = np.ones(count, dtype=bool)
    rests[moves] = False
    seen = {
        **{name: np.ones(count) for name in ("seam", "lip_colour", "sharpness", "outside", "head_tremble")},
        "aperture": np.zeros(count),
        "jaw_before": np.ones((count, 3)),
        "jaw_after": np.ones((count, 3)),
    }
    tremble = np.ones(count)
    tremble[[7, *range(8, 16), 16]] = 25.0
    picture = scoring._picture_score({**seen, "lip_tremble": tremble}, rests)
    assert picture is not None
    assert picture.jitter == pytest.approx(1)
    trembling = np.where(np.arange(count) > 18, 9.0, tremble)
    shaken = scoring._picture_score({**seen, "lip_tremble": trembling}, rests)
    assert shaken is not None
    assert shaken.jitter is not None
    assert shaken.jitter > 1.5
    short = np.zeros(count, dtype=bool)
    short[:6] = True
    none = scoring._picture_score({**seen, "lip_tremble": tremble}, short)
    assert none is not None
    assert none.jitter is None


def test_a_change_outside_the_mask_is_found(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted in the compositor, since patches cannot reach there."""
    from loc.media import compose

    real = compose.apply_patch

    def careless(planes, video, patch, matrix, polygon, feather, opacity):  # type: ignore[no-untyped-def]
        put = real(planes, video, patch, matrix, polygon, feather, opacity)
        put.y[1, 1] = planes.y[1, 1] ^ 8
        return put

    monkeypatch.setattr(compose, "apply_patch", careless)
    picture = scored(rig, rig.clip(5 * FRAME + 89, SOUNDS)).picture
    assert picture is not None
    assert picture.outside == 8


@pytest.mark.parametrize(("resting", "expected"), [(10, 0.12), (2, None)])
def test_lips_that_stand_open_in_silence_are_measured_where_they_should_rest(
    resting: int, expected: float | None
) -> None:
    count = 20
    rests = np.arange(count) < resting
    seen = {name: np.full(count, 1.0) for name in ("seam", "lip_colour", "lip_tremble", "head_tremble")}
    seen |= {"sharpness": np.ones(count), "outside": np.zeros(count)}
    seen |= {"aperture": np.where(rests, 0.12, 0.4)}
    seen |= {name: np.full((count, 3), np.nan) for name in ("jaw_before", "jaw_after")}
    looked = scoring._picture_score(seen, rests)
    assert looked is not None
    assert looked.at_rest == expected
