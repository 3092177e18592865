"""The memory that backends would take now, in words: for `loc plan`, and for the beginning of a run."""

from __future__ import annotations

from collections.abc import Mapping

from loc.backend import Backend, Card, Sized
from loc.errors import MissingError
from loc.stage import Context


def room_of(
    card: Card | None,
    name: str,
    language: str | None,
    context: Context,
    classes: Mapping[str, type[Backend]],
) -> str | None:
    """What a backend would take, or one that stands in for it where there is no room; None of one that does
    not know.

    Args:
        card: the backend's.
        name: under which it is asked for: a stage's, or what stands in its place.
        classes: card id -> class.
    """
    if card is None or not issubclass(classes[card.id], Sized):
        return None
    ranked = [context.backend(name, language)]
    if name not in context.settings.backend:
        ranked += context.others(name, language)
    said = ""
    for backend in ranked:
        if isinstance(backend, Sized):
            try:
                return f"{said}{backend.room()}"
            except MissingError as error:
                said += f"{error} Another model: "
        elif said:
            return f"{said}{context.card_of(backend).choice.partition('/')[2]}."
    return said.removesuffix(" Another model: ")
