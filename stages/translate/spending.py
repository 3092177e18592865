"""What a remote translator's replies cost."""

from __future__ import annotations

from collections.abc import Sequence

from stages.translate.dialogue import Reply


def spent(replies: Sequence[Reply], price: str | None) -> dict[str, float | int]:
    """What some replies cost: requests, tokens, and money where the price of a million tokens is known."""
    if not replies:
        return {}
    tokens_in, tokens_out = (
        sum(getattr(reply, name) for reply in replies) for name in ("tokens_in", "tokens_out")
    )
    found: dict[str, float | int] = {
        "requests": len(replies), "tokens_in": tokens_in, "tokens_out": tokens_out
    }  # fmt: skip
    if price is not None:
        per_in, per_out = map(float, price.split("/"))
        found["cost"] = round((tokens_in * per_in + tokens_out * per_out) / 1e6, 6)
    return found
