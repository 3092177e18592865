"""Speech by a worker: the method `speak` of the worker protocol, and what its answers must be.

`docs/reference/speech-workers.md` is the same in words for who writes an engine.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn, cast, get_args

import numpy as np

from loc.artifacts import Phone
from loc.errors import ChildError
from loc.worker import Worker
from stages.dub.contract import Spoken, VoiceRequest

CALL_LIMIT_S = 600.0
"""Seconds a line may take: a large model on a slow processor, its loading included."""

RATES = (8_000, 192_000)
"""Sample rates that are believed, Hz."""
LONGEST_S = 600.0
"""Seconds that are believed of one line: an engine that never stops fills disks."""

Alphabet = Literal["espeak", "openjtalk", "ipa", "arpabet"]


class WorkerSpeech:
    """Lines by a worker.

    Args:
        worker: started at its first use.
        scratch: where the sound passes.
    """

    def __init__(self, worker: Worker, scratch: Path) -> None:
        self.worker = worker
        self._scratch = scratch
        self._numbers = itertools.count()

    def speak(
        self,
        text: str,
        language: str,
        voice: VoiceRequest,
        rate: float,
        take: int,
        **more: Any,
    ) -> Spoken:
        """Have a line spoken; see `Synthesiser.speak`. Safe to call from several threads.

        Args:
            more: further parameters of this worker's `speak`.

        Raises:
            LocError: as the worker says.
            ChildError: it died, was silent for too long, or its answer is no speech.
        """
        file = self._scratch / f"speech-{id(self):x}-{next(self._numbers)}.wav"
        try:
            reply = self.worker.call(
                "speak",
                text=" ".join(text.split()),
                language=language,
                voice=asked(voice),
                rate=rate,
                take=take,
                file=str(file),
                **more,
            )
            return self._spoken(reply, file)
        finally:
            file.unlink(missing_ok=True)

    def _spoken(self, reply: Mapping[str, Any], file: Path) -> Spoken:
        import soundfile

        try:
            with soundfile.SoundFile(file) as sound:
                sample_rate, frames = int(sound.samplerate), int(sound.frames)
                if not RATES[0] <= sample_rate <= RATES[1]:
                    self._refuse(f"Its sound has {sample_rate} samples a second.")
                if frames > LONGEST_S * sample_rate:
                    self._refuse(f"Its sound is {frames / sample_rate:.0f} s long.")
                audio = sound.read(dtype="float32", always_2d=True).mean(axis=1)
        except (OSError, RuntimeError) as error:
            self._refuse(f"Its sound cannot be read: {type(error).__name__}.", error)
        if not np.isfinite(audio).all():
            self._refuse("Its sound holds values that are no numbers.")
        return Spoken(
            audio=np.ascontiguousarray(audio, dtype=np.float32),
            sample_rate=sample_rate,
            phones=self._phones(reply, len(audio)),
            alphabet=self._alphabet(reply),
            voice=str(reply.get("voice") or self.worker.name),
        )

    def _alphabet(self, reply: Mapping[str, Any]) -> Alphabet:
        named = reply.get("alphabet", "ipa")
        if named not in get_args(Alphabet):
            self._refuse(f"Its phones are in an alphabet that is not known: {str(named)[:20]!r}.")
        return cast(Alphabet, named)

    def _phones(self, reply: Mapping[str, Any], samples: int) -> tuple[Phone, ...]:
        """The phones of an answer; none where it has none, or they say nothing of the sound."""
        phones: list[Phone] = []
        try:
            for symbol, start, stop in reply.get("phones") or ():
                phones.append(Phone(symbol=str(symbol), start=int(start), stop=int(stop)))
        except (TypeError, ValueError) as error:
            self._refuse("Its phones are not a list of [symbol, start, stop].", error)
        at = 0
        for phone in phones:
            if not at <= phone.start <= phone.stop <= samples:
                self._refuse("Its phones do not follow one another within its sound.")
            at = phone.stop
        return tuple(phone for phone in phones if phone.start < phone.stop)

    def _refuse(self, why: str, cause: Exception | None = None) -> NoReturn:
        raise ChildError(f"The worker {self.worker.name} answered with no speech.", why=why) from cause


def asked(voice: VoiceRequest) -> dict[str, Any]:
    """A voice as it stands in a call: no more of it than stands in keys."""
    reference = {}
    if voice.reference is not None:
        reference["reference"] = str(voice.reference.path)
        if voice.reference.language is not None:
            reference["reference_language"] = voice.reference.language
    if voice.name is not None:
        return {"name": voice.name, **reference}
    return {"class": voice.voice_class, "variant": voice.variant, **reference}
