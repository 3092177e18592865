"""Visemes and mouth curves on sequences whose lips are known."""

from __future__ import annotations

import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from loc.analysis.phones import (
    LEAD_S,
    NEUTRAL,
    Alphabet,
    mouth_curve,
    shapes,
    visemes,
)
from loc.artifacts import SAMPLE_RATE, Phone, Phones
from tests.closures import closed_at
from tests.needed import missing


def sequence(alphabet: Alphabet, *sounds: tuple[str, int]) -> Phones:
    """Phones from (symbol, milliseconds)."""
    phones, at = [], 0
    for symbol, length_ms in sounds:
        stop = at + length_ms * SAMPLE_RATE // 1000
        phones.append(Phone(symbol=symbol, start=at, stop=stop))
        at = stop
    return Phones(alphabet=alphabet, phones=tuple(phones))


def middle(phones: Phones, index: int) -> npt.NDArray[np.int64]:
    """The sample at which the lips are in the middle of a phone: the lead before the sound's own."""
    phone = phones.phones[index]
    return np.array([(phone.start + phone.stop) // 2 - round(LEAD_S * SAMPLE_RATE)])


@pytest.mark.parametrize("closure", ["p", "b", "m"])
@pytest.mark.parametrize("length_ms", [34, 60, 90])
def test_lips_meet_in_bilabials(closure: str, length_ms: int) -> None:
    phones = sequence("espeak", ("'a", 120), (closure, length_ms), ("a:", 120))
    aperture, _ = mouth_curve(phones, middle(phones, 1))
    assert aperture[0] < 0.1
    assert closed_at(phones, middle(phones, 1))[0]


def test_an_open_vowel_is_wide_and_a_round_one_round() -> None:
    phones = sequence("openjtalk", ("sil", 100), ("a", 200), ("o", 200), ("sil", 100))
    aperture, width = mouth_curve(phones, np.concatenate([middle(phones, 1), middle(phones, 2)]))
    assert aperture[0] > 0.85
    assert width[1] < 0.9


def test_the_mouth_leads_the_sound() -> None:
    phones = sequence("espeak", ("_", 300), ("a", 200), ("_", 300))
    at = np.arange(0, int(0.8 * SAMPLE_RATE), 48)
    aperture, _ = mouth_curve(phones, at)
    centre = (at * aperture).sum() / aperture.sum() / SAMPLE_RATE
    assert centre == pytest.approx(0.4 - LEAD_S, abs=0.003)


def test_silence_is_rest_also_outside_the_clip() -> None:
    phones = sequence("espeak", ("a", 200))
    aperture, width = mouth_curve(phones, np.array([-SAMPLE_RATE, 2 * SAMPLE_RATE]))
    assert aperture.tolist() == [0, 0]
    assert width.tolist() == [1, 1]
    nothing, neutral = mouth_curve(Phones(alphabet="ipa", phones=()), np.array([0, 100]))
    assert nothing.tolist() == [0, 0]
    assert neutral.tolist() == [1, 1]


def test_samples_need_not_ascend() -> None:
    phones = sequence("espeak", ("a", 100), ("p", 60), ("a", 100))
    at = np.arange(0, int(0.26 * SAMPLE_RATE), 480)
    assert closed_at(phones, at[::-1]).tolist() == closed_at(phones, at)[::-1].tolist()


@pytest.mark.parametrize(
    ("symbol", "alphabet", "names"),
    [
        ("'aI", "espeak", ["open", "close-spread"]),
        ("OI", "espeak", ["open-mid-rounded", "close-spread"]),
        ("@U", "espeak", ["schwa", "close-rounded"]),
        (",0", "espeak", ["open-rounded"]),
        ("E2", "espeak", ["open-mid"]),
        ("3:", "espeak", ["schwa"]),
        ("aa", "espeak", ["open"]),
        ("tS;", "espeak", ["postalveolar"]),
        ("n^", "espeak", ["palatal"]),
        ("D", "espeak", ["dental"]),
        ("ph", "espeak", ["bilabial"]),
        ("@L", "espeak", ["schwa", "lateral"]),
        ("_:", "espeak", ["rest"]),
        ("_|", "espeak", ["rest"]),
        ("t͡ʃ", "ipa", ["postalveolar"]),
        ("aɪ", "ipa", ["open", "close-spread"]),
        ("ˈɑː", "ipa", ["open"]),
        ("õ", "ipa", ["mid-rounded"]),
        ("ˈ", "ipa", ["rest"]),
        ("by", "openjtalk", ["bilabial"]),
        ("y", "openjtalk", ["palatal"]),
        ("y", "espeak", ["close-rounded"]),
    ],
)
def test_symbols(symbol: str, alphabet: Alphabet, names: list[str]) -> None:
    assert [shape.name for shape in shapes(symbol, alphabet)] == names


def test_a_diphthong_closes() -> None:
    phones = sequence("espeak", ("_", 100), ("aI", 240), ("_", 100))
    found = visemes(phones)
    assert found.names == ("rest", "open", "close-spread", "rest")
    assert found.stops[1] == found.starts[2] == int(0.22 * SAMPLE_RATE)
    assert found.aperture[1] > found.aperture[2]


def test_japanese_n_and_geminate_close_before_bilabials_only() -> None:
    found = visemes(sequence("openjtalk", ("N", 80), ("p", 60), ("N", 80), ("k", 60), ("cl", 80), ("p", 60)))
    assert found.closed.tolist() == [True, True, False, False, True, True]


def test_every_phone_of_espeak_has_a_shape() -> None:
    """Vowels, liquids, stops, fricatives and nasals of all of espeak-ng's phoneme tables."""
    spec = find_spec("espeakng_loader")
    if spec is None or not spec.submodule_search_locations:
        missing("the espeak-ng data is not here")
    table = (Path(spec.submodule_search_locations[0]) / "espeak-ng-data" / "phontab").read_bytes()
    sounds = {symbol for kind, symbol in phonemes(table) if 2 <= kind <= 8 and symbol[0] not in "#;"}
    assert not [symbol for symbol in sorted(sounds) if shapes(symbol, "espeak") == (NEUTRAL,)]
    assert len(sounds) > 400


def phonemes(table: bytes) -> list[tuple[int, str]]:
    """(type, mnemonic) of every phoneme: count, 3 bytes, name [32], then records of 16 bytes per table."""
    found, offset = [], 4
    for _ in range(table[0]):
        count = table[offset]
        offset += 36
        for _ in range(count):
            (mnemonic,) = struct.unpack_from("<4s", table, offset)
            found.append((table[offset + 11], mnemonic.rstrip(b"\0").decode("latin-1")))
            offset += 16
    return found


def test_arpabet_knows_every_phone_of_the_dictionary() -> None:
    phones = (
        "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
    )
    assert all(shapes(phone, "arpabet") != (NEUTRAL,) for phone in phones.split())
    assert shapes("AH0", "arpabet") == shapes("AH1", "arpabet") == shapes("AH", "arpabet")
    assert [shape.closed for shape in shapes("M", "arpabet")] == [True]
    assert [shape.aperture for shape in shapes("AY1", "arpabet")] == [1.0, pytest.approx(0.38)]
    assert shapes("SIL", "arpabet") == shapes("+NOISE+", "arpabet") == shapes("_", "espeak")
