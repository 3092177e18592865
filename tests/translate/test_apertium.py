"""Apertium itself, where it is installed, and the text that goes in and comes out of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc.backend import Host, Need, Request, installed, needs_of, resolve
from loc.errors import ChildError, MissingError
from loc.policy.licences import Purpose
from loc.weights.shelf import Shelf
from stages.translate import apertium_worker
from stages.translate.apertium import Apertium
from stages.translate.apertium_worker import Engine, Pipeline, prepare, restore
from tests.needed import missing, unless

SHELF = Shelf(Path("no-such-folder"))


def has(target: str) -> bool:
    return all(installed(need, SHELF) for need in needs_of(Apertium.card, Request("translate", "en", target)))


spanish = unless(has("es"), "apertium-eng-spa is not installed")


@pytest.fixture(scope="module")
def apertium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apertium]:
    backend = Apertium(Host(None, tmp_path_factory.mktemp("scratch")))
    yield backend
    backend.close()


# Text


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=60))
def test_text_goes_through_a_pipeline_that_does_nothing(text: str) -> None:
    prepared = prepare(text, english=False)
    restored, unknown = restore(prepared.stream, prepared)
    assert unknown == 0
    if not prepared.bare:
        # Upper and lower case of some letters do not lead back; everything else does.
        assert restored.casefold() == " ".join(printable(text).split()).casefold() or prepared.raised


def printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def test_recognised_text_gets_capitals_and_a_stop() -> None:
    prepared = prepare("and so i ask", english=True)
    assert prepared.stream.startswith("And so I ask.")
    assert restore("Y así pregunto.[][\n]", prepared) == ("Y así pregunto.", 0)


def test_written_text_keeps_its_own_manner() -> None:
    prepared = prepare("went home, then", english=True)
    assert restore("Fue a casa, entonces.[][\n]", prepared) == ("fue a casa, entonces", 0)
    prepared = prepare("He went home.", english=True)
    assert restore("Fue a casa..[][\n]", prepared) == ("Fue a casa.", 0)


def test_marks_are_counted_and_removed_but_not_what_only_looks_like_them() -> None:
    prepared = prepare("A *star* #tag", english=True)
    assert restore("Un[\\*]*estar[\\*] @perro [\\#]#gato 5\\$ *.[][\n]", prepared) == (
        "Un*estar* perro #gato 5$ *",
        3,
    )


# The engine


@spanish
def test_a_sentence(apertium: Apertium) -> None:
    result = apertium.translate("I live in a big house.", "en", "es")
    assert (result.text, result.unknown_words) == ("Vivo en una casa grande.", 0)


@spanish
def test_unknown_words_are_counted_and_left_readable(apertium: Apertium) -> None:
    result = apertium.translate("My friend Zorblatt is a frobnicator.", "en", "es")
    assert result.unknown_words == 2
    assert "Zorblatt" in result.text
    assert "*" not in result.text


@spanish
@pytest.mark.parametrize("sign", [*"^/[]{}\\<>@*#~$|&_%\"'();:", "[[x]]", "\\n", "${x}", "<b>", "*x*"])
def test_signs_of_the_stream_format_come_through(apertium: Apertium, sign: str) -> None:
    text = apertium.translate(f"The house {sign} the dog.", "en", "es").text
    assert sign in text.replace(" ", "")
    assert text.startswith("La casa")
    assert text.rstrip(" ").endswith("el perro.")


@spanish
@pytest.mark.parametrize("text", ["", " ", "...", "?!", "日本語", "🙂", "x" * 5000, "a\0b", "line\nbreak"])
def test_odd_lines_do_not_hang_it(apertium: Apertium, text: str) -> None:
    apertium.translate(text, "en", "es")
    assert apertium.translate("The dog.", "en", "es").text == "El perro."


@spanish
def test_a_line_does_not_depend_on_the_lines_before_it(apertium: Apertium) -> None:
    lines = ["Mary lost her keys.", "John lost his keys.", "to be or", "The dog's house is red", "who"]
    alone = {}
    for line in lines:
        engine = Engine()
        alone[line] = engine.translate("eng-spa", line)["text"]
        engine.close()
    for line in [*lines, *reversed(lines)]:
        assert apertium.translate(line, "en", "es").text == alone[line]


@pytest.mark.parametrize("target", ["ca", "gl", "eo"])
def test_other_pairs(apertium: Apertium, target: str) -> None:
    if not has(target):
        missing(f"the pair en-{target} is not installed")
    result = apertium.translate("The dog sleeps.", "en", target)
    assert result.text.endswith(".")
    assert result.text != "The dog sleeps."


@spanish
def test_fingerprints(apertium: Apertium) -> None:
    assert set(apertium.fingerprint()) == {"apertium", "lttoolbox"}
    pair = apertium.pair_fingerprint("en", "es")
    assert len(pair["apertium-eng-spa"]) == 64
    assert pair == apertium.pair_fingerprint("en", "es")
    if has("ca"):
        assert apertium.pair_fingerprint("en", "ca") != pair


@spanish
def test_a_program_that_dies_is_named_and_the_next_line_works() -> None:
    pipeline = Pipeline("eng-spa")
    victim = next(child for child in pipeline._children if child.args[0] == "apertium-transfer")
    os.kill(victim.pid, signal.SIGKILL)
    with pytest.raises(ChildError, match=r"apertium-transfer failed \(killed by SIGKILL\)"):
        pipeline.send(prepare("The dog.", english=True).stream)
    pipeline.close()


@spanish
def test_close_leaves_no_program_behind(tmp_path: Path) -> None:
    backend = Apertium(Host(None, tmp_path))
    before = set(psutil.Process().children(recursive=True))
    backend.translate("The dog.", "en", "es")
    mine = set(psutil.Process().children(recursive=True)) - before
    assert any(child.name() == "lt-proc" for child in mine)
    backend.close()
    assert all(not child.is_running() or child.status() == psutil.STATUS_ZOMBIE for child in mine)


# What is there


def test_an_absent_pair_is_missing_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(apertium_worker, "MODES", tmp_path)
    with pytest.raises(MissingError, match="eng-spa"):
        apertium_worker.commands("eng-spa")
    request = Request("translate", "en", "es")
    resolution = resolve(request, [Apertium.card], lambda need: need.kind != "data", Purpose.INTERNAL)
    assert resolution.choice is None
    assert [need.install for need in resolution.rejected[0].missing] == [
        "sudo apt-get install apertium-eng-spa"
    ]


def test_no_pair_is_claimed_that_it_lacks() -> None:
    request = Request("translate", "en", "ja")
    resolution = resolve(request, [Apertium.card], lambda _: True, Purpose.INTERNAL)
    assert resolution.rejected[0].gate == "language"


def test_data_is_there_when_its_file_is(tmp_path: Path) -> None:
    file = tmp_path / "x.mode"
    need = Need("data", "x", path=str(file))
    assert not installed(need, SHELF)
    file.touch()
    assert installed(need, SHELF)
    assert not installed(Need("data", "x"), SHELF)
    assert installed(Need("program", "sh"), SHELF)
    assert installed(Need("package", "numpy"), SHELF)
    assert not installed(Need("package", "no_such_package_anywhere"), SHELF)
