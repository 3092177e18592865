"""Is the stand-in of `bench/musetalk.py` as slow as MuseTalk's own scripts? Both, on the same film, in turn.

    git clone https://github.com/TMElyralab/MuseTalk /tmp/upstream
    python bench/musetalk_upstream.py /tmp/upstream [--frames N] [--turns N] [--full] [-o OUT.json]

The scripts run as they are, `main` of scripts/inference.py in a process of its own, with random weights in
the files they ask for. What they need and this environment lacks is replaced: mmpose by our RTMPose (its
own cannot be installed beside today's torch), librosa, omegaconf and torchvision's transforms by what they
do here. Random nets find no face, so that each is asked and its answer replaced by the true one. The time
counts from where the scripts read their list of jobs, when all is loaded, to their end.

Compared is processor time, children included, which other work on the machine stretches less than the clock.
A stand-in within a tenth of the scripts counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from safetensors.torch import save_file

from bench.machine import Result, machine, show
from bench.musetalk import EAR_WIDTH, SIZES, Clock, Scene, detector, spent, upstream
from loc.analysis.face_tracker import track_range
from loc.analysis.faces import foremost
from stages.lipsync.musetalk import boxes
from stages.lipsync.nets import bisenet, rtmpose
from stages.lipsync.tracks import prepare

LIKE = 0.1
"""Share by which the stand-in may differ."""

STUBS = {
    "mmpose/__init__.py": "",
    "mmpose/apis.py": """
import numpy as np, torch
from stages.lipsync.nets import rtmpose
POINTS = np.load("points.npy")
ASKED = []
def init_model(config, checkpoint, device):
    net = rtmpose.RtmPose().eval()
    net.load_state_dict(torch.load(checkpoint))
    return net
def inference_topdown(net, picture):
    rtmpose.points(net, picture)
    ASKED.append(None)
    return POINTS[(len(ASKED) - 1) % len(POINTS)]
""",
    "mmpose/structures.py": """
from types import SimpleNamespace
def merge_data_samples(points):
    return SimpleNamespace(pred_instances=SimpleNamespace(keypoints=points[None]))
""",
    "librosa.py": """
import soundfile
def load(path, sr):
    sound, rate = soundfile.read(path, dtype="float32")
    assert rate == sr
    return sound, rate
""",
    "omegaconf.py": """
import json, resource
from pathlib import Path
def spent():
    return [sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
BEGAN = []
class OmegaConf:
    @staticmethod
    def load(path):
        BEGAN[:] = spent()
        return json.loads(Path(path).read_text())
""",
    "late/torchvision/__init__.py": "",
    "late/torchvision/transforms.py": """
import numpy as np, torch
class Compose:
    def __init__(self, steps): self.steps = steps
    def __call__(self, x):
        for step in self.steps: x = step(x)
        return x
class ToTensor:
    def __call__(self, picture):
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous().float().div(255)
class Normalize:
    def __init__(self, mean, std): self.mean, self.std = (torch.tensor(v)[:, None, None] for v in (mean, std))
    def __call__(self, x): return (x - self.mean) / self.std
""",
}
"""What is put in the place of packages, by file."""

RUN = """
import json, sys, torch
torch.set_num_threads(int(sys.argv[1]))
import omegaconf
# These ask for more of torchvision than is here, where they see one.
from transformers import AutoFeatureExtractor, WhisperModel
AutoFeatureExtractor.from_pretrained("models/whisper")
from diffusers import AutoencoderKL, UNet2DConditionModel
sys.path[:0] = [sys.argv[2], sys.argv[2] + "/musetalk/utils", "stubs/late"]
sys.argv = ["inference"]
from musetalk.utils.face_detection import api
import face_detection
found = face_detection.FaceAlignment.get_detections_for_batch
def asked(self, images):
    found(self, images)
    return [(1, 1, 100, 100)] * len(images)
face_detection.FaceAlignment.get_detections_for_batch = asked
from types import SimpleNamespace
from scripts import inference
inference.main(SimpleNamespace(**json.load(open("arguments.json"))))
ended = omegaconf.spent()
print("SPENT", json.dumps([after - before for before, after in zip(omegaconf.BEGAN, ended)]))
"""


def lay_out(folder: Path, scene: Scene, full: bool) -> None:
    """The files that the scripts ask for, under the folder they are run in."""
    net, sight = SIZES[full]
    for name, text in STUBS.items():
        path = folder / "stubs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    models = folder / "models"
    for name in ("musetalkV15", "sd-vae", "whisper", "dwpose", "face-parse-bisent"):
        (models / name).mkdir(parents=True)
    (models / "musetalkV15" / "musetalk.json").write_text(json.dumps(net))
    torch.save(scene.unet.state_dict(), models / "musetalkV15" / "unet.pth")
    kind = {"_class_name": "AutoencoderKL"}
    (models / "sd-vae" / "config.json").write_text(json.dumps({**kind, **sight}))
    save_file(scene.vae._net.state_dict(), models / "sd-vae" / "diffusion_pytorch_model.safetensors")
    _whisper(models / "whisper")
    torch.save(rtmpose.RtmPose().state_dict(), models / "dwpose" / "dw-ll_ucoco_384.pth")
    parsing = bisenet.BiSeNet()
    torch.save(parsing.state_dict(), models / "face-parse-bisent" / "79999_iter.pth")
    begun = {
        key.removeprefix("cp.resnet."): value
        for key, value in parsing.state_dict().items()
        if key.startswith("cp.resnet.")
    }
    torch.save(begun, models / "face-parse-bisent" / "resnet18-5c106cde.pth")


def _whisper(folder: Path) -> None:
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    shape: dict[str, Any] = {
        "d_model": EAR_WIDTH,
        "encoder_layers": 4,
        "decoder_layers": 1,
        "vocab_size": 100,
    }
    heads: dict[str, Any] = {"encoder_attention_heads": 6, "decoder_attention_heads": 6}
    tokens: dict[str, Any] = dict.fromkeys(
        ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 1
    )
    config = WhisperConfig(
        **shape, **heads, **tokens, encoder_ffn_dim=4 * EAR_WIDTH, decoder_ffn_dim=EAR_WIDTH
    )
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)  # type: ignore[no-untyped-call]


def points_of(scene: Scene) -> npt.NDArray[np.float64]:
    """Landmarks that make the true boxes, float64 [frames, 133, 2]."""
    count = len(scene.frames)
    seen = foremost(track_range(scene.path, scene.video, scene.timeline, scene.frames), count)
    result = np.zeros((count, 133, 2))
    for points, out in zip(prepare(seen, scene.video.average_rate).points, result, strict=True):
        face = boxes.from_mesh(points.astype(np.float64))
        out[:] = (face.left, face.middle)
        out[23] = (face.right, face.bottom)
        out[23 + 28], out[23 + 30] = (face.left, face.above), (face.left, face.below)
    return result


def theirs(folder: Path, checkout: Path, threads: int) -> float:
    """Processor seconds of the scripts."""
    code = [sys.executable, "-c", RUN, str(threads), str(checkout)]
    paths = os.pathsep.join([str(folder / "stubs"), str(Path(__file__).parents[1])])
    ended = subprocess.run(
        code,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in ended.stdout.splitlines() if line.startswith("SPENT ")]
    if ended.returncode or not lines or not list(folder.glob("results/v15/*.mp4")):
        raise SystemExit(f"The scripts failed:\n{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}")
    for path in folder.glob("results/v15/*.mp4"):
        path.unlink()
    return float(sum(json.loads(lines[-1].removeprefix("SPENT "))))


def ours(folder: Path, scene: Scene) -> tuple[float, dict[str, float]]:
    """Processor seconds of the stand-in, and its seconds by part."""
    clock = Clock(torch.device("cpu"))
    begun = spent()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        upstream(scene, clock, Path(name))
    return spent() - begun - clock.apart, dict(clock.seconds)


def measured(checkout: Path, frames: int, turns: int, full: bool) -> Result:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = Scene(folder, frames, full, torch.device("cpu"))
        np.save(folder / "points.npy", points_of(scene))
        cut = ["ffmpeg", "-v", "error", "-i", str(scene.path), "-frames:v", str(frames), "-an", "cut.mp4"]
        subprocess.run(cut, cwd=folder, check=True)
        sound = scene.sound[: 16_000 * frames // 25 + 1]
        soundfile.write(folder / "said.wav", sound, 16_000)
        lay_out(folder, scene, full)
        job = {"one": {"video_path": "cut.mp4", "audio_path": "said.wav"}}
        (folder / "jobs.json").write_text(json.dumps(job))
        (folder / "arguments.json").write_text(json.dumps(ARGUMENTS))
        # Where the detector looks before it would ask the network for its weights.
        os.environ["TORCH_HOME"] = str(folder / "hub")
        (folder / "hub" / "hub" / "checkpoints").mkdir(parents=True)
        torch.save(detector().state_dict(), folder / "hub" / "hub" / "checkpoints" / "s3fd-619a316812.pth")
        pairs = []
        parts: dict[str, float] = {}
        for _ in range(turns):
            a = theirs(folder, checkout, torch.get_num_threads())
            b, parts = ours(folder, scene)
            pairs.append((a, b))
    ratio = statistics.median(b / a for a, b in pairs)
    head = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "machine": machine(),
        "upstream": head.stdout.strip() or "unknown",
        "threads": torch.get_num_threads(),
        "nets": "published sizes" if full else "reduced",
        "frames": frames,
        "processor seconds, scripts and stand-in": [[round(a, 2), round(b, 2)] for a, b in pairs],
        "stand-in, ms_per_frame": {part: round(1000 * s / frames, 1) for part, s in parts.items()},
        "stand-in over scripts": round(ratio, 3),
        "counts": abs(ratio - 1) <= LIKE,
    }


ARGUMENTS = {
    "ffmpeg_path": "",
    "gpu_id": 0,
    "vae_type": "sd-vae",
    "unet_config": "models/musetalkV15/musetalk.json",
    "unet_model_path": "models/musetalkV15/unet.pth",
    "whisper_dir": "models/whisper",
    "inference_config": "jobs.json",
    "bbox_shift": 0,
    "result_dir": "results",
    "extra_margin": 10,
    "fps": 25,
    "audio_padding_length_left": 2,
    "audio_padding_length_right": 2,
    "batch_size": 8,
    "output_vid_name": None,
    "use_saved_coord": False,
    "saved_coord": False,
    "use_float16": False,
    "parsing_mode": "jaw",
    "left_cheek_width": 90,
    "right_cheek_width": 90,
    "version": "v15",
}
"""What the scripts' own defaults are."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench/musetalk_upstream.py")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--full", action="store_true")
    asked = parser.parse_args()
    result = measured(asked.checkout.resolve(), asked.frames, asked.turns, asked.full)
    show(result, asked.output)


if __name__ == "__main__":
    main()
