"""Recognition by Whisper: words with times, how sure the model is of them, and which language it hears.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022. The model decodes a window
of at most 30 s without the text of earlier windows: what was heard there must not be invented again here.
Passages that look wrong are decoded again at rising temperatures; the dice are thrown from one seed for every
window, so that a window gives the same words whichever others came before.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from loc import packages
from loc.analysis.recognition import RECOGNISER_RATE, Heard, Passage
from loc.backend import Host
from loc.errors import MissingError
from loc.weights.load import load_strict, read_saved
from loc.weights.shelf import Weights

Floats = npt.NDArray[np.float32]

_TAGS = """
af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fil fo fr gl gu ha haw he hi
hr ht hu hy id is it ja jv ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my nb ne nl nn no
oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh
"""
LANGUAGES = frozenset(_TAGS.split())
"""BCP-47 primary tags of what the multilingual models know; large-v3 and turbo know Cantonese besides."""

TO_WHISPER: Mapping[str, str] = {"fil": "tl", "jv": "jw", "nb": "no"}
"""Tags that Whisper writes otherwise, or does not tell apart."""
FROM_WHISPER: Mapping[str, str] = {"jw": "jv"}

CHECKPOINT = (".pt", ".pth")
"""How a file in the form of the `whisper` package ends, among several."""

MAX_WINDOW = 30 * RECOGNISER_RATE
"""Samples that one pass of the encoder hears."""

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""The first that gives a passage which is neither repetitive nor improbable is taken: the model authors'."""
BEAMS = 5
"""Hypotheses followed side by side at temperature 0, and drawn above it, as in published error rates. Fewer
give other words, so they are not halved where memory ends: the same key would stand for both."""
REPETITIVE = 2.4
"""Text over its compressed length from which a passage is decoded again: it repeats itself."""
IMPROBABLE = -1.0
"""Mean log probability of a token under which it is decoded again."""
SEED = 0

NOTES = ("\u266a", " \u266a", "\u266b", " \u266b", "\u266a\u266a", " \u266a\u266a")
"""What song is marked with in subtitles."""

_LATIN = re.compile(r"[0-9A-Za-zÀ-ÖØ-öø-ɏ]")

MEMORY_MB = 1000
"""Of a model whose row does not say."""

SHORTEST_WORD = RECOGNISER_RATE // 50
"""Samples: times come in steps of 20 ms, and a word between two of them would have no length."""

WINDOWS = "Whisper's windows"
"""What memory ends with."""

FAINT_PEAK = 1e-4
"""A window that stays under -80 dBFS is silence, in which the model would hear its training's last words."""


class Recogniser:
    """A model, loaded when it is asked; callers of several threads take turns.

    Args:
        host: whose devices it runs on.
        model: id of its weights, of which one file is as `whisper` publishes them: `dims` and
            `model_state_dict`.
    """

    def __init__(self, host: Host, model: str) -> None:
        self._devices = host.devices
        self._weights = host.weights(model)
        row = self._weights.row
        self._net = host.resident(row.title, row.memory_mb or MEMORY_MB, self._load)
        self._turn = threading.Lock()

    def fingerprint(self) -> Mapping[str, str]:
        """Digest of the weights, and versions of what decodes them."""
        return {
            **self._weights.fingerprint(),
            "openai-whisper": packages.version("openai-whisper"),
            "torch": packages.version("torch").partition("+")[0],
        }

    def close(self) -> None:
        """Free the model."""
        self._net.close()

    def recognise(self, audio: Floats, language: str, vocabulary: str = "") -> list[Passage]:
        """What is said in one window, in time order.

        Args:
            audio: float32 [n], mono, 16 kHz, full scale 1.0, at most `MAX_WINDOW`.
            language: one of `LANGUAGES`, or `yue`.
            vocabulary: names and terms that may be said, as text that might have come before.

        Raises:
            MissingError: the weights are not those of a Whisper model; or memory ends with one
                window.
        """
        import torch

        if len(audio) < SHORTEST_WORD or np.abs(audio).max() < FAINT_PEAK:
            return []
        with self._net as model, self._turn, torch.random.fork_rng():
            segments, sung = self._devices.halving(
                WINDOWS, 1, lambda _: _heard_in(model, audio, language, vocabulary)
            )
        return [_passage(segment, len(audio), share) for segment, share in zip(segments, sung, strict=True)]

    def languages(self, audio: Floats) -> dict[str, float]:
        """BCP-47 primary tag -> probability that the window, as for `recognise`, is in that language; empty
        where the model is of English alone, which tells none from another.

        Raises:
            MissingError: as `recognise`.
        """
        import torch
        from whisper.audio import N_FRAMES, log_mel_spectrogram, pad_or_trim

        with self._net as model, self._turn, torch.inference_mode():
            if not model.is_multilingual:
                return {}
            mel = pad_or_trim(log_mel_spectrogram(audio, model.dims.n_mels, padding=MAX_WINDOW), N_FRAMES)
            _, found = self._devices.halving(
                WINDOWS, 1, lambda _: model.detect_language(mel.to(model.device))
            )
        return {FROM_WHISPER.get(tag, tag): float(value) for tag, value in found.items()}

    def _load(self, device: str) -> Any:
        return _load(self._weights).to(device)


def _heard_in(
    model: Any, audio: Floats, language: str, vocabulary: str
) -> tuple[list[Mapping[str, Any]], list[float]]:
    """The segments of a window that have words, and how likely each is sung."""
    found = _decoded(model, audio, language, vocabulary)
    segments = [segment for segment in found["segments"] if whole_words(segment["words"])]
    return segments, _sung(model, audio, language, segments)


def _sung(model: Any, audio: Floats, language: str, segments: Sequence[Mapping[str, Any]]) -> list[float]:
    """How likely each segment is sung: what the model gives to a note sign right behind the time with which
    the segment begins.

    Subtitles mark song so, and the model learnt from them. In decoding `whisper` takes these signs away, so
    what is sung is written as if it were said. Each is asked by itself, as if nothing had been written
    before: text without a note would make another unlikely.
    """
    import torch
    from whisper.audio import N_FRAMES, log_mel_spectrogram, pad_or_trim
    from whisper.tokenizer import get_tokenizer

    if not segments:
        return []
    tag = TO_WHISPER.get(language, language)
    tokenizer = get_tokenizer(
        model.is_multilingual, num_languages=model.num_languages, language=tag, task="transcribe"
    )
    notes = sorted({tokenizer.encode(sign)[0] for sign in NOTES})
    mel = log_mel_spectrogram(audio, model.dims.n_mels, padding=MAX_WINDOW)
    length = mel.shape[-1] - N_FRAMES
    shares: list[float] = []
    with torch.inference_mode():
        # The library goes on behind the last word of each of its own windows.
        for seek, together in itertools.groupby(segments, key=lambda segment: int(segment["seek"])):
            heard = pad_or_trim(mel[:, seek : min(seek + N_FRAMES, length)], N_FRAMES)
            features = model.encoder(heard[None].to(model.device))
            asked = torch.tensor(
                [[*tokenizer.sot_sequence, segment["tokens"][0]] for segment in together], device=model.device
            )
            logits = model.decoder(asked, features.expand(len(asked), -1, -1))[:, -1]
            shares += logits.float().softmax(dim=-1)[:, notes].sum(dim=-1).tolist()
    return shares


def _decoded(model: Any, audio: Floats, language: str, vocabulary: str) -> Mapping[str, Any]:
    """What `whisper` makes of a window, in its own form."""
    import torch
    from whisper.transcribe import transcribe

    torch.manual_seed(SEED)
    found: Mapping[str, Any] = transcribe(
        model,
        audio,
        language=TO_WHISPER.get(language, language),
        temperature=TEMPERATURES,
        compression_ratio_threshold=REPETITIVE,
        logprob_threshold=IMPROBABLE,
        # Silence is for voice activity to tell; what is dropped by probability is listed.
        no_speech_threshold=None,
        condition_on_previous_text=False,
        initial_prompt=vocabulary or None,
        carry_initial_prompt=bool(vocabulary),
        word_timestamps=True,
        beam_size=BEAMS,
        best_of=BEAMS,
        fp16=False,
    )
    return found


def _passage(segment: Mapping[str, Any], length: int, sung: float) -> Passage:
    """A decoded segment whose words have times; `length`: samples of the window."""
    return Passage(
        words=tuple(_heard(word, length) for word in whole_words(segment["words"])),
        logprob=round(float(segment["avg_logprob"]), 4),
        no_speech=round(float(segment["no_speech_prob"]), 4),
        sung=round(sung, 4),
    )


def whole_words(words: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Words in `whisper`'s own form, none empty. In languages without spaces it makes a word of every token,
    of parts of a Latin word or a number too: those that no space parts are put together, as sure as the
    least sure of them."""
    found: list[dict[str, Any]] = []
    for word in words:
        if not word["word"].strip():
            continue
        before = found[-1] if found else {"word": ""}
        if _LATIN.match(before["word"][-1:]) and _LATIN.match(word["word"]):
            before["word"] += word["word"]
            before["end"] = word["end"]
            before["probability"] = min(before["probability"], word["probability"])
        else:
            found.append(dict(word))
    return found


def _heard(word: Mapping[str, Any], length: int) -> Heard:
    start = min(round(word["start"] * RECOGNISER_RATE), length - SHORTEST_WORD)
    return Heard(
        text=word["word"].strip(),
        start=start,
        stop=min(max(round(word["end"] * RECOGNISER_RATE), start + SHORTEST_WORD), length),
        confidence=round(min(1.0, max(0.0, float(word["probability"]))), 4),
    )


def _load(weights: Weights) -> Any:
    """The model of a checkpoint, whole, on the CPU in float32.

    Raises:
        InputError: which of its files it is cannot be told.
        MissingError: the file holds something else, or not all of it.
    """
    import whisper
    from whisper.model import ModelDimensions, Whisper

    name = weights.row.checkpoint(CHECKPOINT)
    saved = read_saved(weights.files[name])
    try:
        dims = ModelDimensions(**saved["dims"])
        model = Whisper(dims)
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise MissingError(
            f"{weights.row.title} cannot be loaded.",
            why=f"The file does not say the dimensions of a Whisper model: {error}.",
            fix="`loc models verify` says whether its file is the one that was published.",
        ) from error
    load_strict(model, saved.get("model_state_dict", {}), weights.row.title)
    # Which heads tell times is not in the file; the library knows it of the published ones, by name. A model
    # of another shape under such a name has the library's default, all heads of the upper half.
    heads = whisper._ALIGNMENT_HEADS.get(PurePosixPath(name).stem)
    if heads and len(gzip.decompress(base64.b85decode(heads))) == dims.n_text_layer * dims.n_text_head:
        model.set_alignment_heads(heads)
    return model.eval()
