"""How lines of a language are broken and shown: `lines.toml`, and where its phrases end."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from itertools import accumulate
from typing import Any, Protocol, cast


@dataclass(frozen=True)
class LineRules:
    """An entry of `lines.toml`, where each field is explained."""

    row: int
    rows: int
    wide: bool
    cps: float
    seconds: float
    shortest: float
    gap: float
    ends: str
    pauses: str
    before: frozenset[str]
    holds: frozenset[str]
    short: frozenset[str]
    phrases: str

    @property
    def columns(self) -> int:
        """Width of a row, a full-width sign being two."""
        return self.row * (2 if self.wide else 1)

    def key(self) -> dict[str, Any]:
        """How the rules stand in an action's parameters."""
        return {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in asdict(self).items()
        }


@cache
def line_rules(language: str | None) -> LineRules:
    """The rules of a language, those of `[default]` where it has none of its own."""
    raw = tomllib.loads(resources.files("loc.media").joinpath("lines.toml").read_text("utf-8"))
    said = {**raw["default"], **raw.get(language or "", {})}
    words = {name: frozenset(said[name]) for name in ("before", "holds", "short")}
    return LineRules(**{**said, **words})


class _Parser(Protocol):
    def parse(self, sentence: str) -> list[str]: ...


@cache
def _parser(model: str) -> _Parser:
    import json

    from budoux import Parser

    data = resources.files("budoux").joinpath("models", f"{model}.json").read_text("utf-8")
    return cast(_Parser, Parser(json.loads(data)))


def phrase_ends(text: str, rules: LineRules) -> frozenset[int] | None:
    """Places in a text, counted in signs, at which a phrase ends; None for languages whose spaces say it."""
    if not rules.phrases:
        return None
    return frozenset(accumulate(map(len, _parser(rules.phrases).parse(text))))
