"""What plan and doctor say of backends that are only short of weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from loc.app.doctor import _of_stage
from loc.app.plan import Row, offers
from loc.backend import Card, LicensedPart, Need, Rejected
from loc.settings import Settings
from loc.weights import table as weights
from loc.weights.table import Place, WeightFile


def card(name: str, model: str | None = None, quality: Any = "good", rank: int = 0, *more: Need) -> Card:
    needs = (*more, *((Need("weights", model, f"loc models pull {model}"),) if model else ()))
    return Card(
        stage="translate", name=name, version="1", summary="", family="neural", quality=quality,
        runs="in-process", needs=needs, model=model, rank=rank,
    )  # fmt: skip


def short(of: Card, gate: Any = "needs", missing: tuple[Need, ...] | None = None) -> Rejected:
    return Rejected(of, gate, "missing", of.needs if missing is None else missing)


def known(*names: str, kind: Any = "hub") -> dict[str, weights.Row]:
    return {
        name: weights.Row(
            id=name, title=name, licence="mit", source=Place(kind=kind),
            files=(WeightFile(path="a", sha256=None, size=10),),
        )
        for name in names
    }  # fmt: skip


def row(chosen: Card | None, *rejected: Rejected) -> Row:
    return Row("translate", "ja", chosen, True, 0, 0, None, None, None, rejected)


def test_the_best_model_of_each_better_backend_is_offered() -> None:
    found = offers(
        row(
            card("apertium", quality="basic"),
            short(card("m2m", "small", "good", 60)),
            short(card("m2m", "large", "good", 50)),
            short(card("madlad", "3b", "best")),
        ),
        known("small", "large", "3b"),
    )
    assert [(offer.card.name, offer.command, offer.bytes, offer.licences) for offer in found] == [
        ("madlad", "loc models pull 3b", 10, ("MIT License",)),
        ("m2m", "loc models pull large", 10, ("MIT License",)),
    ]


def test_parts_are_pulled_with_their_model_and_counted() -> None:
    whole = card("muse", "unet", "good", 0, Need("weights", "vae"))
    [offer] = offers(row(None, short(whole)), known("unet", "vae"))
    assert offer.command == "loc models pull vae unet"
    assert offer.bytes == 20
    [offer] = offers(row(None, short(whole, missing=(Need("weights", "unet"),))), known("unet", "vae"))
    assert offer.command == "loc models pull unet"


def test_an_environment_is_made_before_its_weights_are_pulled_and_terms_are_told() -> None:
    environment = Need("environment", "apart")
    gated = known("whole")["whole"].model_copy(update={"access": "Ask first."})
    [offer] = offers(row(None, short(card("whole", "whole", "best", 0, environment))), {"whole": gated})
    assert offer.command == "loc models env apart && loc models pull whole"
    assert offer.access == ("Ask first.",)
    licensed = replace(card("inside"), needs=(environment,), licences=(LicensedPart("code", "x", "mit"),))
    [offer] = offers(row(None, short(licensed)), {})
    assert (offer.command, offer.weights, offer.licences) == (
        "loc models env apart",
        (),
        ("MIT License",),
    )


def test_the_code_that_an_environment_installs_has_its_licence_told_beside_that_of_the_weights() -> None:
    room = Need("environment", "kokoro")
    code = LicensedPart("code", "phonemizer", "gpl-3_0-or-later")
    engine = replace(card("kokoro", "voice", "good", 0, room), licences=(code,))
    [offer] = offers(row(None, short(engine)), known("voice"))
    assert offer.licences == ("MIT License", "GNU General Public License 3.0 or later")
    [offer] = offers(row(None, short(engine, missing=engine.needs[1:])), known("voice"))
    assert (offer.command, offer.licences) == ("loc models pull voice", ("MIT License",))


def test_nothing_is_offered_that_pulling_would_not_bring() -> None:
    chosen = card("chosen", "here", "good", 10)
    other = [
        short(card("worse", "a", "basic")),
        short(card("later", "b", "good", 20)),
        short(card("unlicensed", "c", "best"), gate="licence"),
        short(card("packageless", "d", "best", 0, Need("package", "nothing"))),
        short(card("unknown", "e", "best")),
        short(card("gone", "mine", "best")),
    ]
    assert offers(row(chosen, *other), known("a", "b", "c", "d") | known("mine", kind="registered")) == ()


def test_doctor_has_one_line_for_a_backend_with_many_models() -> None:
    models = [card("whisper", name, rank=rank) for rank, name in enumerate(("large", "small", "tiny"))]
    alone = card("apertium", quality="basic")

    def lines(*there: str) -> list[tuple[str, bool, str, str]]:
        checks = _of_stage([*models, alone], Settings(), lambda need: need.name in there)
        return [(check.name, check.ok, check.detail, check.fix) for check in checks]

    none = ("translate whisper", False, "0 of 3 models here", "loc models pull large")
    assert lines() == [none, ("translate apertium", True, "1, basic, neural", "")]
    assert lines("small", "tiny")[0] == (
        "translate whisper", True, "2 of 3 models here: small, tiny", ""
    )  # fmt: skip


def test_doctor_says_of_a_backend_whose_models_may_not_be_used_why_and_brings_none_of_them() -> None:
    barred = LicensedPart("weights", "Separator", "demucs-weights")
    models = [replace(card("demucs", name), licences=(barred,)) for name in ("first", "second")]
    mine = card("demucs", "mine", rank=9)

    def line(cards: list[Card], *there: str, **changes: Any) -> tuple[bool, str, str]:
        [check] = _of_stage(cards, Settings(**changes), lambda need: need.name in there)
        return check.ok, check.detail, check.fix

    ok, detail, fix = line(models, "first")
    assert (ok, fix) == (False, "")
    assert detail.startswith("refused: Separator: ")
    assert detail.endswith("use centre-mask or a fine-tune of your own instead")
    assert line([*models, mine], "first") == (False, "0 of 3 models here", "loc models pull mine")
    assert line([*models, mine], "mine") == (True, "1 of 3 models here: mine", "")
    assert line(models, "first", purpose="research") == (True, "1 of 2 models here: first", "")
