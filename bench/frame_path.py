"""The frame path against dumping PNGs: decode, composite, encode, and nothing else.

    python bench/frame_path.py [VIDEO] [--size 1280x720] [--workers 2] [-o bench/results/frame_path.json]

Ours: planes from the decoder, patches blended into them, one x264 per chunk, chunks side by side. The other
is what the scripts of lip-sync models do: all frames to PNG by ffmpeg, each read again with OpenCV, the patch
blended on RGB, written as a second PNG, and those encoded. A third leaves the second PNG out and pipes the
blended RGB into the encoder. The same frames, patches, x264 settings and number of x264 threads for all.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bench.film import PROGRAM, draw, pixels
from bench.machine import Result, goal, machine, show
from loc.artifacts import FrameRange, VideoStream
from loc.media.compose import soft_mask
from loc.media.encode import THREADS, coding_for, encode_chunk
from loc.media.frames import first_look, read_frames, scan_frames
from loc.media.patches import Placement, read_patches, write_patches
from loc.media.probe import probe_source
from loc.media.timeline import Timeline
from loc.settings import Settings
from stages.deliver.picture import Layer, composite

LIMIT = 5.0

CRF, PRESET = 18, "veryfast"
"""The defaults of `loc run`."""

PATCH = 256
"""Side of a patch, pixels: what MuseTalk makes."""
PATCH_SHARE = 0.35
"""Side of a patch in the picture, of the picture's height: a face in a medium shot."""
MARGIN, FEATHER = 8, 24.0
"""Edge of a patch that is not shown, and the width of the mask's soft edge; patch pixels."""

CHUNK_SECONDS = 6

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Material:
    """A video with a patch for every frame, its patches in one file for each chunk."""

    path: Path
    video: VideoStream
    timeline: Timeline
    chunks: Sequence[tuple[FrameRange, Path]]
    placement: Placement

    def pixels(self) -> Iterator[Pixels]:
        """All patches in order, RGB."""
        for frames, path in self.chunks:
            yield from read_patches(path, PATCH, PATCH, len(frames))


def prepare(path: Path, folder: Path) -> Material:
    """Probe a video and make its patches: noise in a swaying square near the middle."""
    video = probe_source(path, Settings()).video
    scan = scan_frames(path, video)
    timeline = scan.timeline(first_look(path, video.index).time_base)
    noise = np.random.default_rng(0).integers(0, 256, (PATCH, PATCH, 3), dtype=np.uint8)
    texture = cv2.GaussianBlur(noise, (0, 0), 4)
    length = round(CHUNK_SECONDS * video.average_rate)
    chunks = []
    for start in range(0, timeline.count, length):
        frames = FrameRange(start=start, stop=min(start + length, timeline.count))
        file = folder / f"patches-{start}.mkv"
        write_patches(file, (np.roll(texture, n, axis=0) for n in range(frames.start, frames.stop)))
        chunks.append((frames, file))
    return Material(path, video, timeline, chunks, place(timeline.count, video))


def place(count: int, video: VideoStream) -> Placement:
    """Where the square lies in each frame: drifting by some pixels and turning by a few degrees."""
    scale = PATCH_SHARE * video.height / PATCH
    phase = 2 * np.pi * np.arange(count) / 75
    angle = 0.06 * np.sin(phase)
    matrix = np.zeros((count, 2, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = scale * np.cos(angle)
    matrix[:, 1, 0] = scale * np.sin(angle)
    matrix[:, 0, 1] = -matrix[:, 1, 0]
    centre = np.array([video.width / 2, video.height / 2]) + 8 * np.stack([np.sin(phase), np.cos(phase)], 1)
    matrix[:, :, 2] = centre - matrix[:, :, :2] @ np.full(2, PATCH / 2)
    low, high = MARGIN, PATCH - MARGIN
    corners = np.array([(low, low), (high, low), (high, high), (low, high)], np.float32)
    polygon = np.repeat(corners[None], count, axis=0)
    return Placement(matrix, polygon, np.full(count, FEATHER, np.float32), np.ones(count, np.float32))


def by_planes(material: Material, folder: Path, workers: int) -> None:
    """Our path: chunk by chunk, `workers` at a time."""
    video, every = material.video, material.placement
    coding = coding_for(video, "h264", CRF, PRESET)

    def encode(chunk: tuple[FrameRange, Path]) -> None:
        frames, patches = chunk
        own = slice(frames.start, frames.stop)
        placement = Placement(every.matrix[own], every.polygon[own], every.feather[own], every.opacity[own])
        layer = Layer(frames, read_patches(patches, PATCH, PATCH, len(frames)), placement)
        planes = read_frames(material.path, video, material.timeline, frames)
        pictures = composite(planes, frames.start, video, [layer])
        encode_chunk(pictures, coding, folder / f"{frames.start}.mp4", PROGRAM)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(encode, material.chunks))


def by_png(material: Material, folder: Path) -> None:
    """Two generations of PNG: every frame dumped, and every finished frame again."""
    dump(material, folder)
    (folder / "done").mkdir()
    for number, picture in enumerate(blended(material, folder), start=1):
        cv2.imwrite(str(folder / "done" / f"{number:08d}.png"), picture)
    encode_rgb(material, folder, ["-i", str(folder / "done" / "%08d.png")])


def by_one_png(material: Material, folder: Path) -> None:
    """One generation of PNG: finished frames go through a pipe."""
    dump(material, folder)
    size = f"{material.video.width}x{material.video.height}"
    pictures = (picture.tobytes() for picture in blended(material, folder))
    encode_rgb(material, folder, ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", size, "-i", "-"], pictures)


def dump(material: Material, folder: Path) -> None:
    """All frames as PNG, as the scripts do it."""
    (folder / "frames").mkdir()
    target = str(folder / "frames" / "%08d.png")
    subprocess.run([PROGRAM, "-v", "fatal", "-i", str(material.path), "-vsync", "0", target], check=True)


def blended(material: Material, folder: Path) -> Iterator[Pixels]:
    """The dumped frames, read again, with their patches on; BGR.

    One mask for all frames, made beforehand, and nothing computed outside the patch's own box: quicker than
    the scripts, which build and blur a mask for every frame.
    """
    placement = material.placement
    mask = soft_mask(placement.polygon[0], FEATHER, (PATCH, PATCH))
    names = sorted((folder / "frames").iterdir())
    for name, patch, matrix in zip(names, material.pixels(), placement.matrix, strict=True):
        picture = np.asarray(cv2.imread(str(name)), dtype=np.uint8)
        corners = np.array([(0, 0, 1), (PATCH, 0, 1), (0, PATCH, 1), (PATCH, PATCH, 1)]) @ matrix.T
        left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
        right, bottom = np.ceil(corners.max(axis=0)).astype(int)
        moved = matrix - np.array([[0, 0, left], [0, 0, top]])
        part = picture[top:bottom, left:right]
        size = (part.shape[1], part.shape[0])
        share = cv2.warpAffine(mask, moved, size)[..., None]
        face = cv2.warpAffine(patch[..., ::-1], moved, size, flags=cv2.INTER_CUBIC)
        part[...] = np.rint(part + (face.astype(np.float32) - part) * share)
        yield picture


def encode_rgb(
    material: Material, folder: Path, source: Sequence[str], pictures: Iterable[bytes] = ()
) -> None:
    """H.264 of RGB pictures with the settings of `encode_chunk`."""
    rate = material.video.average_rate
    command = [
        PROGRAM, "-v", "error", "-y", "-r", f"{rate.numerator}/{rate.denominator}", *source,
        "-c:v", "libx264", "-preset", PRESET, "-crf", str(CRF), "-pix_fmt", "yuv420p",
        "-threads", str(THREADS["h264"]), str(folder / "done.mp4"),
    ]  # fmt: skip
    encoder = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert encoder.stdin is not None
    with encoder.stdin as pipe:
        for picture in pictures:
            pipe.write(picture)
    if encoder.wait():
        raise SystemExit("ffmpeg failed.")


def seconds(work: Callable[[Path], None]) -> float:
    """Wall seconds of some work in an empty folder."""
    with tempfile.TemporaryDirectory() as name:
        started = time.perf_counter()
        work(Path(name))
        return time.perf_counter() - started


def measure(video: Path | None, size: tuple[int, int], workers: int, rounds: int) -> Result:
    """Median seconds of the three paths, which take turns."""
    with tempfile.TemporaryDirectory() as name:
        path = video if video is not None else draw(Path(name), size).video
        material = prepare(path, Path(name))
        paths: dict[str, Callable[[Path], None]] = {
            "planes": lambda folder: by_planes(material, folder, workers),
            "one_png": lambda folder: by_one_png(material, folder),
            "png": lambda folder: by_png(material, folder),
        }
        times = [{kind: seconds(path) for kind, path in paths.items()} for _ in range(rounds)]
    took = {kind: statistics.median(each[kind] for each in times) for kind in paths}
    return {
        "machine": machine(),
        "video": {"name": path.name, "size": [material.video.width, material.video.height]},
        "frames": material.timeline.count,
        "workers": workers,
        "seconds": {kind: round(value, 2) for kind, value in took.items()},
        "one_png_over_planes": round(took["one_png"] / took["planes"], 2),
        "goals": [goal("PNG path over ours", took["png"] / took["planes"], LIMIT, at_least=True)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", type=Path, nargs="?", help="drawn on the spot where none is named")
    parser.add_argument("--size", type=pixels, default=(1280, 720), help="of the drawn one")
    parser.add_argument("--workers", type=int, default=Settings().workers)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    show(measure(options.video, options.size, options.workers, options.rounds), options.output)


if __name__ == "__main__":
    main()
