"""Speech by two masks over the spectrogram: what lies in the stereo centre, and what RNNoise takes for it.

A mask can only turn cells of the mix down, so it invents nothing; it also cannot part what shares a cell.
Where speech is nearly alone a mask does more harm than good, so both masks fade out as the estimated SNR
rises. In pauses the speech is zero and the background is the untouched mix.

RNNoise: Valin, "A Hybrid DSP/Deep Learning Approach to Real-Time Full-Band Speech Enhancement", 2018. Centre
mask: similarity of two panned channels after Avendano and Jot, 2004. Figures: `bench/separate.py`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.artifacts import SAMPLE_RATE
from loc.backend import Card, Host, LicensedPart, Need

Floats = npt.NDArray[np.float32]

HOP = 480
"""Samples between spectra: RNNoise's own frame of 10 ms, so that one speech probability belongs to each. It
divides a stored block, so the pieces of a sound share one grid."""
WINDOW = 4 * HOP
"""Samples in a spectrum: 40 ms resolve the harmonics of a low voice."""
OVERLAP_GAIN = WINDOW / HOP / 2
"""What overlapping squared root-Hann windows add up to."""
SPECTRA_AT_ONCE = 256
"""Spectra worked on together: 2.5 s, a few MiB per channel however long the piece is."""

LATENCY = 960
"""Samples by which RNNoise's output lags its input: 20 ms, measured by correlation on speech."""
DRIVE = 0.3
"""Peak that RNNoise is fed: it was trained on speech at ordinary levels."""
PCM16 = 32768.0
"""RNNoise counts full scale in 16-bit steps."""

CENTRED_SIDE_RATIO = 0.05
"""Side over mid under which a stereo file is mono: coding noise alone reaches 0.02."""
CENTRE_POWER, STEREO_POWER, MONO_POWER = 6.0, 0.3, 0.5
"""Exponents at 0 dB SNR: of the centre mask, and of RNNoise's mask beside it and alone. Best SI-SDR over 0 to
10 dB on drawn speech in drawn music."""
HARMLESS_DB = 25.0
"""SNR from which the mix is a better voice than any mask of it; exponents fall to zero on the way there."""

HIGH_PASS_HZ = 60.0, 100.0
"""Where the voice fades in: nothing speaks under 60 Hz, and the lowest voices are strongest over 100."""

GATE_PROBABILITY = 0.1, 0.5
"""Speech probability at which the gate begins to open and stands open."""
GATE_BEFORE, GATE_AFTER = 4, 12
"""Frames the gate opens early and closes late: onsets are soft, and rooms ring on for about 0.1 s."""
GATE_FADE = 5
"""Frames over which it moves: 50 ms make no click."""

SPELL, SPELL_EVERY = SAMPLE_RATE, 3 * SAMPLE_RATE
"""A survey listens with RNNoise to 1 s in every 3: the SNR comes out within 3 dB at a third of the cost."""
SPEECH_PROBABILITY, PAUSE_PROBABILITY = 0.7, 0.1
"""Probability over which a frame is counted as speech, and under which as pause."""
MIN_PAUSE_SHARE = 0.02
"""Share of pauses from which their level is trusted as the background's."""
RESIDUAL_OFFSET_DB = 2.0
"""Without pauses the SNR is what RNNoise keeps over what it removes; over 0 to 10 dB that reads 2 dB low."""
SNR_RANGE_DB = -10.0, 40.0
"""Estimates beyond are held here: nothing changes there any more."""


class CentreMask:
    """Separation without weights to fetch: centre mask and noise model."""

    card: ClassVar[Card] = Card(
        stage="separate",
        name="centre-mask",
        version="1",
        summary="Masks from the stereo centre and the RNNoise model; gentle on clean speech.",
        family="embedded",
        quality="basic",
        runs="in-process",
        needs=(Need("package", "pyrnnoise", "pip install pyrnnoise"),),
        memory_mb=150,
        licences=(
            LicensedPart("code", "pyrnnoise", "apache-2_0"),
            LicensedPart("code", "RNNoise", "bsd-3-clause"),
            LicensedPart("weights", "RNNoise model inside pyrnnoise", "bsd-3-clause"),
        ),
    )

    all_voices = False
    """In pauses nothing is taken out."""

    context_samples = 2 * SAMPLE_RATE
    """RNNoise is recurrent: after 2 s its masks no longer tell where it began."""

    def __init__(self, host: Host) -> None:
        del host

    def fingerprint(self) -> Mapping[str, str]:
        return {"pyrnnoise": packages.version("pyrnnoise"), "scipy": packages.version("scipy")}

    def close(self) -> None:
        """Nothing is held between pieces."""

    def survey(self, audio: Floats) -> dict[str, float]:
        """Energies of mid, side, speech and pauses, and the peak; float32 [n, channels] at 48 kHz."""
        mono = audio.mean(axis=1)
        side = audio[:, 0] - audio[:, 1] if audio.shape[1] == 2 else np.zeros(1, np.float32)
        peak = float(np.abs(mono).max(initial=0.0))
        return {
            "peak": peak,
            "mid_energy": 4 * _energy(mono),
            "side_energy": _energy(side),
            **_survey_speech(_spells(mono), peak),
        }

    def combine(self, surveys: list[dict[str, float]]) -> dict[str, float]:
        """`gain` for RNNoise, `side_ratio`, `strength` of the masks, 0..1; `speech_snr_db` if any."""
        total = {name: sum(survey[name] for survey in surveys) for name in surveys[0]}
        peak = max(survey["peak"] for survey in surveys)
        parameters = {
            "gain": round(DRIVE / max(peak, 1e-4), 4),
            "side_ratio": round(float(np.sqrt(total["side_energy"] / max(total["mid_energy"], 1e-12))), 4),
            "strength": 1.0,
        }
        snr = _estimate_snr(total)
        if snr is not None:
            parameters["speech_snr_db"] = round(snr, 1)
            parameters["strength"] = round(float(np.clip((HARMLESS_DB - snr) / HARMLESS_DB, 0, 1)), 3)
        return parameters

    def separate(self, audio: Floats, parameters: Mapping[str, Any], before: int = 0) -> Floats:
        """The speech in a piece: float32 [n, channels] at 48 kHz in and out, sample-aligned."""
        del before
        mono = audio.mean(axis=1)
        denoised, probability = denoise(mono, parameters["gain"])
        stereo = audio.shape[1] == 2 and parameters["side_ratio"] >= CENTRED_SIDE_RATIO
        power = (STEREO_POWER if stereo else MONO_POWER) * parameters["strength"]
        voice = _OverlapAdd(len(audio), audio.shape[1])
        gate = _gate(probability, voice.spectra)[:, None] * _high_pass()
        for first, spectra in _spectra((*audio.T, mono, denoised), voice.spectra):
            *channels, whole, clean = spectra
            mask = gate[first : first + len(whole)] * _ratio(clean, whole) ** power
            if stereo:
                mask *= _centre(channels[0], channels[1]) ** (CENTRE_POWER * parameters["strength"])
            for index, channel in enumerate(channels):
                voice.add(first, index, channel * mask)
        return voice.sound()


def denoise(mono: Floats, gain: float) -> tuple[Floats, Floats]:
    """Run RNNoise over a piece from a fresh state.

    Args:
        mono: float32 [n], 48 kHz.
        gain: applied before and taken back after.

    Returns:
        The denoised sound, float32 [n], aligned with the input, and the speech probability of every started
        10 ms frame, float32 [ceil(n / 480)].
    """
    from pyrnnoise.rnnoise import create, destroy, lib

    count = -(-(len(mono) + LATENCY) // HOP)
    buffer = np.zeros(count * HOP, dtype=np.float32)
    buffer[: len(mono)] = mono * (gain * PCM16)
    probability = np.zeros(count, dtype=np.float32)
    frame_type = ctypes.POINTER(ctypes.c_float)
    state = create()
    try:
        for index in range(count):
            frame = ctypes.cast(buffer.ctypes.data + index * HOP * buffer.itemsize, frame_type)
            probability[index] = lib.rnnoise_process_frame(state, frame, frame)
    finally:
        destroy(state)
    denoised = buffer[LATENCY : LATENCY + len(mono)] / np.float32(gain * PCM16)
    return denoised, probability[LATENCY // HOP :]


def _energy(signal: Floats) -> float:
    return float(np.sum(np.square(signal), dtype=np.float64))


def _spells(mono: Floats) -> Floats:
    """The parts a survey listens to, strung together."""
    return np.concatenate([mono[at : at + SPELL] for at in range(0, max(1, len(mono)), SPELL_EVERY)])


def _survey_speech(mono: Floats, peak: float) -> dict[str, float]:
    """Energy and frames of speech and pauses by RNNoise's probability, and what it kept and removed."""
    denoised, probability = denoise(mono, DRIVE / max(peak, 1e-4))
    usable = len(mono) // HOP * HOP
    energy = np.sum(np.square(mono[:usable].reshape(-1, HOP)), axis=1, dtype=np.float64)
    speech = probability[: len(energy)] > SPEECH_PROBABILITY
    pause = probability[: len(energy)] < PAUSE_PROBABILITY
    return {
        "frames": float(len(energy)),
        "speech_frames": float(speech.sum()),
        "speech_energy": float(energy[speech].sum()),
        "pause_frames": float(pause.sum()),
        "pause_energy": float(energy[pause].sum()),
        "kept_energy": _energy(denoised),
        "removed_energy": _energy(mono - denoised),
    }


def _estimate_snr(total: Mapping[str, float]) -> float | None:
    """Speech over background in dB from summed surveys; None where nobody speaks."""
    if not total["speech_frames"]:
        return None
    if total["pause_frames"] >= MIN_PAUSE_SHARE * total["frames"]:
        background = total["pause_energy"] / total["pause_frames"]
        speech = total["speech_energy"] / total["speech_frames"] - background
        snr = _decibels(speech, background)
    else:
        snr = _decibels(total["kept_energy"], total["removed_energy"]) + RESIDUAL_OFFSET_DB
    return float(np.clip(snr, *SNR_RANGE_DB))


def _decibels(part: float, other: float) -> float:
    return float(10 * np.log10(max(part, 1e-12) / max(other, 1e-12)))


def _gate(probability: Floats, spectra: int) -> Floats:
    """How far open each spectrum is, float32 [spectra], 0..1."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    # Spectrum j spans frames j-3 .. j; its middle is where frames j-2 and j-1 meet.
    lead = WINDOW // HOP // 2 - 1
    steady = np.pad(probability, (lead, max(0, spectra - len(probability) - lead)), mode="edge")[:spectra]
    span = GATE_BEFORE + GATE_AFTER + 1
    # The filter looks `span // 2` to both sides of its origin; shifting it makes it look further back.
    held = maximum_filter1d(steady, span, origin=(GATE_AFTER - GATE_BEFORE) // 2, mode="nearest")
    low, high = GATE_PROBABILITY
    opened = np.clip((held - low) / (high - low), 0, 1)
    return np.asarray(uniform_filter1d(opened, GATE_FADE, mode="nearest"), dtype=np.float32)


def _high_pass() -> Floats:
    """Gain of each bin, float32 [WINDOW // 2 + 1]."""
    low, high = HIGH_PASS_HZ
    frequencies = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    return np.asarray(np.clip((frequencies - low) / (high - low), 0, 1), dtype=np.float32)


def _ratio(clean: npt.NDArray[np.complex64], whole: npt.NDArray[np.complex64]) -> Floats:
    """What RNNoise left of each cell, 0..1."""
    left: Floats = np.abs(clean) / (np.abs(whole) + np.float32(1e-9))
    return np.minimum(left, np.float32(1))


def _centre(left: npt.NDArray[np.complex64], right: npt.NDArray[np.complex64]) -> Floats:
    """Similarity of two channels per cell: 1 in the centre, 0 where one is silent or in quadrature."""
    product = 2 * (left.real * right.real + left.imag * right.imag)
    power = left.real**2 + left.imag**2 + right.real**2 + right.imag**2
    similarity: Floats = product / (power + np.float32(1e-12))
    return similarity.clip(0, 1)


def _window() -> Floats:
    """Periodic root-Hann."""
    window: Floats = np.sin(np.pi * np.arange(WINDOW) / WINDOW).astype(np.float32)
    return window


def _spectra(signals: Sequence[Floats], count: int) -> Iterator[tuple[int, list[npt.NDArray[np.complex64]]]]:
    """Spectra of signals float32 [n], `SPECTRA_AT_ONCE` at a time: (index of the first, one array
    complex64 [spectra, bins] per signal)."""
    from scipy.fft import rfft

    window = _window()
    padded = np.zeros(((count - 1) * HOP + WINDOW, len(signals)), dtype=np.float32)
    for index, signal in enumerate(signals):
        padded[WINDOW - HOP : WINDOW - HOP + len(signal), index] = signal
    for first in range(0, count, SPECTRA_AT_ONCE):
        last = min(count, first + SPECTRA_AT_ONCE)
        span = padded[first * HOP : (last - 1) * HOP + WINDOW]
        frames = np.lib.stride_tricks.sliding_window_view(span, WINDOW, axis=0)[::HOP]
        yield first, [rfft(frames[:, index] * window, axis=1) for index in range(len(signals))]


class _OverlapAdd:
    """Collects masked spectra back into a sound of `samples` x `channels`."""

    def __init__(self, samples: int, channels: int) -> None:
        self.samples = samples
        self.spectra = -(-samples // HOP) + WINDOW // HOP - 1
        """Spectra that touch the sound, partial ones at both ends included."""
        self._out = np.zeros((channels, (self.spectra - 1) * HOP + WINDOW), dtype=np.float32)
        self._window = _window() / np.float32(OVERLAP_GAIN)

    def add(self, first: int, channel: int, spectra: npt.NDArray[np.complex64]) -> None:
        """Add spectra `first` onwards, complex64 [spectra, bins], of one channel."""
        from scipy.fft import irfft

        frames = irfft(spectra, n=WINDOW, axis=1) * self._window
        for quarter in range(WINDOW // HOP):
            at = (first + quarter) * HOP
            piece = frames[:, quarter * HOP : (quarter + 1) * HOP].reshape(-1)
            self._out[channel, at : at + len(piece)] += piece

    def sound(self) -> Floats:
        """float32 [samples, channels]."""
        return self._out[:, WINDOW - HOP : WINDOW - HOP + self.samples].T.copy()
