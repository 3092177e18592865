"""Speakers who are known again: matched with the recordings of the voice bank, by vectors, never in silence.

A speaker is taken for a voice of the bank where the similarity is at least the embedder's `Scale.bank`, no
other voice is nearly as near (`Scale.lead`), and no other speaker is nearer to it. Pitch and timbre alone do
not match anybody: one person in two rooms is as far from oneself as two people in one (`bench/voices.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from loc import packages
from loc.analysis.diarization.contract import Embedder, Scale
from loc.analysis.voice_activity import to_analysis
from loc.artifacts import SAMPLE_RATE, BankMatch, Frozen, Ref, Speaker
from loc.errors import LocError
from loc.media.sound import Samples
from loc.runner import Action, Make, Out
from loc.stage import Context
from stages.dub.contract import Reference

Outcome = Literal["taken", "unlike", "close", "nearer-speaker"]

LEAST = 4 * SAMPLE_RATE
"""Speech of a speaker, in samples, under which nobody is matched: what similarities mean was measured from 4
s on."""


class Vector(Frozen):
    """What `dub.bank` makes: the voice of a recording, of unit length."""

    values: tuple[float, ...]


def matches(
    context: Context, embedder: Embedder, speakers: Sequence[Speaker], bank: Mapping[str, Reference]
) -> list[BankMatch]:
    """The nearest voice of the bank for each speaker with enough speech, and whether it is taken.

    Args:
        speakers: those to be matched.
        bank: name -> recording.
    """
    asked = [one for one in speakers if one.voice and one.speech_samples >= LEAST]
    if not asked or not bank:
        return []
    made = context.runner.attempt(
        [_vector(context, embedder, name, item.sound) for name, item in bank.items()]
    )
    voices = {}
    for name, item in zip(bank, made, strict=True):
        if isinstance(item, LocError):
            said = f"{name}: {item.what} Nobody is matched with it. {item.why}".rstrip()
            context.runner.notice("bank-recording", said)
        else:
            voices[name] = np.array(item.model("vector", Vector).values)
    if not voices:
        return []
    similar = {
        one.id: {name: float(np.array(one.voice) @ voice) for name, voice in voices.items()} for one in asked
    }
    return decide(similar, embedder.scale)


def decide(similar: Mapping[str, Mapping[str, float]], scale: Scale) -> list[BankMatch]:
    """The nearest voice of each speaker, and whether it is taken.

    Args:
        similar: speaker -> voice of the bank, at least one -> similarity.
    """
    found = []
    for speaker, voices in similar.items():
        ranked = sorted(voices, key=lambda name: (-voices[name], name))
        value = voices[ranked[0]]
        following = voices[ranked[1]] if len(ranked) > 1 else None
        why: Outcome = "taken"
        if value < scale.bank:
            why = "unlike"
        elif following is not None and value - following < scale.lead:
            why = "close"
        elif any(other[ranked[0]] > value for name, other in similar.items() if name != speaker):
            why = "nearer-speaker"
        found.append(
            BankMatch(
                speaker=speaker,
                voice=ranked[0],
                similarity=round(value, 3),
                following=round(following, 3) if following is not None else None,
                limit=scale.bank,
                outcome=why,
            )
        )
    return found


def in_words(match: BankMatch, lead: float) -> str:
    """What became of a speaker, for people."""
    following = f", the next is {match.following:.2f}" if match.following is not None else ""
    how = f"similarity {match.similarity:.2f}, {match.limit:.2f} is asked for{following}"
    if match.outcome == "taken":
        return (
            f"{match.speaker} is taken for {match.voice} of the voice bank ({how}). A cast file can name "
            'another voice, or "none".'
        )
    reasons = {
        "unlike": "too unlike",
        "close": f"two voices are nearer to one another than {lead:.2f}",
        "nearer-speaker": "another speaker is nearer to it",
    }
    return (
        f"{match.speaker} is nobody of the voice bank for certain: nearest is {match.voice} "
        f"({how}): {reasons[match.outcome]}."
    )


def _vector(context: Context, embedder: Embedder, name: str, sound: Ref) -> tuple[Action, Make]:
    """Make the vector of a recording of the voice bank.

    Reads: the recording, as engines are given it.
    Leaves out: its name; who is matched with it.
    """

    def make(out: Out) -> None:
        vector = embedder.embed(recording(context, sound)).whole
        out.model("vector", Vector(values=tuple(round(float(value), 6) for value in vector)))

    action = Action(
        name="dub.bank",
        version=1,
        site=context.site("dub", f"voice {name}"),
        inputs={"recording": sound},
        backend=(embedder.card.id, embedder.card.version),
        programs={**embedder.fingerprint(), "soxr": packages.version("soxr")},
    )
    return action, make


def recording(context: Context, sound: Ref) -> Samples:
    """A recording that is imitated, as mono at 16 kHz, float32 [n]."""
    import soundfile

    audio, _ = soundfile.read(context.store.open_object(sound), dtype="float32", always_2d=True)
    return to_analysis(audio)
