"""A language model behind an endpoint on the loopback that answers well, badly, late or not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loc.artifacts import Speaker, Spent, Translation
from loc.backend import Card, Request, resolve
from loc.cast import CastFile, Manner
from loc.device import Devices
from loc.errors import MissingError, UsageError
from loc.events import ActionDone, Event, EventBus, Notice
from loc.glossary import Glossary
from loc.policy.licences import Purpose
from loc.runner import Runner
from loc.settings import Settings, load_settings
from loc.stage import Context, Job
from loc.store.workdir import WorkDir
from stages.translate import llm
from stages.translate.contract import SceneTranslator
from stages.translate.dialogue import Answer, read_lines, read_plain
from stages.translate.llm import Llm
from stages.translate.scene import MAX_LINES, Long, Said, Scene
from tests.endpoint import Answered, Asked, Endpoint, chat, serving, shouted
from tests.translate.test_stage import SECOND, transcript
from tests.translate.test_stage import translate as translate_film

LINES = ("One dog.", "Two cats.", "Three birds.", "Four bears.")
SHOUTED = tuple(f"¡{line.upper()}!" for line in LINES)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as found:
        yield found


Open = Callable[..., Llm]


@pytest.fixture
def told_of() -> list[tuple[str, str]]:
    """What the run was told: (code, message)."""
    return []


@pytest.fixture
def opened(
    endpoint: Endpoint, tmp_path: Path, pauses: list[float], told_of: list[tuple[str, str]]
) -> Iterator[Open]:
    made: list[Llm] = []
    devices = Devices(tmp_path / "data", "cpu", lambda code, message: told_of.append((code, message)))

    def make(**changes: Any) -> Llm:
        from loc.backend import Host

        given = {"llm_url": endpoint.url, "llm_model": "talker", **changes}
        made.append(Llm(Host(Settings(**given), tmp_path, run=devices)))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


def scene(*texts: str, **parts: Any) -> Scene:
    said = tuple(Said("AB"[number % 2], text) for number, text in enumerate(texts or LINES))
    return Scene("en", "es", said, **parts)


def told(made: Any) -> list[str]:
    return [one.text if isinstance(one, Answer) else str(one) for _, one in sorted(made.items())]


def translate(backend: Llm, wanted: tuple[int, ...] = (0, 1, 2, 3)) -> list[str]:
    return told(backend.translate_scene(scene(), wanted))


# What is sent


def test_one_request_for_a_scene_with_all_that_it_holds(endpoint: Endpoint, opened: Open) -> None:
    shown = scene(
        before=(Said("C", "It rains."),),
        after=(Said("B", "Good."),),
        manners=("A to B: uses polite forms.",),
        terms=(("bear", "oso"),),
    )
    assert told(opened().translate_scene(shown, (0, 1, 2, 3))) == list(SHOUTED)
    [asked] = endpoint.asked
    assert (asked.body["model"], asked.body["temperature"]) == ("talker", 0)
    assert asked.body["response_format"]["json_schema"]["schema"]["required"] == ["1", "2", "3", "4"]
    for words in ("English", "Spanish", "C: It rains.", "1. A: One dog.", "polite", '"bear" as "oso"'):
        assert words in asked.prompt


def forms(endpoint: Endpoint) -> list[str | None]:
    return [asked.body.get("response_format", {}).get("type") for asked in endpoint.asked]


def test_an_endpoint_that_knows_no_schema_is_asked_more_simply_and_the_run_is_told(
    endpoint: Endpoint, opened: Open, told_of: list[tuple[str, str]]
) -> None:
    endpoint.says(Answered(b"{}", 400), Answered(b"{}", 422))
    backend = opened()
    assert translate(backend) == list(SHOUTED)
    assert translate(backend, (1, 2)) == list(SHOUTED[1:3])
    assert forms(endpoint) == ["json_schema", "json_object", None, None]
    [(code, said)] = told_of
    assert code == "endpoint-form"
    assert "422" in said


@pytest.mark.parametrize("said", [b"{}", b'{"error": {"message": "Come back tomorrow"}}'])
def test_an_endpoint_that_turns_everything_down_is_not_asked_for_each_line(
    endpoint: Endpoint, opened: Open, told_of: list[tuple[str, str]], said: bytes
) -> None:
    endpoint.always = lambda _: Answered(said, 400)
    backend = opened()
    found = [
        told(backend.translate_scene(scene(*[f"Line {n}." for n in range(12)]), range(12))) for _ in "ab"
    ]
    assert all("turn" in one for one in found[0] + found[1])
    assert {one.partition(" It answered")[0] for one in found[1]} == {"The endpoint turns requests down."}
    sent = len(endpoint.asked)
    assert told(backend.translate_scene(scene(), (0,))) == [found[1][0]]
    assert len(endpoint.asked) == sent, "no further scene is sent"
    assert [code for code, _ in told_of] == ["request-turned-down"]
    assert ("tomorrow" in told_of[0][1]) == (b"tomorrow" in said)


def test_an_endpoint_that_answered_once_is_asked_for_the_next_scene(endpoint: Endpoint, opened: Open) -> None:
    backend = opened()
    assert translate(backend) == list(SHOUTED)
    endpoint.always = lambda _: turned_down("Come back tomorrow")
    lines = scene(*[f"Line {n}." for n in range(12)])
    assert told(backend.translate_scene(lines, range(12)))[-1].startswith("The endpoint turns requests down.")
    endpoint.always = shouted
    assert translate(backend) == list(SHOUTED)


def test_fields_that_an_endpoint_does_not_take_are_left_out_from_then_on(
    endpoint: Endpoint, opened: Open, told_of: list[tuple[str, str]]
) -> None:
    def picky(asked: Asked) -> Answered:
        for field, said in (
            ("temperature", "Unsupported value: 'temperature' does not support 0 with this model."),
            ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        ):
            if field in asked.body:
                return Answered(json.dumps({"error": {"message": said}}).encode(), 400)
        return shouted(asked)

    endpoint.always = picky
    backend = opened()
    assert translate(backend) == list(SHOUTED)
    assert translate(backend) == list(SHOUTED)
    assert len(endpoint.asked) == 4
    assert set(forms(endpoint)) == {"json_schema"}
    assert endpoint.asked[-1].body["max_completion_tokens"] > llm.THOUGHTS
    assert [code for code, _ in told_of] == ["endpoint-chance", "endpoint-bound"]


def test_an_endpoint_that_knows_no_bound_is_asked_without(endpoint: Endpoint, opened: Open) -> None:
    said = b'{"error": "max_tokens and max_completion_tokens are unknown"}'
    endpoint.always = lambda asked: (
        Answered(said, 422) if any("max" in name for name in asked.body) else shouted(asked)
    )
    assert translate(opened()) == list(SHOUTED)


TOO_LONG = (
    "This model's maximum context length is 8192 tokens. However, you requested 8500 tokens "
    "(400 in the messages, 8100 in the completion). Please reduce the length of the messages or completion."
)


def turned_down(said: str, status: int = 400) -> Answered:
    return Answered(json.dumps({"error": {"message": said}}).encode(), status)


def test_a_bound_beyond_the_context_is_left_out_from_then_on(
    endpoint: Endpoint, opened: Open, told_of: list[tuple[str, str]]
) -> None:
    endpoint.always = lambda asked: turned_down(TOO_LONG) if "max_tokens" in asked.body else shouted(asked)
    backend = opened()
    assert translate(backend) == list(SHOUTED)
    assert translate(backend) == list(SHOUTED)
    assert len(endpoint.asked) == 3
    assert set(forms(endpoint)) == {"json_schema"}
    assert [code for code, _ in told_of] == ["endpoint-bound"]


def test_a_scene_beyond_the_context_is_asked_for_in_halves(
    endpoint: Endpoint, opened: Open, told_of: list[tuple[str, str]]
) -> None:
    endpoint.always = lambda asked: turned_down(TOO_LONG) if len(asked.wanted) > 2 else shouted(asked)
    assert translate(opened()) == list(SHOUTED)
    assert endpoint.wanted == [["1", "2", "3", "4"], ["1", "2", "3", "4"], ["1", "2"], ["3", "4"]]
    assert endpoint.asked[-1].body["max_tokens"] > llm.THOUGHTS, "it was not at fault"


def test_answers_are_bounded_by_what_is_shown(endpoint: Endpoint, opened: Open) -> None:
    backend = opened()
    backend.translate_scene(scene("One."), (0,))
    backend.translate_scene(scene("One." * 100), (0,))
    short, long = (asked.body["max_tokens"] for asked in endpoint.asked)
    assert (long - short) == llm.TOKENS_A_SIGN * 4 * 99


def test_a_line_that_is_filtered_does_not_take_its_scene_along(
    endpoint: Endpoint, opened: Open, told_of: list[tuple[str, str]]
) -> None:
    said = f"Filtered by the content management policy: {LINES[2]}"
    endpoint.always = lambda asked: (
        Answered(json.dumps({"error": {"message": said}}).encode(), 400)
        if LINES[2] in asked.prompt
        else shouted(asked)
    )
    made = translate(opened())
    assert [one for one in made if one in SHOUTED] == [SHOUTED[0], SHOUTED[1], SHOUTED[3]]
    assert made[2].startswith("The endpoint turned a request down. It answered 400.")
    assert "birds" not in str(told_of)


LONG_LINE = "So the bear said to the wolf that " + "he would come home late and " * 12 + "sleep."


@pytest.mark.parametrize(
    "quoted",
    [
        LONG_LINE,
        LONG_LINE.upper(),
        LONG_LINE[:80] + "...",
        f"[{{'role': 'user', 'content': '1. A: {LONG_LINE}'}}]",
    ],
)
def test_what_the_film_says_stands_in_no_reason(
    endpoint: Endpoint, opened: Open, told_of: list[tuple[str, str]], quoted: str
) -> None:
    endpoint.always = lambda _: turned_down(f"This is not taken: {quoted}")
    made = told(opened().translate_scene(scene(LONG_LINE, LINES[0]), (0, 1)))
    assert "bear" not in (str(made) + str(told_of)).casefold()


@pytest.mark.parametrize("quoted", ["Hay un perro muy grande.", "One dog that is large."])
def test_a_line_that_is_to_be_shorter_stands_in_no_reason(
    endpoint: Endpoint, opened: Open, told_of: list[tuple[str, str]], quoted: str
) -> None:
    endpoint.always = lambda _: turned_down(f"This is not taken: {quoted}")
    long = Long("en", "es", "One dog that is large.", "Hay un perro muy grande.", 10)
    made = told(opened().shorten([long]))
    assert quoted not in str(made) + str(told_of)


def test_a_scene_that_is_too_large_is_asked_for_in_halves(endpoint: Endpoint, opened: Open) -> None:
    endpoint.always = lambda asked: Answered(b"{}", 413) if len(asked.wanted) > 2 else shouted(asked)
    assert translate(opened()) == list(SHOUTED)
    assert endpoint.wanted == [["1", "2", "3", "4"], ["1", "2"], ["3", "4"]]
    assert set(forms(endpoint)) == {"json_schema"}


def test_a_scene_that_takes_too_long_is_asked_for_in_halves(
    endpoint: Endpoint, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    awake = threading.Event()

    def slow(asked: Asked) -> Answered:
        if len(asked.wanted) > 2:
            awake.wait()
        return shouted(asked)

    monkeypatch.setattr(llm, "PATIENCE", replace(llm.PATIENCE, answer_s=0.5))
    endpoint.always = slow
    try:
        assert translate(opened()) == list(SHOUTED)
    finally:
        awake.set()


@pytest.mark.parametrize("most", [2, 1])
def test_a_slow_endpoint_is_asked_for_less_down_to_single_lines(
    endpoint: Endpoint, opened: Open, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(llm, "PATIENCE", replace(llm.PATIENCE, most_bytes=10_000))
    endless = Answered(b" " * 20_000)
    endpoint.always = lambda asked: endless if len(asked.wanted) > most else shouted(asked)
    texts = [f"Line {chr(97 + number)}." for number in range(MAX_LINES)]
    made = told(opened().translate_scene(scene(*texts), range(MAX_LINES)))
    assert made == [f"¡{text.upper()}!" for text in texts]


def test_an_endpoint_that_never_answers_in_time_is_given_up(
    endpoint: Endpoint, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llm, "PATIENCE", replace(llm.PATIENCE, most_bytes=10_000))
    endpoint.always = lambda _: Answered(b" " * 20_000)
    backend = opened()
    for _ in "ab":
        made = told(backend.translate_scene(scene(*["One."] * MAX_LINES), range(MAX_LINES)))
        assert all("gave no answer" in one for one in made)
    assert len(endpoint.asked) == 2 * llm.PATIENCE.most_slow


# What comes back


def partial(*names: str) -> Callable[[Asked], Answered]:
    def say(asked: Asked) -> Answered:
        return chat(json.dumps({name: f"¡{asked.lines[name].upper()}!" for name in names}))

    return say


def test_only_missing_lines_are_asked_for_again(endpoint: Endpoint, opened: Open) -> None:
    endpoint.says(partial("1", "3"))
    assert translate(opened()) == list(SHOUTED)
    assert endpoint.wanted == [["1", "2", "3", "4"], ["2", "4"]]


def test_lines_under_wrong_or_unwanted_names_do_not_count(endpoint: Endpoint, opened: Open) -> None:
    endpoint.says(chat(json.dumps({"s0001": "no", "7": "no", "2": SHOUTED[1], "3": 3, "4": " "})))
    assert translate(opened()) == list(SHOUTED)
    assert endpoint.wanted[1] == ["1", "3", "4"]
    endpoint.says(chat(json.dumps({"1": "unasked", "2": SHOUTED[1]})))
    assert translate(opened(), (1,)) == [SHOUTED[1]]


def test_a_line_that_comes_twice_is_asked_for_again(endpoint: Endpoint, opened: Open) -> None:
    endpoint.says(chat('{"1": "a", "1": "b", "2": "c", "2": "c", "3": "d", "4": "e"}'))
    assert translate(opened()) == [SHOUTED[0], "c", "d", "e"]
    assert endpoint.wanted[1] == ["1"]


@pytest.mark.parametrize("bad", ["no\nJSON", '{"1": "a"', "[1, 2]", "", '"1"', "[" * 20_000])
def test_a_malformed_reply_is_bisected_down_to_the_line(endpoint: Endpoint, opened: Open, bad: str) -> None:
    def without_cats(asked: Asked) -> Answered:
        return chat(bad) if "2" in asked.wanted else shouted(asked)

    endpoint.always = without_cats
    made = translate(opened())
    assert made == [SHOUTED[0], "The translator's answer could not be read.", *SHOUTED[2:]]
    assert endpoint.wanted == [["1", "2", "3", "4"], ["1", "2"], ["1"], ["2"], ["2"], ["2"], ["3", "4"]]


def test_half_a_character_is_no_line(endpoint: Endpoint, opened: Open) -> None:
    endpoint.says(chat(r'{"1": "Hola \ud83d", "2": "\ud83d\udc08"}'))
    assert translate(opened()) == [SHOUTED[0], "\U0001f408", *SHOUTED[2:]]
    assert endpoint.wanted[1] == ["1", "3", "4"]
    assert read_plain("Hola \ud83d", 0, Said("A", "Hello.")) is None


def test_a_reply_cut_short_is_asked_for_in_halves(endpoint: Endpoint, opened: Open) -> None:
    endpoint.says(chat('{"1": "¡ONE DOG.!", "2": "¡TWO', finish_reason="length"))
    assert translate(opened()) == list(SHOUTED)
    assert endpoint.wanted[1:] == [["1", "2"], ["3", "4"]]


@pytest.mark.parametrize(
    "refusal",
    [
        chat("I'm sorry, but I can't help with that."),
        chat("", message={"refusal": "This is not something I translate."}),
        chat("", finish_reason="content_filter"),
        chat("申し訳ありませんが、翻訳できません。"),
    ],
)
def test_one_refused_line_does_not_take_the_others_along(
    endpoint: Endpoint, opened: Open, refusal: Answered
) -> None:
    endpoint.always = lambda asked: refusal if "4" in asked.wanted else shouted(asked)
    assert translate(opened()) == [*SHOUTED[:3], "The translator refused this line."]
    assert endpoint.wanted.count(["4"]) == 2
    assert LINES[2] not in endpoint.asked[-1].prompt, "at last it is shown alone"


def test_a_line_refused_with_its_scene_may_be_answered_alone(endpoint: Endpoint, opened: Open) -> None:
    endpoint.always = lambda asked: (
        chat("I cannot do that.") if LINES[2] in asked.prompt and LINES[1] in asked.prompt else shouted(asked)
    )
    assert translate(opened()) == list(SHOUTED)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Dos gatos.", "Dos gatos."),
        ('"Dos gatos."', "Dos gatos."),
        ("<think>Two... cats?</think>\n2. B: Dos gatos.", "Dos gatos."),
        ("```\nDos gatos.\n```", "Dos gatos."),
        ("Here is the translation: Dos gatos.", None),
        ("Dos gatos.\n\nNote that cats are plural.", None),
        ("Dos gatos, " * 20, None),
        ('{"1": "Dos gatos."', None),
        ("?", None),
    ],
)
def test_what_a_model_without_json_says_of_one_line_is_taken_if_it_is_the_line(
    endpoint: Endpoint, opened: Open, content: str, text: str | None
) -> None:
    endpoint.always = lambda asked: chat(content if "2" in asked.wanted else "Nada")
    endpoint.says(partial("1", "3", "4"))
    made = translate(opened())[1]
    assert made == (text or "The translator's answer could not be read.")
    assert "response_format" not in endpoint.asked[-1].body
    assert read_plain(content, 1, Said("B", "Two cats.")) == text


@pytest.mark.parametrize(
    ("content", "place", "text"),
    [
        ("3. Mai ist mein Geburtstag.", 0, "3. Mai ist mein Geburtstag."),
        ("3. Mai ist mein Geburtstag.", 2, "3. Mai ist mein Geburtstag."),
        ("3. Dr. Who: 3. Mai ist mein Geburtstag.", 2, "3. Mai ist mein Geburtstag."),
        ("1. 3. Mai ist mein Geburtstag.", 0, "3. Mai ist mein Geburtstag."),
        ("Dr. Who: Am 3. Mai.", 0, "Am 3. Mai."),
        ("13. Am 3. Mai.", 12, "Am 3. Mai."),
        ("1. Anna: Am 3. Mai.", 0, None),
    ],
)
def test_only_what_a_line_was_shown_with_is_taken_off(content: str, place: int, text: str | None) -> None:
    assert read_plain(content, place, Said("Dr. Who", "May 3rd is my birthday.")) == text


def test_an_apology_in_the_film_is_no_refusal(endpoint: Endpoint, opened: Open) -> None:
    endpoint.says(chat('{"1": "I\'m sorry, I can\'t.", "2": "b", "3": "c", "4": "d"}'))
    assert translate(opened())[0] == "I'm sorry, I can't."


def test_thoughts_and_fences_around_an_answer_are_taken_off() -> None:
    inner = '{"1": "uno", "2": "dos"}'
    for text in (f"```json\n{inner}\n```", f"<think>Hm, {{}}?</think>\n{inner}", f"\n {inner} \n"):
        assert read_lines(text, ["1", "2"]) == {"1": "uno", "2": "dos"}


# What goes wrong on the way; the rest is with `loc.remote`


def test_what_is_no_chat_completion_is_asked_for_again(endpoint: Endpoint, opened: Open) -> None:
    endpoint.says(
        Answered(b"<!DOCTYPE html><html><body>Bad gateway</body></html>"),
        Answered(b'{"choices": []}'),
        Answered(b'{"choices": [{"message": {"content": 7}}]}'),
        Answered(b'{"choices": ' + b"[" * 20_000),
    )
    assert translate(opened()) == list(SHOUTED)
    assert len(endpoint.asked) == 5


def test_counts_of_tokens_that_are_none_do_not_cost_the_answer(endpoint: Endpoint, opened: Open) -> None:
    counts = {"prompt_tokens": float("inf"), "completion_tokens": -7}

    def counted(asked: Asked) -> Answered:
        return Answered(json.dumps({**json.loads(shouted(asked).body), "usage": counts}).encode())

    endpoint.says(counted)
    made = opened().translate_scene(scene(), (0, 1, 2, 3))
    assert told(made) == list(SHOUTED)
    assert isinstance(made[0], Answer)
    assert [(one.tokens_in, one.tokens_out) for one in made[0].replies] == [(0, 0)]


def test_what_ends_it_ends_it_for_all_scenes(
    endpoint: Endpoint, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(llm.KEY_VARIABLE, raising=False)
    endpoint.says(Answered(b"", 401))
    backend = opened()
    for _ in range(2):
        assert f"there is none in {llm.KEY_VARIABLE}" in translate(backend)[0]
    assert len(endpoint.asked) == 1


# As the stage uses it


@pytest.fixture
def context(store: WorkDir, opened: Open) -> Callable[..., Context]:
    def make(
        cast: CastFile | None = None,
        events: list[Event] | None = None,
        glossary: Glossary = Glossary(),  # noqa: B008 - frozen
        **changes: Any,
    ) -> Context:
        backend = opened(**changes)
        job = Job(Path("talk.mp4"), "0" * 64, 1, ("es",), "en", cast=cast, glossary=glossary)
        runner = Runner(store, EventBus((events if events is not None else []).append), run="test")
        return Context(runner, Settings(**changes), job, lambda stage, language: backend, "es")

    return make


def dub(context: Context, *texts: str) -> Translation:
    return translate_film(context, transcript(*texts))


def test_it_is_a_translator_of_scenes(opened: Open) -> None:
    assert isinstance(opened(), SceneTranslator)


def test_lines_are_stored_with_the_replies_and_what_they_cost(
    endpoint: Endpoint, context: Any, store: WorkDir
) -> None:
    endpoint.says(partial("1", "3"))
    events: list[Event] = []
    made = dub(context(events=events, llm_price="1/2"), *LINES)
    assert [line.text for line in made.lines] == list(SHOUTED)
    done = [event for event in events if isinstance(event, ActionDone)]
    assert sum(event.detail.get("requests", 0) for event in done) == 2
    assert sum(event.detail.get("tokens_in", 0) for event in done) == 20
    assert sum(event.detail.get("tokens_out", 0) for event in done) == 10
    assert sum(event.detail.get("cost", 0) for event in done) == pytest.approx((20 + 2 * 10) / 1e6)
    assert made.spent == Spent(requests=2, tokens_in=20, tokens_out=10, cost=40e-6)
    again = dub(context(), *LINES)
    assert again.spent == made.spent, "what was found made was paid for, too"
    kept = [ref for record in store.actions() for name, ref in record.outputs.items() if "reply" in name]
    assert len(kept) == 2
    assert all(json.loads(store.read_bytes(ref))["choices"] for ref in kept)


def test_a_refused_line_is_a_defect_and_alone_is_asked_for_the_next_time(
    endpoint: Endpoint, context: Any
) -> None:
    endpoint.always = lambda asked: chat("I cannot do that.") if "2" in asked.wanted else shouted(asked)
    first = context()
    made = dub(first, *LINES)
    assert [line.text for line in made.lines] == [SHOUTED[0], "", *SHOUTED[2:]]
    assert [defect.message for defect in first.runner.defects] == ["The translator refused this line."]
    endpoint.asked.clear()
    endpoint.always = shouted
    assert [line.text for line in dub(context(), *LINES).lines] == list(SHOUTED)
    assert endpoint.wanted == [["2"]]
    assert endpoint.asked[0].lines["1"] == LINES[0], "it is still shown the whole scene"


def test_what_was_spent_on_lines_that_could_not_be_had_counts(endpoint: Endpoint, context: Any) -> None:
    far = [f"Line {chr(97 + number)}." for number in range(MAX_LINES)]
    endpoint.always = lambda asked: (
        chat("I cannot do that.") if {*LINES} & {*asked.lines.values()} else shouted(asked)
    )
    events: list[Event] = []
    made = dub(context(events=events, llm_price="1/2"), *far, *far, *LINES)
    failed = [line for line in made.lines if line.failed]
    assert 0 < len(failed) < len(made.lines)
    requests = len(endpoint.asked)
    assert requests > 3
    assert made.spent == Spent(
        requests=requests, tokens_in=10 * requests, tokens_out=5 * requests, cost=round(requests * 20e-6, 6)
    )
    [notice] = [event for event in events if isinstance(event, Notice)]
    assert notice.code == "spent-in-vain"


def test_an_edit_costs_the_scenes_that_read_it_and_no_others(endpoint: Endpoint, context: Any) -> None:
    texts = [f"Line {chr(97 + number)}." for number in range(3 * MAX_LINES)]
    dub(context(), *texts)
    assert len(endpoint.asked) == 3
    endpoint.asked.clear()
    dub(context(), *texts)
    assert endpoint.asked == []
    texts[MAX_LINES + 4] = "Changed."
    dub(context(), *texts)
    assert [len(wanted) for wanted in endpoint.wanted] == [MAX_LINES]
    endpoint.asked.clear()
    texts[MAX_LINES] = "Read by the scene before, too."
    dub(context(), *texts)
    assert len(endpoint.asked) == 2


def test_another_model_or_endpoint_is_asked_anew(endpoint: Endpoint, context: Any) -> None:
    dub(context(), *LINES)
    dub(context(llm_model="other"), *LINES)
    assert [asked.body["model"] for asked in endpoint.asked] == ["talker", "other"]
    dub(context(llm_price="9/9"), *LINES)
    assert len(endpoint.asked) == 2


def test_manners_of_the_cast_file_are_told_and_are_in_the_key(endpoint: Endpoint, context: Any) -> None:
    polite = CastFile("x", frozenset(), {}, (Manner("a", "b", "es", register="polite", own="yo"),))
    dub(context(), *LINES)
    dub(context(polite), *LINES)
    assert "A to B: uses polite forms, says yo of oneself." in endpoint.asked[1].prompt
    elsewhere = CastFile("x", frozenset(), {}, (Manner("a", "b", "ja", register="polite"),))
    dub(context(elsewhere), *LINES)
    assert len(endpoint.asked) == 2


def test_speakers_who_have_a_name_of_their_own_are_told_by_it(endpoint: Endpoint, context: Any) -> None:
    spoken = transcript(*LINES)
    people = [
        Speaker(id=ident, name=name, median_f0_hz=None, voice_class="low", speech_samples=1)
        for ident, name in (("a", "Anna"), ("b", None))
    ]
    polite = CastFile("x", frozenset(), {}, (Manner("a", "b", "es", register="polite"),))
    translate_film(context(polite), spoken.model_copy(update={"speakers": tuple(people)}))
    assert "1. Anna: " in endpoint.asked[0].prompt
    assert "2. B: " in endpoint.asked[0].prompt
    assert "Anna to B: uses polite forms." in endpoint.asked[0].prompt
    both = [one.model_copy(update={"name": "Anna"}) for one in people]
    translate_film(context(polite), spoken.model_copy(update={"speakers": tuple(both)}))
    assert "1. A: " in endpoint.asked[1].prompt


def test_terms_of_the_glossary_are_told_and_asked_for_once_more(endpoint: Endpoint, context: Any) -> None:
    glossary = Glossary(({"en": "bears", "es": "osos"}, {"en": "cats", "es": "gatos"}))

    def obeys(asked: Asked) -> Answered:
        text = "osos" if "4: translate" in asked.prompt else "animales"
        return chat(json.dumps({name: text if name == "4" else "gatos" for name in asked.wanted}))

    endpoint.always = obeys
    made = dub(context(glossary=glossary), *LINES)
    assert '"cats" as "gatos"' in endpoint.asked[0].prompt
    assert endpoint.wanted == [["1", "2", "3", "4"], ["4"]]
    assert made.lines[3].text == "osos"
    assert made.lines[3].notes == ()


def test_a_term_that_is_not_heeded_is_noted(endpoint: Endpoint, context: Any) -> None:
    glossary = Glossary(({"en": "bears", "es": "osos"},))
    made = dub(context(glossary=glossary), *LINES)
    assert len(endpoint.asked) == 2
    assert [[note.code for note in line.notes] for line in made.lines] == [[], [], [], ["term"]]


def test_numbers_and_names_that_lack_are_asked_for_once_more(endpoint: Endpoint, context: Any) -> None:
    lines = ("We saw Zorblatt there.", "It took 42 days.", "Then 77 more.", "Four bears.")

    def forgets(asked: Asked) -> Answered:
        told = {"1": ("Lo vimos.", "Vimos a Zorblatt."), "2": ("Fueron días.", "Fueron 42 días.")}
        again = "is missing" in asked.prompt
        return chat(json.dumps({name: told.get(name, ("Nada.",) * 2)[again] for name in asked.wanted}))

    endpoint.always = forgets
    made = dub(context(), *lines)
    assert endpoint.wanted == [["1", "2", "3", "4"], ["1", "2", "3"]]
    for words in ("1: the name Zorblatt is missing", "2: the number 42 is missing"):
        assert words in endpoint.asked[1].prompt
    assert [line.text for line in made.lines[:3]] == ["Vimos a Zorblatt.", "Fueron 42 días.", "Nada."]
    assert [[note.code for note in line.notes] for line in made.lines] == [[], [], ["number"], []]


def test_only_scenes_that_hold_a_changed_term_are_asked_for_again(endpoint: Endpoint, context: Any) -> None:
    texts = [f"Line {chr(97 + number)}." for number in range(MAX_LINES)]
    dub(context(), *texts, *LINES)
    endpoint.asked.clear()
    dub(
        context(glossary=Glossary(({"en": "bears", "es": "bears"}, {"en": "wolf", "es": "lobo"}))),
        *texts,
        *LINES,
    )
    assert endpoint.wanted == [["1", "2", "3", "4"]]


def test_most_lines_refused_end_the_language(endpoint: Endpoint, context: Any) -> None:
    endpoint.always = lambda _: chat("I'm sorry, no.")
    events: list[Event] = []
    with pytest.raises(MissingError, match="4 of 4 lines"):
        dub(context(events=events), *LINES)
    [notice] = [event for event in events if isinstance(event, Notice)]
    requests = len(endpoint.asked)
    assert notice.message == (
        f"{requests} requests brought no line: {10 * requests} tokens in and {5 * requests} out."
    )


# How it is chosen


def test_it_is_off_unless_named() -> None:
    def chosen(request: Request) -> Card | None:
        return resolve(request, [Llm.card], lambda _: True, Purpose.INTERNAL).choice

    assert chosen(Request("translate", "en", "ja")) is None
    assert chosen(Request("translate", "en", "ja", named="llm", allow_remote=True)) == Llm.card


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ({"backend": ["translate=llm"]}, "needs llm_url and llm_model"),
        ({"llm_url": "localhost:11434"}, "http://"),
        ({"llm_url": "https://user:key@host/v1"}, "no key"),
        ({"llm_url": "https://host/v1?key=1"}, "no key"),
        ({"llm_price": "cheap"}, "two numbers"),
    ],
)
def test_settings_that_cannot_be_meant(flags: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(flags)
    assert why in caught.value.why


def test_a_scene_ends_where_nobody_has_spoken_for_long() -> None:
    from stages.translate.scene import spans

    segments = list(transcript(*LINES).segments)
    late = {"start": segments[2].start + 9 * SECOND, "stop": segments[2].stop + 9 * SECOND}
    moved = [*segments[:2], segments[2].model_copy(update=late)]
    assert spans(moved) == [range(2), range(2, 3)]
    assert spans([]) == []
