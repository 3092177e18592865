"""Two people whose lips move alike: who follows what is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from loc.analysis.sync import judge as judging
from loc.analysis.sync.judge import MAX_SHIFT, StableJudge, SyncNetJudge
from loc.artifacts import SAMPLE_RATE, Casting, Score, Segment, Source, Speaker, Stems, Transcript
from loc.backend import Host
from loc.events import Notice
from loc.process import Child
from loc.settings import Settings
from loc.stage import Slot
from loc.store.workdir import WorkDir
from stages.lipsync import select
from stages.lipsync import stage as lipsync
from stages.lipsync.speaking import Judged
from stages.lipsync.warp import Warp
from tests.lipsync.test_stage import Rig, dub_of, ingest_film, inputs
from tests.presenter import MINA, OTTO, Film, Said, Script, Shot, shoot

HEARD = "My mother bought a map of the farm before my brother moved."
MOUTHED = "People who came by a lot may have seen it open wide and warm."


def film(folder: Path, who: object, text: str) -> Film:
    script = Script(
        lines=(Said(who, text, pause=0.2),),  # type: ignore[arg-type]
        shots=(Shot(0, "close", "plain", (who,)),),  # type: ignore[arg-type]
        tail=0.2,
        size=(320, 320),
        music=False,
    )
    return shoot(script, folder / "film.mp4")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Film]:
    """Two people side by side who both talk all the time; of the left one alone there is sound."""
    folder = tmp_path_factory.mktemp("both")
    (folder / "left").mkdir()
    (folder / "right").mkdir()
    left, right = film(folder / "left", MINA, HEARD), film(folder / "right", OTTO, MOUTHED)
    path = folder / "both.mp4"
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(left.path), "-i", str(right.path)]
    command += ["-filter_complex", "[0:v][1:v]hstack=shortest=1[v]", "-map", "[v]", "-map", "0:a"]
    with Child([*command, "-c:v", "libx264", "-crf", "14", "-c:a", "copy", str(path)]):
        pass
    return path, left


@pytest.fixture(scope="module")
def ingested(both: tuple[Path, Film], tmp_path_factory: pytest.TempPathFactory) -> tuple[WorkDir, Source]:
    return ingest_film(both[0], tmp_path_factory.mktemp("agreeing") / "store")


def cast(
    both: tuple[Path, Film], ingested: tuple[WorkDir, Source], folder: Path, text: str, language: str = "en"
) -> tuple[Casting, list[str]]:
    """How the line is cast, and what was made for it."""
    path, heard = both
    store, source = ingested
    rig = Rig(store, source, path, Warp(Host(Settings(), folder)))
    (line,) = heard.truth.lines
    segment = Segment(
        id="1", speaker="S1", start=line.start, stop=line.stop, text=text, words=(), confidence=None
    )
    speaker = Speaker(id="S1", median_f0_hz=None, voice_class="low", speech_samples=SAMPLE_RATE)
    said = Transcript(
        language=language, origin="supplied", segments=(segment,), dropped=(), speakers=(speaker,)
    )
    stems = Stems(speech=source.master, background=None, speech_snr_db=20.0)
    made = lipsync.run(rig.context(), inputs(source, stems, Slot("dub", dub_of()), said))
    names = rig.made()
    for used in rig.runners:
        used.close()
    [one] = made.cast.castings
    return one, names


def test_of_two_who_both_talk_the_one_is_found_whose_lips_follow(
    both: tuple[Path, Film], ingested: tuple[WorkDir, Source], tmp_path: Path
) -> None:
    one, made = cast(both, ingested, tmp_path, HEARD)
    assert one.lip_speed is not None
    assert one.runner_up is not None
    assert one.lip_speed < 1.5 * one.runner_up, "speed alone does not tell"
    assert (one.face, one.by, one.certain) == ("1a", "visemes", True)
    assert one.agreement is not None
    assert one.agreement_p is not None
    assert one.agreement_p <= 0.01
    assert "analysis.align" in made
    again, made = cast(both, ingested, tmp_path, HEARD)
    assert again == one
    assert "analysis.align" not in made


class Loud(SyncNetJudge):
    """A judge without a network: mouths are dark where sound is loud."""

    def compare(
        self, pictures: Iterator[npt.NDArray[np.uint8]], count: int, sound: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        mouths = [face[110:140, 95:130].mean() for face in pictures]
        assert len(mouths) == count
        power = np.square(sound[: count * 640].reshape(count, 640)).mean(axis=1)
        dark, loud = (_spread(one) for one in (-np.array(mouths), np.log(power + 1e-3)))
        padded = np.pad(loud, MAX_SHIFT)
        columns = [np.abs(dark - padded[step : step + count]) for step in range(2 * MAX_SHIFT + 1)]
        return np.asarray(np.stack(columns, axis=1), dtype=np.float32)


def _spread(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    smooth = np.convolve(values, np.ones(3) / 3, "same")
    return np.asarray((smooth - smooth.mean()) / smooth.std(), dtype=np.float64)


class _Nothing:
    files: ClassVar[dict[str, str]] = {}

    def fingerprint(self) -> dict[str, str]:
        return {"weights none": "0"}


def both_judged(
    judge: Loud, both: tuple[Path, Film], ingested: tuple[WorkDir, Source], folder: Path
) -> tuple[list[Score], Rig]:
    """The scores of the two faces of the first shot, of all that is said."""
    store, source = ingested
    rig = Rig(store, source, both[0], Warp(Host(Settings(), folder)))
    context = rig.context()
    shown = lipsync._film(context, source)
    faces = lipsync.shot_faces_of(context, shown, 0)
    judged = Judged(context, shown, judge, source.master, 0, faces)  # type: ignore[arg-type]
    where = [np.ones(len(source.shots[0]), bool)]
    scores = [judged(where, name) for name in ("1a", "1b")]
    for used in rig.runners:
        used.close()
    return scores, rig


def test_a_judge_is_shown_each_face_beside_the_sound_and_asked_before_phones_in_any_language(
    both: tuple[Path, Film],
    ingested: tuple[WorkDir, Source],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = Loud(weights=_Nothing())  # type: ignore[arg-type]
    (left, right), _ = both_judged(judge, both, ingested, tmp_path)
    assert left.value is not None
    assert right.value is not None
    assert left.offset is not None
    assert abs(left.offset) <= 3
    assert left.value > 1.5 * right.value

    monkeypatch.setattr(lipsync, "_hearing", lambda _context: judge)
    monkeypatch.setitem(select.LIMITS, "syncnet", (left.value + right.value) / 2)
    one, made = cast(both, ingested, tmp_path, HEARD, language="de")
    assert (one.face, one.by, one.certain) == ("1a", "syncnet", True)
    assert one.agreement is not None
    assert one.agreement > 2 * right.value
    assert "analysis.align" not in made
    monkeypatch.setitem(select.LIMITS, "syncnet", left.value + 1)
    neither, _ = cast(both, ingested, tmp_path, HEARD, language="de")
    assert (neither.face, neither.by) == (None, "unsure")


class _Wrong(_Nothing):
    def fingerprint(self) -> dict[str, str]:
        return {"weights wrong": "0"}


class Unusable(Loud):
    """A judge whose network does not fit what it is shown."""

    def compare(
        self, pictures: Iterator[npt.NDArray[np.uint8]], count: int, sound: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        raise RuntimeError("size mismatch")


def test_a_judge_that_cannot_be_used_leaves_open_who_speaks_and_says_so(
    both: tuple[Path, Film],
    ingested: tuple[WorkDir, Source],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = Unusable(weights=_Wrong())  # type: ignore[arg-type]
    scores, rig = both_judged(judge, both, ingested, tmp_path)
    assert [(one.value, one.unscored) for one in scores] == [(None, "A face could not be judged.")] * 2
    notices = [(event.code, event.message) for event in rig.events if isinstance(event, Notice)]
    assert notices == [("unwatched", "Who speaks in shot 1 is not judged: A face could not be judged.")]

    monkeypatch.setattr(lipsync, "_hearing", lambda _context: judge)
    one, _ = cast(both, ingested, tmp_path, HEARD)
    assert (one.face, one.by) == ("1a", "visemes")


def test_the_only_judge_of_a_machine_is_asked_who_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """StableSyncNet under the default purpose: SyncNet's weights are for research."""
    only = StableJudge(weights=_Nothing())  # type: ignore[arg-type]
    for found, expected in (((only,), only), ((), None)):
        monkeypatch.setattr(judging, "find_judges", lambda *_asked, found=found: found)
        context = SimpleNamespace(settings=Settings())
        assert lipsync._hearing(context) is expected  # type: ignore[arg-type]


def test_a_text_that_nobody_says_and_a_language_without_an_aligner_leave_it_open(
    both: tuple[Path, Film], ingested: tuple[WorkDir, Source], tmp_path: Path
) -> None:
    other, _ = cast(both, ingested, tmp_path, "Yes.")
    assert (other.face, other.by) == (None, "unsure")
    foreign, made = cast(both, ingested, tmp_path, HEARD, language="de")
    assert (foreign.face, foreign.by, foreign.agreement) == (None, "unsure", None)
    assert "analysis.align" not in made
