"""Draws a script, frame by frame, and encodes it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from loc.artifacts import SAMPLE_RATE
from loc.process import Child
from tests.presenter.body import draw_neck, draw_torso
from tests.presenter.canvas import Canvas, Pixels, shrink
from tests.presenter.face import draw_head
from tests.presenter.hair import back_hair
from tests.presenter.looks import Presenter
from tests.presenter.motion import Motion, move
from tests.presenter.mouth import WIDEST_GAP
from tests.presenter.pen import Pen, Pose
from tests.presenter.scenery import draw_backdrop
from tests.presenter.script import FaceTruth, LineTruth, Script, Shot, ShotTruth, Truth
from tests.presenter.voice import Soundtrack, soundtrack

ZOOM = 2
"""Canvas pixels per frame pixel: heads are drawn larger and averaged down."""

HEAD_AREA = np.array([(-1.35, -1.75), (1.35, 2.1)])
"""Head units: all that changes from frame to frame lies in this box, however the head sways."""

FACE_BOX = np.array([(-0.68, -0.68), (0.68, -0.68), (0.68, 1.0), (-0.68, 1.0)])
"""Head units: from the hairline to the chin, between the cheeks."""


@dataclass(frozen=True)
class Take:
    """A shot with its frames and the places of its people."""

    shot: Shot
    start: int
    stop: int
    rests: tuple[Pose, ...]


@dataclass(frozen=True)
class Film:
    """A drawn film and what is true of it."""

    path: Path
    truth: Truth


def shoot(script: Script, path: Path) -> Film:
    """Render a script; the file together with its truth."""
    return Film(path, render(script, path))


def render(script: Script, path: Path, *, sound: Soundtrack | None = None) -> Truth:
    """Draw and encode a script as MP4 (H.264 at crf 16, AAC).

    Args:
        script: what to film.
        path: the file to write.
        sound: its sound track, where it has been made already.
    """
    sound = sound if sound is not None else soundtrack(script)
    samples = len(sound.speech)
    count = int(samples * script.fps / SAMPLE_RATE)
    at, shown = _frame_times(count, script.fps)
    people = {who.name: who for shot in script.shots for who in shot.cast}
    motions = {name: move(who, sound.lines, shown) for name, who in people.items()}
    takes = _takes(script, sound.lines, at)
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "mix.wav"
        soundfile.write(wav, sound.mix, SAMPLE_RATE, subtype="FLOAT")
        with Child(_encoder(script, wav, path), stdin=True) as child:
            for frame in _frames(script, takes, motions):
                child.stdin.write(frame.tobytes())
    return Truth(
        size=script.size,
        fps=script.fps,
        frames=count,
        samples=samples,
        language=script.language,
        music=script.music,
        lines=sound.lines,
        shots=tuple(
            ShotTruth(start=take.start, stop=take.stop, cast=tuple(who.name for who in take.shot.cast))
            for take in takes
        ),
        faces=tuple(_truths(takes, motions)),
    )


def _frame_times(count: int, fps: Fraction) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Samples at which frames appear, and the middle of each one's time on screen, which is what it shows."""
    edges = [round(i * SAMPLE_RATE / fps / 2) for i in range(2 * count)]
    return np.array(edges[::2], dtype=np.int64), np.array(edges[1::2], dtype=np.int64)


def _takes(script: Script, lines: Sequence[LineTruth], at: npt.NDArray[np.int64]) -> list[Take]:
    starts = [0]
    for shot in script.shots[1:]:
        middle = (lines[shot.first_line - 1].stop + lines[shot.first_line].start) // 2
        starts.append(int(np.searchsorted(at, middle)))
    stops = [*starts[1:], len(at)]
    return [
        Take(shot, start, stop, _rests(shot, script.size))
        for shot, start, stop in zip(script.shots, starts, stops, strict=True)
    ]


def _rests(shot: Shot, size: tuple[int, int]) -> tuple[Pose, ...]:
    """Where the heads of a shot rest: eyes on the upper third, several people side by side."""
    width, height = size
    scale = {"medium": 0.165, "close": 0.245, "pair": 0.135}[shot.framing] * height
    eyes = {"medium": 0.37, "close": 0.42, "pair": 0.40}[shot.framing] * height
    count = len(shot.cast)
    return tuple(Pose(x=width * (2 * i + 1) / (2 * count), y=eyes, scale=scale) for i in range(count))


@dataclass(frozen=True)
class _Stage:
    """What does not change in a shot: backdrop and shoulders, magnified and at the size of the frame."""

    large: Pixels
    small: Pixels


def _stage(script: Script, take: Take) -> _Stage:
    width, height = script.size
    large = draw_backdrop(take.shot.backdrop, ZOOM * width, ZOOM * height)
    canvas = Canvas(large)
    for who, rest in zip(take.shot.cast, take.rests, strict=True):
        draw_torso(Pen(canvas, rest, (0, 0), ZOOM), who)
    return _Stage(large, shrink(large, ZOOM))


def _frames(script: Script, takes: Sequence[Take], motions: Mapping[str, Motion]) -> Iterator[Pixels]:
    for take in takes:
        stage = _stage(script, take)
        for frame in range(take.start, take.stop):
            yield _draw_frame(stage, take, motions, frame)


def _draw_frame(stage: _Stage, take: Take, motions: Mapping[str, Motion], frame: int) -> Pixels:
    picture = stage.small.copy()
    for who, rest in zip(take.shot.cast, take.rests, strict=True):
        _draw_person(picture, stage.large, who, rest, motions[who.name], frame)
    return picture


def _draw_person(
    picture: Pixels, large: Pixels, who: Presenter, rest: Pose, motion: Motion, frame: int
) -> None:
    """Draw what moves of a person into `picture`."""
    height, width = picture.shape[:2]
    (left, top), (right, bottom) = np.round(rest.place(HEAD_AREA)).astype(int)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    canvas = Canvas(large[ZOOM * top : ZOOM * bottom, ZOOM * left : ZOOM * right].copy())
    head = Pen(canvas, motion.pose(frame, rest), (left, top), ZOOM)
    body = Pen(canvas, rest, (left, top), ZOOM)
    back_hair(head, who)
    draw_neck(head, body, who)
    draw_head(head, who, motion.expression(frame))
    picture[top:bottom, left:right] = shrink(canvas.pixels, ZOOM)


def _truths(takes: Sequence[Take], motions: Mapping[str, Motion]) -> Iterator[FaceTruth]:
    for take in takes:
        frames = range(take.start, take.stop)
        for who, rest in zip(take.shot.cast, take.rests, strict=True):
            motion = motions[who.name]
            poses = [motion.pose(frame, rest) for frame in frames]
            aperture = motion.aperture[take.start : take.stop]
            yield FaceTruth(
                presenter=who.name,
                start=take.start,
                aperture=_rounded(aperture),
                width=_rounded(motion.width[take.start : take.stop]),
                blink=_rounded(motion.blink[take.start : take.stop]),
                gap=_rounded(aperture * WIDEST_GAP * [pose.scale for pose in poses]),
                box=tuple(_face_box(pose) for pose in poses),
            )


def _rounded(curve: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in curve)


def _face_box(pose: Pose) -> tuple[float, float, float, float]:
    corners = pose.place(FACE_BOX)
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    return (round(float(left), 1), round(float(top), 1), round(float(right), 1), round(float(bottom), 1))


def _encoder(script: Script, wav: Path, path: Path) -> list[str]:
    width, height = script.size
    # fmt: off
    return [
        "ffmpeg", "-v", "error", "-y",
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(script.fps), "-i", "-",
        "-i", str(wav),
        "-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p",
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-threads", "1",
        "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
        "-c:a", "aac", "-b:a", "192k", "-fflags", "+bitexact", "-flags", "+bitexact",
        "-movflags", "+faststart", str(path),
    ]
    # fmt: on
