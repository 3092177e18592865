"""What `bench/figures.py` holds against its prediction: which actions were made, not how many."""

from __future__ import annotations

from bench.prediction import difference, misses


def done(action: str, unit: str = "", *, hit: bool = False) -> dict[str, object]:
    return {"type": "action-done", "action": action, "unit": unit, "hit": hit}


def test_as_many_others_are_a_surprise() -> None:
    events = [
        done("dub.speak", "line l0002"),
        done("dub.speak", "line l0001", hit=True),
        {"type": "stage-done", "stage": "dub", "seconds": 1.0},
        done("deliver.mux"),
    ]
    made = list(misses(events))
    assert difference(made, {("deliver.mux", ""), ("dub.speak", "line l0002")}) == {}
    assert difference(made, {("deliver.mux", ""), ("dub.speak", "line l0001")}) == {
        "not expected": ["dub.speak line l0002"],
        "not made": ["dub.speak line l0001"],
    }


def test_what_is_made_twice_is_a_surprise() -> None:
    assert difference([("dub.clip", "line l0001")] * 2, {("dub.clip", "line l0001")}) == {
        "not expected": ["dub.clip line l0001"]
    }
