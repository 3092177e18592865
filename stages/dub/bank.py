"""Voices that the user named: an engine's own, or a recording of the voice bank.

The bank is the folder `voices` of the data folder: `anna.wav` there is the voice `anna`, in every job.
Nothing is taken from it unless a cast file names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from loc.artifacts import SAMPLE_RATE
from loc.errors import InputError
from loc.stage import Context
from stages.dub.contract import Reference, Synthesiser, VoiceRequest
from stages.dub.reference import LEAST, wav
from stages.dub.speech import resampled

FOLDER = "voices"
SUFFIXES = (".wav", ".flac")
LONGEST_S = 30.0
"""Of a recording that is taken; engines listen to the first ten seconds."""


def cast_voices(
    context: Context, engine: Synthesiser, requests: Mapping[str, VoiceRequest]
) -> Mapping[str, VoiceRequest]:
    """The voices of speakers, as far as the cast file names them; what the engine cannot do is said.

    Raises:
        UsageError: the file gives a voice to a speaker nobody knows.
        InputError: a recording of the bank cannot be imitated.
    """
    cast = context.job.cast
    if cast is None or not cast.voices:
        return requests
    cast.check_voices(requests)
    done = dict(requests)
    for speaker, by_language in cast.voices.items():
        name = by_language.get(context.language or "", by_language.get("", None))
        if name is None:
            continue
        file = recording(context.settings.data_dir, name)
        if file is not None and engine.traits.clones:
            done[speaker] = replace(requests[speaker], reference=_taken(context, file))
        elif file is None and engine.traits.has_names:
            done[speaker] = replace(requests[speaker], name=name)
        else:
            can = "does not imitate" if file is not None else "has no voices by name"
            context.runner.notice(
                "voice-not-taken",
                f"{speaker}: {engine.card.id} {can}; another voice speaks than {cast.name} names.",
            )
    return done


def recording(data_dir: Path, name: str) -> Path | None:
    """The recording of a voice of the bank; None where there is none of this name."""
    if "/" in name or name.startswith("."):
        return None
    files = (data_dir / FOLDER / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def _taken(context: Context, file: Path) -> Reference:
    """A recording as engines are given it, kept in the store."""
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
    sound_ref = context.store.put_bytes(wav(audio))
    return Reference(sound_ref, context.store.object_path(sound_ref.sha256))
