"""`loc models verify --run`: what a model gives is held against what is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from loc.app.run import Graph
from loc.app.self_check import self_check
from loc.backend import Card, Host, LicensedPart, Need, Speech, Tried
from loc.errors import MissingError
from loc.settings import Settings
from loc.weights.table import Row
from tests.weights.shelving import place, registered

CARD = Card(
    stage="translate", name="net", version="1", summary="", family="neural", quality="good",
    runs="in-process", architecture="net", licences=(LicensedPart("code", "net", "mit"),),
)  # fmt: skip


class Net:
    card: ClassVar[Card] = CARD
    closed: ClassVar[list[str]] = []

    def __init__(self, host: Host) -> None:
        assert host.model is not None
        self.model = host.model
        self.content = host.weights(host.model).files["a.bin"].read_bytes()

    def fingerprint(self) -> Mapping[str, str]:
        return {}

    def self_check(self, speech: Speech) -> Iterator[Tried]:
        if self.content == b"broken":
            raise MissingError("It cannot be loaded.")
        found = self.content.decode()
        yield Tried("en to es", "gracias", found, found == "gracias")

    def close(self) -> None:
        self.closed.append(self.model)


def row(name: str, licence: str = "mit") -> Row:
    return registered(name, "net", "a.bin", licence=licence)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name, content in (
        ("good", b"gracias"),
        ("bad", b"nothing"),
        ("broken", b"broken"),
        ("other", b"gracias"),
    ):
        place(tmp_path / "data", row(name), ("a.bin", content))
    place(tmp_path / "data", row("research", "nllb-weights"), ("a.bin", b"gracias"))
    return Settings(data_dir=tmp_path / "data")


def test_each_model_named_is_run_and_closed(settings: Settings, tmp_path: Path) -> None:
    Net.closed.clear()
    names = ["good", "bad", "broken", "research"]
    found = {
        item.card.model: item
        for item in self_check(Graph((), {CARD.id: Net}), settings, names, tmp_path, lambda *_: None)
    }
    assert {name: item.ok for name, item in found.items()} == {"good": True, "bad": False, "broken": False}
    assert found["bad"].tried[0].found == "nothing"
    assert found["broken"].fault == "It cannot be loaded."
    assert sorted(Net.closed) == ["bad", "broken", "good"]


def test_what_lacks_a_package_is_told(settings: Settings, tmp_path: Path) -> None:
    class Lacking(Net):
        card: ClassVar[Card] = Card(**{**CARD.__dict__, "needs": (Need("package", "no_such_package"),)})

    [item] = self_check(Graph((), {CARD.id: Lacking}), settings, ["good"], tmp_path, lambda *_: None)
    assert item.fault == "missing: no_such_package"
    assert not item.ok
