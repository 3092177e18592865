"""What both engines promise: sound, phones that cover it, rates that are kept, the same line the same
sound."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from loc.backend import Host
from loc.errors import ChildError, InputError
from loc.settings import Settings
from stages.dub.contract import Spoken, Synthesiser, VoiceRequest
from stages.dub.espeak import LANGUAGES, Espeak
from stages.dub.openjtalk import OpenJTalk

LOW, HIGH = VoiceRequest("low", 0), VoiceRequest("high", 0)
TEXTS = {"ja": "パパは山へ行きました。", "de": "Papa kam über die Brücke.", "es": "Papá compra pan blanco."}


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Synthesiser]]:
    host = Host(settings=Settings(), scratch=tmp_path_factory.mktemp("scratch"))
    espeak, openjtalk = Espeak(host), OpenJTalk(host)
    yield {"ja": openjtalk, "de": espeak, "es": espeak}
    espeak.close()
    openjtalk.close()
    espeak.close()
    assert not list(host.scratch.iterdir())


def level(spoken: Spoken, symbols: set[str]) -> float:
    """RMS over all phones of some symbols."""
    parts = [
        spoken.audio[phone.start : phone.stop]
        for phone in spoken.phones
        if phone.symbol.strip("',:") in symbols
    ]
    assert parts
    return float(np.sqrt(np.mean(np.square(np.concatenate(parts)))))


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("rate", [1.0, 1.35])
def test_phones_cover_the_sound_and_are_where_they_sound(
    engines: dict[str, Synthesiser], language: str, rate: float
) -> None:
    spoken = engines[language].speak(TEXTS[language], language, LOW, rate)
    assert spoken.audio.dtype == np.float32
    assert 0.05 < np.abs(spoken.audio).max() <= 1.0
    assert spoken.phones[0].start == 0
    assert spoken.phones[-1].stop == len(spoken.audio)
    assert all(a.stop == b.start for a, b in pairwise(spoken.phones))
    # Lips are shut before a p is heard: its closure is far quieter than the vowels around.
    assert level(spoken, {"p"}) < 0.5 * level(spoken, {"a", "A"})


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("rate", [1.1, 1.35])
def test_a_rate_is_kept(engines: dict[str, Synthesiser], language: str, rate: float) -> None:
    text = TEXTS[language] * 2
    natural = len(engines[language].speak(text, language, LOW, 1.0).audio)
    assert natural / len(engines[language].speak(text, language, LOW, rate).audio) == pytest.approx(
        rate, rel=0.015
    )


@pytest.mark.parametrize("language", TEXTS)
def test_a_line_sounds_the_same_whatever_was_said_before(
    engines: dict[str, Synthesiser], language: str
) -> None:
    first = engines[language].speak(TEXTS[language], language, LOW, 1.0)
    engines[language].speak(TEXTS[language], language, HIGH, 1.2)
    again = engines[language].speak(TEXTS[language], language, LOW, 1.0)
    assert np.array_equal(first.audio, again.audio)
    assert first.phones == again.phones


@pytest.mark.parametrize("language", ["ja", "de"])
def test_speakers_have_voices_of_their_own(engines: dict[str, Synthesiser], language: str) -> None:
    requests = [LOW, VoiceRequest("low", 1), HIGH, VoiceRequest("high", 2)]
    names = {engines[language].speak("a", language, request, 1.0).voice for request in requests}
    assert len(names) == len(requests)


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("text", ["", "  ", "...", "!?"])
def test_nothing_to_read_is_an_error(
    engines: dict[str, Synthesiser], language: str, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError):
        engines[language].speak(text, language, LOW, 1.0)
    assert capfd.readouterr() == ("", "")


def test_openjtalk_may_be_called_from_threads(engines: dict[str, Synthesiser]) -> None:
    wanted = engines["ja"].speak("はい", "ja", LOW, 1.0).audio
    heard: list[npt.NDArray[np.float32]] = []
    threads = [
        threading.Thread(target=lambda: heard.append(engines["ja"].speak("はい", "ja", LOW, 1.0).audio))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 4
    assert all(np.array_equal(audio, wanted) for audio in heard)


@pytest.mark.parametrize("language", ["en", "es", "pt", "zh", "no", "ko", "ru", "ar", "hi", "fr"])
def test_espeak_has_the_languages_it_claims(engines: dict[str, Synthesiser], language: str) -> None:
    assert language in LANGUAGES
    assert len(engines["de"].speak("1 2 3", language, LOW, 1.0).audio) > 1000


def test_espeak_refuses_a_language_it_lacks(engines: dict[str, Synthesiser]) -> None:
    with pytest.raises(InputError, match="xx"):
        engines["de"].speak("text", "xx", LOW, 1.0)


def test_espeak_is_never_chosen_for_japanese() -> None:
    assert "ja" not in LANGUAGES
    assert "ja" in Espeak.card.languages.except_target


def test_fingerprints_name_data_and_start_nothing(tmp_path: Path) -> None:
    host = Host(settings=Settings(), scratch=tmp_path)
    espeak = Espeak(host)
    assert set(espeak.fingerprint()) == {"espeakng-loader", "libespeak-ng", "espeak-ng-data"}
    assert espeak._worker._child is None
    assert set(OpenJTalk(host).fingerprint()) == {
        "pyopenjtalk-plus", "SudachiPy", "SudachiDict-core", "voice mei",
    }  # fmt: skip


def test_a_dead_espeak_is_an_error_and_the_next_line_is_spoken(tmp_path: Path) -> None:
    espeak = Espeak(Host(settings=Settings(), scratch=tmp_path))
    espeak.speak("eins", "de", LOW, 1.0)
    assert espeak._worker._child is not None
    espeak._worker._child.kill()
    with pytest.raises(ChildError):
        espeak.speak("zwei", "de", LOW, 1.0)
    assert len(espeak.speak("drei", "de", LOW, 1.0).audio) > 1000
    espeak.close()
