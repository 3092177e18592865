"""Voices that the user named, an engine's own or a recording of the voice bank, and speakers known again by
it.

A voice of the bank (`people`) speaks where a cast file names it, or for a speaker who is matched with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from loc.analysis.diarization.chosen import embedder
from loc.artifacts import SAMPLE_RATE, BankMatch, BankVoice, Speaker
from loc.cast import NO_VOICE
from loc.errors import InputError
from loc.media.sound import Samples
from loc.stage import Context
from stages.dub import matching, people
from stages.dub.contract import Reference, Synthesiser, VoiceRequest
from stages.dub.reference import LEAST, wav
from stages.dub.speech import resampled

LONGEST_S = 30.0
"""Of a recording that is taken; engines listen to the first ten seconds."""


def cast_voices(
    context: Context, engine: Synthesiser, requests: Mapping[str, VoiceRequest]
) -> Mapping[str, VoiceRequest]:
    """The voices of speakers, as far as the cast file names them; what the engine cannot do is said.

    Raises:
        InputError: a recording of the bank cannot be imitated.
    """
    cast = context.job.cast
    if cast is None or not cast.voices:
        return requests
    done = dict(requests)
    for speaker, name in named(context).items():
        if name == NO_VOICE or speaker not in requests:
            continue
        file = people.recording(context.settings.data_dir, name)
        own = _own(context, engine, name) if file is not None else name
        if file is not None and engine.traits.clones:
            done[speaker] = replace(requests[speaker], reference=_taken(context, name, file), bank=name)
        elif own is not None and engine.traits.has_names:
            done[speaker] = replace(requests[speaker], name=own, bank=name if file is not None else None)
        else:
            can = "does not imitate" if file is not None else "has no voices by name"
            context.notice(
                "voice-not-taken",
                f"{speaker}: {engine.card.id} {can}; another voice speaks than {cast.name} names.",
            )
    return done


def named(context: Context) -> Mapping[str, str]:
    """The voice that the cast file names for each speaker in this language, `NO_VOICE` among them."""
    voices = context.job.cast.voices if context.job.cast is not None else {}
    found = {
        speaker: by_language.get(context.language or "", by_language.get("", None))
        for speaker, by_language in voices.items()
    }
    return {speaker: name for speaker, name in found.items() if name is not None}


def known_again(
    context: Context,
    engine: Synthesiser,
    speakers: Sequence[Speaker],
    requests: Mapping[str, VoiceRequest],
) -> tuple[Mapping[str, VoiceRequest], tuple[BankMatch, ...]]:
    """The voices of speakers who are matched with one of the bank, of those whom the cast file does not name;
    what is matched, and what is not, is said.

    Args:
        speakers: those who say lines.

    Raises:
        InputError: what says which voice an engine takes for one of the bank cannot be read.
    """
    settings = context.settings
    usable = {
        name: file
        for name, file in people.recordings(settings.data_dir).items()
        if engine.traits.clones or _own(context, engine, name) is not None
    }
    asked = [one for one in speakers if one.id not in named(context)]
    if not settings.match_voices or not usable or not asked:
        return requests, ()
    teller = embedder(context)
    if teller is None or not any(one.voice for one in asked):
        context.notice(
            "bank-not-asked",
            f"Nobody is matched with the {len(usable)} voice(s) of the bank: pitch and timbre do not tell a "
            "person from others in another recording. `loc models env resemblyzer` makes what does.",
        )
        return requests, ()
    bank = _readable(context, usable)
    found = matching.matches(context, teller, asked, bank)
    done = dict(requests)
    for match in found:
        taken = match.outcome == "taken"
        context.notice(
            "voice-matched" if taken else "voice-not-matched", matching.in_words(match, teller.scale.lead)
        )
        if taken and engine.traits.clones:
            done[match.speaker] = replace(done[match.speaker], reference=bank[match.voice], bank=match.voice)
        elif taken:
            own = _own(context, engine, match.voice)
            done[match.speaker] = replace(done[match.speaker], name=own, bank=match.voice)
    return done, tuple(found)


def _readable(context: Context, files: Mapping[str, Path]) -> Mapping[str, Reference]:
    """Recordings that can be imitated; nobody asked for the others, so that they are only told."""
    found = {}
    for name, file in files.items():
        try:
            found[name] = _taken(context, name, file)
        except InputError as error:
            context.runner.notice("bank-recording", f"{error.what} Nobody is matched with it. {error.why}")
    return found


def spoken_by(context: Context, requests: Mapping[str, VoiceRequest]) -> tuple[BankVoice, ...]:
    """The voices of the bank that speak, and what is told of the rights to them.

    Args:
        requests: of the speakers who say lines.

    Raises:
        InputError: what is told of a voice cannot be read.
    """
    found = []
    for speaker, request in requests.items():
        if request.bank is not None:
            told = people.sidecar(context.settings.data_dir, request.bank)
            found.append(
                BankVoice(
                    speaker=speaker,
                    voice=request.bank,
                    own=request.name,
                    person=told.person,
                    rights=told.rights,
                )
            )
    return tuple(found)


def _own(context: Context, engine: Synthesiser, name: str) -> str | None:
    """Which of its own voices an engine takes for one of the bank.

    Raises:
        InputError: what stands beside the recording is no table of names.
    """
    if not engine.traits.has_names:
        return None
    return people.sidecar(context.settings.data_dir, name).own.get(engine.card.name)


def _taken(context: Context, name: str, file: Path) -> Reference:
    """A recording as engines are given it, kept in the store.

    Raises:
        InputError: it cannot be imitated, or what is told of it cannot be read.
    """
    sound_ref = context.store.put_bytes(wav(imitable(file)))
    language = people.sidecar(context.settings.data_dir, name).language
    return Reference(sound_ref, context.store.object_path(sound_ref.sha256), language)


def imitable(file: Path) -> Samples:
    """As much of a recording as is taken of it, float32 [n], mono, 48 kHz.

    Raises:
        InputError: it cannot be read, or not be imitated.
    """
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            rate = int(sound.samplerate)
            audio = sound.read(round(LONGEST_S * rate), dtype="float32", always_2d=True).mean(axis=1)
    except (OSError, RuntimeError) as error:
        raise InputError(f"The voice {file.name} cannot be read.", why=str(error)) from error
    audio = resampled(np.ascontiguousarray(audio, dtype=np.float32), rate)
    if len(audio) < LEAST or not np.abs(audio).max(initial=0.0) > 0:
        raise InputError(
            f"The voice {file.name} is too short to be imitated.",
            why=f"It has {len(audio) / SAMPLE_RATE:.1f} s; {LEAST / SAMPLE_RATE:.0f} s are needed.",
        )
    return audio
