"""How surely a mouth behind something is refused, and how often one that is free is.

    python bench/refusals.py CLIP... [--drawn] [--add] [-o OUT.json] [--timeline PNG]

Drawn hands, microphones and mugs (`tests/occluders`) pass before the faces of the clips and, with `--drawn`,
of a drawn presenter. Whatever is tracked and routed is what `loc run` tracks and routes; a frame is
refused if it lies in no cut that would be drawn. Frames are judged by what is known to cover the outline of
the lips, taken from the tracks of the clip as filmed:

    hit      share refused of the frames in which a quarter of the lips or more is covered
    away     share refused of the frames in which nothing covers the lips, over 4 frames from those
    beside   the same while something rests beside the mouth
    filmed   share refused of the clip as filmed, and made darker, noisy, black and white, bearded, small, or
             coded hard

`throughout` are shots in which the mouth is never seen. A timeline shows, for each pass, how much of the lips
is covered (white, above) and what is refused (red, below).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from bench.contact_sheet import Film
from bench.machine import Result, goal, machine, show
from loc.analysis import occlusion
from loc.analysis.face_tracker import FaceTracker, follow
from loc.analysis.faces import CHEEKS, LIP_OUTER_LOWER, LIP_OUTER_UPPER, Faces, foremost, places
from loc.artifacts import VideoStream
from loc.media.colour import to_rgb
from loc.media.frames import Planes
from stages.lipsync.cuts import cut_shot
from stages.lipsync.route import Situation, situations, with_occlusion
from stages.lipsync.tracks import prepare
from tests.occluders import (
    HELD_OUT,
    TUNING,
    Occluder,
    Passing,
    Placed,
    Schedule,
    cover,
    lay_over,
    schedule,
    with_beard,
)

HIT_LIMIT, FALSE_LIMIT = 0.95, 0.02
MOST_FRAMES = 200
"""Read of each clip: eight seconds."""
COVERED, FREE = 0.25, 0.001
"""Share of the lips from which on they must be refused, and under which they must not."""
APART = 4
"""Frames around a covering that belong to neither: the refusal begins before it and ends behind it."""
THROUGHOUT = 60
"""Frames of a shot whose mouth is never seen."""

SETS = {"tuning": TUNING, "held-out": HELD_OUT}
LIPS = places((*LIP_OUTER_UPPER, *LIP_OUTER_LOWER[-2:0:-1]))

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Subject:
    """A film of one face, and where that is."""

    name: str
    film: Film
    faces: Faces
    skin: tuple[float, float, float]

    @classmethod
    def open(cls, path: Path) -> Subject:
        film = Film.open(path)
        count = min(MOST_FRAMES, film.timeline.count)
        faces = tracked(film.video, film.frames(0, count))
        x, y = np.round(faces.points[0, places(CHEEKS[:4])]).astype(int).T
        picture = to_rgb(next(film.frames(0, 1)), film.video)
        red, green, blue = np.median(picture[y, x], axis=0).tolist()
        return cls(path.stem, film, faces, (red, green, blue))

    def face(self, index: int) -> Placed:
        lips = self.faces.points[index, LIPS]
        return Placed(lips.mean(axis=0).astype(np.float64), float(np.nanmedian(self.faces.size)))


@dataclass
class Pass:
    """What was covered and what was refused in one pass."""

    passing: Schedule
    covers: npt.NDArray[np.float64]
    reasons: list[Situation]

    @property
    def refused(self) -> Flags:
        return np.array([reason is not Situation.ONE_FACE for reason in self.reasons])

    @property
    def away(self) -> Flags:
        """Frames free of everything, and not close to one that is not."""
        return ~binary_dilation(self.covers >= FREE, iterations=APART)

    def during(self, item: Passing) -> Flags:
        index = np.arange(len(self.covers))
        return np.asarray((index >= item.start) & (index < item.stop))


def tracked(video: VideoStream, pictures: Iterable[Planes]) -> Faces:
    """Tracks of pictures in a row."""
    with FaceTracker(video) as tracker:
        tracks = follow(tracker, pictures, 0)
    return foremost(tracks, len(tracks[0]))


def reasons(faces: Faces, video: VideoStream) -> list[Situation]:
    """What each frame's cut shows."""
    ready = prepare(faces)
    shares = occlusion.covered(ready.mouth, occlusion.learn(ready.mouth))
    seen = with_occlusion(situations(ready, video.width, video.height), occlusion.occluded(shares))
    return [cut.situation for cut in cut_shot(0, 0, seen) for _ in range(len(cut.frames))]


def pass_over(subject: Subject, passing: Schedule, frames: int) -> Pass:
    """Let occluders pass and see what is refused."""
    covers = []

    def pictures() -> Iterator[Planes]:
        for index, planes in enumerate(subject.film.frames(0, frames)):
            shown, alpha = lay_over(
                planes, subject.film.video, passing, index, subject.face(index), subject.skin
            )
            covers.append(cover(alpha, subject.faces.points[index, LIPS]))
            yield shown

    faces = tracked(subject.film.video, pictures())
    return Pass(passing, np.array(covers), reasons(faces, subject.film.video))


def share(flags: Flags, among: Flags) -> tuple[int, int]:
    """How many of some frames are flagged, and how many they are."""
    return int((flags & among).sum()), int(among.sum())


def rate(counts: Iterable[tuple[int, int]]) -> Result:
    """Sums of `share`."""
    pairs = list(counts)
    hits, frames = sum(a for a, _ in pairs), sum(b for _, b in pairs)
    return {"refused": hits, "frames": frames, "rate": round(hits / frames, 4) if frames else None}


def over(subject: Subject, occluders: Sequence[Occluder], seed: int) -> tuple[Result, list[Pass]]:
    """One set of occluders before one face."""
    count = len(subject.faces)
    passes = [pass_over(subject, passing, count) for passing in schedule(occluders, count, seed=seed)]
    always = [
        pass_over(subject, [Passing(what, -what.enter, 3 * THROUGHOUT)], min(count, THROUGHOUT))
        for what in occluders[::4]
    ]
    hits: dict[str, list[tuple[int, int]]] = {}
    beside: list[tuple[int, int]] = []
    for done in passes:
        for item in done.passing:
            during = done.during(item)
            if item.beside != (0.0, 0.0):
                beside.append(share(done.refused, during & done.away))
            else:
                hits[item.what.name] = [share(done.refused, during & (done.covers >= COVERED))]
    return {
        "hit": rate(pair for pairs in hits.values() for pair in pairs),
        "hit_by_occluder": {name: rate(pairs) for name, pairs in hits.items()},
        "away": rate(share(done.refused, done.away) for done in passes),
        "beside": rate(beside),
        "throughout": rate(share(done.refused, done.covers >= COVERED) for done in always),
    }, passes


def noisy(planes: Planes, _: int) -> Planes:
    rng = np.random.default_rng(int(planes.y[0, 0]))
    noise = rng.normal(0, 8, planes.y.shape)
    return Planes(np.clip(planes.y + noise, 16, 235).astype(np.uint8), planes.u, planes.v)


def darker(planes: Planes, _: int) -> Planes:
    y, u, v = (np.asarray(plane, dtype=np.float32) for plane in (planes.y, planes.u, planes.v))
    return Planes(*(np.rint(a + 0.4 * (b - a)).astype(np.uint8) for a, b in ((16, y), (128, u), (128, v))))


def black_and_white(planes: Planes, _: int) -> Planes:
    return Planes(planes.y, np.full_like(planes.u, 128), np.full_like(planes.v, 128))


def as_filmed(subject: Subject, folder: Path) -> Result:
    """Share refused of a film on which nothing was laid, by condition, and the reasons."""

    def bearded(planes: Planes, index: int) -> Planes:
        return with_beard(planes, subject.film.video, subject.faces.points[index])

    changes: dict[str, Callable[[Planes, int], Planes]] = {
        "as it is": lambda planes, _: planes,
        "darker": darker,
        "noisy": noisy,
        "black and white": black_and_white,
        "bearded": bearded,
    }
    count = len(subject.faces)
    found = {
        name: judged(
            subject.film.video,
            (change(planes, index) for index, planes in enumerate(subject.film.frames(0, count))),
        )
        for name, change in changes.items()
    }
    small = 2 * round(subject.film.video.height * 40 / float(np.nanmedian(subject.faces.size)) / 2)
    for name, options in (
        ("small: 40 px from eye to eye", ["-vf", f"scale=-2:{small}:flags=area"]),
        ("coded hard", ["-crf", "40"]),
    ):
        target = folder / "changed.mp4"
        read = ["ffmpeg", "-v", "error", "-y", "-i", str(subject.film.path), "-an", "-frames:v", f"{count}"]
        subprocess.run([*read, "-c:v", "libx264", *options, str(target)], check=True)
        film = Film.open(target)
        found[name] = judged(film.video, film.frames(0, film.timeline.count))
    return found


def judged(video: VideoStream, pictures: Iterable[Planes]) -> Result:
    why = reasons(tracked(video, pictures), video)
    refused = [reason.code for reason in why if reason is not Situation.ONE_FACE]
    return {**rate([(len(refused), len(why))]), "reasons": sorted(set(refused))}


def timeline(passes: Sequence[tuple[str, Pass]]) -> npt.NDArray[np.uint8]:
    """A strip for each pass, uint8 [h, w, 3] RGB."""
    rows = []
    for name, done in passes:
        strip = np.full((34, 760, 3), 28, dtype=np.uint8)
        wide = np.repeat(np.arange(len(done.covers)), 2)[: strip.shape[1] - 210]
        for column, index in enumerate(wide, 200):
            strip[2 + round(18 * (1 - done.covers[index])) : 20, column] = 230
            strip[22:32, column] = (220, 60, 50) if done.refused[index] else (60, 90, 60)
        words = [
            name,
            ", ".join(i.what.name + (" *" if i.beside != (0.0, 0.0) else "") for i in done.passing),
        ]
        for line, text in enumerate(words):
            cv2.putText(strip, text[:42], (4, 13 + 14 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.32, (255,) * 3, 1)
        rows.append(strip)
    return np.vstack(rows)


def subjects(clips: Sequence[Path], *, drawn: bool, folder: Path) -> Iterator[Subject]:
    """The films, opened one after the other."""
    yield from map(Subject.open, clips)
    if drawn:
        from tests.presenter import OTTO, Said, Script, Shot, render

        lines = (
            Said(OTTO, "We saw a wide open window above the harbour, and my mum baked apple pie.", 0.3),
            Said(OTTO, "Everybody who came by that day was given a piece, and a mug of tea."),
        )
        path = folder / "drawn.mp4"
        render(Script(lines, (Shot(0, "close", "plain", (OTTO,)),), size=(640, 360), music=False), path)
        yield Subject.open(path)


def together(rates: Iterable[Result]) -> float:
    """The rate over all frames of some rates."""
    total = rate((item["refused"], item["frames"]) for item in rates)["rate"]
    return float("nan") if total is None else float(total)


def goals(result: Result) -> list[Result]:
    """What was to be reached, over the frames of all films."""
    plain = together(row["as it is"] for row in result["filmed"].values())
    found = [goal("refused of the films as they are", plain, FALSE_LIMIT)]
    for name, rows in result["sets"].items():
        for what in ("hit", "throughout", "away", "beside"):
            refused = together(row[what] for row in rows.values())
            wanted = what in ("hit", "throughout")
            limit = HIT_LIMIT if wanted else FALSE_LIMIT
            found.append(goal(f"{name}: {what}", refused, limit, at_least=wanted))
    return found


def main() -> None:
    """Measure, print, and write."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--drawn", action="store_true", help="also before a drawn presenter")
    parser.add_argument("--add", action="store_true", help="to the films whose rates are in the output")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--timeline", type=Path, help="a picture of all passes")
    args = parser.parse_args()
    result: Result = {"machine": machine(), "goals": [], "filmed": {}, "sets": {name: {} for name in SETS}}
    if args.add and args.output and args.output.exists():
        result |= json.loads(args.output.read_text(encoding="utf-8"))
    strips: list[tuple[str, Pass]] = []
    with tempfile.TemporaryDirectory() as folder:
        for subject in subjects(args.clips, drawn=args.drawn, folder=Path(folder)):
            result["filmed"][subject.name] = as_filmed(subject, Path(folder))
            for seed, (name, occluders) in enumerate(SETS.items()):
                row, passes = over(subject, occluders, seed)
                result["sets"][name][subject.name] = row
                strips += [(f"{subject.name}, {name}", done) for done in passes]
    result["goals"] = goals(result)
    if args.timeline:
        cv2.imwrite(str(args.timeline), timeline(strips)[..., ::-1])
    show(result, args.output)


if __name__ == "__main__":
    main()
