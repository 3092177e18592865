"""What MuseTalk costs, part by part and end to end: ours against the original scripts' order of work.

    python bench/musetalk.py [-o OUT.json] [--frames N] [--full] [--device cuda]

Both draw the same frames of the drawn presenter with the same random weights in one run. Upstream's order of
work is what its scripts do, step by step, written anew: every frame to a PNG and back, landmarks with the
frame's mirror image and a detector for each, two encodings a frame one at a time, batches of 8 through UNet
and decoder, a parsing net for each frame, PIL pastes, PNGs again, and two passes of x264. Its nets are the
full RTMPose, S3FD and BiSeNet with random weights. It is a stand-in for the scripts' order, not their output,
and has not been timed against the scripts themselves.

UNet and VAE are small by default, for a CPU needs seconds a frame for the published sizes, which both sides
share; `--full` takes the published ones.

- *non-model*: all but UNet and VAE. *non-net*: of upstream, all but its detectors and parsing net too.
- *second audio*: the same frames again from what was prepared: latents and outlines are kept.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from bench.machine import Result, goal, machine, show
from loc.analysis.face_tracker import track_range
from loc.analysis.faces import foremost
from loc.artifacts import FrameRange
from loc.media.colour import to_rgb
from loc.media.compose import apply_patch
from loc.media.frames import first_look, read_frames, scan_frames
from loc.media.patches import write_patches
from loc.media.probe import probe_source
from loc.media.timeline import Timeline
from loc.settings import Settings
from stages.lipsync.musetalk import boxes, drawing, model, region, windows
from stages.lipsync.musetalk.knobs import Knobs
from stages.lipsync.musetalk.unet import unet
from stages.lipsync.nets import bisenet, rtmpose, s3fd
from stages.lipsync.nets import vae as eye
from stages.lipsync.nets import whisper_features as ear
from stages.lipsync.tracks import prepare
from tests.presenter import SHORT, shoot

BATCH = 8
EAR_WIDTH = 384
UNET = {
    "sample_size": 64,
    "in_channels": 8,
    "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "cross_attention_dim": EAR_WIDTH,
}
SIZES: dict[bool, tuple[dict[str, Any], dict[str, Any]]] = {
    True: (
        {
            **UNET,
            "block_out_channels": [320, 640, 1280, 1280],
            "layers_per_block": 2,
            "attention_head_dim": 8,
        },
        {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "norm_num_groups": 32},
    ),
    False: (
        {**UNET, "block_out_channels": [32, 64, 64, 64], "layers_per_block": 1, "norm_num_groups": 8}
        | {"attention_head_dim": 4},
        {"block_out_channels": [16, 16, 32, 32], "layers_per_block": 1, "norm_num_groups": 8},
    ),
}
VAE = {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "latent_channels": 4,
}


class Clock:
    """Seconds by part."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._device = device

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        self.seconds[name] += time.perf_counter() - start

    def result(self, frames: int) -> Result:
        total = sum(self.seconds.values())
        parts = {name: round(1000 * seconds / frames, 2) for name, seconds in self.seconds.items()}
        return {"ms_per_frame": parts, "frames_per_second": round(frames / total, 2)}


class Scene:
    """The film, its frames, and the nets that both sides share."""

    def __init__(self, folder: Path, count: int, full: bool, device: torch.device) -> None:
        self.path = folder / "film.mp4"
        shoot(SHORT, self.path)
        self.video = probe_source(self.path, Settings()).video
        scan = scan_frames(self.path, self.video)
        base = first_look(self.path, self.video.index).time_base
        self.timeline = Timeline(scan.pts, scan.key, base, scan.duration)
        self.frames = FrameRange(start=0, stop=min(count, self.timeline.count))
        torch.manual_seed(1)
        net, sight = SIZES[full]
        self.unet = unet(net).eval().to(device)
        self.vae = eye.Vae(eye.autoencoder({**VAE, **sight}).eval().to(device))
        self.ear = ear.Encoder(EAR_WIDTH, 4, 6, 4 * EAR_WIDTH).eval().to(device)
        self.nets = model.Model(self.unet, self.vae, self.ear, ear.NORMALISED)
        rng = np.random.default_rng(1)
        self.sound = (0.1 * rng.standard_normal(16_000 * (len(self.frames) // 25 + 2))).astype(np.float32)

    def tokens(self) -> torch.Tensor:
        middles = (2 * np.arange(len(self.frames)) + 1) * 16_000 // 50
        return model.tokens_of(self.nets.hear(self.sound), windows.rows_at(middles, 16_000, 2, 2))


def ours(scene: Scene, clock: Clock, folder: Path) -> tuple[list[drawing.Cutting], list[torch.Tensor]]:
    """As `loc` works, one part after the other; gives what is kept for a second audio."""
    knobs = Knobs()
    with clock.part("decode"):
        pictures = list(read_frames(scene.path, scene.video, scene.timeline, scene.frames))
    with clock.part("track"):
        seen = foremost(track_range(scene.path, scene.video, scene.timeline, scene.frames), len(scene.frames))
        points = prepare(seen).points
    with clock.part("hear"):
        tokens = scene.tokens()
    with clock.part("cut and mask"):
        cuttings = [
            drawing.cut(planes, scene.video, own, knobs) for planes, own in zip(pictures, points, strict=True)
        ]
    latents = []
    with clock.part("vae encode"):
        for start in range(0, len(cuttings), BATCH):
            latents.append(scene.nets.see(np.stack([one.pixels for one in cuttings[start : start + BATCH]])))
    drawn(scene, clock, folder, cuttings, latents, tokens)
    return cuttings, latents


def drawn(
    scene: Scene,
    clock: Clock,
    folder: Path,
    cuttings: list[drawing.Cutting],
    latents: list[torch.Tensor],
    tokens: torch.Tensor,
) -> None:
    """From latents to the encoded film."""
    faces = []
    with clock.part("unet and vae decode"):
        for start, seen in zip(range(0, len(cuttings), BATCH), latents, strict=True):
            faces.extend(scene.nets.draw(seen, tokens[start : start + BATCH]))
    with clock.part("patches"):
        patches = [
            drawing.patch(cutting, face, Knobs()) for cutting, face in zip(cuttings, faces, strict=True)
        ]
        write_patches(folder / "patches.mkv", (one.pixels for one in patches))
    with clock.part("paste"):
        pictures = read_frames(scene.path, scene.video, scene.timeline, scene.frames)
        out = [
            apply_patch(planes, scene.video, one.pixels, one.matrix, one.polygon, one.feather, 1.0)
            for planes, one in zip(pictures, patches, strict=True)
        ]
    with clock.part("encode"):
        raw = b"".join(plane.tobytes() for planes in out for plane in (planes.y, planes.u, planes.v))
        size = f"{scene.video.width}x{scene.video.height}"
        args = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", size]
        args += ["-r", "25", "-i", "-", "-c:v", "libx264", "-crf", "18", str(folder / "ours.mp4")]
        subprocess.run(args, input=raw, check=True)


@torch.no_grad()
def upstream(scene: Scene, clock: Clock, folder: Path) -> None:
    """As the original scripts work, step by step."""
    device = scene.nets.device
    pose, faces, parsing = rtmpose.RtmPose().eval(), s3fd.S3fd().eval(), bisenet.BiSeNet().eval()
    count = len(scene.frames)
    with clock.part("frames to png"):
        args = ["ffmpeg", "-v", "error", "-i", str(scene.path), "-frames:v", str(count)]
        subprocess.run([*args, "-start_number", "0", str(folder / "%08d.png")], check=True)
        pictures = [cv2.imread(str(folder / f"{index:08d}.png")) for index in range(count)]
    true = prepare(foremost(track_range(scene.path, scene.video, scene.timeline, scene.frames), count)).points
    placed = []
    for picture, points in zip(pictures, true, strict=True):
        with clock.part("landmarks"):
            rtmpose.points(pose, picture)
        with clock.part("detector"):
            s3fd.candidates(faces, picture)
        # Random nets find nothing: the box is the true one, so that what follows has a face to work on.
        face = boxes.from_mesh(points.astype(np.float64))
        placed.append(boxes.clamped(face, 0, 10, scene.video.width, scene.video.height))
    latents = []
    for picture, box in zip(pictures, placed, strict=True):
        with clock.part("crop"):
            x1, y1, x2, y2 = box
            crop = cv2.resize(picture[y1:y2, x1:x2], (256, 256), interpolation=cv2.INTER_LANCZOS4)
        with clock.part("vae encode"):
            hidden, whole = model.inputs(crop[None, :, :, ::-1])
            latents.append(torch.cat([scene.vae.encode(hidden), scene.vae.encode(whole)], dim=1))
    with clock.part("hear"):
        tokens = scene.tokens().to(device)
    made: list[np.ndarray] = []
    with clock.part("unet and vae decode"):
        for start in range(0, count, BATCH):
            batch = torch.cat(latents[start : start + BATCH])
            made.extend(face[..., ::-1] for face in scene.nets.draw(batch, tokens[start : start + BATCH]))
    for index, (picture, box, face) in enumerate(zip(pictures, placed, made, strict=True)):
        with clock.part("parsing"):
            left, top, right, bottom = region.crop_of(box)
            from PIL import Image

            about = Image.fromarray(picture[:, :, ::-1]).crop((left, top, right, bottom))
            labels = bisenet.labels(parsing, np.asarray(about))
        with clock.part("paste"):
            size = box[2] - box[0], box[3] - box[1]
            mask = region.blurred(region.region(labels, "jaw", 90, 90), box, region.OFFLINE_BLUR)
            scaled = cv2.resize(np.ascontiguousarray(face), size)
            out = region.paste(picture, scaled, box, mask)
        with clock.part("frames to png"):
            cv2.imwrite(str(folder / f"out{index:08d}.png"), out)
    with clock.part("two encodes"):
        args = ["ffmpeg", "-v", "error", "-y", "-r", "25", "-i", str(folder / "out%08d.png")]
        first = folder / "temp.mp4"
        args += ["-vcodec", "libx264", "-vf", "format=yuv420p", "-crf", "18", str(first)]
        subprocess.run(args, check=True)
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-i", str(first), str(folder / "theirs.mp4")], check=True
        )


SHARED = ("vae encode", "unet and vae decode", "hear")
THEIR_NETS = ("landmarks", "detector", "parsing")


def measured(frames: int, full: bool, device: torch.device) -> Result:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = Scene(folder, frames, full, device)
        count = len(scene.frames)
        to_rgb(next(iter(read_frames(scene.path, scene.video, scene.timeline, scene.frames))), scene.video)
        scene.nets.draw(scene.nets.see(np.zeros((1, 256, 256, 3), np.uint8)), scene.tokens()[:1])
        first, second, theirs = Clock(device), Clock(device), Clock(device)
        cuttings, latents = ours(scene, first, folder)
        with second.part("hear"):
            tokens = scene.tokens()
        drawn(scene, second, folder, cuttings, latents, tokens)
        upstream(scene, theirs, folder)

    def rest(clock: Clock, leave: tuple[str, ...]) -> float:
        return sum(seconds for part, seconds in clock.seconds.items() if part not in leave)

    whole, again, other = (sum(clock.seconds.values()) for clock in (first, second, theirs))
    return {
        "machine": machine(),
        "device": str(device) if device.type == "cpu" else torch.cuda.get_device_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "nets": "published sizes" if full else "reduced",
        "frames": count,
        "ours": first.result(count),
        "ours, second audio": second.result(count),
        "upstream's order": theirs.result(count),
        "goals": [
            goal(
                "non-model path, times faster", rest(theirs, SHARED) / rest(first, SHARED), 5, at_least=True
            ),
            goal(
                "the same without upstream's own nets and our tracker, times faster",
                rest(theirs, (*SHARED, *THEIR_NETS)) / rest(first, (*SHARED, "track")),
                1,
                at_least=True,
            ),
            goal("end to end, times faster", other / whole, 4, at_least=True),
            goal("second audio, times faster than the first", whole / again, 3, at_least=True),
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench/musetalk.py")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    show(measured(asked.frames, asked.full, torch.device(asked.device)), asked.output)


if __name__ == "__main__":
    main()
