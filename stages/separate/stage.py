"""Separate: survey the sound, fix the track's parameters, cut, call, subtract, store."""

from __future__ import annotations

import json
from typing import cast

import numpy as np
import numpy.typing as npt

from loc.artifacts import BLOCK_SAMPLES, Ref, Sound, Stems
from loc.media.sound import Samples, encode_flac, read_sound, slice_key
from loc.runner import Action, Made, Make, Out
from loc.stage import Context
from loc.store.keys import canonical_json
from stages.separate.contract import Inputs, Separator

NAME = "separate"

PCM24_TOP = np.float32(1 - 2**-23)
"""The largest sample of 24 bits."""

CANCELLED = 100.0
"""Energy of what two channels differ by, over that of what they share, from which they cancel each other:
20 dB. Channels that have nothing in common have as much of both."""
CANCELLED_FRAMES = 100
"""Frames, a second, that must be heard before that is told."""
FRAME, UNBROKEN = 480, 10
"""Samples, 10 ms, in which that is asked, and frames that are heard in a row: as in speech, and not in a
click that is beside the middle on purpose."""
HEARD = 1e-5
"""Energy of a sample, -50 dBFS, from which a frame counts as heard."""


def run(ctx: Context, inputs: Inputs) -> Stems:
    """Speech and background of the chosen sound track; None for both without one.

    Raises:
        NotMade: in look mode, when a part has not been made.
    """
    master = inputs.source.get().master
    if master is None or not master.blocks:
        return Stems(speech=None, background=None, speech_snr_db=None)
    separator = cast(Separator, ctx.backend(NAME, None))
    count = len(master.blocks)
    surveys = ctx.runner.map(
        [_survey(ctx, separator, master, index) for index in range(count)], parallel=True
    )
    _tell_cancelled(ctx, surveys)
    combined = ctx.runner.do(*_combine(ctx, separator, surveys))
    parts = ctx.runner.map(
        [_separate(ctx, separator, master, index, combined.ref("parameters")) for index in range(count)],
        parallel=True,
    )
    return Stems(
        speech=_sound(master, [part.ref("speech") for part in parts]),
        background=_sound(master, [part.ref("background") for part in parts]),
        speech_snr_db=combined.detail["speech_snr_db"],
        all_voices=separator.all_voices,
    )


def _tell_cancelled(ctx: Context, surveys: list[Made]) -> None:
    """Mark sound of which one channel is the other turned over: a voice is looked for in what they share."""
    heard, shared, differs = (
        sum(made.detail[name] for made in surveys) for name in ("heard", "mid_energy", "side_energy")
    )
    if heard >= CANCELLED_FRAMES and differs > CANCELLED * shared:
        ctx.runner.defect(
            NAME,
            "",
            "channels-cancel",
            "The two channels of the sound cancel each other: one is the other turned over, and no speech is "
            "heard in their sum. `ffmpeg -i FILE -c copy -c:a flac -af 'pan=stereo|c0=c0|c1=-1*c1' new.mkv` "
            "turns it back.",
        )


def split(master: Samples, speech: Samples) -> tuple[Samples, Samples]:
    """Round to 24 bits such that speech + background is the master, sample for sample.

    Where the background would leave full scale it is held there and the speech takes up the difference.

    Args:
        master: float32 [n, channels] holding 24-bit samples.
        speech: the same shape, any values.
    """
    rounded = np.clip(np.rint(speech * np.float32(2**23)) / np.float32(2**23), -1, PCM24_TOP)
    background = np.clip(master - rounded, -1, PCM24_TOP)
    return master - background, background


def _sound(master: Sound, blocks: list[Ref]) -> Sound:
    return Sound(channels=master.channels, samples=master.samples, blocks=tuple(blocks))


def _bounds(master: Sound, index: int) -> tuple[int, int]:
    start = index * BLOCK_SAMPLES
    return start, min(master.samples, start + BLOCK_SAMPLES)


def _survey(ctx: Context, separator: Separator, master: Sound, index: int) -> tuple[Action, Make]:
    """Survey one block.

    Reads: the block.
    Leaves out: which block it is.
    """

    start, stop = _bounds(master, index)

    def make(out: Out) -> None:
        audio = read_sound(ctx.store, master, start, stop)
        mid, side = (_energies(audio[:, 0] + sign * audio[:, -1]) for sign in (1, -1))
        heard = _unbroken(mid + side > HEARD)
        out.detail["heard"] = int(heard.sum())
        out.detail["mid_energy"], out.detail["side_energy"] = (
            float(f"{one[heard].sum():.6g}") for one in (mid, side)
        )
        out.bytes("survey", canonical_json(separator.survey(audio)))

    action = Action(
        name="separate.survey",
        version=3,
        site=ctx.site(NAME, f"block {index + 1}"),
        inputs={"sound": slice_key(master, start, stop)},
        backend=(separator.card.id, separator.card.version),
        programs=separator.fingerprint(),
    )
    return action, make


def _unbroken(frames: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Those frames that lie in a row of at least `UNBROKEN`."""
    found = np.zeros_like(frames)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], frames, [False]])))
    for start, stop in edges.reshape(-1, 2):
        found[start:stop] = stop - start >= UNBROKEN
    return found


def _energies(audio: Samples) -> npt.NDArray[np.float64]:
    """Energy of a sample in each whole frame, of half of an audio."""
    frames = audio[: len(audio) // FRAME * FRAME].reshape(-1, FRAME)
    return np.asarray(np.mean(np.square(frames / 2), axis=1, dtype=np.float64))


def _combine(ctx: Context, separator: Separator, surveys: list[Made]) -> tuple[Action, Make]:
    """Settle what holds for the whole track.

    Reads: the surveys of all blocks, in order.
    Leaves out: the sound itself.
    """

    def make(out: Out) -> None:
        parameters = separator.combine(
            [json.loads(made.store.read_bytes(made.ref("survey"))) for made in surveys]
        )
        out.detail["speech_snr_db"] = parameters.get("speech_snr_db")
        out.bytes("parameters", canonical_json(parameters))

    action = Action(
        name="separate.combine",
        version=1,
        site=ctx.site(NAME),
        inputs={"surveys": [made.ref("survey") for made in surveys]},
        backend=(separator.card.id, separator.card.version),
        programs=separator.fingerprint(),
    )
    return action, make


def _separate(
    ctx: Context, separator: Separator, master: Sound, index: int, parameters: Ref
) -> tuple[Action, Make]:
    """Separate one block.

    Reads: the block, and as much on each side of it as the backend asks for: 2 s for
        `centre-mask`, 4 s for `demucs`.
    Leaves out: the other blocks, but for the parameters that all share.
    """

    start, stop = _bounds(master, index)
    # A context that lies outside the sound is not heard: silence that was never there would teach the
    # backend a wrong noise floor.
    heard_from = max(0, start - separator.context_samples)
    heard_to = min(master.samples, stop + separator.context_samples)
    own = slice(start - heard_from, stop - heard_from)

    def make(out: Out) -> None:
        audio = read_sound(ctx.store, master, heard_from, heard_to)
        values = json.loads(ctx.store.read_bytes(parameters))
        speech, background = split(audio[own], separator.separate(audio, values, own.start)[own])
        out.bytes("speech", encode_flac(speech))
        out.bytes("background", encode_flac(background))

    action = Action(
        name="separate.block",
        version=1,
        site=ctx.site(NAME, f"block {index + 1}"),
        inputs={
            "sound": slice_key(master, heard_from, heard_to),
            "own": [own.start, own.stop],
            "parameters": parameters,
        },
        backend=(separator.card.id, separator.card.version),
        programs=separator.fingerprint(),
    )
    return action, make
