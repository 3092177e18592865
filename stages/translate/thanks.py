"""The check of a translator that is given a model: it says thanks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from loc.backend import Tried
from loc.errors import LocError
from loc.weights.table import Spoken

THANKS: Mapping[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("en", "es"): ("Thank you very much.", ("gracias",)),
    ("en", "fr"): ("Thank you very much.", ("merci",)),
    ("en", "de"): ("Thank you very much.", ("dank",)),
    ("en", "ja"): ("Thank you very much.", ("ありがと", "有難", "感謝")),
    ("fr", "en"): ("Merci beaucoup.", ("thank",)),
    ("ja", "en"): ("ありがとうございます。", ("thank",)),
}
"""Pair -> what is said, and words of which one must come out: short, unmistakable, and in every model's
training."""


def give_thanks(
    spoken: Spoken | None, translate: Callable[[str, str, str], str | LocError]
) -> Iterator[Tried]:
    """Say thanks in the languages a model knows.

    Args:
        spoken: those its weights state; None: those of its backend.
        translate: sentence, source, target -> its translation, or why there is none.
    """
    pairs = spoken.pairs if spoken is not None and spoken.pairs is not None else tuple(THANKS)
    for source, target in pairs:
        if (source, target) in THANKS:
            sentence, words = THANKS[source, target]
            made = translate(sentence, source, target)
            ok = isinstance(made, str) and any(word in made.lower() for word in words)
            yield Tried(f"{source} to {target}", " or ".join(words), str(made), ok)
