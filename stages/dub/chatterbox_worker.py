"""Chatterbox Multilingual behind the worker protocol, in an environment of its own: it pins torch to one
version.

Its path is `folder`, with the checkpoints under their published names. Sound is drawn at random, from a seed
that follows from the take alone. What the package would fetch at run time is not asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loc.errors import InputError
from stages.dub.model_serving import Line, Said, serve_model

VERSION = "2"

GUIDANCE = 0.5
"""Classifier-free guidance (`cfg_weight`): the package's default."""
FOREIGN_GUIDANCE = 0.0
"""Of a recording in another language than the line: guided, the line takes on its accent; the makers' advice
(README of chatterbox-tts 0.1.7)."""

LEAST_TOKENS = 4
"""Of a text, its language's mark among them: with fewer, and the two that are put around them, the package
(0.1.7) looks for repetitions in none of them and fails (issue 548 of resemble-ai/chatterbox)."""

SEED_STEP = 1_000_003
"""Between the seeds of two takes: any number that is not small, since near seeds draw alike at first."""


@dataclass(frozen=True)
class Chatterbox:
    """A model, and the voice that its checkpoints bring, which a line that imitates takes out of place."""

    model: Any
    stock: Any


def load(folder: str, device: str) -> Chatterbox:
    """The model with its checkpoints, each of which its own loader takes whole or not at all.

    Raises:
        InputError: a checkpoint does not fit; it says which tensors.
    """
    from chatterbox.models.tokenizers import tokenizer
    from chatterbox.mtl_tts import ChatterboxMultilingualTTS

    # Both look on a hub for what Chinese alone needs, which we do not offer.
    tokenizer.ChineseCangjieConverter._load_cangjie_mapping = lambda *_: None
    tokenizer.ChineseCangjieConverter._init_segmenter = lambda *_: None
    try:
        model = ChatterboxMultilingualTTS.from_local(folder, device)
    except RuntimeError as error:
        if "state_dict" not in str(error):
            raise
        raise InputError(
            "A checkpoint does not fit Chatterbox Multilingual.", why=str(error)[:1000]
        ) from error
    return Chatterbox(model, model.conds)


def say(engine: Chatterbox, line: Line) -> Said:
    """A line's sound, in the voice of the recording that it is given.

    Raises:
        InputError: it is given none, and the checkpoints have no voice.
    """
    import torch

    model, reference = engine.model, line.voice.get("reference")
    if reference is not None:
        model.prepare_conditionals(reference)
    elif engine.stock is None:
        raise InputError("Chatterbox has no voice of its own among its weights, and nothing to imitate.")
    else:
        model.conds = engine.stock
    torch.manual_seed(1 + SEED_STEP * line.take)
    audio = model.generate(_long_enough(model, line), language_id=line.language, cfg_weight=_guidance(line))
    name = "own voice" if reference is None else f"imitating {Path(reference).stem[:8]}"
    return Said(audio.squeeze(0).cpu().float().numpy(), model.sr, {"voice": f"Chatterbox, {name}"})


def _long_enough(model: Any, line: Line) -> str:
    """The text, with stops behind it, which are silent, where it is too short for the package."""
    from chatterbox.mtl_tts import punc_norm

    text = line.text
    for _ in range(LEAST_TOKENS):
        tokens = model.tokenizer.text_to_tokens(punc_norm(text), language_id=line.language)
        if tokens.shape[-1] >= LEAST_TOKENS:
            break
        text += " ."
    return text


def _guidance(line: Line) -> float:
    """How strongly a line is guided; where nobody says what the recording's language is, as usual."""
    recorded = line.voice.get("reference_language", line.language)
    return GUIDANCE if recorded == line.language else FOREIGN_GUIDANCE


def main() -> None:
    """Serve until the parent closes the pipe."""
    serve_model("chatterbox", VERSION, ("folder",), lambda paths, device: load(paths["folder"], device), say)


if __name__ == "__main__":
    main()
