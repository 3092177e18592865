"""LatentSync: our order of work against the published one, on the same made-up weights, in one run.

    python bench/latentsync.py [--frames N] [--size 1920x1080] [--device cpu|cuda] [--full]
                               [--memory 32 160] [-o bench/results/latentsync.json]

The published order (`tests/upstream/latentsync.py`, whose numbers are the original's, see tests/parity)
keeps all frames in memory, aligns each over the whole picture, takes windows of sixteen without overlap,
and puts the whole canvas back over the whole picture. Ours streams: a crop is converted and aligned,
windows overlap by four, and the mask's part is composited in the source's own planes. Both get the same
film, face, sound and nets.

- *align*, *restore*: frames a second, each by itself.
- *windows*: seconds a window of sixteen, `reuse` 1 and 3; one window is the same work in both orders.
- *end_to_end*: seconds for all frames. Ours draws a third more windows, since they overlap.
- *memory*: peak resident memory of a process of its own by the length of the film, frames to MiB, and from
  the shortest to the longest how many pictures are held for each frame. Of ours all frames are one cut in one
  chunk; a run draws chunks of ten seconds at most, one after the other.

Without `--full` the nets are small and stand for the order of work, not for its weight; with it they are of
the published size, which wants a GPU.

The stand-in's numbers are the original's, window by window and frame by frame (tests/parity), so it asks the
nets for the same. It was not timed against the original itself. It leaves out what the original does besides:
detecting a face in each frame, arithmetic in half precision on a CPU, and three generations of x264. Of the
original's pictures about four are held for each frame (see `copies`), so less is held here.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bench.machine import machine, show
from loc.artifacts import FrameRange
from loc.media.colour import rgb_to_yuv, to_rgb
from loc.media.compose import apply_patch
from loc.media.frames import Planes
from stages.lipsync.contract import HEARD_RATE, Heard, MouthPlan, RedrawWindow
from stages.lipsync.latentsync import align, drawing, mask
from stages.lipsync.latentsync.model import Given, Model
from stages.lipsync.latentsync.sampler import Sampling
from stages.lipsync.latentsync.unet import UNet3D, UNetConfig
from stages.lipsync.nets import vae as eye
from stages.lipsync.nets.whisper_features import Encoder
from tests.lipsync.latentsync.test_drawing import mesh, video
from tests.parity import fill
from tests.upstream import latentsync as upstream

FPS = 25
SMALL = UNetConfig(widths=(64, 96, 128, 128), layers=1, audio=64, heads=2, groups=16, motion_heads=2)
SMALL_VAE = (16, 32, 64, 64)
FULL_VAE = (128, 256, 512, 512)
"""Of sd-vae-ft-mse."""


class Film:
    """A film of one face, its sound, and nets of made-up weights."""

    def __init__(self, frames: int, size: tuple[int, int], device: str, *, full: bool) -> None:
        torch.manual_seed(0)
        width, height = size
        self.frames, self.side = frames, 512 if full else 256
        self.stream = video().model_copy(update={"width": width, "height": height, "pix_fmt": "yuv420p"})
        self.points = mesh(frames) * np.float32(height / 270)
        self.sound = fill.speech("bench", HEARD_RATE * (frames // FPS + 4), 1).astype(np.float32) / 32768
        rgb = fill.picture("bench", height, width, 1, 3, 40)
        yuv = np.rint(rgb_to_yuv(rgb, self.stream)).clip(16, 235).astype(np.uint8)
        y, u, v = np.moveaxis(yuv, -1, 0)
        self.planes = Planes(y.copy(), u[::2, ::2].copy(), v[::2, ::2].copy())
        shape = UNetConfig() if full else SMALL
        dtype = torch.float16 if device.startswith("cuda") else torch.float32
        widths = FULL_VAE if full else SMALL_VAE
        net = eye.autoencoder(
            {
                "down_block_types": ["DownEncoderBlock2D"] * 4,
                "up_block_types": ["UpDecoderBlock2D"] * 4,
                "block_out_channels": list(widths),
                "layers_per_block": 2 if full else 1,
                "norm_num_groups": 16,
                "latent_channels": 4,
            }
        )
        self.unet = UNet3D(shape).eval().requires_grad_(False).to(device, dtype)
        # The class's own `to` warns of parts that it has not.
        torch.nn.Module.to(net, device, dtype)
        self.vae = eye.Vae(net.eval().requires_grad_(False))
        self.ear = Encoder(shape.audio, 4, 2, 4 * shape.audio).eval().requires_grad_(False).to(device)

    def rgb(self) -> npt.NDArray[np.uint8]:
        return to_rgb(self.planes, self.stream)

    def window(self) -> RedrawWindow:
        cut = FrameRange(start=0, stop=self.frames)
        ones = np.ones(self.frames, np.float32)
        middles = ((np.arange(self.frames) + 0.5) * HEARD_RATE / FPS).astype(np.int64) + HEARD_RATE
        return RedrawWindow(
            video=self.stream,
            points=self.points,
            plan=MouthPlan(ones, ones, ones),
            profile={},
            pictures=lambda: iter([self.planes] * self.frames),
            first_frame=0,
            drawn=cut,
            cut=cut,
            heard=Heard(self.sound, middles),
        )


def ours(film: Film, sampling: Sampling) -> int:
    """Every frame through our order; how many came out. Nothing is kept."""
    model = Model(film.unet, film.vae, film.ear, film.side)
    count = 0
    for patch in drawing.draw(film.window(), model, sampling, seed=1):
        apply_patch(film.planes, film.stream, patch.pixels, patch.matrix, patch.polygon, patch.feather, 1.0)
        count += 1
    return count


def theirs(film: Film, sampling: Sampling) -> int:
    """Every frame through the published order."""
    side = film.side // mask.LATENT
    given = upstream.Given(
        frames=np.stack([film.rgb() for _ in range(film.frames)]),
        points=drawing.points_of(film.points, film.stream),
        sound=film.sound[: film.frames * HEARD_RATE // FPS],
        noise=torch.randn(1, 4, 1, side, side).to(film.vae.device, film.vae.dtype),
        draws=None,
        resolution=film.side,
    )
    return len(upstream.run(given, film.unet, film.vae, film.ear, sampling).video)


def seconds(work: Callable[[], Any], times: int = 1) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(times):
        work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / times


def parts(film: Film) -> Iterator[tuple[str, Any]]:
    """Each step by itself."""
    points = drawing.points_of(film.points, film.stream)
    matrix = drawing.matrix_of(points[0], film.stream, film.side)
    rgb = film.rgb()
    square = drawing.square_of(film.planes, film.stream, matrix, film.side)
    (face,) = mask.pixels(square[None])
    patch = drawing.patch_of(face, matrix, film.side, drawing.Frame.of(film.side))

    def aligned() -> None:
        align.square(align.canvas(film.rgb(), matrix, film.side), film.side)

    def placed() -> None:
        apply_patch(film.planes, film.stream, patch.pixels, patch.matrix, patch.polygon, patch.feather, 1.0)

    for name, own, published in (
        ("align", lambda: drawing.square_of(film.planes, film.stream, matrix, film.side), aligned),
        ("restore", placed, lambda: upstream.restored(rgb, face, matrix)),
    ):
        own(), published()
        a, b = 1 / seconds(own, 10), 1 / seconds(published, 5)
        yield name, {"ours_fps": round(a, 1), "published_fps": round(b, 1), "ratio": round(a / b, 2)}


def windows(film: Film, steps: int) -> dict[str, float]:
    """Seconds a window takes, by how often the whole network is computed."""
    model = Model(film.unet, film.vae, film.ear, film.side)
    squares = np.zeros((16, film.side, film.side, 3), np.uint8)
    given = [Given(squares, model.hear(film.sound[:HEARD_RATE]), np.tile(np.arange(10), (16, 1)))]
    found = {}
    for reuse in (1, 3):
        sampling = Sampling(steps, 1.5, reuse)
        found[f"reuse_{reuse}"] = round(seconds(partial(model.latents, given, sampling, 1)), 3)
    return found


def memory(lengths: list[int], size: tuple[int, int], device: str, full: bool) -> dict[str, Any]:
    """Peaks by order and length, and pictures held for each further frame."""
    peaks = {
        order: {count: peak(order, count, size, device, full) for count in sorted(lengths)}
        for order in ("ours", "published")
    }
    picture = size[0] * size[1] * 3 / (1 << 20)
    least, most = min(lengths), max(lengths)
    return {
        order: {
            "peak_mib": {str(count): mib for count, mib in found.items()},
            "copies": round((found[most] - found[least]) / (most - least) / picture, 2),
        }
        for order, found in peaks.items()
    }


def peak(order: str, frames: int, size: tuple[int, int], device: str, full: bool) -> int:
    """Peak memory of a process of its own, MiB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return int(pool.apply(_peak, (order, frames, size, device, full)))


def _peak(order: str, frames: int, size: tuple[int, int], device: str, full: bool) -> int:
    film = Film(frames, size, device, full=full)
    with torch.inference_mode():
        (ours if order == "ours" else theirs)(film, Sampling(1, 1.0))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench/latentsync.py")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--memory", type=int, nargs=2, metavar="FRAMES")
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    width, height = map(int, asked.size.split("x"))
    film = Film(asked.frames, (width, height), asked.device, full=asked.full)
    result: dict[str, Any] = {
        "machine": machine(),
        "device": asked.device,
        "full": asked.full,
        "frames": asked.frames,
        "size": asked.size,
        "steps": asked.steps,
    }
    with torch.inference_mode():
        result |= dict(parts(film))
        result["windows"] = windows(film, asked.steps)
        ends = {}
        for reuse in (1, 3):
            sampling = Sampling(asked.steps, 1.5, reuse)
            a, b = seconds(partial(ours, film, sampling)), seconds(partial(theirs, film, sampling))
            ends[f"reuse_{reuse}"] = {
                "ours_s": round(a, 2),
                "published_s": round(b, 2),
                "ratio": round(b / a, 2),
            }
        result["end_to_end"] = ends
    if asked.memory:
        result["memory"] = memory(asked.memory, (width, height), asked.device, asked.full)
    show(result, asked.output)


if __name__ == "__main__":
    main()
