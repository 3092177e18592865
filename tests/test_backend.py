"""How a backend is chosen: licence first, then language, needs, quality; and what is said when none is."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from loc.backend import (
    ENTRY_POINTS,
    Card,
    Host,
    Languages,
    LicensedPart,
    Need,
    Request,
    cards_of,
    discover,
    installed,
    needs_of,
    ranking,
    require,
    resolve,
)
from loc.errors import MissingError, RefusedError, UsageError
from loc.policy.licences import Licence, Purpose, ReadOn, refusal, table
from loc.settings import Settings
from loc.weights.shelf import Shelf
from loc.weights.table import Place, Row, Spoken, published

SHELF = Shelf(Path("no-such-folder"))
PROGRAM = Need("program", "engine", "sudo apt-get install engine")
BASIC = Card(
    stage="dub",
    name="basic",
    version="1",
    summary="",
    family="embedded",
    quality="basic",
    runs="in-process",
)
GOOD = replace(BASIC, name="good", quality="good", family="neural")
REFUSED = "forbidden"


@pytest.fixture(autouse=True)
def a_forbidden_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table with one row more: non-commercial."""
    row = Licence(
        name="Forbidden 1.0",
        commercial="no",
        substitute="basic",
        read=ReadOn(source="https://example.org", date="2026-01-01"),
    )
    rows = {**table(), REFUSED: row}
    monkeypatch.setattr("loc.policy.licences.table", lambda: rows)


def choose(
    *cards: Card, purpose: Purpose = Purpose.INTERNAL, there: bool = True, **request: object
) -> object:
    given = Request(**{"stage": "dub", "target": "ja", **request})  # type: ignore[arg-type]
    return resolve(given, cards, lambda need: there, purpose)


def name_of(resolution: object) -> str | None:
    choice = resolution.choice  # type: ignore[attr-defined]
    return choice.name if choice else None


def gates(resolution: object) -> dict[str, str]:
    return {item.card.name: item.gate for item in resolution.rejected}  # type: ignore[attr-defined]


def test_best_quality_wins_then_the_language_named_then_the_name() -> None:
    assert name_of(choose(BASIC, GOOD)) == "good"
    specific = replace(BASIC, name="z-ja", languages=Languages(target=("ja",)))
    assert name_of(choose(BASIC, specific)) == "z-ja"
    assert name_of(choose(replace(BASIC, name="b"), replace(BASIC, name="a"))) == "a"


def test_order_of_cards_never_counts() -> None:
    cards = [BASIC, GOOD, replace(BASIC, name="x")]
    assert name_of(choose(*cards)) == name_of(choose(*reversed(cards)))


def test_every_backend_not_taken_says_why() -> None:
    refused = replace(GOOD, name="refused", licences=(LicensedPart("weights", "w.bin", REFUSED),))
    unable = replace(GOOD, name="unable", languages=Languages(target=("es",)))
    remote = replace(GOOD, name="remote", runs="remote")
    resolution = choose(BASIC, refused, unable, remote)
    assert name_of(resolution) == "basic"
    assert gates(resolution) == {"refused": "licence", "unable": "language", "remote": "remote"}
    assert gates(choose(BASIC, GOOD)) == {"basic": "rank"}
    assert gates(choose(replace(BASIC, needs=(PROGRAM,)), there=False)) == {"basic": "needs"}
    assert gates(choose(BASIC, minimum="good")) == {"basic": "quality"}
    assert gates(choose(BASIC, GOOD, named="basic")) == {"good": "name"}


def test_licence_comes_first() -> None:
    card = replace(
        GOOD,
        licences=(LicensedPart("weights", "w.bin", REFUSED),),
        languages=Languages(target=("es",)),
        needs=(PROGRAM,),
    )
    assert gates(choose(card, there=False)) == {"good": "licence"}
    research = replace(card, languages=Languages(), needs=())
    assert name_of(choose(research, purpose=Purpose.RESEARCH)) == "good"


def test_unknown_licence_is_refused() -> None:
    assert gates(choose(replace(BASIC, licences=(LicensedPart("code", "x", "made-up"),)))) == {
        "basic": "licence"
    }


def test_remote_only_when_named_and_allowed() -> None:
    remote = replace(GOOD, name="remote", runs="remote")
    assert name_of(choose(BASIC, remote, named="remote", allow_remote=True)) == "remote"


def test_pairs_bring_their_own_needs() -> None:
    pair = Need("data", "en-es", "sudo apt-get install en-es")
    card = replace(BASIC, stage="translate", languages=Languages(pairs={("en", "es"): (pair,)}))
    request = Request("translate", source="en", target="es")
    missing = resolve(request, [card], lambda need: need.kind != "data", Purpose.INTERNAL)
    assert missing.rejected[0].missing == (pair,)
    other = resolve(replace(request, target="ja"), [card], lambda need: True, Purpose.INTERNAL)
    assert other.rejected[0].gate == "language"
    unknown = resolve(replace(request, source=None), [card], lambda need: True, Purpose.INTERNAL)
    assert "source language is not known" in unknown.rejected[0].reason


def test_errors_name_reasons_and_remedies() -> None:
    with pytest.raises(MissingError) as missing:
        require(choose(replace(BASIC, needs=(PROGRAM,)), there=False), ways_out="Or do without.")  # type: ignore[arg-type]
    assert "engine" in missing.value.why
    assert "Or do without." in missing.value.fix
    assert "apt-get install engine" in missing.value.fix
    with pytest.raises(UsageError, match="Known: basic"):
        require(choose(BASIC, named="nothing"))  # type: ignore[arg-type]
    refused = replace(BASIC, licences=(LicensedPart("weights", "w.bin", REFUSED),))
    with pytest.raises(RefusedError, match=r"w\.bin"):
        require(choose(refused))  # type: ignore[arg-type]


def test_needs_on_this_machine(tmp_path_factory: pytest.TempPathFactory) -> None:
    there = tmp_path_factory.mktemp("data") / "file"
    there.touch()
    assert installed(Need("package", "json"), SHELF)
    assert not installed(Need("package", "no_such_package_here"), SHELF)
    assert installed(Need("program", "sh"), SHELF)
    assert not installed(Need("program", "no-such-program"), SHELF)
    assert installed(Need("data", "x", path=str(there)), SHELF)
    assert not installed(Need("data", "x", path=str(there) + "-not"), SHELF)


def test_built_in_backends_are_found_and_lawful() -> None:
    found = discover()
    assert {"separate/centre-mask", "dub/espeak"} <= set(found)
    for backend in found.values():
        for part in backend.card.licences:
            assert part.licence in table(), f"{backend.card.id}: {part.licence}"


class Impostor:
    """A backend of another package by the name of a built-in one."""

    card = replace(BASIC, name="espeak")


def test_no_package_takes_the_place_of_a_backend_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    given = metadata.entry_points(group=ENTRY_POINTS)
    espeak = next(entry for entry in given if entry.name == "dub-espeak")
    other = metadata.EntryPoint("acme", "tests.test_backend:Impostor", ENTRY_POINTS)
    monkeypatch.setattr("loc.backend.metadata.entry_points", lambda group: [*given, other])
    with pytest.raises(UsageError, match=r"Two backends are called dub/espeak\.") as caught:
        discover()
    assert "'dub-espeak'" in caught.value.why
    assert "'acme'" in caught.value.why
    # One that is found twice is one.
    again = metadata.EntryPoint("acme", espeak.value, ENTRY_POINTS)
    monkeypatch.setattr("loc.backend.metadata.entry_points", lambda group: [*given, again])
    assert discover()["dub/espeak"] is espeak.load()


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("licence", [*table(), REFUSED, "made-up"])
def test_no_weights_are_handed_out_against_their_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, licence: str, purpose: Purpose
) -> None:
    """Every set of the table, were it under any licence of the table."""
    rows = {name: item.model_copy(update={"licence": licence}) for name, item in published().items()}
    monkeypatch.setattr("loc.weights.shelf.published", lambda: rows)
    host = Host(Settings(data_dir=tmp_path), tmp_path, purpose)
    for name in rows:
        # What may be used is missed: nothing is here.
        with pytest.raises(RefusedError if refusal(licence, purpose) else MissingError, match=name):
            host.weights(name)


def test_the_default_purpose_hands_out_nothing_non_commercial() -> None:
    host = Host(Settings(data_dir=Path("no-such-folder")), Path())
    forbidden = [row.id for row in published().values() if table()[row.licence].commercial == "no"]
    assert forbidden, "there is at least one, or this proves nothing"
    for name in forbidden:
        with pytest.raises(RefusedError, match="forbids commercial use"):
            host.weights(name)


@pytest.mark.parametrize("name", published())
def test_no_backend_is_chosen_that_needs_weights_it_may_not_use(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Every set of the table made non-commercial, its own model or one that a card needs besides."""
    rows = {**published(), name: published()[name].model_copy(update={"licence": REFUSED})}
    monkeypatch.setattr("loc.backend.published", lambda: rows)
    cards = [card for backend in discover().values() for card in cards_of(backend.card, list(rows.values()))]
    for stage in sorted({card.stage for card in cards}):
        request = Request(stage, source="en", target="ja")
        for card in ranking(request, cards, lambda need: True, Purpose.INTERNAL):
            assert name not in {need.name for need in needs_of(card, request) if need.kind == "weights"}


def row(model: str, **changes: object) -> Row:
    given = {"architecture": "net", "licence": "mit", "source": Place(kind="registered"), "files": ()}
    return Row.model_validate({"id": model, "title": model, **given, **changes})


def test_a_backend_offers_a_choice_for_each_model_it_can_load() -> None:
    card = replace(GOOD, architecture="net")
    small = row("small", rank=2, quality="basic")
    large = row("large", rank=1, memory_mb=900, languages=Spoken(target=("ja",)))
    other = row("other", rank=3, architecture="something else")
    offered = cards_of(card, [small, large, other])

    assert [item.choice for item in offered] == ["dub/good:small", "dub/good:large"]
    assert offered[0].quality == "basic"
    assert offered[1].quality == "good"
    assert offered[1].memory_mb == 900
    assert offered[1].languages.target == ("ja",)
    assert offered[1].needs[-1] == Need("weights", "large", large.mended_by)
    assert cards_of(GOOD, [small]) == [GOOD]


def test_of_models_on_the_machine_the_lowest_rank_is_taken_and_a_named_one_before_it() -> None:
    offered = cards_of(replace(GOOD, architecture="net"), [row("second", rank=2), row("first", rank=1)])

    def chosen(named: str | None) -> str | None:
        request = Request("dub", target="ja", named=named)
        choice = resolve(request, offered, lambda need: True, Purpose.INTERNAL).choice
        return None if choice is None else choice.model

    assert chosen(None) == "first"
    assert chosen("good") == "first"
    assert chosen("second") == "second"
    assert chosen("good:second") == "second"
    assert chosen("basic:second") is None


def test_the_licence_of_a_model_counts_before_it_is_there() -> None:
    (card,) = cards_of(replace(GOOD, architecture="net"), [row("taken", licence=REFUSED)])
    resolution = resolve(Request("dub", target="ja"), [card], lambda need: False, Purpose.INTERNAL)
    assert resolution.rejected[0].gate == "licence"
