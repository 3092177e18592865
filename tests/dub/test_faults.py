"""What can be heard to be wrong with a line: nothing in good speech of many scripts, and planted faults."""

from __future__ import annotations

import numpy as np
import pytest

from loc.artifacts import SAMPLE_RATE
from loc.media.sound import Samples
from stages.dub.faults import faults, syllables
from tests.voices import SENTENCES, speak

LINES = {
    "en": "It costs 1,250 dollars in 2026.",
    "de": "Papa kam über die Brücke und aß ein Brötchen.",
    "fr": "Eau.",
    "ru": "Доброе утро, спасибо всем, что пришли.",
    "ar": "صباح الخير وشكرا لكم جميعا على حضوركم اليوم",
    "hi": "सुप्रभात और आज यहाँ आने के लिए आप सभी का धन्यवाद",
    "cmn": "大家早上好，感谢你们今天来到这里。",
    "ko": "안녕하세요, 오늘 와 주셔서 감사합니다.",
    "vi": "Chào buổi sáng và cảm ơn tất cả các bạn đã đến đây hôm nay.",
}


def codes(audio: Samples, text: str, language: str = "en", rate: float = 1.0) -> list[str]:
    return [reason.code for reason in faults(audio, audio, text, language, rate)]


def faded(audio: Samples) -> Samples:
    """The drawn voices are trimmed to the sound; the clip's own 20 ms after it are put back."""
    return np.concatenate([audio, np.zeros(SAMPLE_RATE // 50, np.float32)])


@pytest.mark.parametrize("language", LINES)
@pytest.mark.parametrize(("wpm", "rate"), [(165, 1.0), (223, 1.35)])
def test_good_speech_has_none(language: str, wpm: int, rate: float) -> None:
    audio = faded(speak(LINES[language], language, wpm))
    assert codes(audio, LINES[language], language, rate) == []


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("$1,000,000!", "en"),
        ("1000 euros.", "es"),
        ("1.000.000", "es"),
        ("1000 euros.", "fr"),
        ("1000000", "ar"),
    ],
)
@pytest.mark.parametrize(("wpm", "rate"), [(165, 1.0), (223, 1.35)])
def test_round_numbers_are_said_in_few_words(text: str, language: str, wpm: int, rate: float) -> None:
    assert codes(faded(speak(text, language, wpm)), text, language, rate) == []


def test_half_a_line_and_a_line_that_goes_on_are_found() -> None:
    text = " ".join(SENTENCES[:2])
    audio = faded(speak(text))
    third = audio[: len(audio) // 3] * np.linspace(1, 0, len(audio) // 3, dtype=np.float32)
    assert codes(third, text) == ["too-short"]
    assert codes(np.tile(audio, 5), text) == ["too-long"]


def test_a_line_that_breaks_off_within_a_vowel_is_found() -> None:
    audio = speak(SENTENCES[0])
    loudest = int(np.abs(audio[len(audio) // 2 :]).argmax()) + len(audio) // 2
    assert codes(audio[: loudest + 100], SENTENCES[0]) == ["cut-off"]


def test_tops_cut_flat_are_found_and_loud_ones_are_not() -> None:
    audio = faded(speak(SENTENCES[0]))
    assert codes(np.clip(10 * audio, -1, 1), SENTENCES[0]) == ["clipped"]
    assert codes(3 * audio, SENTENCES[0]) == []


def test_silence_is_found() -> None:
    assert codes(faded(speak(SENTENCES[0])) * np.float32(1e-3), SENTENCES[0]) == ["silent"]
    assert codes(np.zeros(SAMPLE_RATE, np.float32), SENTENCES[0]) == ["silent"]


def test_syllables_of_every_script_are_counted_to_a_factor_of_two() -> None:
    counted = {
        ("Good morning everybody.", "en"): 7, ("パトカー", "ja"): 4, ("東京", "ja"): 4, ("東京", "zh"): 2,
        ("안녕하세요", "ko"): 5, ("...!", "en"): 0, ("Доброе утро", "ru"): 5,
    }  # fmt: skip
    for (text, language), true in counted.items():
        assert true / 2 <= syllables(text, language) <= 2 * true
