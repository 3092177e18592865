"""Which stages need a backend, and what is said when there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loc.app.feasibility import (
    Choices,
    cut_graph,
    decide,
    decide_heard,
    needed,
    require_all,
    restricted,
)
from loc.artifacts import Ref
from loc.backend import Card, Languages, LicensedPart
from loc.errors import ExitCode, MissingError, RefusedError, UsageError
from loc.policy.licences import Licence, Purpose, ReadOn, table
from loc.settings import Settings
from loc.stage import HEAR, SPEAKERS, Job, Stage, SuppliedText
from tests.app.toy import NoInputs

Make = Callable[..., Settings]

NAMES = ("ingest", "separate", "transcribe", "translate", "dub", "lipsync", "deliver")
SHARED = ("ingest", "separate", "transcribe")
STAGES = tuple(
    Stage(
        name, name, NoInputs, lambda ctx, inputs: None, name not in SHARED, name not in ("ingest", "deliver")
    )
    for name in NAMES
)
CARD = Card(
    stage="dub", name="a", version="1", summary="", family="embedded", quality="basic", runs="in-process"
)
CARDS = [replace(CARD, stage=stage.name) for stage in STAGES if stage.backend]
TEXT = SuppliedText("en", Ref(sha256="0" * 64, size=1), "talk.en.srt")


def job(**changes: Any) -> Job:
    given = {"languages": ("ja", "es"), "source_language": "en", **changes}
    return Job(path=Path("talk.mp4"), digest="1" * 64, size=1, **given)


def places(settings: Settings, sound: bool = True, **changes: Any) -> set[str]:
    stages = cut_graph(STAGES, settings)
    choices = decide(stages, job(**changes), settings, CARDS, lambda need: True, sound)
    return {f"{stage}.{language}" if language else stage for stage, language in choices.resolutions}


def test_a_bare_job_needs_every_backend(settings: Make) -> None:
    per_language = {f"{stage}.{tag}" for stage in ("translate", "dub", "lipsync") for tag in ("ja", "es")}
    assert places(settings()) == {"separate", "transcribe"} | per_language


@pytest.mark.parametrize(
    ("changes", "settled"),
    [
        ({"transcript": TEXT}, {"transcribe"}),
        ({"translations": {"ja": TEXT}}, {"translate.ja"}),
        ({"translations": {"ja": TEXT, "es": TEXT}}, {"transcribe", "translate.ja", "translate.es"}),
        ({"sound": False, "transcript": TEXT}, {"separate", "transcribe"}),
    ],
)
def test_supplied_text_and_silence_need_less(
    settings: Make, changes: dict[str, Any], settled: set[str]
) -> None:
    assert places(settings()) - places(settings(), **changes) == settled


def test_switches_need_less(settings: Make) -> None:
    assert not any(place.startswith("lipsync") for place in places(settings(lipsync=False)))
    assert places(settings(until="transcribe")) == {"separate", "transcribe"}
    assert not needed(STAGES[0], job(), settings(), None)


def test_unknown_source_language_names_its_ways_out(settings: Make) -> None:
    hears = replace(CARD, stage="transcribe", languages=Languages(source=("en",)))
    cards = [card for card in CARDS if card.stage != "transcribe"] + [hears]
    unknown = job(source_language=None)
    choices = decide(STAGES, unknown, settings(), cards, lambda need: True)
    with pytest.raises(MissingError) as missing:
        require_all(choices, unknown, settings())
    assert "--from" in missing.value.fix
    assert "talk.LANG.srt" in missing.value.fix


def test_recogniser_of_another_language_names_its_ways_out(settings: Make) -> None:
    hears = replace(CARD, stage="transcribe", languages=Languages(source=("en",)))
    cards = [card for card in CARDS if card.stage != "transcribe"] + [hears]
    german = job(source_language="de")
    choices = decide(STAGES, german, settings(), cards, lambda need: True)
    with pytest.raises(MissingError, match=r"talk\.de\.srt"):
        require_all(choices, german, settings())


def test_delivery_is_refused_while_its_demands_cannot_be_met(settings: Make) -> None:
    given = settings(purpose=Purpose.DELIVERY)
    choices = decide(STAGES, job(), given, CARDS, lambda need: True)
    with pytest.raises(RefusedError) as refused:
        require_all(choices, job(), given)
    assert refused.value.code == ExitCode.REFUSED


@pytest.fixture
def _not_for_sale(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of licences with one more, `nc`, which forbids commercial use."""
    row = Licence(
        name="NC 1.0", commercial="no", read=ReadOn(source="https://example.org", date="2026-01-01")
    )
    rows = {**table(), "nc": row}
    monkeypatch.setattr("loc.policy.licences.table", lambda: rows)


@pytest.mark.usefixtures("_not_for_sale")
def test_each_model_of_a_backend_is_weighed_and_those_that_may_stand_in(settings: Make) -> None:
    sold, own = LicensedPart("weights", "sold", "mit"), LicensedPart("weights", "own", "nc")
    reads = replace(CARD, stage="translate")
    others = [card for card in CARDS if card.stage not in ("dub", "translate")]
    cards = [
        *others,
        # The first language by one model, the second by another of the same backend.
        replace(reads, model="ja", licences=(own,), languages=Languages(target=("ja",))),
        replace(reads, model="es", licences=(sold,), languages=Languages(target=("es",))),
        replace(reads, model="any", licences=(own,), rank=9),
        replace(CARD, model="first", licences=(sold,), rank=1),
        replace(CARD, model="next", licences=(own,), rank=2),
    ]
    given = settings(purpose=Purpose.RESEARCH)
    said = restricted(decide(STAGES, job(), given, cards, lambda need: True))
    assert [words.partition(" uses ")[0] for words in said] == [
        "translate/a:ja",
        "dub/a:next, which may stand in,",
    ]


@pytest.mark.usefixtures("_not_for_sale")
def test_research_says_what_may_not_be_sold(settings: Make) -> None:
    cards = [replace(card, licences=(LicensedPart("weights", "w.bin", "nc"),)) for card in CARDS]
    given = settings(purpose=Purpose.RESEARCH)
    choices = decide(STAGES, job(), given, cards, lambda need: True)
    require_all(choices, job(), given)
    assert any("w.bin" in words and "research only" in words for words in restricted(choices))
    assert restricted(decide(STAGES, job(), settings(), CARDS, lambda need: True)) == []


def test_translators_are_chosen_again_for_the_language_that_was_heard(settings: Make) -> None:
    """A translator that may know a language yet to be heard is foreseen; then one that does is taken."""
    ears = replace(CARDS[1], languages=Languages(source=("en", "fi"), detects=True))
    ways = {("en", "ja"): (), ("en", "es"): ()}
    english = replace(CARDS[2], name="english", quality="good", languages=Languages(pairs=ways))
    finnish = replace(english, name="finnish", languages=Languages(pairs={("fi", "es"): ()}))
    cards = [card for card in CARDS if card.stage not in ("transcribe", "translate")]
    cards += [ears, english, finnish]
    unknown = job(source_language=None)

    def chosen(choices: Choices) -> dict[str | None, str | None]:
        return {
            language: resolution.choice.name if resolution.choice else None
            for (stage, language), resolution in choices.resolutions.items()
            if stage == "translate"
        }

    before = decide(STAGES, unknown, settings(), cards, lambda need: True)
    assert chosen(before) == {"ja": "english", "es": "english"}
    require_all(before, unknown, settings())
    known = job(source_language="fi")
    after = decide_heard(before, STAGES, known, settings(), cards, lambda need: True)
    assert chosen(after) == {"ja": None, "es": "finnish"}
    with pytest.raises(MissingError, match="fi to ja"):
        require_all(after, known, settings())
    # A recogniser of one language has nothing to tell.
    one = [replace(ears, languages=Languages(source=("en",), detects=True)), *cards[:-3], english, finnish]
    with pytest.raises(MissingError, match="is not known"):
        require_all(decide(STAGES, unknown, settings(), one, lambda need: True), unknown, settings())


BESIDES = tuple(
    replace(stage, also={"transcribe": (SPEAKERS,), "dub": (SPEAKERS, HEAR)}.get(stage.name, ()))
    for stage in STAGES
)


def besides(settings: Settings, *cards: Card, sound: bool = True, **changes: Any) -> dict[str, str | None]:
    """What is asked for beside the stages, and what was chosen."""
    choices = decide(BESIDES, job(**changes), settings, [*CARDS, *cards], lambda need: True, sound)
    return {
        f"{name}.{language}" if language else name: resolution.choice.name if resolution.choice else None
        for (name, language), resolution in choices.resolutions.items()
        if name in (SPEAKERS, HEAR)
    }


EARS = replace(CARD, stage="transcribe", name="ears", quality="good", languages=Languages(source=("ja",)))


def test_speakers_are_told_once_for_all_languages_where_there_is_sound(settings: Make) -> None:
    teller = replace(CARD, stage=SPEAKERS, name="teller")
    given = settings(listen=False, require_quality="good")
    assert besides(given, teller) == {SPEAKERS: "teller"}
    assert besides(given, teller, transcript=TEXT) == {SPEAKERS: "teller"}
    assert besides(given, teller, sound=False, transcript=TEXT) == {}


def test_each_language_is_heard_by_a_good_recogniser_that_knows_it(settings: Make) -> None:
    heard = besides(settings(), EARS)
    assert heard == {SPEAKERS: None, f"{HEAR}.ja": "ears", f"{HEAR}.es": None}
    assert besides(settings(), replace(EARS, quality="basic"))[f"{HEAR}.ja"] is None
    assert besides(settings(backend={"transcribe": "other"}), EARS)[f"{HEAR}.ja"] is None
    named = settings(backend={"transcribe": "other", "hear": "ears"})
    assert besides(named, EARS)[f"{HEAR}.ja"] == "ears"


def test_what_is_used_besides_is_missed_only_where_it_was_named(settings: Make) -> None:
    def check(given: Settings) -> None:
        choices = decide(BESIDES, job(), given, CARDS, lambda need: True)
        require_all(choices, job(), given)

    check(settings())
    for name in (SPEAKERS, HEAR):
        with pytest.raises(UsageError, match="nobody"):
            check(settings(backend={name: "nobody"}))
