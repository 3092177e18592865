"""Speech without a pause that is longer than a window: every word is heard whole, and comes once."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from loc.analysis import voice_activity
from loc.artifacts import SAMPLE_RATE, Word
from stages.transcribe import phrases, seams
from stages.transcribe.guard import Said
from stages.transcribe.stage import spans
from tests.voices import SENTENCES, speak_marked

S = SAMPLE_RATE
TEXT = " ".join(sentence.strip(".").replace(",", "").lower() for sentence in SENTENCES)
"""Without a comma or a stop: espeak-ng runs it together for 40 s."""


def said(*words: tuple[str, float, float]) -> list[Said]:
    made = (Word(text=text, start=round(a * S), stop=round(b * S), confidence=0.9) for text, a, b in words)
    return [Said(words=tuple(made), logprob=-0.1, no_speech=0.0)]


def texts(passages: list[Said]) -> list[str]:
    return [word.text for passage in passages for word in passage.words]


@pytest.mark.parametrize("limit_s", [8, 15, 30])
def test_the_words_of_unbroken_speech_come_whole_and_once(limit_s: int) -> None:
    """Heard by one who knows all words that are whole in a window, writes something else for those that are
    not, and is off by up to 60 ms."""
    audio, marks = speak_marked(TEXT, rate=140)
    frames = voice_activity.measure(voice_activity.to_analysis(audio[:, None]))
    regions = voice_activity.in_samples(voice_activity.regions(frames), len(audio))
    assert sum(b - a for a, b in regions) > 35 * S
    assert any(b - a > 8 * S for a, b in regions)
    edges = itertools.pairwise([*(start for start, _ in marks), len(audio)])
    # Of a word before a pause nothing is heard in it.
    ends = [max(end for first, end in regions if first <= start) for start, _ in marks]
    words = [
        (text, (start, min(stop, end)))
        for (_, text), (start, stop), end in zip(marks, edges, ends, strict=True)
    ]
    windows = spans(limit_s * S, len(audio), frames, regions)
    dice = np.random.default_rng(0)
    heard = []
    for first, last in windows:
        assert last - first <= limit_s * S
        inside = []
        for text, (start, stop) in words:
            if stop <= first or start >= last:
                continue
            whole = first <= start and stop <= last
            off = int(dice.integers(-60, 61)) * S // 1000
            low, high = max(first, start + off), min(last, stop + off)
            if low < high:
                inside.append((text if whole else "what", low / S, high / S))
        heard.append(said(*inside))
    assert len(windows) > 1
    assert texts(seams.joined(windows, heard)) == [text for text, _ in words]


def test_windows_that_heard_a_seam_differently_lose_and_double_nothing() -> None:
    windows = [(0, 10 * S), (8 * S, 18 * S)]
    before, after = ("before", 6.0, 6.5), ("after", 11.0, 11.5)
    doubled = [said(before, ("seem", 8.6, 9.1)), said(("seam", 8.8, 9.25), after)]
    assert texts(seams.joined(windows, doubled)) == ["before", "seem", "after"]
    left_out = [said(before, ("seem", 8.9, 9.3)), said(("seam", 8.65, 9.2), after)]
    assert texts(seams.joined(windows, left_out)) == ["before", "seem", "after"]
    apart = [said(before, ("one", 8.2, 8.6)), said(("two", 9.4, 9.8), after)]
    assert texts(seams.joined(windows, apart)) == ["before", "one", "two", "after"]
    assert seams.joined(windows, [[], said(after)]) == said(after)


def test_windows_that_do_not_overlap_are_left_alone() -> None:
    heard = [said(("one", 1.0, 1.5)), said(("one", 2.0, 2.5))]
    assert seams.joined([(0, 2 * S), (2 * S, 4 * S)], heard) == [*heard[0], *heard[1]]


def test_a_speech_is_cut_in_its_longest_pause_not_in_a_stop() -> None:
    """Noise with a stop of 60 ms that is silent, and a pause of 180 ms that is not quite."""
    level = np.full(2000, -20.0, np.float32)
    level[1000:1002], level[1100:1106] = -90.0, -50.0
    frames = voice_activity.VoiceFrames(np.full(2000, 2, np.uint8), level)
    whole = (0, 2000 * voice_activity.FRAME_48K)
    (_, cut), (begin, _) = spans(40 * S, whole[1], frames, [whole])
    assert 1100 <= (cut + begin) // 2 // voice_activity.FRAME_48K <= 1106
    assert cut - begin == 2 * phrases.SEAM
