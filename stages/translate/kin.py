"""Languages so near each other that a line may be the same in both, and how long it may then be. Pure.

Taken are those of which sentences of five words are common property in spelling, too; of others that share a
word or two, such as German and English, short lines are let pass in any case.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

_ONE_TABLE = """
bs cnr hbs hr sr
fa prs
fil tl
nb no
nn no
"""
_NEAR_TABLE = """
af nl
an ast es gl pt
be ru uk
bg mk
ca oc
co it
cs sk
da nb nn no sv
id ms
nd nr ss xh zu
nso st tn
rn rw
yue zh
"""


def _pairs(table: str) -> Iterator[frozenset[str]]:
    for line in table.strip().splitlines():
        yield from map(frozenset, combinations(line.split(), 2))


ONE = frozenset(_pairs(_ONE_TABLE))
"""Pairs of names of one language, or of its standards: a text of any length may be right in both."""

NEAR = frozenset(_pairs(_NEAR_TABLE))
"""Pairs of languages that share up to two of three words as they are written."""


def are_one(source: str | None, target: str) -> bool:
    return frozenset({source, target}) in ONE


def are_near(source: str | None, target: str) -> bool:
    return frozenset({source, target}) in NEAR
