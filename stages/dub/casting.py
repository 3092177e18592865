"""Who speaks with which voice: by the cast file, the voice bank, a recording of their own, or their class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from loc.artifacts import BankMatch, Speaker, Stems, Transcript
from loc.stage import Context, Slot
from stages.dub import bank, reference
from stages.dub.contract import Reference, Synthesiser, VoiceRequest

UNKNOWN_VOICE = VoiceRequest("low", 0)
"""For lines without a known speaker."""


@dataclass(frozen=True)
class Casting:
    """The voice of every speaker, and who was known again by the bank."""

    requests: Mapping[str, VoiceRequest]
    matched: tuple[BankMatch, ...]


def cast_speakers(
    context: Context, stems: Slot[Stems], transcript: Transcript, heard: Collection[str | None]
) -> Casting:
    """The voices of speakers, with a recording of each where an engine imitates; who cannot be imitated is
    told.

    Args:
        stems: asked for only where an engine imitates.
        heard: ids of those who say lines.

    Raises:
        NotMade: in look mode, when what a recording is cut from has not been made.
        InputError: a voice of the bank cannot be imitated, or what is told of it cannot be read.
    """
    able = engines(context)
    requests = bank.cast_voices(context, able[0], by_class(transcript.speakers))
    people = [speaker for speaker in transcript.speakers if speaker.id in heard]
    requests, matched = bank.known_again(context, able[0], people, requests)
    if not any(engine.traits.clones for engine in able):
        return Casting(requests, matched)
    speaking = [
        speaker
        for speaker, request in requests.items()
        if speaker in heard and request.name is None and request.reference is None
    ]
    found = reference.recordings(context, stems.get(), transcript, speaking)
    done = dict(requests)
    for speaker, recording in found.items():
        if isinstance(recording, Reference):
            done[speaker] = replace(requests[speaker], reference=recording)
        elif able[0].traits.clones:
            why = f"It is not imitated. {reference.refusal(recording)}"
            if able[0].traits.has_classes:
                context.notice("not-imitated", f"{speaker}: {why}")
            else:
                context.runner.defect("dub", f"speaker {speaker}", "not-imitated", why, context.language)
    return Casting(done, matched)


def voices(context: Context, stems: Slot[Stems], transcript: Transcript) -> Mapping[str | None, VoiceRequest]:
    """The voice of every speaker who says something, as it will be asked for; under None, that of lines whose
    speaker is not known. Raises as `cast_speakers`."""
    heard = dict.fromkeys(segment.speaker for segment in transcript.segments if segment.text.strip())
    requests = cast_speakers(context, stems, transcript, heard).requests
    return {speaker: requests.get(speaker or "", UNKNOWN_VOICE) for speaker in heard}


def by_class(speakers: Sequence[Speaker]) -> dict[str, VoiceRequest]:
    """The voice of each speaker: their class, and a variant by their order within it."""
    seen: Counter[str] = Counter()
    requests = {}
    for speaker in speakers:
        requests[speaker.id] = VoiceRequest(speaker.voice_class, seen[speaker.voice_class])
        seen[speaker.voice_class] += 1
    return requests


def engines(context: Context) -> list[Synthesiser]:
    """The chosen engine, and those that may mend what it fails."""
    found = [context.backend("dub", context.language), *context.others("dub", context.language)]
    return [cast(Synthesiser, engine) for engine in found]
