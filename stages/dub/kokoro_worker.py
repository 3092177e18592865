"""Kokoro-82M behind the worker protocol, in an environment of its own: its readings use GPL programs.

Text becomes phonemes by `misaki`: Japanese by its cutlet and MeCab, Mandarin by jieba and pypinyin, the rest
by espeak-ng. The model says how many frames each phoneme lasts, so the times of phones are its own.

Its paths are `config`, `model` and `voice`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from loc.errors import ChildError, InputError
from stages.dub.model_serving import Line, Said, serve_model
from stages.dub.pace import settle_speed

VERSION = "1"

SAMPLE_RATE = 24_000
FRAME = 600
"""Samples for which the model counts in frames: 40 a second."""

ESPEAK = {"es": "es", "fr": "fr-fr", "hi": "hi", "it": "it", "pt": "pt-br"}
"""What espeak-ng calls the languages that it reads for the model."""

LONGEST = 510
"""Phonemes the model takes at once; its context has 512 places, the first and last of which are silence."""

STYLES = 510
"""Rows of a voice: its style for texts of 1, 2, ... phonemes."""

SEED = 1
"""Of the noise that excites unvoiced sounds: a line has to sound the same tomorrow."""

SPEEDS = (0.5, 2.0)
"""Speed settings that sound like speech."""

_MERGED = {
    "A": "eɪ", "I": "aɪ", "W": "aʊ", "Y": "ɔɪ", "O": "oʊ", "Q": "əʊ", "T": "ɾ", "S": "s", "ᵊ": "ə", "ᵻ": "ɪ",
    "ʤ": "dʒ", "ʧ": "tʃ", "ʦ": "ts", "ʣ": "dz", "ʨ": "tɕ", "ʥ": "dʑ", "ꭧ": "tʂ",
}  # fmt: skip
"""Single letters by which the model's alphabet writes what IPA writes with two, or otherwise."""

_STRESS = "ˈˌ"
"""Marks that last a moment of their own and belong to the vowel that follows."""
_TAILS = "ːʰʲʷ→↗↘↓ᵝ̩̃͡"
"""Marks that belong to what precedes: length, breath, palatalisation, tones."""
_PAUSE = "_"


class Kokoro:
    """A model, loaded strictly.

    Raises:
        InputError: the files are not a Kokoro model.
    """

    def __init__(self, config: str, model: str, device: str) -> None:
        import torch
        from kokoro import KModel

        settings = json.loads(Path(config).read_text("utf-8"))
        state = torch.load(model, map_location="cpu", weights_only=True)
        # Its own loader leaves out what does not fit, and says so in a log alone.
        self._model = KModel(repo_id="local", config=settings, model=model)
        _hold(self._model, state, Path(model).name)
        self._model = self._model.to(device).eval()
        self._device = device
        self._voices: dict[str, Any] = {}

    def say(self, phonemes: str, voice: str, speed: float) -> tuple[Any, list[tuple[str, int]]]:
        """Sound, float32 [n] at 24 kHz, and each phoneme with the samples that it lasts."""
        import torch

        known = [sign for sign in phonemes if sign in self._model.vocab]
        ids = torch.tensor([[0, *(self._model.vocab[sign] for sign in known), 0]], device=self._device)
        style = self._style(voice)[min(len(known), STYLES) - 1].to(self._device)
        # Excitation is drawn at random; a line must not depend on which was said before.
        torch.manual_seed(SEED)
        with torch.no_grad():
            audio, frames = self._model.forward_with_tokens(ids, style, speed)
        lengths = [int(count) * FRAME for count in frames.cpu().tolist()]
        return audio.cpu().float().numpy(), list(zip([_PAUSE, *known, _PAUSE], lengths, strict=True))

    def _style(self, voice: str) -> Any:
        import torch

        if voice not in self._voices:
            pack = torch.load(voice, map_location="cpu", weights_only=True)
            if not torch.is_tensor(pack) or pack.shape[1:] != (1, 256) or len(pack) < STYLES:
                raise InputError(f"{Path(voice).name} is no voice of Kokoro.")
            self._voices[voice] = pack
        return self._voices[voice]


def _hold(model: Any, state: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """See that a checkpoint is the whole of a model and nothing more.

    Raises:
        InputError: a part or a tensor is missing, surplus or misshapen; it names the first.
    """
    parts = {part for part, _ in model.named_children()}
    if wrong := sorted(parts.symmetric_difference(state)):
        raise InputError(f"{name} does not fit Kokoro.", why=f"The part {wrong[0]!r} is missing or surplus.")
    for part, tensors in state.items():
        own = {key: tuple(value.shape) for key, value in getattr(model, part).state_dict().items()}
        given = {key.removeprefix("module."): tuple(value.shape) for key, value in tensors.items()}
        # Buffers that are computed stand in no checkpoint.
        own = {key: shape for key, shape in own.items() if key in given or not key.endswith("position_ids")}
        for key in sorted(set(own) | set(given)):
            if own.get(key) != given.get(key):
                has, wants = given.get(key, "missing"), own.get(key, "none of it")
                why = f"{part}.{key} is {has}; the model has {wants}."
                raise InputError(f"{name} does not fit Kokoro.", why=why)


@functools.cache
def _reader(language: str) -> Any:
    """What turns text into the model's phonemes."""
    if language == "en":
        from types import SimpleNamespace

        from misaki.espeak import EspeakFallback

        read = EspeakFallback(british=False)
        return lambda text: read(SimpleNamespace(text=text))
    if language == "ja":
        import unidic_lite
        from misaki import cutlet, ja

        tagger = cutlet.Tagger
        # Without a word it would look for another dictionary, which fetches itself.
        cutlet.Tagger = lambda: tagger(f'-d "{unidic_lite.DICDIR}"')
        try:
            return ja.JAG2P()
        finally:
            cutlet.Tagger = tagger
    if language == "zh":
        from misaki.zh import ZHG2P

        return ZHG2P()
    if language not in ESPEAK:
        raise InputError(f"Kokoro does not speak {language!r}.")
    from misaki.espeak import EspeakG2P

    return EspeakG2P(language=ESPEAK[language])


def phonemes_of(text: str, language: str) -> str:
    """A line as the model reads it.

    Raises:
        InputError: there is nothing in it to be read aloud.
    """
    phonemes = (_reader(language)(text)[0] or "").strip()
    if not any(sign.isalpha() for sign in phonemes):
        raise InputError("A line holds nothing that can be read aloud in its language.")
    return str(phonemes)


def pieces(phonemes: str, longest: int = LONGEST) -> Iterator[str]:
    """A long line in pieces that the model takes: after sentences where it can be, else between words."""
    rest = phonemes
    while len(rest) > longest:
        head = rest[:longest]
        ends = [match.end() for match in re.finditer(r"[.!?…;:,] ", head)] or [head.rfind(" ") + 1]
        cut = ends[-1] or longest
        yield rest[:cut].strip()
        rest = rest[cut:].strip()
    if rest:
        yield rest


def phones_of(timed: Sequence[tuple[str, int]]) -> list[tuple[str, int, int]]:
    """IPA phones (symbol, start, stop) in samples, from the model's phonemes and how long each lasts."""
    phones: list[tuple[str, int, int]] = []
    at, before = 0, 0
    for sign, length in timed:
        stop = at + length
        if sign in _STRESS:
            before += length
        elif sign in _TAILS and phones:
            symbol, start, _ = phones[-1]
            phones[-1] = (symbol + sign if sign in "ːʰʲʷ" else symbol, start, stop)
        else:
            symbol = _MERGED.get(sign, sign) if sign.isalpha() else _PAUSE
            if symbol == _PAUSE and phones and phones[-1][0] == _PAUSE:
                phones[-1] = (_PAUSE, phones[-1][1], stop)
            else:
                phones.append((symbol, at - before, stop))
            before = 0
        at = stop
    return phones


def say(model: Kokoro, line: Line) -> Said:
    """A line's sound, and the times of its phones.

    Raises:
        InputError: there is nothing in it to be read aloud.
        ChildError: the model contradicts itself.
    """
    import numpy as np

    phonemes, voice = phonemes_of(line.text, line.language), line.paths["voice"]
    said: list[tuple[Any, list[tuple[str, int]]]] = []

    def length_at(speed: float) -> int:
        said[:] = [model.say(piece, voice, speed) for piece in pieces(phonemes)]
        return sum(len(audio) for audio, _ in said)

    natural = length_at(1.0)
    if line.rate != 1.0:
        settle_speed(length_at, natural / line.rate, line.rate, SPEEDS)
    audio = np.concatenate([piece for piece, _ in said])
    timed = [item for _, piece in said for item in piece]
    if sum(length for _, length in timed) != len(audio):
        raise ChildError("Kokoro's sound is not as long as its phonemes.")
    reply = {"phones": phones_of(timed), "alphabet": "ipa", "voice": f"Kokoro {Path(voice).stem}"}
    return Said(audio, SAMPLE_RATE, reply)


def main() -> None:
    """Serve until the parent closes the pipe."""
    serve_model(
        "kokoro",
        VERSION,
        ("config", "model"),
        lambda paths, device: Kokoro(paths["config"], paths["model"], device),
        say,
    )


if __name__ == "__main__":
    main()
