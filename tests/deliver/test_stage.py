"""The whole stage over drawn clips: every frame carries its number, every second has a flash and a click."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from loc.artifacts import (
    SAMPLE_RATE,
    Chunk,
    Clip,
    Cut,
    DubTrack,
    Fit,
    FrameRange,
    FrameTable,
    Line,
    LipSync,
    Loudness,
    PatchTrack,
    Ref,
    Render,
    Segment,
    Source,
    Stems,
    Subtitled,
    Transcript,
    Translation,
)
from loc.errors import LocError, MissingError
from loc.events import EventBus, Notice
from loc.media.fonts import Font, font_for
from loc.media.frames import Planes, read_frames, scan_frames
from loc.media.patches import Placement, save_placement, write_patches
from loc.media.probe import probe_source
from loc.media.sound import store_sound
from loc.media.subtitles import read_cues
from loc.media.timeline import Timeline, load_timeline, save_table
from loc.runner import NotMade, Runner
from loc.settings import Settings
from loc.stage import Context, Job, Slot
from loc.store.workdir import WorkDir
from stages.deliver import evidence
from stages.deliver.contract import Inputs
from stages.deliver.picture import Layer, composite
from stages.deliver.stage import run
from tests.media import synth
from tests.needed import missing
from tests.pictures import luma_of

JOINTS = (0, 30, 31, 50, 75)
PATCH = 32


def no_backend(_stage: str, _language: str | None) -> Any:
    raise AssertionError("deliver has no backend")


@dataclasses.dataclass
class Bench:
    """A store, a clip, and hand-made artifacts over it."""

    store: WorkDir
    clip: Path
    source: Source
    settings: Settings = dataclasses.field(default_factory=lambda: Settings(page="none"))
    """Without what a page shows, but where that is the question."""
    notices: list[str] = dataclasses.field(default_factory=list)
    """Codes of what was said aloud."""

    @property
    def timeline(self) -> Timeline:
        return load_timeline(self.store, self.source.frames, self.source.video.time_base)

    def inputs(self, language: str, patches: Sequence[PatchTrack] = (), text: str = "Hello") -> Inputs:
        return Inputs(
            source=Slot("ingest", self.source),
            stems=Slot("separate", Stems(speech=None, background=None, speech_snr_db=None)),
            transcript=Slot(
                "transcribe",
                Transcript(language="en", origin="cues", segments=(), dropped=(), speakers=()),
            ),
            translation=Slot("translate", self.translation(language, text)),
            dub=Slot("dub", self.dub(language)),
            lipsync=Slot("lipsync", LipSync(cuts=(), patches=tuple(patches))),
        )

    @staticmethod
    def translation(language: str, text: str) -> Translation:
        line = Line(
            id="1",
            start=SAMPLE_RATE // 2,
            stop=SAMPLE_RATE,
            speaker=None,
            segments=(),
            text=text,
            unknown_words=0,
            failed=None,
        )
        return Translation(language=language, source_language="en", origin="supplied", lines=(line,))

    def dub(self, language: str) -> DubTrack:
        """Clicks on whole seconds, louder for each letter of the language, so that languages differ."""
        clicks = synth.clicks(Fraction(self.source.samples, SAMPLE_RATE))[:, None]
        gain = np.float32(0.5 + 0.01 * sum(map(ord, language)) / 10)
        sound = np.zeros((self.source.samples, 2), np.float32)
        sound[: len(clicks)] = clicks * gain
        nothing = self.store.put_bytes(b"-")
        fit = Fit(natural=30_000, slot=24_000, borrowed=6_000, rate=1.0, stretch=1.0, overrun=0)
        clip = Clip(
            line="1",
            speaker=None,
            voice="test",
            place=26_400,
            samples=30_000,
            audio=nothing,
            phones=nothing,
            fit=fit,
        )
        loudness = Loudness(
            integrated_lufs=None, true_peak_dbtp=None, speech_lufs=None, source_speech_lufs=None
        )
        mix = store_sound(self.store, [sound], 2)
        return DubTrack(language=language, clips=(clip,), silent=(), mix=mix, loudness=loudness)

    def patch(self, tmp_path: Path, chunk: int, offset: int, count: int, seed: int = 0) -> PatchTrack:
        """Noise over the middle of the picture."""
        noise = np.random.default_rng(seed)
        path = tmp_path / f"patch-{chunk}-{seed}.mkv"
        write_patches(path, (noise.integers(0, 256, (PATCH, PATCH, 3), dtype=np.uint8) for _ in range(count)))
        return PatchTrack(
            face="1a",
            chunk=chunk,
            offset=offset,
            count=count,
            width=PATCH,
            height=PATCH,
            pixels=self.store.adopt(path),
            placement=self.store.put_bytes(save_placement(placement(count))),
        )

    def deliver(self, inputs: Inputs, language: str, **changes: Any) -> tuple[Render, dict[str, int]]:
        """The render, and how many actions of each name were made, not found."""
        made: dict[str, int] = {}

        def count(event: Any) -> None:
            if event.type == "action-done" and not event.hit:
                made[event.action] = made.get(event.action, 0) + 1
            elif isinstance(event, Notice):
                self.notices.append(event.code)

        runner = Runner(self.store, EventBus(count), run="test")
        try:
            return run(self.context(runner, language, **changes), inputs), made
        finally:
            runner.close()

    def context(self, runner: Runner, language: str, **changes: Any) -> Context:
        job = Job(self.clip, self.source.digest, self.source.size, (language,), "en")
        settings = self.settings.model_copy(update=changes)
        return Context(runner=runner, settings=settings, job=job, backend=no_backend, language=language)

    def output(self, render: Render) -> Path:
        return self.store.open_object(render.media)


def placement(count: int) -> Placement:
    """A patch twice its size in the picture's lower middle, drifting by half a pixel a frame."""
    matrix = np.zeros((count, 2, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = 2.0
    matrix[:, 0, 2] = 60 + 0.5 * np.arange(count)
    matrix[:, 1, 2] = 50
    corners = np.array([[2, 2], [29, 2], [29, 29], [2, 29]], np.float32)
    return Placement(
        matrix,
        np.repeat(corners[None], count, axis=0),
        np.full(count, 3, np.float32),
        np.ones(count, np.float32),
    )


def ingest(store: WorkDir, clip: Path, joints: Sequence[int]) -> Source:
    """What ingest would say of a clip without its sound, cut at `joints`."""
    settings = Settings()
    facts = probe_source(clip, settings)
    scan = scan_frames(clip, facts.video)
    positions = io.BytesIO()
    np.save(positions, scan.positions)
    table = FrameTable(
        count=len(scan.pts),
        table=store.put_bytes(save_table(scan.pts, scan.key)),
        duration=scan.duration,
        positions=store.put_bytes(positions.getvalue()),
        joins=scan.joins,
    )
    digest, size = store.input_digest(clip)
    whole = FrameRange(start=0, stop=table.count)
    chunks = [FrameRange(start=a, stop=b) for a, b in itertools.pairwise(joints)]
    timeline = load_timeline(store, table, facts.video.time_base)
    return Source(
        digest=digest,
        size=size,
        container=facts.container,
        video=facts.video,
        audio=facts.audio,
        chosen_audio=None,
        frames=table,
        shots=(whole,),
        chunks=tuple(Chunk(shot=0, frames=frames) for frames in chunks),
        sound_start=int(timeline.pts[0]) * timeline.time_base,
        master=None,
        samples=timeline.sample(table.count),
    )


@pytest.fixture
def bench(store: WorkDir, tmp_path: Path) -> Callable[..., Bench]:
    def build(recipe: str = "h264", frames: int = 75, joints: Sequence[int] = JOINTS, **extra: Any) -> Bench:
        how = dataclasses.replace(synth.RECIPES[recipe], extra=extra)
        clip = synth.make(tmp_path, how, frames=frames)
        return Bench(store, clip, ingest(store, clip, joints))

    return build


def pictures(path: Path) -> Iterator[tuple[int, int]]:
    """(pts, number drawn into it) of every picture."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None
            yield frame.pts, synth.number_of(luma_of(frame))


def heard(path: Path) -> np.ndarray[Any, Any]:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a", "-ac", "1", "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, "<f4")


def probe(path: Path) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {"format": found["format"], **{part["codec_type"]: part for part in found["streams"]}}


@pytest.mark.parametrize("recipe", ["h264", "h264-ts", "h264-444", "hevc-ten", "vp9", "vfr", "mjpeg"])
def test_every_frame_arrives_at_its_own_time(bench: Callable[..., Bench], recipe: str) -> None:
    """Constant and variable rates, a first timestamp that is not 0, 8 and 10 bits, all subsamplings."""
    it = bench(recipe)
    render, made = it.deliver(it.inputs("ja"), "ja")
    assert made == {"deliver.encode": 4, "deliver.audio": 1, "deliver.subtitles": 1, "deliver.mux": 1}
    timeline = it.timeline
    found = list(pictures(it.output(render)))
    scale = it.source.video.time_base.numerator
    assert [number for _, number in found] == list(range(75))
    assert [pts for pts, _ in found] == ((timeline.pts - timeline.pts[0]) * scale).tolist()
    about = probe(it.output(render))
    assert float(about["video"]["duration"]) == pytest.approx(float(timeline.seconds(75)), abs=1e-4)
    assert about["video"]["pix_fmt"].replace("yuvj", "yuv") == it.source.video.pix_fmt.replace("yuvj", "yuv")
    assert int(about["audio"]["duration_ts"]) == it.source.samples
    assert {about[kind]["tags"]["language"] for kind in ("audio", "subtitle")} == {"jpn"}


def test_one_long_shot_has_no_seam(bench: Callable[..., Bench], tmp_path: Path) -> None:
    """30 s in three chunks: pictures without gap or double, and the click with the flash in every second."""
    it = bench(frames=750, joints=(0, 250, 500, 750))
    patches = [it.patch(tmp_path, chunk, 0, 250, seed=chunk) for chunk in range(3)]
    render, _ = it.deliver(it.inputs("es", patches), "es", preset="ultrafast")
    found = list(pictures(it.output(render)))
    assert [number for _, number in found] == list(range(750))
    assert {after - before for (before, _), (after, _) in itertools.pairwise(found)} == {512}
    errors = synth.click_errors(heard(it.output(render))[: 30 * SAMPLE_RATE])
    assert len(errors) == 29
    assert max(map(abs, errors)) < 0.5


def test_a_second_language_encodes_only_its_sound(bench: Callable[..., Bench], tmp_path: Path) -> None:
    it = bench()
    first, _ = it.deliver(it.inputs("ja"), "ja")
    second, made = it.deliver(it.inputs("es", text="Hola"), "es")
    assert made == {"deliver.audio": 1, "deliver.subtitles": 1, "deliver.mux": 1}
    assert first.media != second.media
    patch = it.patch(tmp_path, 2, 3, 10)
    _, made = it.deliver(it.inputs("de", [patch]), "de")
    assert made["deliver.encode"] == 1, "only the chunk with the mouth in it"


def test_a_changed_patch_encodes_only_its_chunk(bench: Callable[..., Bench], tmp_path: Path) -> None:
    it = bench()
    before = [it.patch(tmp_path, 0, 0, 30), it.patch(tmp_path, 2, 3, 10)]
    it.deliver(it.inputs("ja", before), "ja")
    after = [before[0], it.patch(tmp_path, 2, 3, 10, seed=9)]
    _, made = it.deliver(it.inputs("ja", after), "ja")
    assert made == {"deliver.encode": 1, "deliver.mux": 1}
    moved = before[1].model_copy(update={"offset": 4})
    _, made = it.deliver(it.inputs("ja", [before[0], moved]), "ja")
    assert made == {"deliver.encode": 1, "deliver.mux": 1}


def test_a_page_costs_its_own_actions_and_they_are_found_again(bench: Callable[..., Bench]) -> None:
    it = bench()
    plain, _ = it.deliver(it.inputs("ja"), "ja")
    assert plain.evidence is None
    first, made = it.deliver(it.inputs("ja"), "ja", page="bare")
    assert made == {"deliver.peaks": 1}, "the mix; this source has no sound of its own"
    assert (first.media, first.subtitles) == (plain.media, plain.subtitles)
    assert first.evidence is not None
    assert (len(first.evidence.dub_peaks), first.evidence.source_peaks) == (1, ())
    assert it.deliver(it.inputs("ja"), "ja", page="full") == (first, {})


def test_a_still_that_cannot_be_made_is_missing_and_said(
    bench: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = bench()
    inputs = it.inputs("ja", [it.patch(tmp_path, 0, 0, 10)])
    cut = Cut(
        face="1a",
        shot=0,
        frames=FrameRange(start=0, stop=10),
        route="draft",
        reasons=(),
        backend="warp",
        speaker=None,
        drawn_frames=10,
        skipped_frames=0,
        score=None,
    )
    patches = inputs.lipsync.get().patches
    inputs = dataclasses.replace(inputs, lipsync=Slot("lipsync", LipSync(cuts=(cut,), patches=patches)))

    def fail(*_: object) -> bytes:
        raise LocError("No picture today.")

    with monkeypatch.context() as patched:
        patched.setattr(evidence, "picture", fail)
        broken, _ = it.deliver(inputs, "ja", page="full")
    assert broken.evidence is not None
    assert broken.evidence.stills == ()
    assert len(broken.evidence.dub_peaks) == 1
    assert it.notices == ["page-incomplete"]
    whole, made = it.deliver(inputs, "ja", page="full")
    assert made == {"deliver.still": 1}, "a failure is not remembered"
    assert whole.evidence is not None
    [still] = whole.evidence.stills
    assert 0 <= still.frame < 10
    before, after = (
        cv2.imdecode(np.frombuffer(it.store.read_bytes(ref), np.uint8), cv2.IMREAD_COLOR).astype(int)
        for ref in (still.before, still.after)
        if ref is not None
    )
    assert np.abs(before - after).max() > 60, "noise was drawn over it"


@pytest.mark.parametrize(
    ("changes", "made"),
    [
        ({"crf": 30}, {"deliver.encode": 4, "deliver.mux": 1}),
        ({"audio_bitrate": 64}, {"deliver.audio": 1, "deliver.mux": 1}),
        ({"workers": 1}, {}),
    ],
)
def test_a_setting_costs_what_it_shapes(
    bench: Callable[..., Bench], changes: dict[str, Any], made: dict[str, int]
) -> None:
    it = bench()
    it.deliver(it.inputs("ja"), "ja")
    assert it.deliver(it.inputs("ja"), "ja", **changes)[1] == made


def test_patched_frames_are_the_sources_outside_the_mask(bench: Callable[..., Bench], tmp_path: Path) -> None:
    it = bench()
    video, timeline, frames = it.source.video, it.timeline, FrameRange(start=31, stop=50)
    count = 8
    noise = np.random.default_rng(0)
    pixels = (noise.integers(0, 256, (PATCH, PATCH, 3), dtype=np.uint8) for _ in range(count))
    layer = Layer(FrameRange(start=33, stop=33 + count), pixels, placement(count))
    originals = list(read_frames(it.clip, video, timeline, frames))
    composed = list(composite(read_frames(it.clip, video, timeline, frames), 31, video, [layer]))
    assert len(composed) == len(originals) == 19
    for number, (was, now) in enumerate(zip(originals, composed, strict=True), start=31):
        assert same(was, now) != (33 <= number < 33 + count)
        left = 60 + 0.5 * (number - 33)
        # The patch's square, a pixel around it for interpolation, and the chroma samples that touch it.
        for plane in (was.y, now.y):
            plane[50 : 50 + 2 * PATCH, int(left) - 1 : int(left) + 2 * PATCH + 2] = 0
        for plane in (was.u, was.v, now.u, now.v):
            plane[24 : 26 + PATCH, int(left) // 2 - 1 : int(left) // 2 + PATCH + 2] = 0
        assert same(was, now)


def same(one: Planes, other: Planes) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in "yuv")


def test_the_patch_is_seen_in_the_output(bench: Callable[..., Bench], tmp_path: Path) -> None:
    it = bench()
    render, _ = it.deliver(it.inputs("ja", [it.patch(tmp_path, 2, 3, 10)]), "ja", crf=10)
    with av.open(str(it.output(render))) as container:
        lumas = [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)]
    with av.open(str(it.clip)) as container:
        sources = [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)]
    changes = [np.abs(now - was)[64:100, 80:110].mean() for now, was in zip(lumas, sources, strict=True)]
    patched = [number for number, change in enumerate(changes) if change > 8]
    assert patched == list(range(34, 44))


def test_subtitles_stand_where_the_line_is_spoken(bench: Callable[..., Bench]) -> None:
    it = bench()
    render, _ = it.deliver(it.inputs("ja", text="こんにちは"), "ja")
    (cue,) = read_cues(it.store.read_bytes(render.subtitles), "made.srt")
    assert cue.text == "こんにちは"
    assert (cue.start, cue.stop) == (26_400, 26_400 + 60_000)
    command = ["ffmpeg", "-v", "error", "-i", str(it.output(render)), "-map", "0:s", "-f", "srt", "-"]
    inside = subprocess.run(command, check=True, capture_output=True).stdout
    assert "00:00:00,550 --> 00:00:01,800\nこんにちは" in inside.decode()


@pytest.mark.parametrize("container", ["mp4", "mkv", "webm"])
def test_both_languages_stand_in_file_and_track(bench: Callable[..., Bench], container: str) -> None:
    it = bench()
    given = it.inputs("ja", text="こんにちは。")
    said = Segment(id="s1", start=0, stop=1, speaker=None, text="Hi there.", words=(), confidence=None)
    line = given.translation.get().lines[0].model_copy(update={"segments": ("s1",)})
    inputs = dataclasses.replace(
        given,
        transcript=Slot("transcribe", given.transcript.get().model_copy(update={"segments": (said,)})),
        translation=Slot("translate", given.translation.get().model_copy(update={"lines": (line,)})),
    )
    render, _ = it.deliver(inputs, "ja", subtitles="bilingual", container=container)
    assert it.store.read_bytes(render.subtitles).decode().endswith("\nこんにちは。\nHi there.\n")
    command = ["ffmpeg", "-v", "error", "-i", str(it.output(render)), "-map", "0:s", "-f", "srt", "-"]
    inside = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    assert "こんにちは。\nHi there." in inside.replace("\r", "")
    assert it.notices == []
    it.deliver(given, "ja", subtitles="bilingual", container=container)
    assert it.notices == ["one-language"]


@pytest.fixture
def fonts() -> None:
    try:
        font_for("ja")
    except MissingError as error:
        missing(str(error))


def test_subtitles_in_the_picture_cost_the_chunks_they_stand_in(
    bench: Callable[..., Bench], fonts: None
) -> None:
    """From 0.55 s to 1.8 s, frames 14 to 44: the first three of four chunks."""
    it = bench()
    it.deliver(it.inputs("ja", text="こんにちは"), "ja")
    render, made = it.deliver(it.inputs("ja", text="こんにちは"), "ja", burn_subtitles=True)
    assert made == {"deliver.title": 1, "deliver.encode": 3, "deliver.mux": 1}
    assert "subtitle" not in probe(it.output(render)), "players would show everything twice"
    (cue,) = read_cues(it.store.read_bytes(render.subtitles), "made.srt")
    assert cue.text == "こんにちは"
    with av.open(str(it.output(render))) as container:
        lumas = [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)]
    with av.open(str(it.clip)) as container:
        sources = [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)]
    changes = [np.abs(now - was)[-40:].max() for now, was in zip(lumas, sources, strict=True)]
    assert [number for number, change in enumerate(changes) if change > 120] == list(range(14, 45))
    assert it.deliver(it.inputs("ja", text="こんにちは"), "ja", burn_subtitles=True) == (render, {})
    # Another language sets its own text, and shares the chunks where nothing stands.
    _, made = it.deliver(it.inputs("es", text="Hola"), "es", burn_subtitles=True)
    assert made["deliver.encode"] == 3


@pytest.mark.parametrize("subtitled", [None, Subtitled(texts=4, top=0.82, foot=0.93)])
def test_subtitles_stand_above_where_the_source_has_its_own_below(
    bench: Callable[..., Bench], fonts: None, subtitled: Subtitled | None
) -> None:
    it = bench()
    it.source = it.source.model_copy(update={"subtitled": subtitled})
    render, _ = it.deliver(it.inputs("ja", text="こんにちは"), "ja", burn_subtitles=True)
    pictures = []
    for path in (it.output(render), it.clip):
        with av.open(str(path)) as container:
            frames = container.decode(video=0)
            pictures.append(next(itertools.islice(frames, 30, None)).to_ndarray(format="gray").astype(int))
    drawn = np.abs(pictures[0] - pictures[1]).max(axis=1) > 120
    rows = np.flatnonzero(drawn) / len(drawn)
    if subtitled is None:
        assert rows.min() > 0.5
    else:
        assert rows.max() < 0.5, "nothing is drawn over what the source says below"


def test_a_text_that_comes_out_the_same_is_not_drawn_again(
    bench: Callable[..., Bench], fonts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = bench()
    it.deliver(it.inputs("ja"), "ja", burn_subtitles=True)
    monkeypatch.setattr(Font, "fingerprint", lambda font: "another release of the same")
    assert it.deliver(it.inputs("ja"), "ja", burn_subtitles=True)[1] == {"deliver.title": 1}


def test_signs_that_no_font_has_are_told(
    bench: Callable[..., Bench], fonts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = bench()
    it.deliver(it.inputs("ja", text="Hello \U000e0fff"), "ja", burn_subtitles=True)
    assert "no-glyph" in it.notices


def test_a_subtitle_for_which_there_is_no_picture_is_told(bench: Callable[..., Bench], fonts: None) -> None:
    it = bench()
    end = it.timeline.sample(it.timeline.count)
    it.source = it.source.model_copy(update={"samples": end + 2 * SAMPLE_RATE})
    given = it.inputs("ja", text="こんにちは")
    track = given.dub.get()
    behind = track.clips[0].model_copy(update={"place": end + 4800})
    inputs = dataclasses.replace(given, dub=Slot("dub", track.model_copy(update={"clips": (behind,)})))
    render, made = it.deliver(inputs, "ja", burn_subtitles=True)
    assert "not-drawn" in it.notices
    assert "deliver.title" not in made
    assert "こんにちは" in it.store.read_bytes(render.subtitles).decode()


def test_tags_and_rotation_are_kept(store: WorkDir, tmp_path: Path) -> None:
    plain = synth.make(tmp_path, "h264", frames=20)
    tags = {"metadata": "title=A Talk", "metadata:s:v:0": "rotate=90"}
    clip = synth.copy(plain, tmp_path / "turned.mp4", {}, **tags)
    it = Bench(store, clip, ingest(store, clip, (0, 20)))
    render, _ = it.deliver(it.inputs("ja"), "ja")
    about = probe(it.output(render))
    assert about["format"]["tags"]["title"] == "A Talk"
    assert it.source.video.rotation == 90
    assert probe_source(it.output(render), it.settings).video.rotation == 90


def test_making_it_again_gives_the_same_bytes(bench: Callable[..., Bench], tmp_path: Path) -> None:
    it = bench()
    patches = [it.patch(tmp_path, 2, 3, 10)]
    first, _ = it.deliver(it.inputs("ja", patches), "ja")
    other = dataclasses.replace(it, store=WorkDir(tmp_path / "other"))
    frames = it.source.frames
    assert frames.positions is not None
    for ref in (frames.table, frames.positions, patches[0].pixels, patches[0].placement):
        assert copied(it.store, other.store, ref) == ref
    second, _ = other.deliver(other.inputs("ja", patches), "ja")
    assert first == second


def copied(here: WorkDir, there: WorkDir, ref: Ref) -> Ref:
    return there.put_bytes(here.read_bytes(ref))


def test_look_mode_looks_at_every_part(bench: Callable[..., Bench]) -> None:
    it = bench()
    inputs = it.inputs("ja")
    it.deliver(inputs, "ja")

    def look(inputs: Inputs, **changes: Any) -> tuple[str | None, dict[str, list[bool]]]:
        runner = Runner(it.store, EventBus(), mode="look")
        missing = None
        try:
            run(it.context(runner, "ja", **changes), inputs)
        except NotMade as error:
            missing = error.stage
        finally:
            runner.close()
        hits: dict[str, list[bool]] = {}
        for seen in runner.looks:
            hits.setdefault(seen.action.name, []).append(seen.hit)
        return missing, hits

    everything = {"deliver.subtitles": [True], "deliver.audio": [True], "deliver.encode": [True] * 4}
    assert look(inputs) == (None, everything | {"deliver.mux": [True]})
    assert look(inputs, crf=30) == ("deliver", everything | {"deliver.encode": [False] * 4})
    pending = dataclasses.replace(inputs, dub=Slot.pending("dub"))
    assert look(pending) == ("dub", {"deliver.encode": [True] * 4})
    pending = dataclasses.replace(inputs, lipsync=Slot.pending("lipsync"))
    assert look(pending, audio_bitrate=64) == (
        "lipsync",
        {"deliver.subtitles": [True], "deliver.audio": [False]},
    )
