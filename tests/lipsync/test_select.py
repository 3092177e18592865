"""Which cuts get a final: for any candidates, and for the cases that people meet."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc.artifacts import PictureScore, Score, ScoreMeasure
from stages.lipsync.select import (
    ALL,
    AUTO,
    LARGE_FACE,
    LIMITS,
    NOISE,
    NONE,
    Candidate,
    Choice,
    Wanted,
    is_under_limit,
    numbers,
    select,
    wanted_finals,
    worse,
)

UNIT = st.floats(-1, 1)
SCORES = st.one_of(
    st.none(),
    st.builds(Score, measure=st.just("syncnet"), value=st.one_of(st.none(), st.floats(-1, 12))),
    st.builds(
        Score, measure=st.sampled_from(["viseme-agreement", "renderer-obedience"]), value=st.floats(-1, 1)
    ),
)
ONE = st.builds(
    Candidate,
    cut=st.just(0),
    shot=st.integers(0, 3),
    face=st.sampled_from(["a", "b"]),
    area=st.floats(0, 1),
    stretch=st.floats(0.1, 4),
    lead=st.booleans(),
    score=SCORES,
)
MANY = st.lists(ONE, max_size=12).map(
    lambda found: [Candidate(**{**vars(one), "cut": number}) for number, one in enumerate(found, 1)]
)
NUMBERS = st.frozensets(st.integers(1, 14))
WANTED = st.one_of(
    st.sampled_from([Wanted(NONE), Wanted(AUTO), Wanted(ALL)]),
    st.builds(Wanted, mode=st.sampled_from([NONE, AUTO, ALL]), named=NUMBERS),
)


def small(cut: int, **other: object) -> Candidate:
    given = {"shot": cut, "face": "a", "area": 0.01, "stretch": 0.5, **other}
    return Candidate(cut=cut, **given)  # type: ignore[arg-type]


def finals(choices: list[Choice]) -> set[int]:
    return {one.cut for one in choices if one.final}


def codes(choice: Choice) -> set[str]:
    return {reason.code for reason in choice.reasons}


@given(MANY, WANTED, st.one_of(st.none(), st.integers(0, 6)))
def test_every_candidate_is_decided_once_and_every_final_has_a_reason(
    candidates: list[Candidate], wanted: Wanted, limit: int | None
) -> None:
    choices = select(candidates, wanted, limit)
    assert [one.cut for one in choices] == [one.cut for one in candidates]
    assert all(one.reasons for one in choices if one.final)
    assert all("over-limit" in codes(one) for one in choices if one.reasons and not one.final)
    if limit is not None:
        assert len(finals(choices) - wanted.named) <= limit


@given(MANY, st.sampled_from([NONE, AUTO, ALL]), NUMBERS, st.one_of(st.none(), st.integers(0, 6)))
def test_naming_cuts_changes_nothing_for_the_others(
    candidates: list[Candidate], mode: str, named: frozenset[int], limit: int | None
) -> None:
    there = {one.cut for one in candidates}
    before = finals(select(candidates, Wanted(mode), limit))
    assert finals(select(candidates, Wanted(mode, named), limit)) == before | (there & named)


@given(MANY, WANTED)
def test_without_a_limit_none_is_left_out_and_the_order_changes_nothing(
    candidates: list[Candidate], wanted: Wanted
) -> None:
    choices = select(candidates, wanted)
    assert not any("over-limit" in codes(one) for one in choices)
    assert finals(select(candidates[::-1], wanted)) == finals(choices)
    there = {one.cut for one in candidates}
    if wanted.mode == ALL:
        assert finals(choices) == there
    elif wanted.mode == NONE:
        assert finals(choices) == there & wanted.named
    else:
        assert finals(choices) == finals(select(candidates, Wanted(AUTO))) | (there & wanted.named)


@given(MANY, st.one_of(st.none(), st.integers(0, 6)))
def test_a_face_in_a_shot_is_chosen_whole_or_not_at_all(
    candidates: list[Candidate], limit: int | None
) -> None:
    chosen = finals(select(candidates, Wanted(AUTO), limit))
    for one in candidates:
        for other in candidates:
            if (one.shot, one.face) == (other.shot, other.face):
                assert (one.cut in chosen) == (other.cut in chosen)


@given(MANY, st.integers(0, 6))
def test_a_higher_limit_takes_no_final_away_from_single_cuts(candidates: list[Candidate], limit: int) -> None:
    alone = [Candidate(**{**vars(one), "shot": one.cut}) for one in candidates]
    for less, more in pairwise(finals(select(alone, Wanted(AUTO), size)) for size in range(limit + 2)):
        assert less <= more


@given(MANY, WANTED, st.integers(0, 6), st.randoms(use_true_random=False))
def test_a_limit_chooses_alike_in_any_order(
    candidates: list[Candidate], wanted: Wanted, limit: int, random: Random
) -> None:
    shuffled = random.sample(candidates, len(candidates))
    assert finals(select(shuffled, wanted, limit)) == finals(select(candidates, wanted, limit))


@given(MANY, st.sampled_from([AUTO, ALL]), st.integers(0, 6))
def test_under_a_limit_nobody_waits_for_a_weaker_one(
    candidates: list[Candidate], mode: str, limit: int
) -> None:
    """Of cuts that stand alone: each that was left out is no stronger than any that was taken."""
    alone = [Candidate(**{**vars(one), "shot": one.cut}) for one in candidates]
    choices = {one.cut: one for one in select(alone, Wanted(mode), limit)}
    left = [one for one in alone if "over-limit" in codes(choices[one.cut])]
    taken = [one for one in alone if choices[one.cut].final]
    assert len(taken) == limit or not left
    for one in left:
        for other in taken:
            assert strength(other, choices[other.cut]) >= strength(one, choices[one.cut])


def strength(one: Candidate, choice: Choice) -> tuple[int, float]:
    """How strong a candidate's best reason is, as the docs list them, then how large its face is."""
    order = ("all", "over-resolution", "large-face", "low-score", "lead")
    return max(order.index(code) for code in codes(choice) - {"over-limit"}), one.area


@given(MANY, WANTED, st.one_of(st.none(), st.integers(0, 6)))
def test_a_cut_that_deserves_nothing_changes_nothing_for_the_others(
    candidates: list[Candidate], wanted: Wanted, limit: int | None
) -> None:
    if wanted.mode == ALL:
        return
    idle = Candidate(cut=99, shot=99, face="z", area=0.0, stretch=0.1)
    *others, last = select([*candidates, idle], wanted, limit)
    assert others == select(candidates, wanted, limit)
    assert last == Choice(99, False, ())


@given(MANY, WANTED)
def test_no_budget_leaves_every_draft_that_is_not_named(candidates: list[Candidate], wanted: Wanted) -> None:
    assert finals(select(candidates, wanted, 0)) == {one.cut for one in candidates} & wanted.named
    assert not finals(select(candidates, Wanted(NONE)))


@given(MANY, st.data())
def test_a_larger_face_a_lower_score_or_a_lead_never_loses_its_final(
    candidates: list[Candidate], data: st.DataObject
) -> None:
    if not candidates:
        return
    before = finals(select(candidates, Wanted(AUTO)))
    index = data.draw(st.integers(0, len(candidates) - 1))
    one = candidates[index]
    raised = {**vars(one), "area": min(1.0, one.area + data.draw(st.floats(0, 1))), "lead": True}
    changed = [*candidates[:index], Candidate(**raised), *candidates[index + 1 :]]
    assert before <= finals(select(changed, Wanted(AUTO)))


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"area": LARGE_FACE + 0.01}, "large-face"),
        ({"stretch": 1.3}, "over-resolution"),
        ({"lead": True}, "lead"),
        ({"score": Score(measure="syncnet", value=LIMITS["syncnet"] - 0.1)}, "low-score"),
    ],
)
def test_each_reason_stands_alone(other: dict[str, object], code: str) -> None:
    chosen, plain = select([small(1, **other), small(2)], Wanted(AUTO))
    assert chosen.final
    assert codes(chosen) == {code}
    assert not plain.final
    assert not plain.reasons


def test_a_lead_comes_before_who_is_large() -> None:
    made = select([small(1, area=0.9), small(2, lead=True), small(3, area=0.5)], Wanted(AUTO), limit=2)
    assert finals(made) == {1, 2}
    assert codes(made[2]) == {"large-face", "over-limit"}


def test_a_cut_of_the_same_face_in_the_same_shot_comes_along() -> None:
    made = select([small(1, shot=4, area=0.5), small(2, shot=4), small(3, shot=4, face="b")], Wanted(AUTO))
    assert finals(made) == {1, 2}
    assert codes(made[1]) == {"same-shot"}


@pytest.mark.parametrize(
    ("quality", "said", "expected"),
    [
        ("draft", None, Wanted(NONE)),
        ("standard", None, Wanted(AUTO)),
        ("max", None, Wanted(ALL)),
        ("draft", "all", Wanted(ALL)),
        ("max", "none", Wanted(NONE)),
        ("standard", "1,4-7", Wanted(NONE, frozenset({1, 4, 5, 6, 7}))),
        ("draft", "auto, 3", Wanted(AUTO, frozenset({3}))),
        ("draft", "all,3-4", Wanted(ALL, frozenset({3, 4}))),
    ],
)
def test_finals_say_more_than_quality(quality: str, said: str | None, expected: object) -> None:
    assert wanted_finals(quality, said) == expected  # type: ignore[arg-type]


@given(st.sets(st.integers(1, 500), min_size=1))
def test_a_list_of_cuts_is_read_back(cuts: set[int]) -> None:
    assert numbers(",".join(map(str, cuts))) == cuts


def test_what_is_unscored_and_what_has_no_limit_is_under_none() -> None:
    assert not is_under_limit(None)
    assert not is_under_limit(Score(measure="syncnet", unscored="too short"))
    assert not is_under_limit(Score(measure="viseme-agreement", value=-1.0))


@pytest.mark.parametrize("measure", LIMITS)
def test_a_judge_gates_by_the_limit_of_its_own_measure(measure: ScoreMeasure) -> None:
    low, high = (Score(measure=measure, value=LIMITS[measure] + by) for by in (-0.05, 0.05))
    assert is_under_limit(low)
    assert not is_under_limit(high)
    chosen = select([small(1, score=low), small(2, score=high)], Wanted(AUTO))
    assert [(one.final, [reason.code for reason in one.reasons]) for one in chosen] == [
        (True, ["low-score"]),
        (False, []),
    ]


def scored(value: float, measure: str = "syncnet", **picture: float) -> Score:
    look = {"seam": 1.0, "lip_colour": 2.0, "sharpness": 1.0, "jitter": None, "outside": 0}
    look |= {"shape": 0.01, "at_rest": 0.01, **picture}
    return Score(measure=measure, value=value, picture=PictureScore(**look))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("final", "expected"),
    [
        (scored(5.0), set()),
        (scored(5.0 - NOISE["syncnet"]), set()),
        (scored(4.0), {"worse-sync"}),
        (scored(0.1, "viseme-agreement"), set()),
        (scored(6.0, seam=4.0), {"worse-seam"}),
        (scored(6.0, sharpness=0.7), {"worse-sharpness"}),
        (scored(6.0, lip_colour=9.0), {"worse-identity"}),
        (scored(6.0, shape=0.05), {"worse-shape"}),
        (scored(6.0, shape=0.03), set()),
        (scored(6.0, at_rest=0.06), {"worse-rest"}),
        (scored(6.0, at_rest=0.03), set()),
    ],
)
def test_a_final_is_worse_only_beyond_noise_and_within_one_measure(final: Score, expected: set[str]) -> None:
    assert {reason.code for reason in worse(scored(5.0), final)} == expected
    assert not worse(None, final)


LOOKS = st.one_of(
    st.none(),
    st.builds(
        PictureScore,
        seam=st.floats(0, 20),
        lip_colour=st.one_of(st.none(), st.floats(0, 20)),
        sharpness=st.floats(0, 2),
        jitter=st.none(),
        outside=st.just(0),
        shape=st.one_of(st.none(), st.floats(0, 0.2)),
        at_rest=st.one_of(st.none(), st.floats(0, 0.3)),
    ),
)
WHOLE = st.builds(lambda score, look: score and score.model_copy(update={"picture": look}), SCORES, LOOKS)


@given(WHOLE, WHOLE, WHOLE)
def test_worse_is_no_circle_and_measures_are_never_mixed(
    one: Score | None, other: Score | None, third: Score | None
) -> None:
    assert not worse(one, one)
    there = {reason.code for reason in worse(one, other)}
    back = {reason.code for reason in worse(other, one)}
    assert not there & back
    if one is None or other is None or one.measure != other.measure:
        assert "worse-sync" not in there
    if third is not None and third.value is None:
        assert "worse-sync" not in {reason.code for reason in worse(one, third)}
