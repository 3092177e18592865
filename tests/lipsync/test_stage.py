"""The whole lip-sync stage on a drawn film of two shots: what is made, keyed, drawn and survived."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from loc.artifacts import (
    SAMPLE_RATE,
    Chunk,
    Clip,
    DubTrack,
    Fit,
    FrameRange,
    LipSync,
    Loudness,
    Phone,
    Phones,
    Segment,
    Sound,
    Source,
    Speaker,
    Stems,
    Transcript,
)
from loc.backend import Host
from loc.cast import CastFile
from loc.errors import UsageError
from loc.events import ActionDone, EventBus
from loc.media.patches import load_placement, read_patches
from loc.media.sound import encode_flac
from loc.runner import NotMade, Runner
from loc.settings import Settings
from loc.stage import Context, Job, Slot
from loc.store.keys import digest_file
from loc.store.workdir import ActionRecord, WorkDir
from stages.ingest import stage as ingest
from stages.ingest.contract import Inputs as IngestInputs
from stages.lipsync import plan
from stages.lipsync import stage as lipsync
from stages.lipsync.contract import Drafter, Inputs, Patch, RedrawWindow
from stages.lipsync.warp import Warp
from tests.presenter import MINA, OTTO, Film, Said, Script, Shot, Truth, shoot

FRAME = SAMPLE_RATE // 25


@dataclass
class Rig:
    """A source ingested once, and everything a run of the stage needs."""

    store: WorkDir
    source: Source
    path: Path
    backend: Drafter
    events: list[Any] = field(default_factory=list)
    runners: list[Runner] = field(default_factory=list)

    def context(self, mode: str = "make", **settings: Any) -> Context:
        runner = Runner(self.store, EventBus(self.events.append), run="test", mode=mode)  # type: ignore[arg-type]
        self.runners.append(runner)
        return Context(
            runner=runner,
            # A rig has a drafter, and nothing that makes finals.
            settings=Settings(**{"quality": "draft", **settings}),
            job=Job(self.path, self.source.digest, self.source.size, ("es",), "en"),
            backend=lambda _stage, _language: self.backend,
            language="es",
        )

    def run(self, dub: DubTrack, source: Source | None = None, stems: Stems | None = None) -> LipSync:
        return lipsync.run(
            self.context(), inputs(source or self.source, stems or SILENT_STEMS, Slot("dub", dub))
        )

    def made(self) -> list[str]:
        """Names of the actions that were made since this was last asked for."""
        names = [event.action for event in self.events if isinstance(event, ActionDone) and not event.hit]
        self.events.clear()
        return names

    def clip(self, place: int, symbols: str = "amasapa", line: str = "1") -> Clip:
        """A spoken clip: a tone, with phones of a tenth of a second."""
        length = SAMPLE_RATE // 10
        phones = Phones(
            alphabet="espeak",
            phones=tuple(
                Phone(symbol=symbol, start=i * length, stop=(i + 1) * length)
                for i, symbol in enumerate(symbols)
            ),
        )
        samples = len(symbols) * length
        tone = 0.3 * np.sin(np.arange(samples) * 2 * np.pi * 400 / SAMPLE_RATE)
        return Clip(
            line=line,
            speaker="S1",
            voice="test",
            place=place,
            samples=samples,
            audio=self.store.put_bytes(encode_flac(tone.astype(np.float32))),
            phones=self.store.put_bytes(phones.model_dump_json().encode()),
            fit=Fit(natural=samples, slot=samples, borrowed=0, rate=1.0, stretch=1.0, overrun=0),
        )


def inputs(source: Source, stems: Stems, dub: Slot[DubTrack], transcript: Transcript | None = None) -> Inputs:
    return Inputs(
        source=Slot("ingest", source),
        stems=Slot("separate", stems),
        transcript=Slot("transcribe", transcript or transcript_of()),
        dub=dub,
    )


SILENT_STEMS = Stems(speech=None, background=None, speech_snr_db=None)


def dub_of(*clips: Clip) -> DubTrack:
    quiet = Loudness(integrated_lufs=None, true_peak_dbtp=None, speech_lufs=None, source_speech_lufs=None)
    return DubTrack(
        language="es", clips=clips, silent=(), mix=Sound(channels=1, samples=0, blocks=()), loudness=quiet
    )


def ingest_film(path: Path, folder: Path) -> tuple[WorkDir, Source]:
    """A film ingested into a store of its own."""
    store = WorkDir(folder)
    runner = Runner(store, EventBus(), run="test")
    job = Job(path, digest_file(path), path.stat().st_size, ("es",), "en")
    context = Context(runner=runner, settings=Settings(), job=job, backend=no_backend)
    source = ingest.run(context, IngestInputs())
    runner.close()
    return store, source


@pytest.fixture(scope="module")
def ingested(two_shot_film: Film, tmp_path_factory: pytest.TempPathFactory) -> tuple[WorkDir, Source]:
    return ingest_film(two_shot_film.path, tmp_path_factory.mktemp("lipsync") / "store")


def no_backend(_stage: str, _language: str | None) -> Any:
    raise AssertionError("ingest asks for no backend")


@pytest.fixture
def rig(ingested: tuple[WorkDir, Source], two_shot_film: Film, tmp_path: Path) -> Iterator[Rig]:
    store, source = ingested
    rig = Rig(store, source, two_shot_film.path, Warp(Host(Settings(), tmp_path)))
    yield rig
    for runner in rig.runners:
        runner.close()


@pytest.fixture
def two_lines(rig: Rig) -> tuple[Clip, Clip]:
    """A line in each shot."""
    second = rig.source.shots[1].start
    return rig.clip(5 * FRAME), rig.clip((second + 5) * FRAME, line="2")


def test_each_shot_is_a_cut_with_its_frames_drawn(rig: Rig, two_lines: tuple[Clip, Clip]) -> None:
    made = rig.run(dub_of(*two_lines))
    assert [(cut.shot, cut.frames) for cut in made.cuts] == list(enumerate(rig.source.shots))
    assert {cut.route for cut in made.cuts} == {"draft"}
    for cut in made.cuts:
        # Seven tenths of a second of speech, and fades of two frames.
        assert 17 <= cut.drawn_frames <= 23
        assert cut.skipped_frames == 0
        assert (cut.backend, cut.speaker) == ("warp", "S1")
    assert sum(track.count for track in made.patches) == sum(cut.drawn_frames for cut in made.cuts)


def test_patches_read_back_inside_their_chunks(rig: Rig, two_lines: tuple[Clip, Clip]) -> None:
    made = rig.run(dub_of(*two_lines))
    for track in made.patches:
        assert 0 <= track.offset < track.offset + track.count <= len(rig.source.chunks[track.chunk].frames)
        placement = load_placement(rig.store.open_object(track.placement))
        assert len(placement) == track.count
        assert placement.opacity.max() == 1
        assert placement.opacity.min() > 0
        pixels = rig.store.open_object(track.pixels)
        assert len(list(read_patches(pixels, track.width, track.height, track.count))) == track.count


def test_a_second_run_makes_nothing(rig: Rig, two_lines: tuple[Clip, Clip]) -> None:
    first = rig.run(dub_of(*two_lines))
    rig.made()
    assert rig.run(dub_of(*two_lines)) == first
    assert rig.made() == []


def test_a_changed_line_costs_its_own_redraw(rig: Rig, two_lines: tuple[Clip, Clip]) -> None:
    first, second = two_lines
    before = rig.run(dub_of(first, second))
    rig.made()
    other = rig.clip(second.place, "atakala", line="2")
    after = rig.run(dub_of(first, other))
    assert rig.made() == ["lipsync.draw", "lipsync.watch", "lipsync.score"]
    assert after.patches[0] == before.patches[0]
    assert after.patches[1].pixels != before.patches[1].pixels


def test_the_name_of_a_line_changes_nothing(rig: Rig, two_lines: tuple[Clip, Clip]) -> None:
    first, second = two_lines
    rig.run(dub_of(first, second))
    rig.made()
    rig.run(dub_of(first, second.model_copy(update={"line": "new name", "voice": "other"})))
    assert rig.made() == []


def test_off_means_off(rig: Rig) -> None:
    context = rig.context(lipsync=False)
    pending: Slot[Any] = Slot.pending("anything")
    made = lipsync.run(context, Inputs(source=pending, stems=pending, transcript=pending, dub=pending))
    assert made == LipSync(cuts=(), patches=())
    assert rig.made() == []


def test_a_silent_shot_passes_through(rig: Rig) -> None:
    made = rig.run(dub_of(rig.clip(5 * FRAME)))
    assert [cut.route for cut in made.cuts] == ["draft", "passthrough"]
    assert [reason.code for reason in made.cuts[1].reasons] == ["no-speech"]
    assert {track.chunk for track in made.patches} == {0}


def test_the_mouth_is_closed_where_only_the_source_speaks(rig: Rig) -> None:
    stems = Stems(speech=rig.source.master, background=None, speech_snr_db=20.0)
    made = rig.run(dub_of(), stems=stems)
    assert all(cut.drawn_frames > 10 for cut in made.cuts)


def transcript_of(*lines: tuple[str, int, int]) -> Transcript:
    """(speaker, start, stop) of each line."""
    return Transcript(
        language="en",
        origin="supplied",
        segments=tuple(
            Segment(
                id=str(number), start=start, stop=stop, speaker=who, text="words", words=(), confidence=None
            )
            for number, (who, start, stop) in enumerate(lines)
        ),
        dropped=(),
        speakers=tuple(
            Speaker(id=who, median_f0_hz=None, voice_class="low", speech_samples=SAMPLE_RATE)
            for who in sorted({who for who, _, _ in lines})
        ),
    )


def with_cast(
    rig: Rig, dub: DubTrack, transcript: Transcript, *off_screen: str, stems: Stems = SILENT_STEMS
) -> LipSync:
    context = rig.context()
    context = replace(
        context, job=replace(context.job, cast=CastFile("talk.cast.toml", frozenset(off_screen)))
    )
    return lipsync.run(context, inputs(rig.source, stems, Slot("dub", dub), transcript))


def test_a_narrator_moves_nobody(rig: Rig, two_lines: tuple[Clip, Clip]) -> None:
    """And what others say is drawn from what is recorded."""
    first, second = two_lines
    narrated = dub_of(first, second.model_copy(update={"speaker": "S2"}))
    plain = rig.run(narrated)
    rig.made()
    said = transcript_of(("S1", 0, SAMPLE_RATE), ("S2", second.place, second.place + second.samples))
    made = with_cast(rig, narrated, said, "S2")
    assert rig.made() == []
    assert [cut.route for cut in plain.cuts] == ["draft", "draft"]
    assert [cut.route for cut in made.cuts] == ["draft", "passthrough"]
    assert [reason.code for reason in made.cuts[1].reasons] == ["off-screen"]
    assert [cut.speaker for cut in made.cuts] == ["S1", "S2"]
    assert made.patches == tuple(track for track in plain.patches if track.chunk == 0)


def test_who_speaks_over_a_narrator_is_drawn_alone(rig: Rig) -> None:
    line = rig.clip(5 * FRAME)
    over = rig.clip(5 * FRAME, "atakala", line="2").model_copy(update={"speaker": "S2"})
    alone = rig.run(dub_of(line))
    rig.made()
    made = with_cast(rig, dub_of(line, over), transcript_of(("S1", 0, 1), ("S2", 0, 1)), "S2")
    assert rig.made() == []
    assert made.patches == alone.patches


def test_no_mouth_is_closed_where_a_narrator_speaks_in_the_source(rig: Rig) -> None:
    stems = Stems(speech=rig.source.master, background=None, speech_snr_db=20.0)
    second = SAMPLE_RATE * rig.source.shots[1].start // 25
    whole = SAMPLE_RATE * rig.source.shots[1].stop // 25
    said = transcript_of(("S1", 0, second), ("S2", second, whole))
    seen = with_cast(rig, dub_of(), said, stems=stems)
    made = with_cast(rig, dub_of(), said, "S2", stems=stems)
    assert [cut.route for cut in seen.cuts] == ["draft", "draft"]
    assert [cut.route for cut in made.cuts] == ["draft", "passthrough"]
    assert [reason.code for reason in made.cuts[1].reasons] == ["off-screen"]


def test_a_cut_that_would_be_faded_throughout_passes_through(
    rig: Rig, two_lines: tuple[Clip, Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word between the middles of two frames that are held long."""
    monkeypatch.setattr(plan, "FADE", 1)
    word = two_lines[0].model_copy(update={"place": 11 * FRAME // 2 + 10, "samples": FRAME // 2})
    made = rig.run(dub_of(word, two_lines[1]))
    assert [(cut.route, cut.drawn_frames > 0) for cut in made.cuts] == [
        ("passthrough", False),
        ("draft", True),
    ]
    assert [reason.code for reason in made.cuts[0].reasons] == ["faded"]


def test_what_needs_no_dub_is_looked_at_before_it_is_asked_for(
    rig: Rig, two_lines: tuple[Clip, Clip]
) -> None:
    rig.run(dub_of(*two_lines))
    stems = Stems(speech=rig.source.master, background=None, speech_snr_db=20.0)
    rig.run(dub_of(*two_lines), stems=stems)
    context = rig.context("look")
    with pytest.raises(NotMade, match="dub"):
        lipsync.run(context, inputs(rig.source, stems, Slot.pending("dub")))
    looked = {look.action.name for look in context.runner.looks}
    assert looked == {"faces.track", "faces.looks", "analysis.voice", "lipsync.profile"}
    assert all(look.hit for look in context.runner.looks)


class Breaking(Warp):
    """Fails in the second shot."""

    def draw(self, window: RedrawWindow) -> Iterator[Patch]:
        if window.first_frame >= BREAK_FROM:
            raise RuntimeError("no luck")
        yield from super().draw(window)


BREAK_FROM = 40


def test_a_cut_that_fails_passes_through_and_the_others_are_drawn(
    rig: Rig, two_lines: tuple[Clip, Clip], tmp_path: Path
) -> None:
    assert rig.source.shots[1].start >= BREAK_FROM
    rig.backend = Breaking(Host(Settings(), tmp_path))
    # A place of its own: what another test has drawn already could not fail.
    first, second = (one.model_copy(update={"place": one.place + 7}) for one in two_lines)
    made = rig.run(dub_of(first, second))
    good, bad = made.cuts
    assert good.route == "draft"
    assert bad.route == "passthrough"
    assert bad.reasons[-1].code == "failed"
    assert bad.drawn_frames == 0
    assert bad.skipped_frames > 10
    assert {track.chunk for track in made.patches} == {0}
    (defect,) = rig.runners[-1].defects
    assert (defect.code, defect.unit, defect.language) == ("failed", "cut 2", "es")
    assert "no luck" in defect.message


def split(source: Source, at: int) -> Source:
    """The source with another joint in its last chunk."""
    *others, last = source.chunks
    first = Chunk(shot=last.shot, frames=FrameRange(start=last.frames.start, stop=at))
    second = Chunk(shot=last.shot, frames=FrameRange(start=at, stop=last.frames.stop))
    return source.model_copy(update={"chunks": (*others, first, second)})


def placed(
    rig: Rig, source: Source, made: LipSync
) -> dict[int, tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """(patch, its corner) by frame of the source."""
    found = {}
    for track in made.patches:
        placement = load_placement(rig.store.open_object(track.placement))
        pixels = read_patches(rig.store.open_object(track.pixels), track.width, track.height, track.count)
        start = source.chunks[track.chunk].frames.start + track.offset
        for index, patch in enumerate(pixels):
            found[start + index] = patch.astype(np.int64), placement.matrix[index, :, 2]
    return found


def test_a_joint_of_chunks_does_not_show(rig: Rig) -> None:
    shot = rig.source.shots[1]
    joint = (shot.start + shot.stop) // 2
    dub = dub_of(rig.clip((joint - 8) * FRAME))
    whole, cut = rig.source, split(rig.source, joint)
    one, two = placed(rig, whole, rig.run(dub)), placed(rig, cut, rig.run(dub, cut))
    assert one.keys() == two.keys()
    for frame in range(joint - 3, joint + 3):
        (patch, corner), (other, place) = one[frame], two[frame]
        assert patch.shape == other.shape, "the profile is the shot's, not the chunk's"
        assert np.abs(corner - place).max() <= 1
        if (corner == place).all():
            assert np.abs(patch - other).mean() < 1.5


class Recording(Warp):
    """Keeps what it is shown."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.windows: dict[int, RedrawWindow] = {}

    def draw(self, window: RedrawWindow) -> Iterator[Patch]:
        self.windows[window.first_frame] = window
        yield from super().draw(window)


def test_what_is_drawn_beside_a_chunk_is_shown_as_the_other_chunk_has_it(rig: Rig, tmp_path: Path) -> None:
    shot = rig.source.shots[1]
    joint = (shot.start + shot.stop) // 2
    source = split(rig.source, joint)
    backend = Recording(Host(Settings(), tmp_path))
    rig.backend = backend
    looks = backend.looks(source.video.average_rate)
    # A place of its own: what another test has drawn already is not drawn again.
    rig.run(dub_of(rig.clip((joint - 8) * FRAME + 11)), source)
    (_, one), (start, two) = sorted(backend.windows.items())
    assert start == joint
    assert (len(one.run_in), len(two.run_out)) == (0, 0), "nothing is drawn there"
    assert 0 < len(two.run_in) == min(looks, len(one.points))
    assert 0 < len(one.run_out) == min(looks, len(two.points))
    np.testing.assert_array_equal(two.run_in.points, one.points[-looks:])
    np.testing.assert_array_equal(two.run_in.aperture, one.plan.aperture[-looks:])
    np.testing.assert_array_equal(one.run_out.points, two.points[:looks])
    np.testing.assert_array_equal(one.run_out.aperture, two.plan.aperture[:looks])
    drawn = [record for record in rig.store.actions() if record.name == "lipsync.draw"]
    assert {one.outputs["pixels"] for one in drawn if "beside" in one.fields["inputs"]}


DIALOGUE = Script(
    lines=(
        Said(MINA, "Do you happen to know the way to the museum?", pause=0.3),
        Said(OTTO, "No, but my map may help. Let me open it for you.", pause=0.4),
        Said(MINA, "Maybe people move the map more than the museum.", pause=0.4),
        Said(MINA, "Oh my!", pause=0.6),
    ),
    shots=(
        Shot(0, "pair", "study", (MINA, OTTO)),
        Shot(2, "close", "plain", (OTTO,)),
        Shot(3, "pair", "study", (MINA, OTTO)),
    ),
    tail=0.4,
    size=(640, 360),
)
"""Two people in turn; then one of them listens alone; then a call too short to be told by its lips."""


@dataclass(frozen=True)
class Talk:
    rig: Rig
    truth: Truth

    @property
    def lines(self) -> list[tuple[str, int, int]]:
        return [(line.speaker, line.start, line.stop) for line in self.truth.lines]

    @property
    def dub(self) -> DubTrack:
        """A clip in the middle of each line."""
        return dub_of(
            *(
                self.rig.clip((start + stop) // 2 - SAMPLE_RATE // 4, "amapa", str(number)).model_copy(
                    update={"speaker": who}
                )
                for number, (who, start, stop) in enumerate(self.lines)
            )
        )

    def run(self, cast: CastFile | None = None, stems: Stems | None = None) -> LipSync:
        context = self.rig.context()
        context = replace(context, job=replace(context.job, cast=cast))
        heard = stems or Stems(speech=self.rig.source.master, background=None, speech_snr_db=20.0)
        transcript = transcript_of(*self.lines)
        return lipsync.run(context, inputs(self.rig.source, heard, Slot("dub", self.dub), transcript))


def talk_in(script: Script, folder: Path) -> Iterator[Talk]:
    film = shoot(script, folder / "talk.mp4")
    store, source = ingest_film(film.path, folder / "store")
    rig = Rig(store, source, film.path, Warp(Host(Settings(), folder)))
    yield Talk(rig, film.truth)
    for used in rig.runners:
        used.close()


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    yield from talk_in(DIALOGUE, tmp_path_factory.mktemp("talk"))


def places(made: LipSync, talk: Talk) -> dict[str, str]:
    """By name of a face, who is drawn there."""
    names = {}
    for face in made.cast.faces:
        middle = (face.box[0] + face.box[2]) / 2 * talk.rig.source.video.width
        start = talk.rig.source.shots[face.shot].start
        there = [drawn for drawn in talk.truth.faces if abs(drawn.start - start) <= 2]
        names[face.name] = min(
            there, key=lambda drawn: abs((drawn.box[0][0] + drawn.box[0][2]) / 2 - middle)
        ).presenter
    return names


def test_in_a_dialogue_each_mouth_follows_its_own_lines(talk: Talk) -> None:
    made = talk.run()
    seen = places(made, talk)
    assert [seen[name] for name in ("1a", "1b", "2a", "3a", "3b")] == ["Mina", "Otto", "Otto", "Mina", "Otto"]
    told = [(one.speaker, one.face and seen[one.face], one.by) for one in made.cast.castings]
    assert told == [
        ("Mina", "Mina", "lips"),
        ("Otto", "Otto", "lips"),
        ("Mina", None, "listener"),
        ("Mina", "Mina", "framing"),
    ]
    drawn = [(cut.shot, cut.face and seen[cut.face], cut.speaker, cut.route) for cut in made.cuts]
    assert drawn == [
        (0, "Mina", "Mina", "draft"),
        (0, "Otto", "Otto", "draft"),
        (1, "Otto", "Mina", "passthrough"),
        (2, "Mina", "Mina", "draft"),
    ]
    assert [reason.code for reason in made.cuts[2].reasons] == ["others-speak"]


def test_nothing_is_drawn_on_who_listens(talk: Talk) -> None:
    """While another speaks, nothing of a face is drawn; only the fade reaches into the other's line."""
    made = talk.run()
    seen = places(made, talk)
    fade = plan.FADE * 25 // SAMPLE_RATE + 1
    assert made.patches
    for patch in made.patches:
        placement = load_placement(talk.rig.store.open_object(patch.placement))
        first = talk.rig.source.chunks[patch.chunk].frames.start + patch.offset
        drawn = set((first + np.flatnonzero(placement.opacity > 0)).tolist())
        for who, start, stop in talk.lines:
            if who != seen[patch.face]:
                heard = range(start * 25 // SAMPLE_RATE + fade, stop * 25 // SAMPLE_RATE - fade)
                assert not drawn.intersection(heard), (patch, who)


def test_the_cast_file_turns_the_faces_round(talk: Talk) -> None:
    made = talk.run(CastFile("x.cast.toml", frozenset(), {"Mina": ("right",), "Otto": ("1a",)}))
    seen = places(made, talk)
    told = {(one.shot, one.speaker): one.face and seen[one.face] for one in made.cast.castings}
    assert told == {(0, "Mina"): "Otto", (0, "Otto"): "Mina", (1, "Mina"): "Otto", (2, "Mina"): "Otto"}


def test_over_a_silent_source_only_the_cast_file_tells_two_faces_apart(talk: Talk) -> None:
    unsure = talk.run(stems=SILENT_STEMS)
    assert [cut.route for cut in unsure.cuts] == ["passthrough", "draft", "passthrough"]
    assert [reason.code for reason in unsure.cuts[0].reasons] == ["several-faces"]
    said = talk.run(
        CastFile("x.cast.toml", frozenset(), {"Mina": ("left",), "Otto": ("right",)}), SILENT_STEMS
    )
    seen = places(said, talk)
    assert [(cut.face and seen[cut.face], cut.route) for cut in said.cuts] == [
        ("Mina", "draft"),
        ("Otto", "draft"),
        ("Otto", "draft"),
        ("Mina", "draft"),
    ]


def test_a_face_that_is_not_in_the_video_is_an_error(talk: Talk) -> None:
    with pytest.raises(UsageError, match=r"'9z'.*Faces: 1a, 1b, 2a, 3a, 3b"):
        talk.run(CastFile("x.cast.toml", frozenset(), {"Mina": ("9z",)}))


def test_what_one_face_says_again_makes_nothing_of_the_other(talk: Talk) -> None:
    talk.run()
    talk.rig.made()
    context = talk.rig.context()
    clips = talk.dub.clips
    other = talk.rig.clip(clips[1].place, "atakala", "1").model_copy(update={"speaker": "Otto"})
    heard = Stems(speech=talk.rig.source.master, background=None, speech_snr_db=20.0)
    dub = dub_of(clips[0], other, *clips[2:])
    lipsync.run(context, inputs(talk.rig.source, heard, Slot("dub", dub), transcript_of(*talk.lines)))
    # Otto's line in its only shot, and nothing of Mina's.
    assert talk.rig.made() == ["lipsync.draw", "lipsync.watch", "lipsync.score"]


MONTAGE = Script(
    lines=(
        Said(MINA, "My mum baked apple pie.", pause=0.3),
        Said(OTTO, "No, but my map may help.", pause=0.5),
        Said(MINA, "Bob saw a papa bear.", pause=1.2),
    ),
    shots=(Shot(0, "close", "plain"), Shot(1, "close", "study", (OTTO,)), Shot(2, "close", "plain")),
    tail=0.4,
    size=(640, 360),
    music=False,
)
"""A speaks, a hard cut to B who speaks and is then silent, and back to A."""


@pytest.fixture(scope="module")
def montage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    yield from talk_in(MONTAGE, tmp_path_factory.mktemp("montage"))


def test_across_hard_cuts_a_person_lends_its_own_views_and_nobody_elses(montage: Talk) -> None:
    made = montage.run()
    assert [(one.shot, one.speaker, one.face) for one in made.cast.castings] == [
        (0, "Mina", "1a"),
        (1, "Otto", "2a"),
        (2, "Mina", "3a"),
    ]
    assert [(one.faces, one.certain) for one in made.cast.people] == [(("1a", "3a"), False), (("2a",), True)]
    events = [event for event in montage.rig.events if isinstance(event, ActionDone)]

    def record(event: ActionDone) -> ActionRecord:
        found = montage.rig.store.find_action(event.key)
        assert found is not None
        return found

    profiles = {
        event.unit.removeprefix("face "): record(event).outputs["profile"].sha256
        for event in events
        if event.action == "lipsync.profile"
    }
    assert set(profiles) == {"1a", "2a", "3a"}
    draws = [record(event).fields["inputs"] for event in events if event.action == "lipsync.draw"]
    lent = {one["profile"]: one.get("lent", []) for one in draws}
    assert lent == {
        profiles["1a"]: [profiles["3a"]],
        profiles["2a"]: [],
        profiles["3a"]: [profiles["1a"]],
    }


def test_across_hard_cuts_who_is_silent_keeps_the_picture(montage: Talk) -> None:
    """B's frames after its line, in its own shot, up to the cut: nothing is drawn in them."""
    made = montage.run()
    [(_, start, stop)] = [line for line in montage.lines if line[0] == "Otto"]
    shot = montage.rig.source.shots[1]
    drawn = np.zeros(montage.rig.source.frames.count, dtype=bool)
    for patch in made.patches:
        first = montage.rig.source.chunks[patch.chunk].frames.start + patch.offset
        drawn[first : first + patch.count] = True
        home = montage.rig.source.shots[int(patch.face.rstrip("ab")) - 1]
        assert home.start <= first < first + patch.count <= home.stop
    slack = 6
    assert drawn[start * 25 // SAMPLE_RATE : stop * 25 // SAMPLE_RATE].mean() > 0.9
    after = slice(stop * 25 // SAMPLE_RATE + slack, shot.stop)
    assert after.stop - after.start > 6
    assert not drawn[after].any()
