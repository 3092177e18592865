"""How well the embedded separation parts drawn speech from drawn music: SI-SDR in dB, by SNR.

    python bench/separate.py [OUT.json]
    python bench/separate.py --demucs [--device cpu|cuda] [--seconds 30] [OUT.json]

The second is how fast Hybrid Transformer Demucs is, at its published size with chance for weights, through
the backend itself: seconds of work for each of sound, after a piece of 8 s that warms it up.

Speech by two espeak-ng voices (mono, centred), music in stereo (`tests/voices.py`). The first figure of
each pair is doing nothing: the mix taken as the voice, the mix taken as the background. On two shared cores:

    scene      SNR   estimated    voice           background       s per minute
    mono         0     2.4        0.1 ->  4.4      0.1 ->  4.4     3.5
    mono         5     6.3        5.0 ->  8.0     -4.9 ->  1.2
    mono        10    10.9       10.0 -> 12.3     -9.8 -> -0.9
    mono        20    20.9       20.0 -> 21.5    -19.4 -> -3.6
    mono        30    28.0       30.0 -> 27.6    -28.1 -> -11.5
    stereo       0     3.0        0.1 ->  6.8      0.1 ->  6.8     3.5
    stereo       5     6.9        5.0 -> 10.2     -4.9 ->  4.2
    stereo      10    11.4       10.0 -> 14.4     -9.8 ->  2.6
    stereo      20    21.4       20.0 -> 21.3    -19.4 -> -4.3
    stereo      30    28.3       30.0 -> 27.5    -28.2 -> -12.3

One draw of the music: over three draws, of 15 and 30 s, gains at 0 to 10 dB spread by about 2 dB.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.machine import Result, machine, show
from loc.artifacts import BLOCK_SAMPLES, SAMPLE_RATE
from loc.backend import Host
from stages.separate.centre_mask import CentreMask
from stages.separate.known import si_sdr
from tests.voices import SENTENCES, music, pause, speak

Audio = npt.NDArray[np.float32]


def scene(snr_db: float, *, stereo: bool, sentences: int = 8, seed: int = 0) -> tuple[Audio, Audio]:
    """Speech and music, float32 [n, 2] each, at an SNR over the whole; `stereo` False folds the music."""
    lines = [speak(SENTENCES[i], ("en+m3", "en+f2")[i % 2]) for i in range(sentences)]
    mono = np.concatenate([part for line in lines for part in (line, pause(0.5))])
    speech = np.repeat(mono[:, None], 2, axis=1) * 0.5
    background = music(len(mono) / SAMPLE_RATE, seed)[: len(mono)]
    if not stereo:
        background = np.repeat(background.mean(axis=1, keepdims=True), 2, axis=1)
    level = np.sqrt(np.mean(speech**2) / np.mean(background**2)) * 10 ** (-snr_db / 20)
    return speech, background * np.float32(level)


def measure(snr_db: float, *, stereo: bool) -> dict[str, float]:
    """One row of the table."""
    speech, background = scene(snr_db, stereo=stereo)
    mix = speech + background
    separator = CentreMask(Host(settings=None, scratch=Path()))
    started = time.perf_counter()
    parameters = separator.combine([separator.survey(mix)])
    voice = separator.separate(mix, parameters)
    seconds = time.perf_counter() - started
    return {
        "snr_db": snr_db,
        "estimated_snr_db": parameters.get("speech_snr_db", float("nan")),
        "voice_before": si_sdr(mix, speech),
        "voice": si_sdr(voice, speech),
        "background_before": si_sdr(mix, background),
        "background": si_sdr(mix - voice, background),
        "seconds_per_minute": seconds * 60 * SAMPLE_RATE / len(mix),
    }


def real_time(device: str, seconds: int) -> Result:
    """The real-time factor of Demucs."""
    from demucs.htdemucs import HTDemucs

    from loc.settings import Settings
    from stages.separate.demucs import Demucs
    from tests.tiny_demucs import SOURCES, package
    from tests.weights.shelving import place, registered

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        network = HTDemucs(list(SOURCES), bottom_channels=512, dconv_mode=3, segment=Fraction(39, 5)).eval()
        place(folder, registered("bench", "htdemucs", "bench.th"), ("bench.th", package(network)))
        separator = Demucs(Host(Settings(data_dir=folder, device=device), folder, model="bench"))
        mix = np.random.default_rng(0).standard_normal((seconds * SAMPLE_RATE, 2)).astype(np.float32) * 0.05
        parameters = separator.combine([separator.survey(mix)])
        separator.separate(mix[: 8 * SAMPLE_RATE], parameters, 0)
        started = time.perf_counter()
        for first in range(0, len(mix), BLOCK_SAMPLES):
            before = min(first, separator.context_samples)
            stop = first + BLOCK_SAMPLES + separator.context_samples
            separator.separate(mix[first - before : stop], parameters, before)
        taken = time.perf_counter() - started
        separator.close()
    return {
        "machine": machine(),
        "device": device,
        "parameters": sum(one.numel() for one in network.parameters()),
        "seconds_of_sound": seconds,
        "seconds": round(taken, 2),
        "real_time_factor": round(taken / seconds, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--demucs", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("out", type=Path, nargs="?")
    asked = parser.parse_args()
    if asked.demucs:
        show(real_time(asked.device, asked.seconds), asked.out)
        return
    rows = {
        f"{kind} {snr}": measure(snr, stereo=kind == "stereo")
        for kind in ("mono", "stereo")
        for snr in (0, 5, 10, 20, 30)
    }
    print(f"{'':12}{'SNR':>6}{'est':>7}{'voice':>15}{'background':>17}{'s/min':>8}")
    for name, row in rows.items():
        print(
            f"{name:12}{row['snr_db']:6.0f}{row['estimated_snr_db']:7.1f}"
            f"{row['voice_before']:7.1f} ->{row['voice']:5.1f}"
            f"{row['background_before']:9.1f} ->{row['background']:5.1f}{row['seconds_per_minute']:8.1f}"
        )
    if asked.out:
        asked.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
