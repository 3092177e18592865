"""How surely a mouth behind something is refused, and how often one that is free is.

    python bench/refusals.py CLIP... [--drawn] [--part PART] [--set SET] [--add] [--keep FOLDER] [-o OUT.json]

Drawn hands, microphones and mugs (`tests/occluders`) pass before the faces of the clips and, with `--drawn`,
of a drawn presenter. Whatever is tracked and routed is what `loc run` tracks and routes; a frame is
refused if it lies in no cut that would be drawn. Frames are judged by what is known to cover the outline of
the lips, and the chin under them down to the jaw line, taken from the tracks of the clip as filmed:

    hit      share refused of the frames in which a quarter of the lips or more is covered
    chin     the same of the chin, while less of the lips is covered
    away     share refused of the frames in which nothing covers lips or chin, over 4 frames from those
    beside   the same while something rests beside the mouth
    filmed   share refused of the clip as filmed, and made darker, noisy, black and white, bearded, small, or
             coded hard

Goals are held against every film by itself, on all three sets of occluders: those that limits were chosen on,
those that were held out then, and `fresh` ones, drawn since by chance and never looked at while choosing.
`throughout` are shots in which the mouth is never seen, each with one of the things before it. A timeline
(`--timeline PNG`) shows, for each pass, how much of the lips is covered (white, above) and what is refused
(red, below).
`--keep` keeps what was tracked: limits that judge it can then be tried without tracking anew.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from bench.contact_sheet import Film
from bench.machine import Result, goal, machine, show
from loc.analysis import occlusion
from loc.analysis.face_tracker import FaceTracker, follow
from loc.analysis.faces import CHEEKS, JAW, LIP_OUTER_LOWER, LIP_OUTER_UPPER, Faces, foremost, places
from loc.artifacts import VideoStream
from loc.media.arrays import load_arrays, save_arrays
from loc.media.colour import to_rgb
from loc.media.frames import Planes
from stages.lipsync.cuts import cut_shot
from stages.lipsync.route import Situation, situations
from stages.lipsync.tracks import prepare
from tests.occluders import (
    FRESH,
    HELD_OUT,
    TUNING,
    Passing,
    Placed,
    Schedule,
    cover,
    lay_over,
    schedule,
    with_beard,
)

HIT_LIMIT, FALSE_LIMIT = 0.95, 0.02
MOST_FRAMES = 100
"""Read of each clip: four seconds."""
HOLD, GAP = 4, 8
"""Frames for which a thing rests before the face, and for which the face is free between two: what is hard is
to see them come and go."""
CHANGED_FRAMES = 40
"""Of a clip that is changed."""
COVERED, FREE = 0.25, 0.001
"""Share of the lips, or of the chin, from which on they must be refused, and under which they must not."""
APART = 4
"""Frames around a covering that belong to neither: the refusal begins before it and ends behind it."""
THROUGHOUT = 12
"""Frames of a shot whose mouth is never seen."""

PARTS = ("filmed", "lips", "chin", "throughout")
SETS = {"tuning": TUNING, "held-out": HELD_OUT, "fresh": FRESH}
FALSE_GOALS = ("as it is", "darker", "noisy", "coded hard")
"""Conditions of films as filmed whose false refusals have a goal: what is lost in black and white, small or
bearded is a stated limit."""
LIPS = places((*LIP_OUTER_UPPER, *LIP_OUTER_LOWER[-2:0:-1]))
CHIN = places((*LIP_OUTER_LOWER, *JAW[-3:1:-1]))

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Shelf:
    """Tracks that were kept, by name; none without a folder."""

    folder: Path | None

    def tracks(
        self, name: str, make: Callable[[], dict[str, npt.NDArray[Any]]]
    ) -> dict[str, npt.NDArray[Any]]:
        """Those of this name, or as made now."""
        if self.folder is None:
            return make()
        path = self.folder / f"{name}.npz"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(save_arrays(make()))
        return load_arrays(path)


def arrays_of(faces: Faces) -> dict[str, npt.NDArray[Any]]:
    return {item.name: getattr(faces, item.name) for item in fields(Faces)}


def faces_of(arrays: dict[str, npt.NDArray[Any]]) -> Faces:
    return Faces(**{item.name: arrays[item.name] for item in fields(Faces)})


@dataclass(frozen=True)
class Subject:
    """A film of one face, and where that is."""

    name: str
    film: Film
    faces: Faces
    skin: tuple[float, float, float]

    @classmethod
    def open(cls, path: Path, shelf: Shelf) -> Subject:
        film = Film.open(path)
        count = min(MOST_FRAMES, film.timeline.count)
        faces = faces_of(
            shelf.tracks(path.stem, lambda: arrays_of(tracked(film.video, film.frames(0, count))))
        )
        x, y = np.round(faces.points[0, places(CHEEKS[:4])]).astype(int).T
        picture = to_rgb(next(film.frames(0, 1)), film.video)
        red, green, blue = np.median(picture[y, x], axis=0).tolist()
        return cls(path.stem, film, faces, (red, green, blue))

    def face(self, index: int) -> Placed:
        lips = self.faces.points[index, LIPS]
        return Placed(lips.mean(axis=0).astype(np.float64), float(np.nanmedian(self.faces.size)))


@dataclass
class Pass:
    """What was covered, of the lips and of the chin, and what was refused in one pass."""

    passing: Schedule
    covers: npt.NDArray[np.float64]
    chin: npt.NDArray[np.float64]
    reasons: list[Situation]

    @property
    def refused(self) -> Flags:
        return np.array([reason is not Situation.ONE_FACE for reason in self.reasons])

    @property
    def away(self) -> Flags:
        """Frames free of everything, and not close to one that is not."""
        near = binary_dilation(np.maximum(self.covers, self.chin) >= FREE, iterations=APART)
        return np.asarray(~near, dtype=np.bool_)

    @property
    def on_chin(self) -> Flags:
        """Frames in which the chin is covered and the lips are not."""
        return np.asarray((self.chin >= COVERED) & (self.covers < COVERED))

    def during(self, item: Passing) -> Flags:
        index = np.arange(len(self.covers))
        return np.asarray((index >= item.start) & (index < item.stop))


def tracked(video: VideoStream, pictures: Iterable[Planes]) -> Faces:
    """Tracks of pictures in a row, in which there may be no face at all."""
    held = list(pictures)
    with FaceTracker(video) as tracker:
        return foremost(follow(tracker, held, 0), len(held))


def reasons(faces: Faces, video: VideoStream) -> list[Situation]:
    """What each frame's cut shows."""
    every = video.average_rate
    ready = prepare(faces, every)
    shares = occlusion.covered(ready.mouth, occlusion.learn(ready.mouth))
    seen, hidden = situations(ready, video.width, video.height, every), occlusion.occluded(shares, every)
    return [cut.situation for cut in cut_shot(0, 0, seen, hidden, every) for _ in range(len(cut.frames))]


def pass_over(subject: Subject, passing: Schedule, frames: int, shelf: Shelf, name: str) -> Pass:
    """Let occluders pass and see what is refused."""

    def made() -> dict[str, npt.NDArray[Any]]:
        covers, chin = [], []

        def pictures() -> Iterator[Planes]:
            for index, planes in enumerate(subject.film.frames(0, frames)):
                shown, alpha = lay_over(
                    planes, subject.film.video, passing, index, subject.face(index), subject.skin
                )
                covers.append(cover(alpha, subject.faces.points[index, LIPS]))
                chin.append(cover(alpha, subject.faces.points[index, CHIN]))
                yield shown

        faces = tracked(subject.film.video, pictures())
        return {**arrays_of(faces), "covers": np.array(covers), "chin": np.array(chin)}

    arrays = shelf.tracks(f"{subject.name}-{name}", made)
    return Pass(passing, arrays["covers"], arrays["chin"], reasons(faces_of(arrays), subject.film.video))


def share(flags: Flags, among: Flags) -> tuple[int, int]:
    """How many of some frames are flagged, and how many they are."""
    return int((flags & among).sum()), int(among.sum())


def rate(counts: Iterable[tuple[int, int]]) -> Result:
    """Sums of `share`."""
    pairs = list(counts)
    hits, frames = sum(a for a, _ in pairs), sum(b for _, b in pairs)
    return {"refused": hits, "frames": frames, "rate": round(hits / frames, 4) if frames else None}


def over(
    subject: Subject, kind: str, seed: int, shelf: Shelf, parts: Sequence[str]
) -> tuple[Result, list[Pass]]:
    """One set of occluders before one face, as far as parts are asked for."""
    count = len(subject.faces)
    by_part = {
        "lips": [what for what in SETS[kind] if not what.on_chin],
        "chin": [what for what in SETS[kind] if what.on_chin],
    }
    passes = {
        part: [
            pass_over(subject, passing, count, shelf, f"{kind}-{part}-{number}")
            for number, passing in enumerate(schedule(occluders, count, hold=HOLD, gap=GAP, seed=seed))
        ]
        for part, occluders in by_part.items()
        if part in parts
    }
    done = [one for group in passes.values() for one in group]
    row: Result = {"away": rate(share(one.refused, one.away) for one in done)} if done else {}
    if "lips" in parts:
        row |= _over_lips(passes["lips"])
    if "chin" in parts:
        row["chin"] = rate(share(one.refused, one.on_chin) for one in done)
    if "throughout" in parts:
        never = {
            what.name: pass_over(
                subject,
                [Passing(what, -what.enter, 3 * THROUGHOUT)],
                THROUGHOUT,
                shelf,
                f"{kind}-throughout-{number}",
            )
            for number, what in enumerate(by_part["lips"])
        }
        hidden = {name: [share(one.refused, one.covers >= COVERED)] for name, one in never.items()}
        row |= _by_occluder("throughout", hidden)
    return row, done


def _over_lips(passes: Sequence[Pass]) -> Result:
    hits: dict[str, list[tuple[int, int]]] = {}
    beside: list[tuple[int, int]] = []
    for done in passes:
        for item in done.passing:
            during = done.during(item)
            if item.beside == (0.0, 0.0):
                hits[item.what.name] = [share(done.refused, during & (done.covers >= COVERED))]
            else:
                beside.append(share(done.refused, during & done.away))
    return {**_by_occluder("hit", hits), "beside": rate(beside)}


def _by_occluder(name: str, found: dict[str, list[tuple[int, int]]]) -> Result:
    return {
        name: rate(pair for pairs in found.values() for pair in pairs),
        f"{name}_by_occluder": {what: rate(pairs) for what, pairs in found.items()},
    }


def noisy(planes: Planes, _: int) -> Planes:
    rng = np.random.default_rng(int(planes.y[0, 0]))
    noise = rng.normal(0, 8, planes.y.shape)
    return Planes(np.clip(planes.y + noise, 16, 235).astype(np.uint8), planes.u, planes.v)


def darker(planes: Planes, _: int) -> Planes:
    y, u, v = (np.asarray(plane, dtype=np.float32) for plane in (planes.y, planes.u, planes.v))
    return Planes(*(np.rint(a + 0.4 * (b - a)).astype(np.uint8) for a, b in ((16, y), (128, u), (128, v))))


def black_and_white(planes: Planes, _: int) -> Planes:
    return Planes(planes.y, np.full_like(planes.u, 128), np.full_like(planes.v, 128))


def as_filmed(subject: Subject, folder: Path, shelf: Shelf) -> Result:
    """Share refused of a film on which nothing was laid, by condition, and the reasons."""

    def bearded(planes: Planes, index: int) -> Planes:
        return with_beard(planes, subject.film.video, subject.faces.points[index])

    changes: dict[str, Callable[[Planes, int], Planes]] = {
        "darker": darker,
        "noisy": noisy,
        "black and white": black_and_white,
        "bearded": bearded,
    }
    count = min(CHANGED_FRAMES, len(subject.faces))

    def found_as(name: str, film: Film, change: Callable[[Planes, int], Planes]) -> Result:
        pictures = (change(planes, index) for index, planes in enumerate(film.frames(0, film.timeline.count)))
        held = shelf.tracks(
            f"{subject.name}-{name.split(':')[0].replace(' ', '-')}",
            lambda: arrays_of(tracked(film.video, itertools.islice(pictures, count))),
        )
        return judged(faces_of(held), film.video)

    found = {"as it is": judged(subject.faces, subject.film.video)}
    found |= {name: found_as(name, subject.film, change) for name, change in changes.items()}
    small = 2 * round(subject.film.video.height * 40 / float(np.nanmedian(subject.faces.size)) / 2)
    for name, options in (
        ("small: 40 px from eye to eye", ["-vf", f"scale=-2:{small}:flags=area"]),
        ("coded hard", ["-crf", "40"]),
    ):
        target = folder / "changed.mp4"
        read = ["ffmpeg", "-v", "error", "-y", "-i", str(subject.film.path), "-an", "-frames:v", f"{count}"]
        subprocess.run([*read, "-c:v", "libx264", *options, str(target)], check=True)
        found[name] = found_as(name, Film.open(target), lambda planes, _: planes)
    return found


def judged(faces: Faces, video: VideoStream) -> Result:
    why = reasons(faces, video)
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


def subjects(clips: Sequence[Path], *, drawn: bool, folder: Path, shelf: Shelf) -> Iterator[Subject]:
    """The films, opened one after the other."""
    yield from (Subject.open(path, shelf) for path in clips)
    if drawn:
        from tests.presenter import OTTO, Said, Script, Shot, render

        lines = (
            Said(OTTO, "We saw a wide open window above the harbour, and my mum baked apple pie.", 0.3),
            Said(OTTO, "Everybody who came by that day was given a piece, and a mug of tea."),
        )
        path = folder / "drawn.mp4"
        render(Script(lines, (Shot(0, "close", "plain", (OTTO,)),), size=(640, 360), music=False), path)
        yield Subject.open(path, shelf)


def goals(result: Result) -> list[Result]:
    """What was to be reached on every film by itself, where there are frames to tell by."""
    found = [
        goal(f"{film}: refused, {condition}", row[condition]["rate"], FALSE_LIMIT)
        for film, row in result["filmed"].items()
        for condition in FALSE_GOALS
        if condition in row
    ]
    for name, rows in result["sets"].items():
        for film, row in rows.items():
            for what in ("hit", "chin", "throughout", "away", "beside"):
                if what in row and row[what]["frames"]:
                    wanted = what in ("hit", "chin", "throughout")
                    limit = HIT_LIMIT if wanted else FALSE_LIMIT
                    found.append(goal(f"{film}, {name}: {what}", row[what]["rate"], limit, at_least=wanted))
    return found


def main() -> None:
    """Measure, print, and write."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--drawn", action="store_true", help="also before a drawn presenter")
    parser.add_argument("--add", action="store_true", help="to the films whose rates are in the output")
    parser.add_argument("--set", choices=SETS, action="append", help="measure with these occluders alone")
    parser.add_argument("--part", choices=PARTS, action="append", help="measure this alone")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="tracks are kept here and read from here")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--timeline", type=Path, help="a picture of all passes")
    args = parser.parse_args()
    result: Result = {"machine": machine(), "goals": [], "filmed": {}, "sets": {name: {} for name in SETS}}
    if args.add and args.output and args.output.exists():
        held = json.loads(args.output.read_text(encoding="utf-8"))
        result |= held | {"sets": result["sets"] | held["sets"]}
    strips: list[tuple[str, Pass]] = []
    shelf, parts = Shelf(args.keep), args.part or PARTS
    with tempfile.TemporaryDirectory() as folder:
        for subject in subjects(args.clips, drawn=args.drawn, folder=Path(folder), shelf=shelf):
            if "filmed" in parts:
                result["filmed"][subject.name] = as_filmed(subject, Path(folder), shelf)
            for seed, name in enumerate(SETS):
                if args.set and name not in args.set:
                    continue
                row, passes = over(subject, name, seed, shelf, parts)
                result["sets"][name].setdefault(subject.name, {}).update(row)
                strips += [(f"{subject.name}, {name}", done) for done in passes]
    result["goals"] = goals(result)
    if args.timeline:
        cv2.imwrite(str(args.timeline), timeline(strips)[..., ::-1])
    show(result, args.output)


if __name__ == "__main__":
    main()
