"""One line as a clip: spoken, trimmed, compressed to length, levelled. Nothing here knows the programme.

Actions `dub.speak` (text -> utterance at 48 kHz), `dub.align` (the phones of an utterance whose engine does
not know them) and `dub.clip` (utterance -> dry clip of the wanted length).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loc import packages
from loc.analysis.alignment import align_english
from loc.analysis.voice_activity import to_analysis
from loc.artifacts import SAMPLE_RATE, Frozen, Phone, Phones, Reason, Ref
from loc.errors import InputError
from loc.media import ffmpeg, tempo
from loc.media.arrays import save_arrays
from loc.media.sound import Samples, decode_flac, encode_flac
from loc.runner import Action, Made, Make, Out
from loc.stage import Context
from loc.store.keys import digest_value
from stages.dub import loudness
from stages.dub.contract import Synthesiser, VoiceRequest
from stages.dub.faults import faults
from stages.dub.warping import laid_over

SPEAK_VERSION = 4
ALIGN_VERSION = 1
CLIP_VERSION = 1

EDGE_DB = -48.0
"""Level relative to a line's peak under which its edges count as silence: below any audible onset, above the
noise of a vocoder at rest."""

EDGE_BEFORE = 10 * SAMPLE_RATE // 1000
EDGE_AFTER = 20 * SAMPLE_RATE // 1000
"""Samples kept before and after, for soft onsets and the decay of the last sound."""

FADE = 5 * SAMPLE_RATE // 1000
"""Raised-cosine fade at both edges of a clip, within the silence kept there."""

CLIP_LUFS = -23.0
"""Loudness of every clip, mono, on its own (the level of EBU R128). Every line having the same, the gain
of the mix does not depend on which lines there are, and an edited line remixes only where it sounds."""

SHORT = SAMPLE_RATE
"""Clips under a second are levelled over their own length: the gating blocks that straddle their edges would
measure them 2 dB and more too low."""

PEAK_LIMIT = 10 ** (-1 / 20)
"""Highest peak of a clip, full scale 1.0; a single click is not amplified beyond."""


class Utterance(Frozen):
    """A line as the engine spoke it: trimmed, 48 kHz."""

    voice: str
    samples: int
    faults: tuple[Reason, ...]
    """What can be heard to be wrong with it, whatever the words."""
    timed: bool
    """Whether the engine told when which phone is heard."""


@dataclass(frozen=True)
class Speech:
    """An utterance in the store."""

    about: Utterance
    audio: Ref
    """FLAC, 48 kHz, mono."""
    phones: Ref


def speak(
    context: Context,
    backend: Synthesiser,
    unit: str,
    text: str,
    voice: VoiceRequest,
    rate: float,
    take: int = 0,
) -> tuple[Action, Make]:
    """The action that speaks a text.

    Reads: the text; the recording that is imitated, where one is.
    Leaves out: how long it may take, but for the rate; who says it, but for the voice; the number of the
        take, where the engine says a line in one way alone.

    Raises (when made):
        LocError: the engine failed, or there is nothing to be heard in what it made.
    """
    assert context.language is not None
    language = context.language

    def make(out: Out) -> None:
        if voice.recording is not None:
            # Verified before somebody else reads it.
            context.store.open_object(voice.recording)
        spoken = backend.speak(text, language, voice, rate, take)
        scale = SAMPLE_RATE / spoken.sample_rate
        phones = scaled(spoken.phones, scale)
        audio, start = trim(resampled(spoken.audio, spoken.sample_rate))
        shifted = clipped(phones, start, len(audio))
        found = faults(audio, spoken.audio, text, language, rate)
        about = Utterance(voice=spoken.voice, samples=len(audio), faults=found, timed=bool(spoken.phones))
        out.bytes("audio", encode_flac(audio))
        out.model("phones", Phones(alphabet=spoken.alphabet, phones=shifted))
        out.model("about", about)
        out.detail.update(samples=len(audio), rate=rate, voice=spoken.voice)
        if found:
            out.detail["faults"] = [reason.code for reason in found]

    action = Action(
        name="dub.speak",
        version=SPEAK_VERSION,
        site=context.site("dub", unit),
        inputs={
            "text": digest_value(text),
            **({"reference": voice.recording} if voice.recording is not None else {}),
        },
        params={
            "language": language,
            "rate": rate,
            **voice.params(),
            **({"take": take} if backend.traits.has_takes else {}),
        },
        backend=(backend.card.id, backend.card.version),
        programs={**backend.fingerprint(), "soxr": packages.version("soxr")},
    )
    return action, make


def align(
    context: Context, unit: str, speech: Speech, text: str, guide: Speech | None
) -> tuple[Action, Make]:
    """The action that finds the phones of an utterance, whose engine does not know them.

    English is aligned with its text (`loc.analysis.alignment`). Of other languages, and where that fails, the
    phones of a guide are laid over it: the same text, spoken by an engine that does know.

    Reads: the utterance; the text, where it is English; the guide and its phones.
    Leaves out: engine and voice.

    Outputs: `phones`; there are none where nothing fits.
    """
    english = context.language == "en"

    def make(out: Out) -> None:
        audio = decode_flac(context.store.read_bytes(speech.audio))[:, 0]
        found = align_english(to_analysis(audio[:, None]), text) if english else None
        how = "text"
        if found is None and guide is not None:
            known = Phones.model_validate_json(context.store.read_bytes(guide.phones))
            said = decode_flac(context.store.read_bytes(guide.audio))[:, 0]
            found = Phones(alphabet=known.alphabet, phones=laid_over(known.phones, said, audio))
            how = "guide"
        out.model("phones", found or Phones(alphabet="ipa", phones=()))
        out.detail.update(phones=len(found.phones) if found else 0, by=how if found else "nothing")

    action = Action(
        name="dub.align",
        version=ALIGN_VERSION,
        site=context.site("dub", unit),
        inputs={
            "audio": speech.audio,
            **({"text": digest_value(text)} if english else {}),
            **({"guide": guide.audio, "guide phones": guide.phones} if guide is not None else {}),
        },
        programs={
            "scipy": packages.version("scipy"),
            **(
                {"soxr": packages.version("soxr"), "pocketsphinx": packages.version("pocketsphinx")}
                if english
                else {}
            ),
        },
    )
    return action, make


def speech_of(made: Made) -> Speech:
    """What `dub.speak` made."""
    return Speech(made.model("about", Utterance), made.ref("audio"), made.ref("phones"))


def clip(context: Context, unit: str, speech: Speech, samples: int) -> tuple[Action, Make]:
    """The action that makes a clip of `samples` length out of an utterance.

    Reads: the utterance.
    Leaves out: text, language and engine; ffmpeg, where nothing is compressed.

    Outputs: `audio` (FLAC, 48 kHz, mono, `CLIP_LUFS`), `phones`, `hops` (its loudness hops, .npz).
    """
    program = context.settings.ffmpeg
    compress = samples != speech.about.samples

    def make(out: Out) -> None:
        audio = decode_flac(context.store.read_bytes(speech.audio))[:, 0]
        phones = Phones.model_validate_json(context.store.read_bytes(speech.phones))
        faster = len(audio) / samples
        if compress:
            audio = compressed(audio, samples, program)
        audio = faded(levelled(audio))
        out.bytes("audio", encode_flac(audio))
        fitted = clipped(scaled(phones.phones, 1 / faster), 0, samples)
        out.model("phones", Phones(alphabet=phones.alphabet, phones=fitted))
        out.bytes("hops", save_arrays({"hops": loudness.alone(audio[:, None])}))
        out.detail.update(samples=samples, stretch=round(faster, 4))

    action = Action(
        name="dub.clip",
        version=CLIP_VERSION,
        site=context.site("dub", unit),
        inputs={"audio": speech.audio, "phones": speech.phones},
        params={"samples": samples, "lufs": CLIP_LUFS},
        programs={
            "scipy": packages.version("scipy"),
            **(compressor_fingerprint(program) if compress else {}),
        },
    )
    return action, make


def compressor_fingerprint(program: str) -> Mapping[str, str]:
    """The ffmpeg whose rubberband compresses."""
    return {"ffmpeg": ffmpeg.fingerprint(program)}


def resampled(audio: Samples, rate: int) -> Samples:
    """float32 [n] at 48 kHz."""
    if rate == SAMPLE_RATE:
        return audio
    import soxr

    return np.asarray(soxr.resample(audio, rate, SAMPLE_RATE, quality="VHQ"), dtype=np.float32)


def scaled(phones: Sequence[Phone], factor: float) -> list[Phone]:
    """Phones with their times multiplied, neighbours still meeting."""
    return [
        Phone(symbol=phone.symbol, start=round(phone.start * factor), stop=round(phone.stop * factor))
        for phone in phones
    ]


def clipped(phones: Sequence[Phone], start: int, samples: int) -> tuple[Phone, ...]:
    """Phones of the range of `samples` from `start`, counted from `start`; what falls outside is dropped."""
    moved = (
        Phone(
            symbol=phone.symbol,
            start=max(0, phone.start - start),
            stop=min(samples, phone.stop - start),
        )
        for phone in phones
    )
    return tuple(phone for phone in moved if phone.start < phone.stop)


def trim(audio: Samples) -> tuple[Samples, int]:
    """A line without the silence at its edges, and the sample at which it began.

    Raises:
        InputError: there is only silence.
    """
    peak = float(np.abs(audio).max(initial=0.0))
    loud = np.flatnonzero(np.abs(audio) > peak * 10 ** (EDGE_DB / 20))
    if not len(loud):
        raise InputError("The engine made no sound for a line.")
    start, stop = max(0, int(loud[0]) - EDGE_BEFORE), int(loud[-1]) + 1 + EDGE_AFTER
    return audio[start:stop], start


def compressed(audio: Samples, samples: int, program: str) -> Samples:
    """float32 [n] squeezed in time to exactly `samples`, formants kept.

    Raises:
        ChildError: as of `tempo.stretched`.
    """
    return tempo.stretched(np.pad(audio, tempo.MARGIN)[:, None], samples, program, voice=True)[:, 0]


def levelled(audio: Samples) -> Samples:
    """float32 [n] at `CLIP_LUFS`, or as near as `PEAK_LIMIT` lets it."""
    level = _level(audio)
    peak = float(np.abs(audio).max(initial=0.0))
    if level is None or peak == 0:
        return audio
    gain = min(10 ** ((CLIP_LUFS - level) / 20), PEAK_LIMIT / peak)
    return (audio * np.float32(gain)).astype(np.float32)


def _level(audio: Samples) -> float | None:
    if len(audio) >= SHORT:
        return loudness.integrated(loudness.alone(audio[:, None]))
    return loudness.ungated(audio[:, None])


def faded(audio: Samples) -> Samples:
    """Both edges brought to zero over `FADE` samples."""
    length = min(FADE, len(audio) // 2)
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(1, length))).astype(np.float32)
    out = audio.copy()
    out[:length] *= ramp
    out[len(out) - length :] *= ramp[::-1]
    return out
