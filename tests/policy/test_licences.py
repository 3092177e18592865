"""What may be used: for every purpose but research, nothing that forbids commercial use is ever chosen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loc.backend import (
    QUALITIES,
    Card,
    Languages,
    LicensedPart,
    Need,
    Request,
    Resolution,
    cards_of,
    discover,
    require,
    resolve,
)
from loc.errors import RefusedError
from loc.policy.licences import Purpose, refusal, table
from loc.weights.table import Place, Row, WeightFile, published
from tests.weights.shelving import registered

NAMES = [*table(), "licence-of-mars"]
FORBIDDEN = {name for name in NAMES if name not in table() or table()[name].commercial == "no"}

parts = st.lists(
    st.builds(
        LicensedPart,
        kind=st.sampled_from(["code", "weights", "voice", "data"]),
        item=st.just("part"),
        licence=st.sampled_from(NAMES),
    ),
    max_size=3,
).map(tuple)
cards = st.builds(
    Card,
    stage=st.sampled_from(["translate", "dub"]),
    name=st.sampled_from("abcd"),
    version=st.just("1"),
    summary=st.just(""),
    family=st.sampled_from(["embedded", "neural", "remote"]),
    quality=st.sampled_from(QUALITIES),
    runs=st.sampled_from(["in-process", "subprocess", "remote"]),
    needs=st.sampled_from([(), (Need("package", "there"),), (Need("package", "missing"),)]),
    languages=st.sampled_from([Languages(), Languages(target=("ja",)), Languages(except_target=("ja",))]),
    licences=parts,
    architecture=st.sampled_from([None, "net"]),
)
rows = st.lists(
    st.builds(
        Row,
        id=st.sampled_from(["one", "two", "three"]),
        title=st.just("A model"),
        architecture=st.sampled_from(["net", "other"]),
        rank=st.integers(0, 99),
        quality=st.sampled_from([None, *QUALITIES]),
        licence=st.sampled_from(NAMES),
        source=st.just(Place(kind="registered")),
        files=st.just((WeightFile(path="a", sha256=None),)),
    ),
    max_size=4,
)
requests = st.builds(
    Request,
    stage=st.sampled_from(["translate", "dub"]),
    source=st.sampled_from([None, "en"]),
    target=st.sampled_from(["ja", "es"]),
    named=st.sampled_from([None, *"abcd", "one", "a:two"]),
    minimum=st.sampled_from(QUALITIES),
    allow_remote=st.booleans(),
)


@settings(max_examples=500)
@given(st.lists(cards, max_size=5), rows, requests, st.sampled_from([Purpose.INTERNAL, Purpose.DELIVERY]))
def test_no_request_reaches_a_forbidden_licence(
    offered: list[Card], models: list[Row], request: Request, purpose: Purpose
) -> None:
    choices = [choice for card in offered for choice in cards_of(card, models)]
    found = resolve(request, choices, lambda need: need.name != "missing", purpose).choice
    if found is not None:
        assert not FORBIDDEN & {part.licence for part in found.licences}


@settings(max_examples=200)
@given(st.lists(cards, max_size=5), rows, requests)
def test_research_refuses_only_what_nobody_knows(
    offered: list[Card], models: list[Row], request: Request
) -> None:
    choices = [choice for card in offered for choice in cards_of(card, models)]
    resolution = resolve(request, choices, lambda _need: True, Purpose.RESEARCH)
    for item in resolution.rejected:
        if item.gate == "licence":
            assert "licence-of-mars" in {part.licence for part in item.card.licences}


def test_every_published_set_stands_under_a_licence_of_the_table() -> None:
    assert {row.licence for row in published().values()} <= set(table())


ELSEWHERE = {
    "htdemucs": "their author's word, beside the code",
    "htdemucs-ft": "the same",
    "sd-vae-ft-mse": "a licence that others use too",
    "dwpose-ll-384": "that of its training data, which is narrower",
    "whisper-tiny-hf": "their makers' own, of which it is another layout",
    "latentsync-1.6": "read at 1.5's page",
    "stable-syncnet": "the same",
    "qwen3-4b-instruct": "a copy of its page, beside files made from it",
}
"""Sets of a hub whose licence was not read in their own repository, and what was read instead."""


def test_the_licence_of_weights_was_read_in_their_own_repository() -> None:
    rows = [row for row in published().values() if row.source.kind == "hub"]
    strange = {row.id for row in rows if row.source.place not in table()[row.licence].read.source}
    assert strange == set(ELSEWHERE)


def test_what_is_refused_names_what_to_use_instead() -> None:
    refused = [name for name in table() if name in FORBIDDEN]
    assert {"nllb-weights", "mms-weights", "xtts-weights", "wav2lip-weights"} <= set(refused)
    for name in refused:
        assert table()[name].substitute, name
        assert "instead" in str(refusal(name, Purpose.INTERNAL))
        assert refusal(name, Purpose.RESEARCH) is None


def test_every_row_says_where_and_when_it_was_read() -> None:
    for name, row in table().items():
        assert row.read.source, name
        assert row.read.date.startswith("2026-"), name
        assert (row.commercial == "terms") == (row.terms is not None), name


def separators(purpose: Purpose, *own: Row, named: str | None = None) -> Resolution:
    """What would part sound if all that is published were on the machine, and beside it a user's own."""
    backends = [backend for backend in discover().values() if backend.card.stage == "separate"]
    cards = [card for backend in backends for card in cards_of(backend.card, [*published().values(), *own])]
    return resolve(Request("separate", named=named), cards, lambda _need: True, purpose)


def test_the_published_demucs_is_for_research_and_a_fine_tune_is_what_its_owner_says() -> None:
    """Its author gives the weights for scientific purposes; a licence decides before quality."""
    found = separators(Purpose.INTERNAL)
    assert found.choice is not None
    assert found.choice.choice == "separate/centre-mask"
    refused = {item.card.model: item for item in found.rejected}
    for name in ("htdemucs", "htdemucs-ft"):
        assert refused[name].gate == "licence"
        assert refused[name].reason.endswith("use centre-mask or a fine-tune of your own instead")
        with pytest.raises(RefusedError, match="No backend can separate") as caught:
            require(separators(Purpose.INTERNAL, named=name))
        assert "--purpose research" in caught.value.fix

    research = separators(Purpose.RESEARCH).choice
    assert research is not None
    assert research.choice == "separate/demucs:htdemucs-ft"
    mine = separators(Purpose.INTERNAL, registered("mine", "htdemucs", "mine.th")).choice
    assert mine is not None
    assert mine.choice == "separate/demucs:mine"
    other = registered("other", "htdemucs", "other.th", licence="demucs-weights")
    assert separators(Purpose.INTERNAL, other).choice == found.choice
