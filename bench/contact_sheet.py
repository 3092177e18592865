"""A contact sheet of a localized video against its source: mouths side by side, to be looked at.

    python bench/contact_sheet.py SOURCE OUTPUT SHEET.png [--frames 15] [--reach 1.0]
    python bench/contact_sheet.py SOURCE OUTPUT SHEET.png --at 186:210:2 --reach 0.6

Half of the frames are those in which the mouth was changed most, half are spread evenly; or those that are
named, as first:last:step. Each cell shows the source on the left and the output on the right.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from loc.analysis.face_tracker import track_range
from loc.analysis.faces import Faces, foremost
from loc.artifacts import FrameRange, VideoStream
from loc.media.colour import to_rgb
from loc.media.frames import Planes, first_look, read_frames, scan_frames
from loc.media.probe import probe_source
from loc.media.timeline import Timeline
from loc.settings import Settings

CELL = 320
"""Side of one picture in the sheet, pixels."""
COLUMNS = 3
APART = 5
"""Frames between two that are chosen for their change: neighbours look alike."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Film:
    """A video opened for reading by frame."""

    path: Path
    video: VideoStream
    timeline: Timeline

    @classmethod
    def open(cls, path: Path) -> Film:
        video = probe_source(path, Settings()).video
        scan = scan_frames(path, video)
        base = first_look(path, video.index).time_base
        return cls(path, video, scan.timeline(base))

    def frames(self, start: int, stop: int) -> Iterator[Planes]:
        return read_frames(self.path, self.video, self.timeline, FrameRange(start=start, stop=stop))


def crop_box(video: VideoStream, faces: Faces, index: int, reach: float) -> tuple[int, int, int, int]:
    """A square round the mouth, or the middle of the picture where there is no face."""
    centre = np.array([video.width / 2, video.height / 2])
    half = min(video.width, video.height) / 2
    if faces.found[index]:
        left, top, right, bottom = faces.box[index]
        centre = np.array([(left + right) / 2, top + 0.72 * (bottom - top)])
        half = float(faces.size[index]) * reach
    half = max(8.0, min(half, video.width / 2, video.height / 2))
    x, y = np.clip(centre, half, [video.width - half, video.height - half])
    return int(x - half), int(y - half), int(x - half) + int(2 * half), int(y - half) + int(2 * half)


def changes(source: Film, output: Film, faces: Faces) -> npt.NDArray[np.float64]:
    """Mean absolute difference of luma round the mouth, per frame."""
    count = len(faces)
    found = np.zeros(count)
    for index, (before, after) in enumerate(
        zip(source.frames(0, count), output.frames(0, count), strict=True)
    ):
        x0, y0, x1, y1 = crop_box(source.video, faces, index, 0.5)
        found[index] = np.abs(before.y[y0:y1, x0:x1].astype(int) - after.y[y0:y1, x0:x1]).mean()
    return found


def choose(change: npt.NDArray[np.float64], wanted: int) -> list[int]:
    """Frames to show, in order of time."""
    chosen: list[int] = []
    for index in np.argsort(-change):
        if len(chosen) < wanted // 2 and all(abs(int(index) - other) >= APART for other in chosen):
            chosen.append(int(index))
    even = np.linspace(0, len(change) - 1, wanted - len(chosen) + 2)[1:-1]
    return sorted({*chosen, *(round(float(index)) for index in even)})


def cell(source: Film, output: Film, faces: Faces, index: int, reach: float) -> Pixels:
    """One frame, source and output side by side, labelled."""
    box = crop_box(source.video, faces, index, reach)
    pair = [
        cv2.resize(to_rgb(next(film.frames(index, index + 1)), film.video, box), (CELL, CELL))
        for film in (source, output)
    ]
    shown = np.ascontiguousarray(np.hstack(pair), dtype=np.uint8)
    label = f"{index}  {float(source.timeline.seconds(index)):.2f} s"
    cv2.putText(shown, label, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 0), 1, cv2.LINE_AA)
    return shown


def draw_sheet(
    source_path: Path, output_path: Path, wanted: int, reach: float, at: Sequence[int] | None = None
) -> Pixels:
    """The whole sheet, uint8 [h, w, 3] RGB: `wanted` frames, or those of `at`."""
    source, output = Film.open(source_path), Film.open(output_path)
    count = min(source.timeline.count, output.timeline.count)
    whole = FrameRange(start=0, stop=count)
    faces = foremost(track_range(source.path, source.video, source.timeline, whole), len(whole))
    chosen = choose(changes(source, output, faces), wanted) if at is None else at
    cells = [cell(source, output, faces, index, reach) for index in chosen]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[row : row + COLUMNS]) for row in range(0, len(cells), COLUMNS)]
    return np.asarray(np.vstack(rows), dtype=np.uint8)


def span(text: str) -> range:
    """`186:210:2`."""
    return range(*(int(part) for part in text.split(":")))


def main() -> None:
    """Write the sheet."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--frames", type=int, default=15, help="frames shown")
    parser.add_argument("--reach", type=float, default=1.0, help="half a crop's side, in face scales")
    parser.add_argument("--at", type=span, help="first:last:step, the frames shown")
    args = parser.parse_args()
    sheet = draw_sheet(args.source, args.output, args.frames, args.reach, args.at)
    cv2.imwrite(str(args.sheet), sheet[..., ::-1])
    print(f"{args.sheet}: {sheet.shape[1]}x{sheet.shape[0]}")


if __name__ == "__main__":
    main()
