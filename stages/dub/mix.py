"""The mix: dry clips over the untouched background, at the loudness of the source's speech.

Actions, each over one block of the programme (`BLOCK_SAMPLES`) or a statistic over all:
    `dub.meter`     a block of a sound -> its loudness hops and true peak
    `dub.level`     hops of the source's speech -> the gain of the dub
    `dub.mix`       bed and clips of a block -> the mixed block, and what of each clip is in it
    `dub.loudness`  everything measured -> the report

Blocks read a little context on both sides, so that they can be made in any order and join without a seam.
The background is not touched except within milliseconds of a peak that would pass the ceiling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.artifacts import BLOCK_SAMPLES, SAMPLE_RATE, Frozen, Loudness, Ref, Sound
from loc.media.arrays import load_arrays, save_arrays
from loc.media.sound import Samples, decode_flac, encode_flac, quantise, read_sound, slice_key
from loc.runner import Action, Made, Make, Out
from loc.stage import Context
from loc.store.workdir import WorkDir
from stages.dub import loudness
from stages.dub.speech import CLIP_LUFS

METER_VERSION = 2
LEVEL_VERSION = 1
MIX_VERSION = 1
LOUDNESS_VERSION = 1

QUIETEST_LUFS, LOUDEST_LUFS = -30.0, -14.0
"""Bounds of the dub's loudness: a source beyond them was not levelled for listening."""

SILENT_SOURCE_LUFS = -18.0
"""Loudness of the dub where the source has no speech to match: AES TD1008's figure for speech."""

GAIN_STEP_DB = 0.1
"""Gains are rounded to this: under the smallest audible step of about 1 dB, and of the loudness meter
itself."""

CEILING = 10 ** (-1.2 / 20)
"""Highest true peak let through: 0.2 dB under the promised -1 dBTP, for meters with another filter than ours
and for what the moving gain adds between samples."""

LOOK_AHEAD = 5 * SAMPLE_RATE // 1000
"""The limiter's gain falls over this time before a peak and recovers over it after: short enough to leave the
sound around alone, long enough not to click."""

CONTEXT = 2 * LOOK_AHEAD + loudness.PEAK_CONTEXT
"""Samples on each side of a block that can change what is in it."""

PRESENT_SHARE = 0.5
"""Least share of a clip's amplitude that must be found in the mix; the limiter takes far less away."""

FLOOR_DBFS = -60.0
"""A clip under this level cannot be heard over any background."""


class Level(Frozen):
    """How loud the dub is to be."""

    source_speech_lufs: float | None
    gain_db: float
    """Gain from a clip (`CLIP_LUFS`, mono) to each channel it is placed in."""


class Presence(Frozen):
    """What of each clip was found in a mixed block, in the order of the action's clips.

    Pairs (found, expected): inner product of the clip with what the mix has over the bed, and with itself.
    """

    clips: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Placement:
    """A clip in the programme."""

    audio: Ref
    place: int
    samples: int


def placement_gain_db(channels: int) -> float:
    """By how much a mono sound gets louder when it is placed in so many channels."""
    return 10 * math.log10(channels)


def meter(context: Context, name: str, sound: Sound, *, true_peak: bool) -> list[tuple[Action, Make]]:
    """One action per block of a sound; people are told it by `name`.

    Output `meter`: `hops` float64 [k], `peak` float64 [1], linear.
    """
    return [
        _meter_block(context, name, sound, start, true_peak)
        for start in range(0, sound.samples, BLOCK_SAMPLES)
    ]


def _meter_block(
    context: Context, name: str, sound: Sound, start: int, true_peak: bool
) -> tuple[Action, Make]:
    """Measure one block.

    Reads: the block, 0.2 s before it and, for true peaks, 64 samples behind it.
    Leaves out: which sound it is; the language.
    """

    stop = min(start + BLOCK_SAMPLES, sound.samples)
    low = start - loudness.FILTER_CONTEXT
    high = stop + (loudness.PEAK_CONTEXT if true_peak else 0)

    def make(out: Out) -> None:
        audio = read_sound(context.store, sound, low, high)
        first, last = start - low, stop - low
        hops = loudness.hop_energies(audio[:last], loudness.FILTER_CONTEXT)
        peak = loudness.true_peak(audio, first, last) if true_peak else 0.0
        out.bytes("meter", save_arrays({"hops": hops, "peak": np.array([peak], dtype=np.float64)}))

    action = Action(
        name="dub.meter",
        version=METER_VERSION,
        site=context.site("dub", f"{name}, block {start // BLOCK_SAMPLES + 1}"),
        inputs={"sound": slice_key(sound, low, high)},
        params={"channels": sound.channels, "samples": stop - start, "true_peak": true_peak},
        programs={"scipy": packages.version("scipy")},
    )
    return action, make


def level(context: Context, speech: Sequence[Made], channels: int) -> tuple[Action, Make]:
    """The action that sets the dub's gain from the meters of the source's speech (none: no speech stem).

    Reads: the meters of all blocks of the source's speech.
    Leaves out: the clips, which are all equally loud; the language.
    """

    def make(out: Out) -> None:
        lufs = loudness.integrated(_programme_hops(speech))
        target = SILENT_SOURCE_LUFS if lufs is None else min(max(lufs, QUIETEST_LUFS), LOUDEST_LUFS)
        gain = target - CLIP_LUFS - placement_gain_db(channels)
        steps = round(gain / GAIN_STEP_DB)
        out.model("level", Level(source_speech_lufs=lufs, gain_db=round(steps * GAIN_STEP_DB, 3)))
        out.detail.update(source_speech_lufs=lufs, target_lufs=target)

    action = Action(
        name="dub.level",
        version=LEVEL_VERSION,
        site=context.site("dub"),
        inputs={"speech": [made.ref("meter") for made in speech]},
        params={"channels": channels, "clip_lufs": CLIP_LUFS},
    )
    return action, make


def block_clips(clips: Sequence[Placement], start: int, stop: int) -> list[int]:
    """Indices of the clips that a block reads, in the order in which they are added."""
    touching = [
        index
        for index, clip in enumerate(clips)
        if clip.place < stop + CONTEXT and clip.place + clip.samples > start - CONTEXT
    ]
    return sorted(touching, key=lambda index: (clips[index].place, clips[index].audio.sha256))


def mix_block(
    context: Context,
    bed: Sound | None,
    clips: Sequence[Placement],
    start: int,
    stop: int,
    channels: int,
    gain_db: float,
) -> tuple[Action, Make]:
    """The action that mixes samples `start` <= i < `stop`.

    Reads: the background and the clips in the block and up to 11 ms from it.
    Leaves out: clips that sound elsewhere; text, language and speakers.

    Args:
        bed: the background; None is silence.
        clips: those of `block_clips`, in its order.
        channels: of the mix; the dub is in each.
        gain_db: from `Level`.

    Outputs: `audio` (FLAC, 48 kHz, as many channels), `presence`.
    """
    low, high = start - CONTEXT, stop + CONTEXT
    amplitudes = np.full(channels, 10 ** (gain_db / 20), dtype=np.float32)

    def make(out: Out) -> None:
        background = np.zeros((high - low, channels), dtype=np.float32)
        if bed is not None:
            background = read_sound(context.store, bed, low, high)
        voices = [_in_range(context.store, clip, low, high) for clip in clips]
        mixed = background.copy()
        for at, voice in voices:
            mixed[at : at + len(voice)] += voice[:, None] * amplitudes
        mixed *= limiter_gain(loudness.oversampled_peaks(mixed, CEILING))[:, None]
        inside = slice(CONTEXT, CONTEXT + stop - start)
        finished = _as_stored(mixed[inside])
        out.bytes("audio", encode_flac(finished))
        added = finished - background[inside]
        shifted = [(at - CONTEXT, voice) for at, voice in voices]
        out.model("presence", Presence(clips=tuple(_presence(added, *one, amplitudes) for one in shifted)))

    action = Action(
        name="dub.mix",
        version=MIX_VERSION,
        site=context.site("dub", f"block {start // BLOCK_SAMPLES + 1}"),
        inputs={
            "bed": None if bed is None else slice_key(bed, low, high),
            "clips": [{"audio": clip.audio, "at": clip.place - start} for clip in clips],
        },
        params={"channels": channels, "gain_db": gain_db, "samples": stop - start},
        programs={"scipy": packages.version("scipy")},
    )
    return action, make


def _in_range(store: WorkDir, clip: Placement, low: int, high: int) -> tuple[int, Samples]:
    """The part of a clip within a range: its first sample counted from `low`, and float32 [n]."""
    audio = decode_flac(store.read_bytes(clip.audio))[:, 0]
    first, last = max(low, clip.place), min(high, clip.place + len(audio))
    return first - low, audio[first - clip.place : max(first, last) - clip.place]


def _as_stored(audio: Samples) -> Samples:
    """The samples a FLAC block gives back."""
    # 24 bits and a power of two: exact in single precision.
    stored: Samples = quantise(audio).astype(np.float32)
    stored /= np.float32(1 << 31)
    return stored


def _presence(added: Samples, at: int, voice: Samples, amplitudes: Samples) -> tuple[float, float]:
    """(found, expected) of one clip that begins at sample `at` of a block."""
    first, last = max(0, at), min(len(added), at + len(voice))
    if first >= last:
        return 0.0, 0.0
    expected = voice[first - at : last - at, None].astype(np.float64) * amplitudes
    return float((added[first:last] * expected).sum()), float(np.square(expected).sum())


def limiter_gain(peaks: Samples) -> Samples:
    """Gain that keeps true peaks at `CEILING`, float32 [n]; exactly 1 farther than the look-ahead from any.

    The least gain needed within the look-ahead, averaged over the look-ahead: smooth, and never above the
    gain that a peak needs.

    Args:
        peaks: float32 [n], from `oversampled_peaks`; what does not pass the ceiling may be anything below.
    """
    from scipy.ndimage import maximum_filter1d
    from scipy.signal import oaconvolve

    reduction = 1 - np.minimum(1.0, CEILING / np.maximum(peaks.astype(np.float64), CEILING))
    if not reduction.any():
        return np.ones(len(peaks), dtype=np.float32)
    window = 2 * LOOK_AHEAD + 1
    held = maximum_filter1d(reduction, window, mode="constant")
    kernel = np.hanning(window + 2)[1:-1]
    smooth = oaconvolve(held, kernel / kernel.sum(), mode="same")
    smooth[maximum_filter1d(held, window, mode="constant") == 0] = 0
    return np.asarray(1 - smooth, dtype=np.float32)


def missing(clips: Sequence[Placement], found: Sequence[tuple[Sequence[int], Presence]]) -> list[int]:
    """Indices of the clips that cannot be heard in the mix.

    Args:
        clips: all of the programme.
        found: per block the indices from `block_clips` and what was found.
    """
    sums = np.zeros((len(clips), 2))
    for indices, presence in found:
        for index, pair in zip(indices, presence.clips, strict=True):
            sums[index] += pair
    lengths = np.array([clip.samples for clip in clips], dtype=np.float64)
    floor = lengths * 10 ** (FLOOR_DBFS / 10)
    heard = (sums[:, 1] > floor) & (sums[:, 0] >= PRESENT_SHARE * sums[:, 1])
    return [int(index) for index in np.flatnonzero(~heard)]


def measured(
    context: Context, mix: Sequence[Made], clips: Sequence[Made], level: Level, channels: int
) -> tuple[Action, Make]:
    """The action that sums up all meters. Output `loudness`: `Loudness`.

    Reads: the meters of all blocks of the mix, and the loudness of every clip.
    Leaves out: where the clips lie.
    """
    # Where a clip lies does not matter, so neither may the order in which clips are summed up.
    unplaced = sorted(clips, key=lambda made: made.ref("hops").sha256)

    def make(out: Out) -> None:
        own = loudness.integrated([_hops(made, "hops") for made in unplaced])
        peak = max((_peak(made) for made in mix), default=0.0)
        report = Loudness(
            integrated_lufs=_rounded(loudness.integrated(_programme_hops(mix))),
            true_peak_dbtp=_rounded(loudness.decibels(peak)),
            speech_lufs=_rounded(None if own is None else own + level.gain_db + placement_gain_db(channels)),
            source_speech_lufs=_rounded(level.source_speech_lufs),
        )
        out.model("loudness", report)
        out.detail.update(report.model_dump())

    action = Action(
        name="dub.loudness",
        version=LOUDNESS_VERSION,
        site=context.site("dub"),
        inputs={
            "mix": [made.ref("meter") for made in mix],
            "clips": [made.ref("hops") for made in unplaced],
        },
        params={"channels": channels, **level.model_dump()},
    )
    return action, make


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _programme_hops(meters: Sequence[Made]) -> npt.NDArray[np.float64]:
    """The hops of a sound, from the meters of its blocks."""
    return np.concatenate([np.zeros(0), *(_hops(made, "meter") for made in meters)])


def _hops(made: Made, name: str) -> npt.NDArray[np.float64]:
    return _arrays(made, name)["hops"]


def _peak(made: Made) -> float:
    return float(_arrays(made, "meter")["peak"][0])


def _arrays(made: Made, name: str) -> dict[str, npt.NDArray[Any]]:
    return load_arrays(made.path(name))
