"""The whole job on a drawn film, held against what is true of it: `loc run` as its user gets it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import spearmanr

from cli.graph import load_graph
from loc.analysis.face_tracker import track_range
from loc.analysis.faces import Faces, foremost, lip_aperture, transform, upright_transform
from loc.analysis.phones import mouth_curve
from loc.app.pool import Pool
from loc.app.run import RunResult, prepare, run_job
from loc.app.walk import Slots, make_stage
from loc.artifacts import SAMPLE_RATE, Clip, FrameRange, Phones
from loc.backend import Host
from loc.errors import ExitCode
from loc.events import ActionDone, CutDecided, Event, EventBus, LineFitted
from loc.media.audio import decode_track
from loc.media.frames import first_look, scan_frames
from loc.media.probe import chosen_track, probe_source
from loc.media.sound import Samples
from loc.media.timeline import Timeline
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import Context
from loc.store.workdir import WorkDir
from tests.browser import chromium, is_too_wide
from tests.closures import closed_at
from tests.pictures import time_of
from tests.presenter import SHORT_TWO_SHOTS, Truth, shoot, write_subtitles

SPANISH = ("Mi mamá baila bien.", "Papá bebe poca agua.")


@dataclass(frozen=True)
class Job:
    """A film with its subtitles, a store, and what a run of it said."""

    folder: Path
    truth: Truth

    @property
    def video(self) -> Path:
        return self.folder / "film.mp4"

    @property
    def output(self) -> Path:
        return self.folder / "film.es.mp4"

    @property
    def store(self) -> WorkDir:
        return WorkDir(self.folder / "store")

    @property
    def settings(self) -> Settings:
        return Settings(languages=("es",), source_language="en", work_dir=self.folder / "store")

    def say(self, texts: Sequence[str]) -> None:
        write_subtitles(self.folder / "film.es.srt", self.truth.lines, texts)

    def run(self) -> tuple[RunResult, list[Event]]:
        store, graph = self.store, load_graph()
        said: list[Event] = []
        prepared = prepare(self.video, graph, store, self.settings)
        return run_job(prepared, graph, store, self.settings, [said.append]), said


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("localize")
    film = shoot(SHORT_TWO_SHOTS, folder / "film.mp4")
    job = Job(folder, film.truth)
    write_subtitles(folder / "film.en.srt", film.truth.lines, [line.text for line in film.truth.lines])
    job.say(SPANISH)
    return job


@pytest.fixture(scope="module")
def first(job: Job) -> tuple[RunResult, list[Event]]:
    return job.run()


@pytest.fixture(scope="module")
def clips(first: tuple[RunResult, list[Event]], job: Job) -> list[tuple[Clip, Phones]]:
    """The spoken lines, found by walking the graph again without making anything."""
    settings, graph, store = job.settings, load_graph(), job.store
    prepared = prepare(job.video, graph, store, settings, look=True)
    runner, slots = Runner(store, EventBus(), mode="look"), Slots()
    with Pool(graph.backends, prepared.choices, Host(settings, job.folder)) as pool:
        context = Context(runner, settings, prepared.job, pool.get)
        for stage in prepared.stages:
            make_stage(stage, context, slots, "es" if stage.per_language else None)
    dub = slots.value("dub", "es")
    assert dub is not None
    return [(clip, Phones.model_validate_json(store.read_bytes(clip.phones))) for clip in dub.clips]


@dataclass(frozen=True)
class Seen:
    """A video, scanned and tracked."""

    timeline: Timeline
    faces: Faces
    aperture: npt.NDArray[np.float64]


def look(path: Path) -> Seen:
    video = probe_source(path, Settings()).video
    scan = scan_frames(path, video)
    timeline = scan.timeline(first_look(path, video.index).time_base)
    whole = FrameRange(start=0, stop=timeline.count)
    faces = foremost(track_range(path, video, timeline, whole), len(whole))
    return Seen(timeline, faces, lip_aperture(transform(faces.points, upright_transform(video))))


@pytest.fixture(scope="module")
def output(first: tuple[RunResult, list[Event]], job: Job) -> Seen:
    return look(job.output)


def test_it_succeeds_and_says_what_it_did(first: tuple[RunResult, list[Event]], job: Job) -> None:
    result, said = first
    assert result.exit_code is ExitCode.DONE
    assert [event.line for event in said if isinstance(event, LineFitted)] == ["l0001", "l0002"]
    decided = [event for event in said if isinstance(event, CutDecided)]
    assert [(cut.frames.start, cut.frames.stop) for cut in decided] == [
        (shot.start, shot.stop) for shot in job.truth.shots
    ]
    assert all(cut.route == "draft" and cut.drawn_frames > 0 for cut in decided)
    # A line of a second in each: too little for a measure, but enough to see what drawing did.
    assert all(cut.score is not None and cut.score.unscored for cut in decided)
    pictures = [cut.score.picture for cut in decided if cut.score is not None]
    assert all(picture is not None and picture.outside == 0 for picture in pictures)


def test_no_text_is_in_the_log(first: tuple[RunResult, list[Event]]) -> None:
    # Whole words: a digest may well hold the letters of one.
    log = set(re.findall(r"\w+", "".join(event.model_dump_json() for event in first[1])))
    for text in (*SPANISH, *(said.text for said in SHORT_TWO_SHOTS.lines)):
        assert not [word for word in text.rstrip(".").split() if len(word) > 3 and word in log]


def test_frames_and_length_are_the_source_s(output: Seen, job: Job) -> None:
    with av.open(str(job.video)) as source, av.open(str(job.output)) as made:
        wanted = [time_of(frame) for frame in source.decode(video=0)]
        got = [time_of(frame) for frame in made.decode(video=0)]
        assert [at - got[0] for at in got] == [at - wanted[0] for at in wanted]
        sizes = {(item.streams.video[0].width, item.streams.video[0].height) for item in (source, made)}
    assert len(sizes) == 1
    assert len(got) == job.truth.frames


def rms(sound: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))


def test_every_line_is_heard_in_its_place(job: Job, clips: list[tuple[Clip, Phones]], output: Seen) -> None:
    facts = probe_source(job.output, Settings())
    track = chosen_track(facts.audio, None)
    assert track is not None
    begin = output.timeline.pts[0] * output.timeline.time_base
    picture, stretches = output.timeline.sample(output.timeline.count), output.timeline.stretches()
    sound = np.concatenate(list(decode_track(job.output, track, begin, picture, stretches)))
    before_speech = rms(sound[: min(clip.place for clip, _ in clips) - SAMPLE_RATE // 20])
    for clip, _ in clips:
        assert rms(sound[clip.place : clip.place + clip.samples]) > 2 * before_speech


def test_mouths_follow_the_new_voice(
    job: Job, clips: list[tuple[Clip, Phones]], output: Seen, first: tuple[RunResult, list[Event]]
) -> None:
    """Aperture measured on the output's pixels against the phones, in the middle of each frame."""
    assert output.faces.found.all()
    middles = (output.timeline.samples()[:-1] + output.timeline.samples()[1:]) // 2
    expected, closed, spoken = (
        np.zeros(len(middles)),
        np.zeros(len(middles), bool),
        np.zeros(len(middles), bool),
    )
    for clip, phones in clips:
        own = (middles >= clip.place) & (middles < clip.place + clip.samples)
        expected[own] = mouth_curve(phones, middles[own] - clip.place)[0]
        closed[own] = closed_at(phones, middles[own] - clip.place)
        spoken |= own
    assert closed.sum() >= 4
    rank = spearmanr(output.aperture[spoken], expected[spoken]).statistic
    assert rank > 0.7
    wide = np.quantile(output.aperture[spoken], 0.9)
    assert np.median(output.aperture[closed]) < 0.25 * wide


def test_one_changed_line_costs_its_own_actions_only(
    job: Job, first: tuple[RunResult, list[Event]], output: Seen
) -> None:
    """The second line lies in the second shot. A redraw of the first that reaches it is drawn again, to the
    same pixels, so the first shot's picture is not encoded again."""
    job.say((SPANISH[0], "Papá bebe mucha agua."))
    result, said = job.run()
    assert result.exit_code is ExitCode.DONE
    made = sorted((e.action, e.unit) for e in said if isinstance(e, ActionDone) and not e.hit)
    actions = {action for action, _ in made}
    assert {unit for action, unit in made if action in ("dub.speak", "dub.clip")} == {"line l0002"}
    assert [unit for action, unit in made if action == "deliver.encode"] == ["chunk 2"]
    assert not actions & {"ingest.scan", "separate.block", "faces.track", "lipsync.profile", "dub.level"}


def test_the_page_shows_each_cut_before_and_after(
    job: Job, first: tuple[RunResult, list[Event]], output: Seen
) -> None:
    """A frame of either shot, in which the middle of what is shown, the mouth, changed far more than its rim,
    where only coding makes a difference."""
    text = (job.folder / "film.es.report.html").read_text("utf-8")
    pairs = re.findall(r'alt="As (filmed|delivered), frame (\d+)"', text)
    images = [
        cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        for data in re.findall(r'src="data:image/webp;base64,([^"]+)" alt="As', text)
    ]
    assert [name for name, _ in pairs] == ["filmed", "delivered"] * 2
    for before, after, (_, frame), shot in zip(images[::2], images[1::2], pairs[::2], (0, 1), strict=True):
        start, stop = output.timeline.count * shot // 2, output.timeline.count * (shot + 1) // 2
        assert start - 5 <= int(frame) <= stop + 5
        change = np.abs(before.astype(int) - after).max(axis=2)
        middle, rim = change[110:200, 110:250], np.concatenate([change[:40].ravel(), change[:, :40].ravel()])
        assert np.percentile(middle, 90) > 3 * np.percentile(rim, 90)


@pytest.mark.parametrize("width", [1280, 390], ids=["desk", "phone"])
def test_the_page_of_the_run_is_whole_and_fits_its_window(
    job: Job, first: tuple[RunResult, list[Event]], width: int
) -> None:
    """Every line and cut on the timeline, every picture shown, nothing past the window's edge."""
    told = json.loads((job.folder / "film.es.report.json").read_text("utf-8"))
    with chromium() as browser, browser.new_context(viewport={"width": width, "height": 900}) as context:
        tab, troubles = context.new_page(), list[str]()
        tab.on("console", lambda message: troubles.append(message.text))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.goto((job.folder / "film.es.report.html").as_uri())
        lines, cuts = (tab.locator(f"#lanes [data-{kind}]") for kind in ("line", "cut"))
        lines.first.wait_for()
        assert (lines.count(), cuts.count()) == (len(told["lines"]), len(told["cuts"])) == (2, 2)
        for segment in (*lines.all(), *cuts.all()):
            box = segment.bounding_box()
            assert box is not None
            assert 0 <= box["x"] < box["x"] + box["width"] <= width
            assert box["width"] > width / 10
        assert not is_too_wide(tab)
        for number in range(cuts.count()):
            cuts.nth(number).click()
            images = tab.locator("#card img")
            assert images.count() >= 2
            assert images.evaluate_all("all => all.every(one => one.complete && one.naturalWidth > 0)")
            assert not is_too_wide(tab)
        assert troubles == []
