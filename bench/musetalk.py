"""What MuseTalk costs, part by part and end to end: ours against the original scripts' order of work.

    python bench/musetalk.py [-o OUT.json] [--frames N] [--full] [--device cuda] [--ours] [--memory 50 500]
                             [--first-frame [DATA_DIR]]

Both draw the same frames of the drawn presenter with the same random weights in one run. Upstream's order of
work is what its scripts do, step by step, written anew: every frame to a PNG and back, landmarks with the
frame's mirror image and a detector for each, two encodings a frame one at a time, batches of 8 through UNet
and decoder, a parsing net for each frame, PIL pastes, PNGs again, and two passes of x264. Its nets are the
full RTMPose, S3FD and BiSeNet with random weights. It is a stand-in for the scripts' order, not their output;
`bench/musetalk_upstream.py` holds it against the scripts themselves, from which it was 3.5 % off.

UNet and VAE are small by default, for a CPU needs seconds a frame for the published sizes, which both sides
share; `--full` takes the published ones. On a GPU all nets of both sides lie on it, UNet and VAE in half
precision: ours as `model.load` lays them out, upstream's as its scripts do.

- *non-model*: all but UNet and VAE. *non-net*: of upstream, all but its detectors and parsing net too.
- *by part*: one part after the other, so that each can be timed. *side by side*: as a run works, decoder,
  nets and coder beside one another.
- *second audio*: the same frames again from what was baked: latents and outlines are kept.
- seconds are those of the processor, children included, where there is no GPU.
- *arithmetic*: multiplications and additions a frame at the published sizes, counted by torch, and what they
  say of a second audio where the nets alone take time: whatever the device, it cannot be faster than that
  over the parts that are left, unless the other parts of the first take time too.
- *first frame*: of a stream of an avatar, from the call to its first frame: with the nets to be loaded, and
  again with them on the device, the sound being there at once, in pieces of 100 ms; and how much of it was
  asked for by then, which a speaker takes as long to say. By the clock. Reduced nets, or those
  of a data folder with MuseTalk's weights.
- *memory*: peak of a process of its own that bakes and draws a cut, by its length, MiB; reduced nets.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from bench.latentsync_memory import VAE
from bench.machine import Result, goal, machine, show
from bench.musetalk_room import UNET
from loc.analysis.face_tracker import track_range
from loc.analysis.faces import foremost
from loc.artifacts import FrameRange
from loc.device import Devices
from loc.media.colour import to_rgb
from loc.media.compose import apply_patch
from loc.media.encode import coding_for, encode_chunk
from loc.media.frames import Planes, first_look, read_frames, scan_frames
from loc.media.patches import read_patches, write_patches
from loc.media.probe import probe_source
from loc.settings import Settings
from stages.lipsync.contract import CutView, Heard, MouthPlan, RedrawWindow
from stages.lipsync.musetalk import baking, boxes, drawing, model, region, saying
from stages.lipsync.musetalk.knobs import Knobs
from stages.lipsync.musetalk.unet import predict, unet
from stages.lipsync.nets import bisenet, rtmpose, s3fd
from stages.lipsync.nets import vae as eye
from stages.lipsync.nets import whisper_features as ear
from stages.lipsync.nets.rows import rows_at
from stages.lipsync.tracks import prepare
from tests.presenter import SHORT, shoot

BATCH = 8
EAR_WIDTH = UNET["cross_attention_dim"]
Kept = tuple[list[drawing.Place], list[torch.Tensor]]
"""What is kept for a second audio: where faces lie, and their latents by batches."""
SIZES: dict[bool, tuple[dict[str, Any], dict[str, Any]]] = {
    True: (UNET, VAE),
    False: (
        {**UNET, "block_out_channels": [32, 64, 64, 64], "layers_per_block": 1, "norm_num_groups": 8}
        | {"attention_head_dim": 4},
        {**VAE, "block_out_channels": [16, 16, 32, 32], "layers_per_block": 1, "norm_num_groups": 8},
    ),
}
"""UNet and VAE, as published and reduced."""


def spent() -> float:
    """Processor seconds so far, children that have ended included."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


class Clock:
    """Seconds by part: of the processor where it does all the work, since other work on the machine stretches
    them less; by the clock where there is a GPU."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.apart = 0.0
        """Processor seconds of what is no part of the work."""
        self._device = device

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        start = self.now()
        yield
        self.seconds[name] += self.now() - start

    def now(self) -> float:
        """Seconds, when all that was asked of the device is done."""
        if self._device.type != "cuda":
            return spent()
        torch.cuda.synchronize()
        return time.perf_counter()

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
        self.timeline = scan.timeline(base)
        self.frames = FrameRange(start=0, stop=min(count, self.timeline.count))
        self.count = count
        torch.manual_seed(1)
        net, sight = SIZES[full]
        drawer, sight_net = unet(net).eval(), eye.autoencoder(sight).eval()
        self.ear = ear.Encoder(EAR_WIDTH, 4, 6, 4 * EAR_WIDTH).eval().to(device)
        # The scripts' own choice on a GPU that has it (`--use_float16`), in torch's own order.
        half = torch.float16 if device.type == "cuda" else torch.float32
        self.unet = deepcopy(drawer).to(device, half)
        self.vae = eye.Vae(deepcopy(sight_net).to(device, half))
        self.drawer = model.laid_out(drawer, device, Knobs().precision)
        self.nets = model.Model(
            self.drawer,
            eye.Vae(model.laid_out(sight_net, device, Knobs().precision)),
            self.ear,
            ear.NORMALISED,
        )
        rng = np.random.default_rng(1)
        self.sound = (0.1 * rng.standard_normal(16_000 * (count // 25 + 2))).astype(np.float32)

    def pictures(self) -> Iterator[Planes]:
        """`count` frames: the film, and again where it is shorter."""
        left = self.count
        while left > 0:
            shown = FrameRange(start=0, stop=min(left, self.timeline.count))
            yield from read_frames(self.path, self.video, self.timeline, shown)
            left -= len(shown)

    def tokens(self) -> torch.Tensor:
        middles = (2 * np.arange(len(self.frames)) + 1) * 16_000 // 50
        return model.tokens_of(self.nets.hear(self.sound), rows_at(middles, 16_000, 2, 2))


def ours(scene: Scene, clock: Clock, folder: Path) -> Kept:
    """As `loc` works, one part after the other; gives what is kept for a second audio."""
    knobs = Knobs()
    with clock.part("decode"):
        pictures = list(read_frames(scene.path, scene.video, scene.timeline, scene.frames))
    with clock.part("track"):
        seen = foremost(track_range(scene.path, scene.video, scene.timeline, scene.frames), len(scene.frames))
        points = prepare(seen, scene.video.average_rate).points
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
    kept = [one.place for one in cuttings], latents
    drawn(scene, clock, folder, kept, tokens)
    return kept


def drawn(scene: Scene, clock: Clock, folder: Path, kept: Kept, tokens: torch.Tensor) -> None:
    """From latents to the encoded film."""
    places, latents = kept
    faces: list[npt.NDArray[np.uint8]] = []
    for start, seen in zip(range(0, len(places), BATCH), latents, strict=True):
        with clock.part("unet"):
            said = predict(scene.drawer, seen, tokens[start : start + BATCH].to(seen.dtype))
        with clock.part("vae decode"):
            faces.extend(scene.nets.decode(said))
    with clock.part("patches"):
        patches = [drawing.patch(place, face, Knobs()) for place, face in zip(places, faces, strict=True)]
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


def bake_all(scene: Scene, devices: Devices) -> baking.Arrays:
    """Track and bake the frames as a run does."""
    seen = foremost(track_range(scene.path, scene.video, scene.timeline, scene.frames), len(scene.frames))
    points = prepare(seen, scene.video.average_rate).points
    view = CutView(
        video=scene.video,
        points=points[np.arange(scene.count) % len(points)],
        times=np.arange(scene.count, dtype=np.int64) * 1920 + 960,
        pictures=scene.pictures,
    )
    shown = baking.shown(view, Knobs())
    return baking.joined(baking.bake(scene.nets, shown, scene.video, Knobs(), BATCH, devices))


def speak_all(scene: Scene, devices: Devices, baked: baking.Arrays, folder: Path) -> None:
    """Draw the frames from what was baked, and put them into the encoded film, as a run does."""
    count = scene.count
    still = np.zeros(count, dtype=np.float32)
    middles = (2 * np.arange(count) + 1) * 16_000 // 50
    window = RedrawWindow(
        video=scene.video,
        points=np.empty((0, 0, 2), dtype=np.float32),
        plan=MouthPlan(still, still, still),
        profile={},
        pictures=lambda: iter(()),
        first_frame=0,
        drawn=FrameRange(start=0, stop=count),
        cut=FrameRange(start=0, stop=count),
        heard=Heard(scene.sound, middles),
        prepared=baked,
    )
    placed = []

    def pixels() -> Iterator[npt.NDArray[np.uint8]]:
        for one in saying.patches(scene.nets, window, Knobs(), BATCH, devices):
            placed.append((one.matrix, one.polygon, one.feather))
            yield one.pixels

    write_patches(folder / "beside.mkv", pixels())
    patches = read_patches(folder / "beside.mkv", model.SIDE, model.SIDE, count)
    frames = (
        apply_patch(planes, scene.video, patch, *place, 1.0)
        for planes, patch, place in zip(scene.pictures(), patches, placed, strict=True)
    )
    coding = coding_for(scene.video, "h264", 18, Settings().preset)
    encode_chunk(frames, coding, folder / "beside.mp4", "ffmpeg")


def side_by_side(scene: Scene, folder: Path) -> Result:
    """Frames a second as a run works, first and second audio."""
    devices = Devices(folder, str(scene.nets.device))
    count = scene.count
    clock = Clock(scene.nets.device)
    start = clock.now()
    baked = bake_all(scene, devices)
    middle = clock.now()
    speak_all(scene, devices, baked, folder)
    end = clock.now()
    return {
        "frames_per_second": round(count / (end - start), 2),
        "second audio, frames_per_second": round(count / (end - middle), 2),
        "bake_ms_per_frame": round(1000 * (middle - start) / count, 2),
        "ratio": round((end - start) / (end - middle), 3),
    }


def arithmetic() -> Result:
    """Work of the nets a frame at the published sizes, in 1e9 multiplications and additions together."""
    from torch.utils.flop_counter import FlopCounterMode

    net, sight = SIZES[True]
    work = {}
    with torch.device("meta"), torch.no_grad():
        drawer, autoencoder = unet(net).eval(), eye.autoencoder(sight).eval()
        latents, tokens = torch.zeros(1, 8, 32, 32), torch.zeros(1, 50, EAR_WIDTH)
        for name, run in (
            ("vae encode, twice", lambda: autoencoder.encode(torch.zeros(2, 3, 256, 256))),
            ("unet", lambda: drawer(latents, torch.zeros(1), encoder_hidden_states=tokens)),
            ("vae decode", lambda: autoencoder.decode(latents[:, :4])),
        ):
            with FlopCounterMode(display=False) as counted:
                run()  # type: ignore[no-untyped-call]
            work[name] = round(counted.get_total_flops() / 1e9, 1)
    again = work["unet"] + work["vae decode"]
    return {"gflop_per_frame": work, "second audio by the nets alone": round(sum(work.values()) / again, 2)}


def memory(frames: int) -> int:
    """Peak memory of a process that bakes and draws a cut of as many frames, MiB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return int(pool.apply(_peak, (frames,)))


def _peak(frames: int) -> int:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = Scene(folder, frames, False, torch.device("cpu"))
        devices = Devices(folder, "cpu")
        speak_all(scene, devices, bake_all(scene, devices), folder)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def first_frame(data: Path | None, device: str) -> Result:
    """Seconds until a stream gives its first frame.

    Args:
        data: folder with MuseTalk's weights; None: reduced nets.
        device: as torch names it.
    """
    from stages.lipsync.musetalk import MuseTalk, avatar
    from stages.studio import backend_of
    from tests.lipsync.musetalk import tiny

    name = "bench-first-frame"
    with tempfile.TemporaryDirectory() as scratch:
        if data is None:
            data = Path(scratch) / "data"
            tiny.register(data)
        film = Path(scratch) / "film.mp4"
        shoot(SHORT, film)
        settings = Settings(data_dir=data, device=device)
        sound = (0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)
        asked = 0

        def chunks() -> Iterator[npt.NDArray[np.float32]]:
            nonlocal asked
            for start in range(0, len(sound), 1600):
                asked += 1600
                yield sound[start : start + 1600]

        def first(stage: avatar.Stage, backend: MuseTalk) -> float:
            start = time.perf_counter()
            frames = avatar.stream(stage, chunks(), backend)
            next(frames)
            took = time.perf_counter() - start
            frames.close()
            return took

        with backend_of("lipsync", settings) as backend:
            assert isinstance(backend, MuseTalk)
            avatar.bake(film, name, settings, backend, lambda _: None)
            try:
                stage = avatar.opened(data, name, backend)
                backend.close()
                cold = first(stage, backend)
                asked = 0
                warm = first(stage, backend)
            finally:
                avatar.remove(data, name)
    return {
        "sound_s": round(asked / 16_000, 2),
        "seconds_with_loading": round(cold, 3),
        "seconds": round(warm, 3),
    }


def detector() -> s3fd.S3fd:
    """S3FD with random weights that finds nothing: as it comes it takes half of all places for faces, and
    what was found is gone through one by one."""
    net = s3fd.S3fd().eval()
    for key, value in net.state_dict().items():
        if key.endswith("mbox_conf.bias"):
            value[-1] = -30
    return net


@torch.no_grad()
def upstream(scene: Scene, clock: Clock, folder: Path) -> None:
    """As the original scripts work, step by step."""
    device = scene.nets.device
    begun = time.process_time()
    pose, faces = rtmpose.RtmPose().eval().to(device), detector().to(device)
    parsing = bisenet.BiSeNet().eval().to(device)
    clock.apart += time.process_time() - begun
    count = len(scene.frames)
    with clock.part("frames to png"):
        args = ["ffmpeg", "-v", "error", "-i", str(scene.path), "-frames:v", str(count)]
        subprocess.run([*args, "-start_number", "0", str(folder / "%08d.png")], check=True)
        names = [str(folder / f"{index:08d}.png") for index in range(count)]
        pictures = [np.asarray(cv2.imread(name), dtype=np.uint8) for name in names]
    begun = time.process_time()
    seen = foremost(track_range(scene.path, scene.video, scene.timeline, scene.frames), count)
    true = prepare(seen, scene.video.average_rate).points
    clock.apart += time.process_time() - begun
    placed = []
    for picture, points in zip(pictures, true, strict=True):
        with clock.part("landmarks"):
            rtmpose.points(pose, picture)
        with clock.part("detector"):
            s3fd.candidates(faces, picture)
        # Random nets find nothing: the box is the true one, so that what follows has a face to work on.
        face = boxes.from_mesh(points.astype(np.float64))
        within = boxes.clamped(face, 0, 10, scene.video.width, scene.video.height)
        assert within is not None
        placed.append(within)
    latents = []
    for picture, box in zip(pictures, placed, strict=True):
        with clock.part("crop"):
            x1, y1, x2, y2 = box
            cut = cv2.resize(picture[y1:y2, x1:x2], (256, 256), interpolation=cv2.INTER_LANCZOS4)
            crop = np.asarray(cut, dtype=np.uint8)
        with clock.part("vae encode"):
            hidden, whole = model.inputs(crop[None, :, :, ::-1])
            latents.append(torch.cat([scene.vae.encode(hidden), scene.vae.encode(whole)], dim=1))
    with clock.part("hear"):
        tokens = scene.tokens().to(device)
    made: list[npt.NDArray[np.uint8]] = []
    for start in range(0, count, BATCH):
        batch = torch.cat(latents[start : start + BATCH])
        with clock.part("unet"):
            said = predict(scene.unet, batch, tokens[start : start + BATCH].to(batch.dtype))
        with clock.part("vae decode"):
            made.extend(face[..., ::-1] for face in model.pictures(scene.vae.decode(said)))
    for index, (picture, box, painted) in enumerate(zip(pictures, placed, made, strict=True)):
        with clock.part("parsing"):
            left, top, right, bottom = region.crop_of(box)
            from PIL import Image

            about = Image.fromarray(picture[:, :, ::-1]).crop((left, top, right, bottom))
            labels = bisenet.labels(parsing, np.asarray(about))
        with clock.part("paste"):
            size = box[2] - box[0], box[3] - box[1]
            mask = region.blurred(region.region(labels, "jaw", 90, 90), box, region.OFFLINE_BLUR)
            scaled = np.asarray(cv2.resize(np.ascontiguousarray(painted), size), dtype=np.uint8)
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


SHARED = ("vae encode", "unet", "vae decode", "hear")
THEIR_NETS = ("landmarks", "detector", "parsing")


def measured(frames: int, full: bool, device: torch.device, theirs_too: bool) -> Result:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = Scene(folder, frames, full, device)
        scene.count = count = len(scene.frames)
        to_rgb(next(iter(read_frames(scene.path, scene.video, scene.timeline, scene.frames))), scene.video)
        scene.nets.draw(scene.nets.see(np.zeros((1, 256, 256, 3), np.uint8)), scene.tokens()[:1])
        first, second, theirs = Clock(device), Clock(device), Clock(device)
        kept = ours(scene, first, folder)
        with second.part("hear"):
            tokens = scene.tokens()
        drawn(scene, second, folder, kept, tokens)
        beside = side_by_side(scene, folder)
        if theirs_too:
            upstream(scene, theirs, folder)

    def rest(clock: Clock, leave: tuple[str, ...]) -> float:
        return sum(seconds for part, seconds in clock.seconds.items() if part not in leave)

    whole, again, other = (sum(clock.seconds.values()) for clock in (first, second, theirs))
    nets = ("unet", "vae decode")
    result: Result = {
        "machine": machine(),
        "device": str(device) if device.type == "cpu" else torch.cuda.get_device_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "nets": "published sizes" if full else "reduced",
        "frames": count,
        "ours": first.result(count),
        "ours, second audio": second.result(count),
        "side by side": beside,
        "arithmetic": arithmetic(),
        "most a second audio could gain here": round(whole / sum(second.seconds[part] for part in nets), 2),
        "goals": [
            goal("second audio, times faster than the first", whole / again, 3, at_least=True),
            goal("the same, side by side", beside["ratio"], 3, at_least=True),
        ],
    }
    if device.type == "cuda" and full:
        speed = beside["second audio, frames_per_second"]
        result["goals"].append(goal("frames a second, generated and composited", speed, 300, at_least=True))
    if theirs_too:
        result["upstream's order"] = theirs.result(count)
        result["goals"] += [
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
        ]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench/musetalk.py")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--ours", action="store_true", help="leave upstream's order out")
    parser.add_argument("--memory", type=int, nargs="*", default=[], metavar="FRAMES")
    parser.add_argument(
        "--first-frame",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="DATA_DIR",
        help="latency of a stream too",
    )
    asked = parser.parse_args()
    result = measured(asked.frames, asked.full, torch.device(asked.device), not asked.ours)
    if asked.memory:
        result["memory_mib"] = {str(count): memory(count) for count in asked.memory}
    if asked.first_frame is not None:
        # Without a folder it is Path(), which is none.
        data = asked.first_frame if asked.first_frame.parts else None
        result["first_frame"] = first_frame(data, asked.device)
    show(result, asked.output)


if __name__ == "__main__":
    main()
