"""The page of a comparison, opened in Chromium: everything red stands on it, and harmful text stays text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Request

from loc.app.regress import page
from loc.app.regress.baseline import Cue
from loc.app.regress.compare import Comparison, Failure, compare
from loc.app.regress.measures import MEASURES, tolerances
from loc.errors import ExitCode
from tests.app.regress.made_up import TEXTS, baseline, dub, line, picture, sample
from tests.app.regress.test_compare import stills
from tests.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HARM = '</script><script>window.harmed = 1</script><img src=x onerror="window.harmed = 1">'


def troubled() -> Comparison:
    """A dub with another text, a late line and a blurred mouth; a failed, a missing and a new sample."""
    worse = dub(
        cues=(Cue(start=0.5, text=TEXTS[0]), Cue(start=3.5, text=HARM), Cue(start=6.5, text=TEXTS[2])),
        lines=(line(1), line(2, start=3.7), line(3)),
        stills=stills(picture(1, blur=15), picture(2)),
    )
    accepted = baseline(samples={"talk.mp4": sample(), "gone.mp4": sample(), f"{HARM}.mp4": sample()})
    measured = baseline(samples={"talk.mp4": sample(dubs={"es": worse, "ja": dub()}), "fresh.mp4": sample()})
    failures = {f"{HARM}.mp4": Failure(ExitCode.INPUT, "It is empty.", why=HARM)}
    return compare(accepted, measured, tolerances(()), failures)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "regress.html"
    path.write_bytes(page.build(troubled()))
    return path


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desk", "phone"])
def opened(browser: Browser, written: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page in a window of each size; nothing is asked for beyond it, and nothing complains."""
    width, height = request.param
    troubles: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            troubles.append(request.url)

    with browser.new_context(viewport={"width": width, "height": height}) as context:
        tab = context.new_page()
        tab.on("console", lambda message: troubles.append(message.text))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("request", asked)
        tab.goto(written.as_uri())
        yield tab
        assert troubles == []


def test_everything_red_stands_first(opened: Page) -> None:
    red = troubled().red
    items = opened.locator("#red .attention li")
    assert items.count() == len(red) == 5
    assert [text.lower() for text in items.locator(".level").all_inner_texts()] == [
        finding.verdict for finding in red
    ]
    words = opened.locator("#red").inner_text()
    for part in (
        "gone.mp4",
        "timing.start 0.200 s, accepted 0.000 s, tolerance 0.045 s",
        "line l0002",
        "It is empty.",
    ):
        assert part in words
    assert "exit code 8" in opened.locator(".verdict").inner_text()


def test_every_finding_is_in_a_table(opened: Page) -> None:
    assert opened.locator("table.findings tbody tr").count() == len(troubled().findings)
    assert opened.locator("table.findings tr.flagged").count() == 5
    assert opened.locator("table.findings tr.flagged:visible").count() == 5


def test_what_is_as_accepted_is_folded(opened: Page) -> None:
    [fold] = opened.locator("section.dub", has_text="ja").locator("details").all()
    told = [measure for measure in MEASURES if not measure.per_sample and not measure.rare]
    assert fold.locator("summary").inner_text() == f"{len(told)} same"
    assert fold.locator("table").is_hidden()
    fold.locator("summary").click()
    assert fold.locator("table tbody tr:visible").count() == len(told)


def test_stills_stand_side_by_side_the_worst_first(opened: Page) -> None:
    spanish = opened.locator("section.dub", has=opened.locator("h2", has_text="es")).filter(
        has_text="talk.mp4"
    )
    cards = spanish.first.locator(".stills .cut")
    assert cards.count() == 3
    assert "less alike than allowed" in cards.first.inner_text()
    assert cards.first.get_attribute("class") == "cut flagged"
    images = cards.first.locator("img")
    assert images.evaluate_all("all => all.map(one => one.complete && one.naturalWidth)") == [160, 160]
    assert images.nth(0).get_attribute("src") != images.nth(1).get_attribute("src")


def test_what_is_said_otherwise(opened: Page) -> None:
    assert opened.locator(".texts del").all_inner_texts() == [TEXTS[1]]
    assert opened.locator(".texts ins").all_inner_texts() == [HARM]


def test_harmful_text_stays_text_and_the_page_fits(opened: Page) -> None:
    assert opened.evaluate("window.harmed") is None
    assert opened.locator("img[src=x]").count() == 0
    assert not opened.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_tolerances_are_explained(opened: Page) -> None:
    opened.locator("#tolerances summary").click()
    assert opened.locator("#tolerances dt").all_inner_texts() == [measure.name for measure in MEASURES]


def test_nothing_worse(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "regress.html"
    path.write_bytes(page.build(compare(baseline(), baseline(), tolerances(()))))
    tab = browser.new_page()
    tab.goto(path.as_uri())
    assert tab.locator("h1").inner_text() == "As accepted"
    assert "good" in (tab.locator(".verdict").get_attribute("class") or "")
    assert tab.locator("#red").inner_text().split() == ["What", "is", "worse", "Nothing."]
    tab.close()
