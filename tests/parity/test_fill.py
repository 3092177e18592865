"""The seeded streams are those the numbers were made with: a changed stream is no failure of parity."""

from __future__ import annotations

import pytest

from tests.parity import fill, golden

pytestmark = pytest.mark.parity


def test_streams_are_those_of_fill_check() -> None:
    meta = golden("fill_check").meta
    seed = meta["seed"]
    for case in meta["weights"]:
        made = fill.weight(case["key"], case["shape"], seed, case["gain"])
        assert fill.checksum(made) == case["crc32"], case["key"]
    for kind, function in (
        ("inputs", fill.inputs),
        ("uniform", fill.uniform),
        ("image_bytes", fill.image_bytes),
    ):
        case = meta[kind]
        assert fill.checksum(function(case["name"], case["shape"], seed)) == case["crc32"], kind
    case = meta["picture"]
    made = fill.picture(case["name"], case["height"], case["width"], seed, cell=case["cell"])
    assert fill.checksum(made) == case["crc32"]
    case = meta["clip"]
    made = fill.clip(case["name"], case["count"], case["height"], case["width"], seed, case["cell"])
    assert fill.checksum(made) == case["crc32"]
    case = meta["speech"]
    assert fill.checksum(fill.speech(case["name"], case["samples"], seed)) == case["crc32"]
