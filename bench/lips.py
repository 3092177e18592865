"""How well the mouths of real clips follow a dub: `loc run`, then its output tracked anew and measured.

    python bench/lips.py CLIPS [--keep FOLDER] [--only NAME] [--sheets FOLDER] [-o bench/results/lips.json]

CLIPS holds `address.mp4`, `portrait_hevc.mp4`, `studio_silent.mp4` and `narration_en.flac`; the narration is
put under the silent studio, whose face hardly moves and smiles: its own mouth says nothing of the sound.
Every clip is dubbed into Spanish lines full of p, b and m with pauses between them. What is measured is seen
on the encoded output by the same face mesh that tracks sources, never taken from the renderer:

- *closures*: of the p, b and m that sound where a mouth is drawn, those with at least one frame on screen
  between the phone's beginning and its end in which the gap of the inner lips (mean of the three middle
  pairs) is under 3 % of the mouth's width. A frame lasts 40 ms, inside what is not noticed as out of sync
  (ITU-R BT.1359). `by_chance` is the same share with the phones moved by 7 to 12 frames either way, over the
  moves that stay in the clip: what a mouth that flaps without listening would reach. `frames` are all frames
  in which the plan has the lips shut, and `frames_closed` the share of them that are.
- *vowels*: Spearman's rank correlation, one pair of figures a vowel: mean measured aperture, and mean
  aperture that was planned from phones and loudness, over the frames whose middle lies in the vowel.
  `phones_only`: the same against the phones' openness without loudness. `reach`: measured over planned
  aperture in vowels planned at over half of the person's range, median.
- *jitter*: root mean square of the second difference in time of the inner lips, after an affine map that lays
  nose and eyes of every frame on those of the first; over the frames in which the dub is silent and the mouth
  is drawn (closed), divided by the source's in the same frames. Where the source speaks in them, that asks
  little; `over_source_silent` divides by the source's in the frames in which its own voice is silent, which
  are others and may show a calmer head. Null under 12 frames.
- *ring*: the mean colour of the mask's soft edge, eighth by eighth of its way round, in the output against
  the same frame of the source, CIE 1976 colour difference; 95th percentile over eighths and frames. Just
  noticeable is 2.3 (Mahy, Van Eycken, Oosterlinck, Color Research & Application 19(2), 1994). Six levels
  added to all that is drawn measure 2.3 without a soft edge, 0.9 with it. A chin that moves through counts.
- *lip colour*: colour difference between the mean colours of the lips (outer outline without the inside) over
  all drawn frames, output against source: whether they are tinted. Frame against frame (`same_frame`, median)
  they differ as stretched lips differ from closed ones; `flicker` is the mean step from frame to frame over
  the source's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import ffmpeg as graph
import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from bench.contact_sheet import Film, draw_sheet
from bench.machine import Result, goal, machine, show
from bench.prediction import Ran
from cli.graph import load_graph
from loc.analysis.face_tracker import track_range
from loc.analysis.faces import (
    LIP_INNER_LOWER,
    LIP_INNER_UPPER,
    LIP_OUTER_LOWER,
    LIP_OUTER_UPPER,
    Faces,
    face_scale,
    foremost,
    lip_aperture,
    places,
    transform,
    upright_transform,
)
from loc.analysis.phones import Visemes, closed_in, mouth_curve, visemes
from loc.analysis.voice_activity import speech_regions
from loc.app.pool import Pool
from loc.app.run import prepare
from loc.app.walk import Slots, make_stage
from loc.artifacts import SAMPLE_RATE, Clip, FrameRange, LipSync, Phones, Source
from loc.backend import Host
from loc.events import EventBus
from loc.media import ffmpeg
from loc.media.arrays import load_arrays
from loc.media.colour import to_rgb
from loc.media.patches import Placement, load_placement
from loc.media.sound import decode_flac
from loc.runner import Runner, Site
from loc.settings import Settings
from loc.stage import Context
from loc.store.workdir import WorkDir
from stages.lipsync import plan

LANGUAGE = "es"
LINES = (
    "Mi mamá compra pan y mermelada.",
    "Papá bebe poca agua y mira un mapa.",
    "Pablo y Ema vuelven pronto a la playa.",
    "También hablamos mucho de música buena.",
    "Por favor, abra bien la boca ahora.",
    "Mañana pasamos por el puente de piedra.",
)
TIMES: dict[str, tuple[tuple[float, float], ...]] = {
    "address": ((0.2, 2.5), (3.2, 5.1), (6.0, 7.9)),
    "portrait_hevc": ((0.2, 2.3), (3.0, 5.0), (5.6, 7.2), (7.8, 9.8)),
    "studio_silent": (
        (0.6, 3.0), (4.0, 6.4), (7.4, 9.8), (10.8, 13.2), (14.2, 16.6), (18.0, 20.4),
    ),
}  # fmt: skip
"""Clip -> when its lines are said, seconds. The close-up's laughs and wide calls fall on lines and pauses."""
NARRATED = {"studio_silent": "narration_en.flac"}

CLOSED_SHARE, CLOSED_LIMIT = 0.03, 0.90
RANK_LIMIT, JITTER_LIMIT, JUST_NOTICEABLE = 0.6, 1.2, 2.3
MOVES = (*range(-12, -6), *range(7, 13))
"""Frames by which phones are moved for what chance gives: over a closure and its smoothing, under a line."""
SILENT_REACH = SAMPLE_RATE // 10
"""Samples from a line at which its mouth has come to rest: over twice the smoothing of the curve."""
QUIET_FRAMES = 12
"""Fewer frames tell nothing of jitter."""
SHEET_FRAMES = 30
EIGHTHS = 8
VOWELS = (
    *("open", "near-open", "open-mid", "open-mid-central", "mid", "schwa", "close-spread", "open-rounded"),
    *("open-mid-rounded", "mid-rounded", "front-mid-rounded", "close-rounded", "compressed"),
)

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Spans = Sequence[tuple[int, int]]

_OUTER = places((*LIP_OUTER_UPPER, *LIP_OUTER_LOWER[-2:0:-1]))
_INNER = places((*LIP_INNER_UPPER, *LIP_INNER_LOWER[-2:0:-1]))
_CORNERS, _HEAD = places((61, 291)), places((2, 98, 327, 50, 280, 129, 358, 168, 33, 133, 263, 362))


@dataclass(frozen=True)
class Seen:
    """A video tracked by itself, and lips in coordinates of the face.

    `aperture`: float64 [n], over the face's scale. `share`: over the mouth's width. `lips`: [n, 20, 2], inner
    lips on the head of the first frame, its scale 1.
    """

    film: Film
    faces: Faces
    aperture: Floats
    share: Floats
    lips: Floats

    @classmethod
    def look(cls, path: Path) -> Seen:
        film = Film.open(path)
        whole = FrameRange(start=0, stop=film.timeline.count)
        faces = foremost(track_range(path, film.video, film.timeline, whole), len(whole))
        points = transform(faces.points.astype(np.float64), upright_transform(film.video))
        scale = face_scale(points)
        aperture = lip_aperture(points)
        corners = points[:, _CORNERS]
        width = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=-1) / scale
        return cls(film, faces, aperture, aperture / width, _on_one_head(points, float(scale[0])))


def _on_one_head(points: Floats, scale: float) -> Floats:
    """The inner lips, every frame's nose and eyes laid on the first's: [n, 20, 2]."""
    found = []
    for frame in points:
        known = np.column_stack([frame[_HEAD], np.ones(len(_HEAD))])
        affine, *_ = np.linalg.lstsq(known, points[0, _HEAD] / scale, rcond=None)
        found.append(np.column_stack([frame[_INNER], np.ones(len(_INNER))]) @ affine)
    return np.array(found)


@dataclass(frozen=True)
class Run:
    """What `loc run` made of a clip.

    `source_speech`: when the source speaks, samples. `range`: per shot, the widest drawn aperture.
    """

    source: Source
    lipsync: LipSync
    lines: tuple[tuple[Clip, Phones, npt.NDArray[np.float32]], ...]
    placements: tuple[tuple[int, Placement], ...]
    source_speech: Spans
    range: float


def stage_clip(clips: Path, name: str, folder: Path) -> tuple[Path, Path]:
    """(video, Spanish subtitles) of a clip, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    video = folder / f"{name}.mp4"
    picture = graph.input(str(clips / f"{name}.mp4"))
    if name in NARRATED:
        sound = graph.input(str(clips / NARRATED[name]))
        joined = graph.output(picture.video, sound.audio, str(video), vcodec="copy", acodec="aac")
    else:
        joined = graph.output(picture, str(video), c="copy")
    ffmpeg.run(joined, "ffmpeg")
    cues = []
    for number, ((start, stop), text) in enumerate(zip(TIMES[name], LINES, strict=False)):
        cues.append(f"{number + 1}\n{_clock(start)} --> {_clock(stop)}\n{text}\n")
    text_file = folder / "lines.srt"
    text_file.write_text("\n".join(cues), encoding="utf-8")
    return video, text_file


def _clock(seconds: float) -> str:
    return f"00:00:{int(seconds):02d},{round(seconds % 1 * 1000):03d}"


def localize(video: Path, text: Path, folder: Path) -> tuple[Path, Run]:
    """Run `loc run` on a clip, then read from its store what it planned and placed."""
    output = folder / f"{video.stem}.dub.mp4"
    command = [
        str(Path(sys.executable).with_name("loc")), "run", str(video), "--lang", LANGUAGE, "--from", "en",
        "--translation", f"{LANGUAGE}={text}", "--work-dir", str(folder / "store"),
        "-o", str(output), "--json",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(f"loc run ended with {done.returncode}:\n{done.stderr}")
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    ran = Ran(events, {}, WorkDir(folder / "store"))
    ranges = [float(load_arrays(made.path("profile"))["range"]) for made in ran.made("lipsync.profile")]
    settings = Settings(
        languages=(LANGUAGE,), source_language="en", work_dir=folder / "store", translation={LANGUAGE: text}
    )
    return output, read_run(video, settings, float(np.median(ranges)))


def read_run(video: Path, settings: Settings, widest: float = 1.0) -> Run:
    """What a finished run of one language planned and placed, from its store.

    Args:
        settings: those it ran with.
        widest: see `Run.range`.
    """
    store, whole = WorkDir(settings.work_dir), load_graph()
    (language,) = settings.languages
    prepared = prepare(video, whole, store, settings, look=True)
    runner, slots = Runner(store, EventBus(), mode="look"), Slots()
    with Pool(whole.backends, prepared.choices, Host(settings, settings.work_dir)) as pool:
        context = Context(runner, settings, prepared.job, pool.get)
        for stage in prepared.stages:
            if stage.name != "deliver":
                make_stage(stage, context, slots, language if stage.per_language else None)
        source, stems = slots.value("source"), slots.value("stems")
        spoken = speech_regions(runner, Site("lipsync"), stems.speech) if stems.speech else []
    dub, lipsync = slots.value("dub", language), slots.value("lipsync", language)
    lines = tuple(
        (
            clip,
            Phones.model_validate_json(store.read_bytes(clip.phones)),
            decode_flac(store.read_bytes(clip.audio))[:, 0],
        )
        for clip in dub.clips
    )
    placements = tuple(
        (source.chunks[one.chunk].frames.start + one.offset, load_placement(store.open_object(one.placement)))
        for one in lipsync.patches
    )
    return Run(source, lipsync, lines, placements, spoken, widest)


@dataclass(frozen=True)
class Spoken:
    """The dub over the n frames of a clip.

    `edges`: samples, [n + 1]. `drawn`: the mouth is drawn at full strength. `plan`, `bare`: planned aperture
    with and without loudness, 0..1. `shut`: the plan has the lips touch. `silent`: no line sounds near.
    `closures`, `vowels`: samples.
    """

    edges: npt.NDArray[np.int64]
    drawn: Flags
    plan: Floats
    bare: Floats
    shut: Flags
    silent: Flags
    closures: Spans
    vowels: Spans

    @property
    def middles(self) -> npt.NDArray[np.int64]:
        return plan.frame_times(self.edges)


def spoken(run: Run, edges: npt.NDArray[np.int64]) -> Spoken:
    """What the dub asks of the mouth in every frame."""
    count = len(edges) - 1
    middles = plan.frame_times(edges)
    drawn = np.zeros(count, dtype=bool)
    for start, placement in run.placements:
        drawn[start : start + len(placement)] = placement.opacity >= 1
    sounding = [plan.Sounding(phones, audio, clip.place) for clip, phones, audio in run.lines]
    aperture, _ = plan.mouth(edges, sounding)
    bare, shut, silent = np.zeros(count), np.zeros(count, dtype=bool), np.ones(count, dtype=bool)
    closures: list[tuple[int, int]] = []
    vowels: list[tuple[int, int]] = []
    for clip, phones, _ in run.lines:
        bare = np.maximum(bare, mouth_curve(phones, middles - clip.place)[0])
        shut |= closed_in(phones, edges - clip.place)
        silent &= (middles < clip.place - SILENT_REACH) | (
            middles >= clip.place + clip.samples + SILENT_REACH
        )
        found = visemes(phones)
        closures += _spans(found, found.closed, clip.place)
        vowels += _spans(found, np.array([name in VOWELS for name in found.names]), clip.place)
    return Spoken(edges, drawn, aperture.astype(np.float64), bare, shut, silent, closures, vowels)


def _spans(found: Visemes, wanted: Flags, place: int) -> list[tuple[int, int]]:
    return [
        (int(start) + place, int(stop) + place)
        for start, stop in zip(found.starts[wanted], found.stops[wanted], strict=True)
    ]


def on_screen(edges: npt.NDArray[np.int64], span: tuple[int, int]) -> slice:
    """The frames that are on screen during some samples."""
    first = int(np.searchsorted(edges, span[0], side="right")) - 1
    last = int(np.searchsorted(edges, span[1], side="left"))
    return slice(max(0, first), min(len(edges) - 1, last))


def closures(gap: Floats, dub: Spoken) -> Result:
    """Shares of closures seen, of gaps [n] over the mouth's width; see the module."""
    shut = gap < CLOSED_SHARE

    def met(move: int) -> Flags:
        kept = []
        for span in dub.closures:
            frames = on_screen(dub.edges, span)
            frames = slice(frames.start + move, frames.stop + move)
            if frames.start >= 0 and frames.stop <= len(shut) and dub.drawn[frames].all():
                kept.append(bool(shut[frames].any()))
        return np.array(kept, dtype=bool)

    here = met(0)
    wanted = dub.shut & dub.drawn
    return {
        "phones": len(here),
        "closed": _share(here),
        "by_chance": round(float(np.mean([met(move).mean() for move in MOVES])), 3),
        "frames": int(wanted.sum()),
        "frames_closed": _share(shut[wanted]),
        "open_frames": np.flatnonzero(wanted & ~shut).tolist(),
    }


def vowels(aperture: Floats, dub: Spoken, widest: float) -> Result:
    """Rank correlations over vowels of measured apertures [n]; see the module."""
    measured, planned, bare = [], [], []
    for start, stop in dub.vowels:
        frames = np.flatnonzero((dub.middles >= start) & (dub.middles < stop))
        if len(frames) and dub.drawn[frames].all():
            measured.append(aperture[frames].mean())
            planned.append(dub.plan[frames].mean())
            bare.append(dub.bare[frames].mean())
    wide = np.array(planned) > 0.5
    reach = np.array(measured)[wide] / (np.array(planned)[wide] * widest)
    return {
        "vowels": len(measured),
        "rank": round(float(spearmanr(measured, planned).statistic), 3),
        "phones_only": round(float(spearmanr(measured, bare).statistic), 3),
        "reach": round(float(np.median(reach)), 3) if len(reach) else None,
    }


def jitter(source: Floats, output: Floats, dub: Spoken, source_silent: Flags) -> Result:
    """Trembling in silence of lips [n, points, 2]; see the module."""
    drawn_shut = dub.silent & dub.drawn
    there, same = _trembling(output, drawn_shut), _trembling(source, drawn_shut)
    quiet = _trembling(source, source_silent)
    return {
        "frames": int(drawn_shut.sum()),
        "output": there,
        "ratio": round(there / same, 3) if there is not None and same else None,
        "over_source_silent": round(there / quiet, 3) if there is not None and quiet else None,
    }


def _trembling(lips: Floats, frames: Flags) -> float | None:
    """RMS of the second difference where three frames in a row are wanted; face units."""
    inner = frames[1:-1] & frames[:-2] & frames[2:]
    if inner.sum() < QUIET_FRAMES:
        return None
    second = (lips[2:] - 2 * lips[1:-1] + lips[:-2])[inner]
    return round(float(np.sqrt(np.mean(np.square(second).sum(axis=-1)))), 5)


def _share(flags: Flags) -> float | None:
    return round(float(flags.mean()), 3) if len(flags) else None


def colours(source: Seen, output: Seen, run: Run) -> Result:
    """Step at the mask and colour of the lips; see the module."""
    rings: list[float] = []
    lips: list[tuple[Floats, Floats]] = []
    steps: list[tuple[float, float]] = []
    newest = -1
    for before, after, index, outline, feather in _drawn_frames(source, output, run):
        ring = _ring(after, outline, feather) - _ring(before, outline, feather)
        rings.extend(np.linalg.norm(ring, axis=1).tolist())
        pair = [
            _lip_colour(picture, seen.faces.points[index])
            for picture, seen in ((before, source), (after, output))
        ]
        if lips and index == newest + 1:
            there, here = (float(np.linalg.norm(pair[side] - lips[-1][side])) for side in (0, 1))
            steps.append((there, here))
        lips.append((pair[0], pair[1]))
        newest = index
    colour, step = np.array(lips), np.array(steps)
    return {
        "ring_median": round(float(np.median(rings)), 3),
        "ring_p95": round(float(np.percentile(rings, 95)), 3),
        "lips": round(float(np.linalg.norm(np.diff(colour.mean(axis=0), axis=0))), 3),
        "lips_same_frame": round(float(np.median(np.linalg.norm(colour[:, 1] - colour[:, 0], axis=1))), 3),
        "lips_flicker": round(float(step[:, 1].mean() / step[:, 0].mean()), 3),
    }


def _drawn_frames(
    source: Seen, output: Seen, run: Run
) -> Iterator[tuple[Floats, Floats, int, Floats, float]]:
    """(source, output, frame, mask outline, feather) of fully drawn frames: Lab pictures, coded pixels."""
    for start, placement in run.placements:
        stop = start + len(placement)
        pairs = zip(source.film.frames(start, stop), output.film.frames(start, stop), strict=True)
        for offset, (before, after) in enumerate(pairs):
            if placement.opacity[offset] < 1:
                continue
            matrix = placement.matrix[offset]
            outline = transform(placement.polygon[offset].astype(np.float64), matrix)
            feather = float(placement.feather[offset]) * float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
            yield (
                _lab(to_rgb(before, source.film.video)),
                _lab(to_rgb(after, output.film.video)),
                start + offset,
                outline,
                feather,
            )


def _lab(rgb: npt.NDArray[np.uint8]) -> Any:
    return cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)


def _ring(lab: Any, outline: Floats, feather: float) -> Floats:
    """Mean colours of the soft edge inside an outline, [EIGHTHS, 3]."""
    mask = np.zeros(lab.shape[:2], dtype=np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], (255,))
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5)
    y, x = np.nonzero((depth > 0) & (depth <= feather))
    middle = outline.mean(axis=0)
    turn = np.arctan2(y - middle[1], x - middle[0]) / (2 * np.pi) + 0.5
    eighth = np.minimum((turn * EIGHTHS).astype(int), EIGHTHS - 1)
    return np.array([lab[y[eighth == part], x[eighth == part]].mean(axis=0) for part in range(EIGHTHS)])


def _lip_colour(lab: Any, points: npt.NDArray[np.float32]) -> Floats:
    """Mean colour between the outer and the inner outline of the lips."""
    mask = np.zeros(lab.shape[:2], dtype=np.uint8)
    cv2.fillPoly(mask, [np.rint(points[_OUTER]).astype(np.int32)], (1,))
    cv2.fillPoly(mask, [np.rint(points[_INNER]).astype(np.int32)], (0,))
    cv2.polylines(mask, [np.rint(points[_INNER]).astype(np.int32)], True, (0,), 2)
    return np.asarray(lab[mask > 0].mean(axis=0), dtype=np.float64)


def measure(clips: Path, name: str, folder: Path, sheets: Path | None) -> Result:
    """All figures of one clip."""
    video, text = stage_clip(clips, name, folder)
    output_path, run = localize(video, text, folder)
    if sheets is not None:
        sheets.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(sheets / f"{name}.jpg"), draw_sheet(video, output_path, SHEET_FRAMES, 1.0)[..., ::-1])
    source, output = Seen.look(video), Seen.look(output_path)
    edges = source.film.timeline.samples()
    dub = spoken(run, edges)
    speaks = np.zeros(len(edges) - 1, dtype=bool)
    for start, stop in run.source_speech:
        speaks |= (dub.middles >= start) & (dub.middles < stop)
    return {
        "clip": name,
        "frames": len(edges) - 1,
        "found": _share(output.faces.found),
        "drawn_fully": int(dub.drawn.sum()),
        "range": round(run.range, 3),
        "closures": closures(output.share, dub),
        "vowels": vowels(output.aperture, dub, run.range),
        "jitter": jitter(source.lips, output.lips, dub, ~speaks),
        "colours": colours(source, output, run),
    }


def goals(result: Result) -> list[Result]:
    """What a clip is to reach."""
    name, lips, colour = result["clip"], result["closures"], result["colours"]
    reached = [
        goal(f"{name}: p, b, m with lips closed", lips["closed"], CLOSED_LIMIT, at_least=True),
        goal(f"{name}: rank correlation over vowels", result["vowels"]["rank"], RANK_LIMIT, at_least=True),
        goal(f"{name}: ring at the mask, colour difference", colour["ring_p95"], JUST_NOTICEABLE),
        goal(f"{name}: lip colour, difference", colour["lips"], JUST_NOTICEABLE),
    ]
    if result["jitter"]["ratio"] is not None:
        ratio = result["jitter"]["ratio"]
        reached.append(goal(f"{name}: jitter in silence over the source's", ratio, JITTER_LIMIT))
    if result["jitter"]["over_source_silent"] is not None:
        ratio = result["jitter"]["over_source_silent"]
        reached.append(goal(f"{name}: jitter in silence over the silent source's", ratio, JITTER_LIMIT))
    return reached


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("--keep", type=Path, help="folder for videos and stores; else they are deleted")
    parser.add_argument("--only", choices=sorted(TIMES))
    parser.add_argument("--sheets", type=Path, help="folder for a contact sheet of each clip")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        names = [options.only] if options.only else list(TIMES)
        results = [measure(options.clips, name, folder / name, options.sheets) for name in names]
    reached = [one for result in results for one in goals(result)]
    show({"machine": machine(), "goals": reached, "clips": results}, options.output)


if __name__ == "__main__":
    main()
