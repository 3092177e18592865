"""Where somebody speaks: webrtcvad fused with energy above the noise floor.

webrtcvad alone takes hum and crowd noise for speech and hangs on after it; energy alone takes music for
speech. A frame opens speech when the strict detector and the energy agree; it keeps speech open when the
lenient detector and a lower energy do. Measuring is one action per block of the sound; deciding is a scan
over two small numbers per 30 ms and needs no action, so a joint of blocks can never cut a word.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.artifacts import BLOCK_SAMPLES, SAMPLE_RATE, Sound
from loc.media.sound import Samples, iter_blocks, read_sound, slice_key
from loc.runner import Action, Make, Out, Runner, Site
from loc.store.workdir import WorkDir

ANALYSIS_RATE = 16_000
"""Hz; webrtcvad, the recogniser and the pitch tracker all listen at this rate."""
RATIO = SAMPLE_RATE // ANALYSIS_RATE

FRAME = 480
"""Samples at 16 kHz in a frame: 30 ms, the longest that webrtcvad takes."""
FRAME_48K = FRAME * RATIO
"""The same at 48 kHz. A block holds a whole number of frames: one grid serves the whole sound."""

STRICT_MODE, LENIENT_MODE = 3, 1
"""webrtcvad's aggressiveness for opening speech and for keeping it open."""
WARM_UP_FRAMES = 100
"""webrtcvad adapts a noise model: after 3 s its votes no longer depend on where listening began."""

ENTER_DB, STAY_DB = 6.0, 3.0
"""How far above the noise floor a frame must lie. Steady noise scatters by less than 3 dB over 30 ms."""
FLOOR_SPAN_FRAMES = 1001
"""Frames over which the noise floor is taken: 30 s hold a pause in all but read-out speech."""
FLOOR_PERCENTILE = 10
"""Where no pause is heard this is the quietest speech; what falls under it is too short to open a pause."""
SILENCE_DB = -75.0
"""dBFS under which nothing counts as voice."""

MIN_PAUSE_FRAMES = 7
"""A shorter pause (under 0.21 s) is inside a phrase: stop consonants close for up to 0.15 s."""
MIN_SPEECH_FRAMES = 5
"""A shorter burst (under 0.15 s) is a click or a breath."""
PAD_FRAMES = 2
"""Soft onsets and tails lie under the thresholds: 60 ms on each side."""

Range = tuple[int, int]


@dataclass(frozen=True)
class VoiceFrames:
    """What was measured, per 30 ms frame (n frames).

    `votes`: uint8 [n], 0 no speech, 1 the lenient detector says speech, 2 the strict one too.
    `level_db`: float32 [n], RMS in dBFS.
    """

    votes: npt.NDArray[np.uint8]
    level_db: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.votes)


def to_analysis(audio: Samples) -> Samples:
    """Mono at 16 kHz, float32 [ceil(n / 3)], of float32 [n, channels] at 48 kHz."""
    import soxr

    mono = audio.mean(axis=1, dtype=np.float32)
    return np.asarray(soxr.resample(mono, SAMPLE_RATE, ANALYSIS_RATE), dtype=np.float32)


def read_analysis(store: WorkDir, sound: Sound, start: int, stop: int) -> Samples:
    """A range of a sound (48 kHz samples) as mono at 16 kHz, float32 [ceil((stop - start) / 3)]."""
    return to_analysis(read_sound(store, sound, start, stop))


def write_analysis(store: WorkDir, sound: Sound, path: Path) -> None:
    """Write a whole sound as WAV, mono, 16 kHz, 16 bits; one block at a time is in memory."""
    import soundfile
    import soxr

    stream = soxr.ResampleStream(SAMPLE_RATE, ANALYSIS_RATE, 1, dtype="float32")
    last = len(sound.blocks) - 1
    with soundfile.SoundFile(path, "w", ANALYSIS_RATE, 1, subtype="PCM_16") as file:
        for index, block in enumerate(iter_blocks(store, sound)):
            mono = block.mean(axis=1, dtype=np.float32)
            file.write(np.clip(stream.resample_chunk(mono, last=index == last), -1, 1))


def measure(audio: npt.NDArray[np.float32]) -> VoiceFrames:
    """Votes and levels of mono sound at 16 kHz, float32 [n]; a last part frame is padded with silence."""
    import webrtcvad

    count = -(-len(audio) // FRAME)
    frames = np.zeros((count, FRAME), dtype=np.float32)
    frames.reshape(-1)[: len(audio)] = audio
    level = 10 * np.log10(np.mean(np.square(frames), axis=1, dtype=np.float64) + 1e-12)
    pcm = (np.clip(frames, -1, 1) * 32767).astype("<i2")
    strict, lenient = webrtcvad.Vad(STRICT_MODE), webrtcvad.Vad(LENIENT_MODE)
    votes = np.zeros(count, dtype=np.uint8)
    for index, frame in enumerate(pcm):
        data = frame.tobytes()
        # Both must hear every frame: each keeps a noise model of its own.
        heard = lenient.is_speech(data, ANALYSIS_RATE), strict.is_speech(data, ANALYSIS_RATE)
        votes[index] = 2 if heard[1] else int(heard[0])
    return VoiceFrames(votes, level.astype(np.float32))


def noise_floor(level_db: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Level of the background around each frame, dBFS, float32 [n]."""
    from scipy.ndimage import percentile_filter

    span = min(FLOOR_SPAN_FRAMES, max(1, len(level_db)))
    quiet = percentile_filter(level_db, FLOOR_PERCENTILE, size=span, mode="nearest")
    return np.asarray(np.maximum(quiet, SILENCE_DB), dtype=np.float32)


def certain(frames: VoiceFrames) -> npt.NDArray[np.bool_]:
    """Frames that open speech: both detectors and the level say so. bool [n]."""
    return _opens(frames, frames.level_db - noise_floor(frames.level_db))


def _opens(frames: VoiceFrames, above: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    return np.asarray((frames.votes == 2) & (above >= ENTER_DB))


def regions(frames: VoiceFrames) -> list[Range]:
    """Ranges of frames with speech, in order, at least `MIN_PAUSE_FRAMES` of pause between them."""
    if not len(frames):
        return []
    above = frames.level_db - noise_floor(frames.level_db)
    opens = _opens(frames, above)
    stays = (frames.votes >= 1) & (above >= STAY_DB)
    kept = [run for run in _runs(stays) if opens[run[0] : run[1]].any()]
    joined = _join(kept, MIN_PAUSE_FRAMES)
    long_enough = [run for run in joined if run[1] - run[0] >= MIN_SPEECH_FRAMES]
    padded = [(max(0, a - PAD_FRAMES), min(len(frames), b + PAD_FRAMES)) for a, b in long_enough]
    return _join(padded, 1)


def detect(audio: npt.NDArray[np.float32]) -> list[Range]:
    """Ranges of speech in mono sound at 16 kHz, float32 [n]; in samples at 16 kHz."""
    return [(a * FRAME, min(len(audio), b * FRAME)) for a, b in regions(measure(audio))]


def voice_frames(runner: Runner, site: Site, sound: Sound) -> VoiceFrames:
    """Measure a whole sound: one `analysis.voice` action per block, keyed on the block and its warm-up.

    Raises:
        NotMade: in look mode, when a block has not been measured.
    """
    made = runner.map(
        [_measuring(runner.store, site, sound, index) for index in range(len(sound.blocks))], parallel=True
    )
    if not made:
        return VoiceFrames(np.zeros(0, np.uint8), np.zeros(0, np.float32))
    parts = [np.load(item.path("frames"), allow_pickle=False) for item in made]
    table = np.concatenate(parts)
    return VoiceFrames(table["votes"], table["level_db"])


def speech_regions(runner: Runner, site: Site, sound: Sound) -> list[Range]:
    """Ranges of speech in a sound, in samples at 48 kHz, in order and apart.

    Raises:
        NotMade: in look mode, when a block has not been measured.
    """
    return in_samples(regions(voice_frames(runner, site, sound)), sound.samples)


def in_samples(runs: Sequence[Range], samples: int) -> list[Range]:
    """Ranges of frames as samples at 48 kHz, none past `samples`."""
    return [(start * FRAME_48K, min(samples, stop * FRAME_48K)) for start, stop in runs]


def _measuring(store: WorkDir, site: Site, sound: Sound, index: int) -> tuple[Action, Make]:
    """Measure one block.

    Reads: the block, and 3 s before it, in which webrtcvad's noise model settles.
    Leaves out: which sound and which block of it it is.
    """

    start = index * BLOCK_SAMPLES
    stop = min(sound.samples, start + BLOCK_SAMPLES)
    heard = max(0, start - WARM_UP_FRAMES * FRAME_48K)

    def make(out: Out) -> None:
        frames = measure(read_analysis(store, sound, heard, stop))
        warm_up = (start - heard) // FRAME_48K
        # A resampled tail may be a sample longer than the block's own share of frames.
        count = -(-(stop - start) // FRAME_48K)
        table = np.zeros(count, dtype=[("votes", "u1"), ("level_db", "<f4")])
        table["votes"] = frames.votes[warm_up : warm_up + count]
        table["level_db"] = frames.level_db[warm_up : warm_up + count]
        buffer = io.BytesIO()
        np.save(buffer, table, allow_pickle=False)
        out.bytes("frames", buffer.getvalue())

    action = Action(
        name="analysis.voice",
        version=1,
        site=Site(site.stage, f"block {index + 1}", site.language),
        inputs={"sound": slice_key(sound, heard, stop), "warm_up": start - heard},
        programs={"webrtcvad": packages.version("webrtcvad-wheels"), "soxr": packages.version("soxr")},
    )
    return action, make


def _runs(flags: npt.NDArray[np.bool_]) -> list[Range]:
    """Half-open runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _join(runs: list[Range], pause: int) -> list[Range]:
    """Join runs that lie less than `pause` apart."""
    joined: list[Range] = []
    for start, stop in runs:
        if joined and start - joined[-1][1] < pause:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined
