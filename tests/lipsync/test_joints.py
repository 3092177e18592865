"""Where chunks join, tracks and drawn pixels differ no more than between other neighbouring frames."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from loc.analysis.face_tracker import track_faces
from loc.analysis.faces import Faces
from loc.artifacts import SAMPLE_RATE, Chunk, FrameRange, LipSync, PatchTrack, Source
from loc.backend import Host
from loc.events import EventBus
from loc.media.frames import Planes, read_frames
from loc.media.patches import load_placement, read_patches
from loc.media.timeline import load_timeline
from loc.runner import Runner, Site
from loc.settings import Settings
from loc.stage import Context, Job
from loc.store.keys import digest_file
from loc.store.workdir import WorkDir
from stages.deliver.picture import Layer, composite
from stages.ingest import stage as ingest
from stages.ingest.contract import Inputs as IngestInputs
from stages.lipsync import stage as lipsync
from stages.lipsync.contract import Drafter
from stages.lipsync.musetalk import MuseTalk
from stages.lipsync.redraw import Film as Tracked
from stages.lipsync.shot_faces import ShotFace
from stages.lipsync.warp import Warp
from tests.lipsync.musetalk import tiny
from tests.lipsync.test_stage import Rig, dub_of
from tests.presenter import NORA, Film, Said, Script, Shot, shoot

Values = npt.NDArray[np.floating[Any]]

SYMBOLS = "amakapatisalumo"
PAN = 40
"""Pixels by which the second film's picture moves to either side: the tracker's crop must follow."""
FINENESS = 4
PERIOD_S = 7
"""Of the panning: no multiple of it is a chunk's length."""

SPEECH = (
    "The harbour was quiet when the first boat came in this morning, and the men on the pier looked up.",
    "Nobody had slept much, because the wind had turned in the night and the lamps had gone out again.",
    "A woman with a basket of bread walked from door to door and told everybody what she had seen.",
    "By noon the water was calm, and the children who had waited at the wall were allowed to swim.",
    "Somebody played a piano in the small house at the end of the road, the same piece over and over.",
    "In the evening people came together at the long table and spoke about the years before the storm.",
    "They remembered the old bridge, the mill beside it, and the market that was held on the ice.",
    "When the moon rose above the hill, the last of them went home, and the harbour was quiet again.",
    "So it goes every spring, and so it will go as long as there are boats and people to wait for them.",
    "My mother told me this more than once, and my brother wrote it down before it could be forgotten.",
    "Whoever passes by today may read it on a plate of copper, beside the door of the smallest house.",
)


@dataclass
class Drawn:
    """A film of one shot with its mouth drawn, in chunks."""

    rig: Rig
    source: Source
    made: LipSync

    @property
    def joints(self) -> npt.NDArray[np.intp]:
        """Places of the pairs of frames that a joint divides, where pair i is frames i and i + 1."""
        return np.array([chunk.frames.start - 1 for chunk in self.source.chunks[1:]])

    @cached_property
    def tracked(self) -> Tracked:
        timeline = load_timeline(self.rig.store, self.source.frames, self.source.video.time_base)
        runner = Runner(self.rig.store, EventBus(), run="test")
        self.rig.runners.append(runner)
        tracks = track_faces(runner, Site("lipsync"), self.source, self.rig.path, timeline).chunks
        return Tracked(self.source, self.rig.path, timeline, timeline.samples(), tracks)

    @cached_property
    def face(self) -> ShotFace:
        [face] = lipsync.shot_faces_of(self.rig.context(), self.tracked, 0)
        return face

    def points(self, chunk: int, frames: FrameRange) -> Values:
        """Mesh points over the face's scale, as they are drawn by, of frames that a chunk's tracks hold."""
        faces = self.tracked.faces(self.rig.context(), self.face, chunk, frames)
        return np.asarray(faces.points / np.median(faces.size))

    @cached_property
    def faces(self) -> Faces:
        """Tracks as they are used, of all frames."""
        context = self.rig.context()
        chunks = enumerate(self.source.chunks)
        return Faces.join(
            [self.tracked.faces(context, self.face, index, chunk.frames) for index, chunk in chunks]
        )

    def frames(self) -> Iterator[Planes]:
        """Every frame of the film."""
        whole = FrameRange(start=0, stop=self.source.frames.count)
        return read_frames(self.rig.path, self.source.video, self.tracked.timeline, whole)

    def pictures(self) -> Iterator[Planes]:
        """Every frame of the film with its patches on, as it would be encoded."""
        layers = [self._layer(patch) for patch in self.made.patches]
        return composite(self.frames(), 0, self.source.video, layers)

    def _layer(self, patch: PatchTrack) -> Layer:
        store = self.rig.store
        start = self.source.chunks[patch.chunk].frames.start + patch.offset
        pixels = read_patches(store.open_object(patch.pixels), patch.width, patch.height, patch.count)
        placement = load_placement(store.open_object(patch.placement))
        return Layer(FrameRange(start=start, stop=start + patch.count), pixels, placement)

    @cached_property
    def mouths(self) -> npt.NDArray[np.float32]:
        """What the patches change: luma round the mouth less the film's own, float32 [n, h, w].

        The film's movement and its coding noise are in both, and hide what a joint would add.
        """
        faces = self.faces
        reach = int(0.6 * np.median(faces.size))
        middle = np.rint(faces.points.mean(axis=1) + np.array([0, 0.4 * np.median(faces.size)]))
        return np.stack(
            [
                (drawn.y.astype(np.float32) - film.y)[y - reach : y + reach, x - reach : x + reach]
                for film, drawn, (x, y) in zip(
                    self.frames(), self.pictures(), middle.astype(int).tolist(), strict=True
                )
            ]
        )


def jolts(values: Values) -> Values:
    """By how much each pair of neighbouring frames differs otherwise than the pairs around it, [n - 1].

    An even movement gives 0, so that what is left is what an eye would catch on. `values`: [n, ...].
    """
    flat = values.reshape(len(values), -1).astype(np.float64)
    steps = np.diff(flat, axis=0)
    around = np.zeros_like(steps)
    around[1:-1] = (steps[:-2] + steps[2:]) / 2
    around[0], around[-1] = steps[0], steps[-1]
    return np.asarray(np.abs(steps - around).mean(axis=1))


def flashes(values: Values) -> Values:
    """As `jolts`, of how bright each frame is: what moves within the frame, as lips do, cancels out."""
    return jolts(values.reshape(len(values), -1).mean(axis=1))


def stand_out(pairs: Values, joints: npt.NDArray[np.intp]) -> bool:
    """Whether some pairs differ more than the others: the largest than any, or half of them than most."""
    others = np.delete(pairs, joints)
    at = pairs[joints]
    return bool(at.max() > others.max() or np.median(at) > np.percentile(others, 85))


def prepared(
    film: Path, folder: Path, chunks: tuple[Chunk, ...] | None = None, backend: Drafter | None = None
) -> Drawn:
    """Ingest a film and draw a dub that hardly ever pauses; by `warp` where no other backend is given."""
    store = WorkDir(folder / "store")
    runner = Runner(store, EventBus(), run="test")
    job = Job(film, digest_file(film), film.stat().st_size, ("es",), "en")
    source = ingest.run(
        Context(runner=runner, settings=Settings(), job=job, backend=lambda *_: None),  # type: ignore[arg-type]
        IngestInputs(),
    )
    if chunks is not None:
        source = source.model_copy(update={"chunks": chunks})
    rig = Rig(store, source, film, backend or Warp(Host(Settings(), folder)), runners=[runner])
    length = len(SYMBOLS) * SAMPLE_RATE // 10
    places = range(SAMPLE_RATE // 5, source.samples - length, length + SAMPLE_RATE // 5)
    clips = [rig.clip(place, SYMBOLS, line=str(number)) for number, place in enumerate(places)]
    return Drawn(rig, source, rig.run(dub_of(*clips)))


def closed(drawn: Drawn) -> Drawn:
    for runner in drawn.rig.runners:
        runner.close()
    return drawn


def test_a_film_in_three_chunks_has_no_joints_to_be_seen(short_film: Film, tmp_path: Path) -> None:
    count = short_film.truth.frames
    edges = [0, count // 3, 2 * count // 3, count]
    chunks = tuple(Chunk(shot=0, frames=FrameRange(start=a, stop=b)) for a, b in itertools.pairwise(edges))
    drawn = prepared(short_film.path, tmp_path, chunks)
    assert {patch.chunk for patch in drawn.made.patches} == {0, 1, 2}
    assert not stand_out(jolts(drawn.faces.points), drawn.joints)
    assert not stand_out(jolts(drawn.mouths), drawn.joints)
    assert not stand_out(flashes(drawn.mouths), drawn.joints)
    closed(drawn)


def test_musetalk_holds_faces_still_over_joints(short_film: Film, tmp_path: Path) -> None:
    """Two chunks are drawn as one is: what is before the joint is read, which stands in the keys."""
    count = short_film.truth.frames
    tiny.register(tmp_path / "data")
    settings = Settings(data_dir=tmp_path / "data", device="cpu", musetalk_smoothing=True)
    backend = MuseTalk(Host(settings, tmp_path, model="tiny"))
    one, two = (
        prepared(
            short_film.path,
            tmp_path / name,
            tuple(
                Chunk(shot=0, frames=FrameRange(start=a, stop=b))
                for a, b in itertools.pairwise((0, *edges, count))
            ),
            backend,
        )
        for name, edges in (("one", ()), ("two", (count // 2,)))
    )
    assert {patch.chunk for patch in two.made.patches} == {0, 1}

    assert jolts(two.mouths)[two.joints] == pytest.approx(jolts(one.mouths)[two.joints], rel=0.1)
    read = [
        (record.name, "before" in record.fields["inputs"])
        for record in two.rig.store.actions()
        if record.name in ("lipsync.prepare", "lipsync.draw")
    ]
    assert sorted(read) == [
        ("lipsync.draw", False),
        ("lipsync.draw", True),
        ("lipsync.prepare", False),
        ("lipsync.prepare", True),
    ]
    backend.close()
    closed(one)
    closed(two)


@pytest.fixture(scope="module")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of one shot in which somebody speaks nearly all the time, 640x360."""
    script = Script(
        lines=tuple(Said(NORA, text, pause=0.15) for text in SPEECH),
        shots=(Shot(0, "medium", "study", (NORA,)),),
        size=(640, 360),
    )
    film = shoot(script, tmp_path_factory.mktemp("joints") / "minute.mp4")
    assert film.truth.samples >= 60 * SAMPLE_RATE
    return film.path


def panned(film: Path, target: Path) -> Path:
    """The film as by a camera that swings to both sides, a quarter of a pixel at a time: in whole ones the
    picture itself would jerk by more than a joint."""
    swing = f"{PAN}*{FINENESS}*(1+sin(2*PI*t/{PERIOD_S}))"
    width = f"iw-{2 * PAN * FINENESS}"
    view = (
        f"format=yuv444p,scale={FINENESS}*iw:{FINENESS}*ih,crop=w={width}:h=ih:x='{swing}':y=0:exact=1,"
        f"scale=iw/{FINENESS}:ih/{FINENESS},format=yuv420p"
    )
    command = ["ffmpeg", "-v", "error", "-i", str(film), "-vf", view, "-crf", "16", "-c:a", "copy"]
    subprocess.run([*command, str(target)], check=True)
    return target


@pytest.mark.slow
@pytest.mark.parametrize("camera", ["still", "swinging"])
def test_a_minute_of_one_shot_has_no_joints_to_be_seen(camera: str, minute: Path, tmp_path: Path) -> None:
    film = minute if camera == "still" else panned(minute, tmp_path / "panned.mp4")
    drawn = prepared(film, tmp_path)
    assert len(drawn.source.shots) == 1
    assert len(drawn.joints) >= 5
    covered = np.zeros(drawn.source.frames.count, dtype=bool)
    for patch in drawn.made.patches:
        start = drawn.source.chunks[patch.chunk].frames.start + patch.offset
        covered[start : start + patch.count] = True
    assert covered[drawn.joints].all()
    assert covered[drawn.joints + 1].all()

    points, mouths = drawn.faces.points / np.median(drawn.faces.size), drawn.mouths
    assert not stand_out(jolts(points), drawn.joints)
    assert not stand_out(jolts(mouths), drawn.joints)
    assert not stand_out(flashes(mouths), drawn.joints)
    assert max(_disagreements(drawn)) < np.percentile(jolts(points), 90)
    _assert_a_joint_would_be_seen(drawn, points, mouths)
    closed(drawn)


def _disagreements(drawn: Drawn) -> list[float]:
    """By how much the tracks of two neighbouring chunks differ on the two frames that their joint divides."""
    found = []
    for index, joint in enumerate(drawn.joints.tolist()):
        pair = FrameRange(start=joint, stop=joint + 2)
        ahead, behind = drawn.points(index, pair), drawn.points(index + 1, pair)
        found.append(float(np.abs(ahead - behind).mean()))
    return found


def _assert_a_joint_would_be_seen(drawn: Drawn, points: Values, mouths: Values) -> None:
    """Plant what chunks that disagree would show: every second one half a pixel or two levels off."""
    points, mouths = points.copy(), mouths.copy()
    for chunk in drawn.source.chunks[1::2]:
        points[chunk.frames.start : chunk.frames.stop] += 0.5 / np.median(drawn.faces.size)
        mouths[chunk.frames.start : chunk.frames.stop] += 2
    assert stand_out(jolts(points), drawn.joints)
    assert stand_out(flashes(mouths), drawn.joints)
