"""The source's own voice as the dub: nothing is spoken anew, only the phones are needed that move the mouth.

An engine speaks each line; its phones are known to the sample, and are laid over the recorded line
(`warping`).
"""

from __future__ import annotations

import numpy as np

from loc import packages
from loc.artifacts import SAMPLE_RATE, Clip, Fit, Line, Phones, Sound
from loc.media.sound import decode_flac, encode_flac, read_sound, slice_key
from loc.runner import Action, Made, Make, Out
from loc.stage import Context
from stages.dub.speech import Speech, levelled
from stages.dub.warping import laid_over

VOICE = "as recorded"
FOLLOW_VERSION = 1

SLACK = SAMPLE_RATE // 4
"""Heard before and after a line's times: lines are cut up to a quarter of a second off the voice."""


def follow(
    context: Context, unit: str, speech: Speech, heard: Sound, start: int, stop: int
) -> tuple[Action, Make]:
    """`dub.follow`: the recorded line as a clip, with the phones of the utterance laid over it.

    Reads: the utterance and its phones; the speech from a quarter of a second before the line to as much
        after it.
    Leaves out: text and speaker; everything else that is said.

    Args:
        speech: the line as an engine spoke it.
        heard: the source's speech.
        start, stop: of the line, samples.
    """
    first, last = max(0, start - SLACK), min(heard.samples, stop + SLACK)

    def make(out: Out) -> None:
        recorded = read_sound(context.store, heard, first, last).mean(axis=1).astype(np.float32)
        spoken = decode_flac(context.store.read_bytes(speech.audio))[:, 0]
        phones = Phones.model_validate_json(context.store.read_bytes(speech.phones))
        out.bytes("audio", encode_flac(levelled(recorded)))
        out.model(
            "phones", Phones(alphabet=phones.alphabet, phones=laid_over(phones.phones, spoken, recorded))
        )
        out.detail.update(samples=len(recorded), place=first)

    action = Action(
        name="dub.follow",
        version=FOLLOW_VERSION,
        site=context.site("dub", unit),
        inputs={
            "utterance": speech.audio,
            "phones": speech.phones,
            "speech": slice_key(heard, first, last),
        },
        params={"samples": last - first},
        programs={"scipy": packages.version("scipy")},
    )
    return action, make


def clip_of(line: Line, made: Made) -> Clip:
    """The recorded line as a clip of the dub, in its place."""
    samples = int(made.detail["samples"])
    return Clip(
        line=line.id,
        speaker=line.speaker,
        voice=VOICE,
        place=int(made.detail["place"]),
        samples=samples,
        audio=made.ref("audio"),
        phones=made.ref("phones"),
        fit=Fit(natural=samples, slot=samples, borrowed=0, rate=1.0, stretch=1.0, overrun=0),
    )
