"""Who is seen speaking, on real faces: clips side by side, in turn, and in a montage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from loc.analysis.faces import transform
from loc.analysis.recognition import recognise_english
from loc.analysis.voice_activity import read_analysis
from loc.artifacts import SAMPLE_RATE, Cast, Stems
from loc.backend import Host
from loc.events import EventBus
from loc.media.patches import load_placement
from loc.process import Child
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import Context, Job, Slot
from loc.store.keys import digest_file
from loc.store.workdir import WorkDir
from stages.ingest import stage as ingest
from stages.ingest.contract import Inputs as IngestInputs
from stages.lipsync import stage as lipsync
from stages.lipsync.warp import Warp
from tests.lipsync.test_stage import Rig, dub_of, inputs, no_backend, transcript_of

SQUARE = "scale=512:512:force_original_aspect_ratio=increase,crop=512:512:(iw-ow)/2:{top},setsar=1,fps=25"
TALKS, FREEZES = "tpad=stop_mode=clone:stop_duration={after}", "tpad=start_mode=clone:start_duration={before}"


def edit(graph: str, inputs: list[list[str]], out: Path) -> Path:
    """Cut a film from clips; the graph ends in [v] and [a]."""
    command = ["ffmpeg", "-v", "error", "-y"]
    for one in inputs:
        command += one
    command += ["-filter_complex", graph, "-map", "[v]", "-map", "[a]", "-c:v", "libx264", "-crf", "14"]
    with Child([*command, "-preset", "veryfast", "-c:a", "aac", str(out)]):
        pass
    return out


@dataclass(frozen=True)
class Drawn:
    """Whom lip-sync found, and where it draws.

    Args:
        cast: the faces and who speaks by which.
        frames: by name of a face, the frames in which it is drawn.
        across: by name of a face, the leftmost and the rightmost column that is drawn on.
    """

    cast: Cast
    frames: Mapping[str, set[int]]
    across: Mapping[str, tuple[float, float]]


def cast_of(path: Path, folder: Path, *lines: tuple[str, float, float], recognised: bool = False) -> Cast:
    """As `drawn_of`, the cast alone."""
    return drawn_of(path, folder, *lines, recognised=recognised).cast


def drawn_of(path: Path, folder: Path, *lines: tuple[str, float, float], recognised: bool = False) -> Drawn:
    """What lip-sync finds and draws over a silent dub, given who is heard when (seconds); by the whole sound
    as speech.

    Args:
        recognised: the lines say what is recognised in the sound, not what nobody says.
    """
    store = WorkDir(folder / "store")
    runner = Runner(store, EventBus(), run="test")
    job = Job(path, digest_file(path), path.stat().st_size, ("es",), "en")
    context = Context(runner=runner, settings=Settings(), job=job, backend=no_backend)
    source = ingest.run(context, IngestInputs())
    runner.close()
    rig = Rig(store, source, path, Warp(Host(Settings(), folder)))
    said = transcript_of(*((who, int(a * SAMPLE_RATE), int(b * SAMPLE_RATE)) for who, a, b in lines))
    if recognised:
        assert source.master is not None
        words = recognise_english(read_analysis(store, source.master, 0, source.master.samples))
        text = " ".join(word.text for word in words)
        segments = tuple(one.model_copy(update={"text": text}) for one in said.segments)
        said = said.model_copy(update={"segments": segments})
    stems = Stems(speech=source.master, background=None, speech_snr_db=20.0)
    made = lipsync.run(rig.context(), inputs(source, stems, Slot("dub", dub_of()), said))
    for used in rig.runners:
        used.close()
    frames: dict[str, set[int]] = defaultdict(set)
    columns: dict[str, list[float]] = defaultdict(list)
    for patch in made.patches:
        placement = load_placement(store.open_object(patch.placement))
        shown = np.flatnonzero(placement.opacity > 0)
        frames[patch.face] |= set((source.chunks[patch.chunk].frames.start + patch.offset + shown).tolist())
        for index in shown:
            outline = transform(placement.polygon[index].astype(np.float64), placement.matrix[index])
            columns[patch.face] += [float(outline[:, 0].min()), float(outline[:, 0].max())]
    return Drawn(made.cast, frames, {name: (min(held), max(held)) for name, held in columns.items()})


def told(cast: Cast) -> list[tuple[str | None, str | None, str]]:
    return [(one.speaker, one.face, one.by) for one in cast.castings]


def test_who_listens_beside_a_speaker_is_not_taken_for_one(clips: Path, tmp_path: Path) -> None:
    path = edit(
        f"[0:v]{SQUARE.format(top=0)}[l];[1:v]{SQUARE.format(top=90)},trim=end=8[r];"
        "[l][r]hstack=shortest=1[v];[0:a]anull[a]",
        [["-i", str(clips / "address.mp4")], ["-i", str(clips / "studio_silent.mp4")]],
        tmp_path / "beside.mp4",
    )
    drawn = drawn_of(path, tmp_path, ("S1", 0.0, 8.0))
    cast = drawn.cast
    assert len(cast.faces) == 2
    assert set(drawn.across) == {"1a"}
    assert drawn.across["1a"][1] < 512, "the half of who listens stays as it is"
    assert told(cast) == [("S1", "1a", "lips")]
    [one] = cast.castings
    assert one.lip_speed is not None
    assert one.runner_up is not None
    assert one.lip_speed > 5 * one.runner_up


@pytest.mark.slow
def test_two_real_people_in_turn(clips: Path, tmp_path: Path) -> None:
    before, after = FREEZES.format(before=8), TALKS.format(after=10)
    path = edit(
        f"[0:v]{SQUARE.format(top=0)},{after}[l];[1:v]{SQUARE.format(top=150)},{before}[r];"
        "[l][r]hstack=shortest=1[v];[0:a]atrim=end=8,aresample=48000,aformat=channel_layouts=mono[x];"
        "[1:a]aresample=48000,aformat=channel_layouts=mono[y];[x][y]concat=n=2:v=0:a=1[a]",
        [["-i", str(clips / "address.mp4")], ["-i", str(clips / "portrait_hevc.mp4")]],
        tmp_path / "turn.mp4",
    )
    drawn = drawn_of(path, tmp_path, ("S1", 0.0, 8.0), ("S2", 8.0, 18.0))
    assert told(drawn.cast) == [("S1", "1a", "lips"), ("S2", "1b", "lips")]
    assert set(drawn.across) == {"1a", "1b"}
    assert drawn.across["1a"][1] < 512 < drawn.across["1b"][0]
    # Lines have half a second of slack where turns meet; further in, only who talks is drawn.
    assert max(drawn.frames["1a"]) < 9 * 25
    assert min(drawn.frames["1b"]) > 7 * 25


@pytest.mark.slow
@pytest.mark.parametrize(("heard", "face", "by"), [(0, "1a", "visemes"), (1, None, "unsure")])
def test_two_real_people_who_both_talk_are_told_apart_by_what_is_said_or_not_at_all(
    heard: int, face: str | None, by: str, clips: Path, tmp_path: Path
) -> None:
    path = edit(
        f"[0:v]{SQUARE.format(top=0)}[l];[1:v]{SQUARE.format(top=150)},trim=end=8[r];"
        f"[l][r]hstack=shortest=1[v];[{heard}:a]atrim=end=8,aresample=48000,aformat=channel_layouts=mono[a]",
        [["-i", str(clips / "address.mp4")], ["-i", str(clips / "portrait_hevc.mp4")]],
        tmp_path / "both.mp4",
    )
    cast = cast_of(path, tmp_path, ("S1", 0.0, 8.0), recognised=True)
    assert told(cast) == [("S1", face, by)]
    [one] = cast.castings
    assert one.agreement_p is not None
    assert (one.agreement_p <= 0.01) == (face is not None)


@pytest.mark.slow
def test_in_a_montage_a_face_that_listens_is_left_alone(clips: Path, tmp_path: Path) -> None:
    path = edit(
        f"[0:v]{SQUARE.format(top=0)},trim=end=4[l];"
        f"[1:v]{SQUARE.format(top=90)},trim=end=4[r];[l][r]concat=n=2:v=1[v];[0:a]anull[a]",
        [["-i", str(clips / "address.mp4")], ["-i", str(clips / "studio_silent.mp4")]],
        tmp_path / "montage.mp4",
    )
    drawn = drawn_of(path, tmp_path, ("S1", 0.0, 4.0), ("S1", 4.0, 8.0))
    assert told(drawn.cast) == [("S1", "1a", "only-face"), ("S1", None, "listener")]
    assert set(drawn.frames) == {"1a"}


@pytest.mark.slow
def test_in_a_montage_of_two_who_talk_each_is_drawn_in_the_own_shot(clips: Path, tmp_path: Path) -> None:
    heard = "aresample=48000,aformat=channel_layouts=mono"
    path = edit(
        f"[0:v]{SQUARE.format(top=0)},trim=end=4[l];[1:v]{SQUARE.format(top=150)},trim=end=4[r];"
        f"[l][r]concat=n=2:v=1[v];[0:a]atrim=end=4,{heard}[x];[1:a]atrim=end=4,{heard}[y];"
        "[x][y]concat=n=2:v=0:a=1[a]",
        [["-i", str(clips / "address.mp4")], ["-i", str(clips / "portrait_hevc.mp4")]],
        tmp_path / "talkers.mp4",
    )
    drawn = drawn_of(path, tmp_path, ("S1", 0.0, 4.0), ("S2", 4.0, 8.0))
    assert told(drawn.cast) == [("S1", "1a", "only-face"), ("S2", "2a", "only-face")]
    assert max(drawn.frames["1a"]) < 100 <= min(drawn.frames["2a"])
