"""Chatterbox Multilingual behind the worker protocol, in an environment of its own: it pins torch to one
version.

Method `speak`: as `docs/reference/speech-workers.md`, and `folder`: the checkpoints under their published
names; `device`. Sound is drawn at random, from a seed that follows from the take alone. Nothing is fetched:
the process has no network, and what the package would fetch at run time is not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loc.errors import InputError
from loc.worker import forbid_network, serve

VERSION = "1"

SEED_STEP = 1_000_003
"""Between the seeds of two takes: any number that is not small, since near seeds draw alike at first."""


def load(folder: str, device: str) -> Any:
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
        return ChatterboxMultilingualTTS.from_local(folder, device)
    except RuntimeError as error:
        if "state_dict" not in str(error):
            raise
        raise InputError(
            "A checkpoint does not fit Chatterbox Multilingual.", why=str(error)[:1000]
        ) from error


def main() -> None:
    """Serve until the parent closes the pipe."""
    forbid_network()
    loaded: dict[tuple[str, str], Any] = {}
    stock: dict[int, Any] = {}

    def speak(
        text: str,
        language: str,
        voice: dict[str, Any],
        rate: float,
        take: int,
        file: str,
        folder: str,
        device: str,
    ) -> Mapping[str, Any]:
        import soundfile
        import torch

        del rate
        key = (folder, device)
        if key not in loaded:
            loaded.clear()
            loaded[key] = load(*key)
            stock[0] = loaded[key].conds
        model = loaded[key]
        reference = voice.get("reference")
        if reference is None:
            if stock[0] is None:
                raise InputError(
                    "Chatterbox has no voice of its own among its weights, and nothing to imitate."
                )
            model.conds = stock[0]
        else:
            model.prepare_conditionals(reference)
        torch.manual_seed(1 + SEED_STEP * take)
        audio = model.generate(text, language_id=language)
        soundfile.write(file, audio.squeeze(0).cpu().float().numpy(), model.sr, subtype="FLOAT")
        name = "own voice" if reference is None else f"imitating {Path(reference).stem[:8]}"
        return {"voice": f"Chatterbox, {name}"}

    serve("chatterbox", VERSION, {}, {"speak": speak})


if __name__ == "__main__":
    main()
