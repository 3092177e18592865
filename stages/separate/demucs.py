"""Speech by Hybrid Transformer Demucs: its vocals, and everything else is background.

Rouard, Massa and Défossez, "Hybrid Transformers for Music Source Separation", 2023. The network hears stereo
at 44.1 kHz in segments of 7.8 s. Segments overlap and are cross-faded, as its authors do; here they lie on a
grid that has a segment in the middle of every joint of two blocks. Both blocks compute that one, from the
same samples, so a joint is no seam, and a block can be made without its neighbours.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.artifacts import BLOCK_SAMPLES, SAMPLE_RATE
from loc.backend import Card, Host, LicensedPart, Need, Speech, Tried
from loc.errors import MissingError
from loc.weights.load import load_strict, read_saved, read_state

Floats = npt.NDArray[np.float32]

MODEL_RATE = 44_100
UP, DOWN = 160, 147
"""48 kHz over 44.1 kHz: 160 samples here are 147 there, so a block begins on a sample of both."""

LONGEST_SEGMENT = Fraction(39, 5)
"""Seconds: that of the published models, and what `context_samples` is made for."""
STRIDE_SHARE = 0.77
"""Of a segment, at most: neighbours overlap by a quarter, as the authors have it: 6 s of 7.8."""

SILENT = 1e-5
"""Standard deviation of the whole track under which there is nothing to part: -100 dBFS."""

VOICE = "vocals"


class Demucs:
    """Vocals of a hybrid transformer model."""

    card: ClassVar[Card] = Card(
        stage="separate",
        name="demucs",
        version="1",
        summary="Vocals by a neural network taught on music; the background is the rest.",
        family="neural",
        quality="good",
        runs="in-process",
        needs=(Need("package", "demucs", "pip install 'loc[neural]'"),),
        licences=(LicensedPart("code", "demucs", "mit"),),
        architecture="htdemucs",
        checkpoint=(".th", ".safetensors"),
    )

    all_voices = True

    context_samples = 4 * SAMPLE_RATE
    """Half a segment, and a tenth of a second in which resampling settles."""

    def __init__(self, host: Host) -> None:
        assert host.model is not None
        self._host = host
        self._weights = host.weights(host.model)
        row = self._weights.row
        self._net = host.resident(row.title, row.memory_mb or self.card.memory_mb, self._load)
        self._turn = threading.Lock()

    def fingerprint(self) -> Mapping[str, str]:
        return {
            **self._weights.fingerprint(),
            "demucs": packages.version("demucs"),
            "torch": packages.version("torch").partition("+")[0],
            "soxr": packages.version("soxr"),
        }

    def close(self) -> None:
        """Free the model."""
        self._net.close()

    def self_check(self, speech: Speech) -> Iterator[Tried]:
        """Part a built-in voice from computed music."""
        from stages.separate.known import TEXT, tried

        yield from tried(self, speech(TEXT, "en"))

    def survey(self, audio: Floats) -> dict[str, float]:
        """Sum and energy of the mix of all channels; float32 [n, channels] at 48 kHz."""
        mono = audio.mean(axis=1, dtype=np.float64)
        return {"samples": float(len(mono)), "sum": float(mono.sum()), "energy": float(mono @ mono)}

    def combine(self, surveys: list[dict[str, float]]) -> dict[str, float]:
        """`mean` and `deviation` of the mix: the network is fed every track at one level."""
        samples = sum(item["samples"] for item in surveys)
        mean = sum(item["sum"] for item in surveys) / max(1.0, samples)
        energy = sum(item["energy"] for item in surveys) / max(1.0, samples)
        return {"mean": float(f"{mean:.6g}"), "deviation": float(f"{max(0.0, energy - mean**2) ** 0.5:.6g}")}

    def separate(self, audio: Floats, parameters: Mapping[str, Any], before: int) -> Floats:
        """The speech in a piece: float32 [n, channels] at 48 kHz in and out; correct from sample `before` on,
        for a block at most. Mono is heard from both sides.
        """
        mean, deviation = np.float32(parameters["mean"]), np.float32(parameters["deviation"])
        if deviation < SILENT:
            return np.zeros_like(audio)
        mono = audio.shape[1] == 1
        stereo = np.repeat(audio, 2, axis=1) if mono else audio
        found = self._stereo((stereo - mean) / deviation, before) * deviation
        return found.mean(axis=1, keepdims=True) if mono else found

    def _stereo(self, audio: Floats, before: int) -> Floats:
        """Vocals of normalised stereo at 48 kHz, float32 [n, 2], at the network's level."""
        import soxr

        heard = np.asarray(soxr.resample(audio, SAMPLE_RATE, MODEL_RATE, quality="VHQ"), dtype=np.float32)
        after = min(len(audio) - before, BLOCK_SAMPLES)
        voice = self._overlapped(heard, before * DOWN // UP, -(-after * DOWN // UP))
        back = np.asarray(soxr.resample(voice, MODEL_RATE, SAMPLE_RATE, quality="VHQ"), dtype=np.float32)
        out = np.zeros_like(audio)
        count = min(len(out), len(back))
        out[:count] = back[:count]
        return out

    def _overlapped(self, heard: Floats, start: int, length: int) -> Floats:
        """Vocals at 44.1 kHz of float32 [n, 2], from segments around a grid that begins at `start`."""
        total, weights = np.zeros_like(heard), np.zeros((len(heard), 1), np.float32)
        # One piece at a time: side by side they would only take each other's memory.
        with self._net as model, self._turn:
            segment = int(min(model.segment, LONGEST_SEGMENT) * MODEL_RATE)
            stride = _stride(segment)
            fade = _triangle(segment)
            for centre in range(start, start + length + stride // 2, stride):
                first = centre - segment // 2
                low, high = max(0, first), min(len(heard), first + segment)
                if low >= high:
                    continue
                piece = np.zeros((segment, 2), np.float32)
                piece[low - first : high - first] = heard[low:high]
                if piece.any():
                    piece = self._in_room(model, piece)
                total[low:high] += (piece * fade)[low - first : high - first]
                weights[low:high] += fade[low - first : high - first]
            voice: Floats = total / np.maximum(weights, np.float32(1e-6))
        return voice

    def _in_room(self, model: Any, piece: Floats) -> Floats:
        """The voice in one segment; a segment is the least that the network takes.

        Raises:
            MissingError: memory ends with it.
        """
        return self._host.devices.halving("Demucs' segments", 1, lambda _: _vocals(model, piece))

    def _load(self, device: str) -> Any:
        path = self._weights.files[self._weights.row.checkpoint(self.card.checkpoint)]
        return load(path, self._weights.row.title).to(device)


def _stride(segment: int) -> int:
    """Samples between segments: the largest share of a block that lets neighbours overlap enough."""
    block = BLOCK_SAMPLES * DOWN // UP
    return block // -(-block // int(STRIDE_SHARE * segment))


def _triangle(segment: int) -> Floats:
    """How much each sample of a segment counts, float32 [segment, 1]: most in the middle."""
    half = np.arange(1, segment // 2 + 1, dtype=np.float32)
    ramp = np.concatenate([half, np.arange(segment - segment // 2, 0, -1, dtype=np.float32)])
    fade: Floats = (ramp / ramp.max())[:, None]
    return fade


def _vocals(model: Any, piece: Floats) -> Floats:
    """The voice in one segment, float32 [n, 2]."""
    import torch

    where = next(model.parameters()).device
    with torch.inference_mode():
        made = model(torch.from_numpy(piece.T[None].copy()).to(where))
    voice: Floats = made[0, model.sources.index(VOICE)].cpu().numpy().T
    return voice


def load(path: Path, title: str) -> Any:
    """The network of a checkpoint, whole, on the CPU in float32.

    Two forms are published: a package of torch, with the class, its arguments and the state; and safetensors
    with the arguments in its metadata.

    Raises:
        MissingError: it is none, another network, or not whole.
    """
    from demucs.htdemucs import HTDemucs

    if path.suffix == ".safetensors":
        arguments, state = _arguments(path, title), read_state(path)
    else:
        package = read_saved(path, allow=(HTDemucs, Fraction, *_counters()))
        if package.get("klass") is not HTDemucs:
            raise _unfit(title, "It is no package of a Hybrid Transformer Demucs.")
        arguments, state = (package.get("args", ()), package.get("kwargs", {})), package.get("state", {})
    args, kwargs = arguments
    try:
        model = HTDemucs(*args, **kwargs)
    except (TypeError, ValueError, AssertionError) as error:
        raise _unfit(title, f"No network can be built from its arguments: {error}.") from error
    if VOICE not in model.sources or (model.samplerate, model.audio_channels) != (MODEL_RATE, 2):
        raise _unfit(title, f"It does not part {VOICE} from stereo at {MODEL_RATE} Hz.")
    load_strict(model, state, title)
    return model.eval()


def _arguments(path: Path, title: str) -> tuple[list[Any], dict[str, Any]]:
    """Positional and named arguments of the class, from a safetensors file's metadata."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            said = file.metadata() or {}
        if said.get("klass") != "demucs.htdemucs.HTDemucs":
            raise _unfit(title, "Its metadata names no Hybrid Transformer Demucs.")
        return _decoded(json.loads(said["args"])), _decoded(json.loads(said["kwargs"]))
    except (SafetensorError, KeyError, ValueError) as error:
        raise _unfit(title, f"Its metadata cannot be read: {error}.") from error


def _decoded(value: Any) -> Any:
    """JSON with the rationals put back that demucs writes as objects."""
    if isinstance(value, dict):
        if value.get("_type") == "fraction":
            return Fraction(value["numerator"], value["denominator"])
        return {name: _decoded(item) for name, item in value.items()}
    return [_decoded(item) for item in value] if isinstance(value, list) else value


def _counters() -> tuple[Any, ...]:
    """What NumPy's numbers are made of: they stand among training arguments, which nothing reads."""
    kinds = [type(np.dtype(name)) for name in ("float64", "float32", "int64", "bool")]
    return (np.float64(0).__reduce__()[0], np.dtype, *kinds)


def _unfit(title: str, why: str) -> MissingError:
    return MissingError(
        f"{title} cannot be loaded.",
        why=why,
        fix="`loc models verify` says whether its file is the one that was published.",
    )
