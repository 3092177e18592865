"""Checkpoints in Whisper's own format, small enough to be trained by the test that needs them.

`overfit` teaches a model a few windows by heart: their words, their language, and where in the window each
word is said. It hears nothing else, so what goes on in a pipeline is what the pipeline does. `random` is as
small and knows nothing.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from whisper.audio import N_FRAMES, log_mel_spectrogram, pad_or_trim
from whisper.model import ModelDimensions, MultiHeadAttention, Whisper
from whisper.tokenizer import get_tokenizer

RATE = 16_000
POSITIONS_PER_SECOND = 50
STEPS = 120
NOTES = 4
"""Times that a note is written before a line of song for each time that its first word is."""

SMALL = ModelDimensions(
    n_mels=80,
    n_audio_ctx=1500,
    n_audio_state=32,
    n_audio_head=2,
    n_audio_layer=1,
    n_vocab=51865,
    n_text_ctx=96,
    n_text_state=32,
    n_text_head=2,
    n_text_layer=2,
)
"""Everything that is free is small; what the code of `whisper` takes for granted is as in the real models."""


@dataclass(frozen=True)
class Lesson:
    """A window of speech and what is said in it.

    Args:
        audio: float32 [n], mono, 16 kHz.
        words: text, and start and stop in seconds from the window's start.
        sung: whether a note would rather be written before it.
    """

    audio: npt.NDArray[np.float32]
    words: Sequence[tuple[str, float, float]]
    language: str = "en"
    sung: bool = False


def evenly(text: str, start: float, stop: float) -> list[tuple[str, float, float]]:
    """The words of a text, spread over a span by their letters."""
    words = text.split()
    edges = np.cumsum([0, *(len(word) + 1 for word in words)])
    times = start + (stop - start) * edges / edges[-1]
    return [(word, float(times[i]), float(times[i + 1])) for i, word in enumerate(words)]


def checkpoint(model: Whisper) -> bytes:
    """The file that `whisper` would read."""
    buffer = io.BytesIO()
    torch.save({"dims": asdict(model.dims), "model_state_dict": model.state_dict()}, buffer)
    return buffer.getvalue()


def blank(dims: ModelDimensions = SMALL, seed: int = 0) -> Whisper:
    """A model that was not taught anything."""
    torch.manual_seed(seed)
    model = Whisper(dims)
    # The library leaves this one as memory was.
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.3)
    return model.eval()


def deaf(language: str = "en") -> bytes:
    """A checkpoint that takes every sound for this language and hears no word in it."""
    tokenizer: Any = get_tokenizer(True, num_languages=99, language=language, task="transcribe")
    model = blank()
    said = torch.zeros(SMALL.n_text_state)
    said[0] = 1
    with torch.no_grad():
        model.decoder.ln.weight.zero_()
        model.decoder.ln.bias.copy_(said)
        model.decoder.token_embedding.weight.zero_()
        # The end outweighs everything; among languages, which alone are compared for one, there is only this.
        model.decoder.token_embedding.weight[tokenizer.to_language_token(language)] = said * 20
        model.decoder.token_embedding.weight[tokenizer.eot] = said * 40
    return checkpoint(model)


def overfit(lessons: Sequence[Lesson], seed: int = 0) -> bytes:
    """A checkpoint that knows these windows by heart."""
    model = blank(seed=seed)
    mels = torch.stack([_mel(lesson.audio) for lesson in lessons])
    # Decoding writes times, aligning does not: both are learnt.
    taught = [
        (place, row)
        for place, lesson in enumerate(lessons)
        for row in (_row(lesson, True), _row(lesson, False), *[_noted(lesson)] * NOTES * lesson.sung)
    ]
    rows = [row for _, row in taught]
    features = _spread(model, mels)[[place for place, _ in taught]]
    length = max(len(tokens) for tokens, _ in rows)
    tokens = torch.tensor([row + [-100] * (length - len(row)) for row, _ in rows])
    used, compact = torch.unique(tokens.clamp(min=0), return_inverse=True)
    targets = torch.where(tokens[:, 1:] < 0, -100, compact[:, 1:])
    places, heard = _places(rows, length)
    embedding = torch.nn.Parameter(torch.randn(len(used), model.dims.n_text_state) * 0.3)
    others = [item for name, item in model.decoder.named_parameters() if name != "token_embedding.weight"]
    optimiser = torch.optim.Adam([embedding, *others], lr=5e-3)
    # Tokens that are never said keep a row of zeros and a logit of 0: together they count as one.
    rest = math.log(model.dims.n_vocab - len(used))
    attention: list[torch.Tensor] = []
    hook = model.decoder.blocks[-1].cross_attn.register_forward_hook(
        lambda module, given, made: attention.append(_looks(module, *given[:2]))
    )
    for _ in range(STEPS):
        attention.clear()
        logits = _decode(model.decoder, embedding, compact[:, :-1], features) @ embedding.T
        logits = torch.cat([logits, torch.full_like(logits[..., :1], rest)], dim=-1)
        loss = functional.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-100)
        looks = torch.log_softmax(attention[0], dim=-1).mean(dim=1)
        loss = loss - ((looks * places).sum(dim=-1) * heard).sum() / heard.sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    hook.remove()
    with torch.no_grad():
        model.decoder.token_embedding.weight.zero_()
        model.decoder.token_embedding.weight[used] = embedding
    return checkpoint(model)


def _mel(audio: npt.NDArray[np.float32]) -> torch.Tensor:
    frames = -(-len(audio) // 160)
    mels = log_mel_spectrogram(audio, SMALL.n_mels, padding=30 * RATE)[:, :frames]
    whole: torch.Tensor = pad_or_trim(mels, N_FRAMES)
    return whole


@torch.no_grad()
def _spread(model: Whisper, mels: torch.Tensor) -> torch.Tensor:
    """The encoder's features, made to differ by the gain of its last norm: at random they hardly do."""
    norm = model.encoder.ln_post
    flat = model.encoder(mels).flatten(0, 1)
    gain = 1 / flat.std(0)
    norm.weight.mul_(gain)
    norm.bias.copy_((norm.bias - flat.mean(0)) * gain)
    features: torch.Tensor = model.encoder(mels)
    return features


def _row(lesson: Lesson, timed: bool) -> tuple[list[int], list[float | None]]:
    """Tokens of a window, and for each the second at which it is heard."""
    tokenizer: Any = get_tokenizer(True, num_languages=99, language=lesson.language, task="transcribe")

    def stamp(seconds: float) -> int:
        return int(tokenizer.timestamp_begin) + round(seconds * POSITIONS_PER_SECOND)

    first, last = lesson.words[0][1], lesson.words[-1][2]
    spaced = lesson.language not in ("ja", "zh")
    tokens = [*tokenizer.sot_sequence, stamp(min(first, 0.9)) if timed else tokenizer.no_timestamps]
    times: list[float | None] = [None] * len(tokens)
    for word, start, stop in lesson.words:
        parts = tokenizer.encode((" " if spaced else "") + word)
        tokens += parts
        times += [start + (index + 0.5) * (stop - start) / len(parts) for index in range(len(parts))]
    if not timed:
        return [*tokens, tokenizer.eot], [*times, last]
    return [*tokens, stamp(last), tokenizer.eot], [*times, last, None]


def _noted(lesson: Lesson) -> tuple[list[int], list[float | None]]:
    """As `_row`, up to the note that song begins with."""
    tokenizer: Any = get_tokenizer(True, num_languages=99, language=lesson.language, task="transcribe")
    tokens, times = _row(lesson, True)
    begun = len(tokenizer.sot_sequence) + 1
    return [*tokens[:begun], tokenizer.encode("♪")[0]], [*times[:begun], None]


def _places(
    rows: Sequence[tuple[list[int], list[float | None]]], length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where each position is to look, [rows, length - 1, 1500], and whether it is told to."""
    at = torch.full((len(rows), length - 1), -1.0)
    for index, (_, times) in enumerate(rows):
        for place, seconds in enumerate(times[1:]):
            if seconds is not None:
                at[index, place] = seconds * POSITIONS_PER_SECOND
    grid = torch.arange(SMALL.n_audio_ctx)
    near = torch.softmax(-(((grid - at[..., None]) / 8) ** 2) / 2, dim=-1)
    return near, (at >= 0).float()


def _looks(attention: MultiHeadAttention, state: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
    """Logits of where each position looks, [rows, heads, n, 1500]: those that the library gives carry no
    gradient."""
    queries, keys = (
        made.unflatten(-1, (attention.n_head, -1)).transpose(1, 2)
        for made in (attention.query(state), attention.key(heard))
    )
    found: torch.Tensor = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5
    return found


def _decode(decoder: Any, embedding: torch.Tensor, tokens: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
    state = embedding[tokens] + decoder.positional_embedding[: tokens.shape[1]]
    for block in decoder.blocks:
        state = block(state, heard, mask=decoder.mask)
    normed: torch.Tensor = decoder.ln(state)
    return normed
