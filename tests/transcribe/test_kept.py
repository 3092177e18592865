"""Which voices stay: pure functions on known places, and the stage with a cast file."""

from __future__ import annotations

import itertools

import numpy as np

from loc.artifacts import SAMPLE_RATE, Kept, Segment, Stems, Word
from loc.cast import CastFile
from loc.media.sound import store_sound
from loc.runner import Runner
from loc.stage import Slot
from stages.transcribe.contract import Inputs
from stages.transcribe.kept import MARGIN, beside_lines, kept, without
from stages.transcribe.stage import MARKED, run
from tests.hearing import context, source_of
from tests.transcribe.test_stage import Scripted, dialogue, srt, supplied
from tests.voices import pause, speak

S = SAMPLE_RATE


def test_holes_are_cut_out() -> None:
    assert without([(0, 10), (20, 30)], [(5, 6), (8, 25)]) == [(0, 5), (6, 8), (25, 30)]
    assert without([(0, 10)], []) == [(0, 10)]
    assert without([(2, 8)], [(0, 10)]) == []


def test_a_laugh_between_lines_stays_and_a_stretch_with_a_line_does_not() -> None:
    regions = [(1 * S, 3 * S), (4 * S, 5 * S), (6 * S, 9 * S)]
    said = [(int(1.2 * S), int(2.5 * S)), (7 * S, 8 * S)]
    found = kept(10 * S, regions, said, [], all_voices=True)
    assert [(item.start, item.stop) for item in found] == [
        (0, S - MARGIN),
        (3 * S + MARGIN, 6 * S - MARGIN),
        (9 * S + MARGIN, 10 * S),
    ]
    assert {item.by for item in found} == {"no-words"}
    assert kept(10 * S, regions, said, [], all_voices=False) == ()


def test_a_laugh_beside_a_line_stays() -> None:
    regions, said = [(1 * S, 6 * S)], [(1 * S, 3 * S)]
    found = kept(10 * S, regions, said, [(5 * S, 7 * S)], all_voices=True, laughs=[(4 * S, 6 * S)])
    assert Kept(start=4 * S, stop=5 * S, by="laugh") in found
    assert Kept(start=5 * S, stop=7 * S, by="marked") in found
    assert all(a.stop <= b.start for a, b in itertools.pairwise(found))
    assert not kept(10 * S, regions, said, [], all_voices=False, laughs=[(4 * S, 6 * S)])


def test_song_stays_whatever_parted_it() -> None:
    """A separator that takes out speech alone takes song for it all the same, where it has words."""
    regions, said = [(1 * S, 9 * S)], [(1 * S, 3 * S)]
    for all_voices in (True, False):
        found = kept(
            10 * S, regions, said, [(7 * S, 8 * S)], all_voices=all_voices,
            sung=[(3 * S, 5 * S), (6 * S, 9 * S)],
            laughs=[(4 * S, 6 * S)],
        )  # fmt: skip
        songs = [(item.start, item.stop) for item in found if item.by == "song"]
        assert songs == [(3 * S, 5 * S + MARGIN), (6 * S - MARGIN, 7 * S), (8 * S, 9 * S + MARGIN)]
        assert Kept(start=7 * S, stop=8 * S, by="marked") in found
        laughs = [(item.start, item.stop) for item in found if item.by == "laugh"]
        assert laughs == ([(5 * S + MARGIN, 6 * S - MARGIN)] if all_voices else [])
        assert all(a.stop <= b.start for a, b in itertools.pairwise(found))


def test_laughs_are_looked_for_beside_words_and_cues() -> None:
    def segment(start: float, stop: float, *words: tuple[float, float]) -> Segment:
        heard = [Word(text="x", start=round(a * S), stop=round(b * S), confidence=None) for a, b in words]
        return Segment(
            id="s1",
            start=round(start * S),
            stop=round(stop * S),
            speaker=None,
            text="x",
            words=tuple(heard),
            confidence=None,
        )

    regions = [(0, 6 * S), (8 * S, 9 * S)]
    cue = beside_lines(regions, [segment(1, 4)], S)
    assert cue == [(4 * S + MARGIN, 6 * S)], "what is heard in a cue may be all of it speech"
    words = beside_lines(regions, [segment(1, 4, (1, 1.5), (3.5, 4))], S)
    assert words == [(round(1.5 * S) + MARGIN, round(3.5 * S) - MARGIN), (4 * S + MARGIN, 6 * S)]
    assert beside_lines(regions, [], S) == []


def test_a_mark_wins_over_a_line() -> None:
    found = kept(10 * S, [(S, 9 * S)], [(2 * S, 8 * S)], [(3 * S, 4 * S), (9 * S, 99 * S)], all_voices=True)
    assert Kept(start=3 * S, stop=4 * S, by="marked") in found
    assert found[-1] == Kept(start=9 * S, stop=10 * S, by="marked")
    assert all(a.stop <= b.start for a, b in itertools.pairwise(found))


def test_what_the_cast_file_keeps_is_neither_heard_nor_dubbed(runner: Runner) -> None:
    audio, places = dialogue()
    source = source_of(runner.store, audio)
    speech = store_sound(runner.store, [audio[:, None]], 1)
    inputs = Inputs(
        Slot("ingest", source),
        Slot("separate", Stems(speech=speech, background=None, speech_snr_db=None, all_voices=True)),
    )
    start, stop = (round(at * S) for at in places[2])
    cast = CastFile("x.cast.toml", frozenset(), keep=((start - S // 4, stop + S // 4),))
    backend = Scripted()
    found = run(context(runner, {"transcribe": backend}, cast=cast), inputs)
    assert len(backend.asked) == len(found.segments) == 5
    assert all(item.stop <= start or item.start >= stop for item in found.segments)
    marked = [item for item in found.kept if item.by == "marked"]
    assert [(item.start, item.stop) for item in marked] == list(cast.keep)
    everything = np.zeros(len(audio), bool)
    for item in found.kept:
        everything[item.start : item.stop] = True
    for segment in found.segments:
        assert not everything[segment.start : segment.stop].any()
    assert MARKED not in {item.reason for item in found.dropped}


def test_a_laugh_that_goes_on_from_a_cue_stays(runner: Runner) -> None:
    line, laugh = (
        speak("In the evening we walked down to the river.", "en+m3"),
        speak("ha ha ha ha ha ha", "en+m3"),
    )
    audio = np.concatenate([pause(1.0), line, pause(0.1), laugh, pause(1.0)])
    source = source_of(runner.store, audio)
    stems = Stems(
        speech=store_sound(runner.store, [audio[:, None]], 1),
        background=None,
        speech_snr_db=None,
        all_voices=True,
    )
    end = 1.0 + len(line) / S
    text = supplied(runner.store, srt((1.0, end, "In the evening we walked down to the river.")))
    found = run(context(runner, transcript=text), Inputs(Slot("ingest", source), Slot("separate", stems)))
    (kept_laugh,) = [item for item in found.kept if item.by == "laugh"]
    assert kept_laugh.start >= end * S + MARGIN - S // 1000, "cues are in whole milliseconds"
    assert kept_laugh.start < end * S + S // 2
    assert kept_laugh.stop - kept_laugh.start > S
    assert kept_laugh.stop <= end * S + len(laugh) + S // 4
    (heard,) = [record for record in runner.store.actions() if record.name == "transcribe.laughs"]
    assert heard.detail == {"laughs": 1}
    moved = supplied(runner.store, srt((0.9, end, "In the evening, or at night.")))
    run(context(runner, transcript=moved), Inputs(Slot("ingest", source), Slot("separate", stems)))
    again = [record.key for record in runner.store.actions() if record.name == "transcribe.laughs"]
    assert again == [heard.key], "what lies beside the cue is as it was"
