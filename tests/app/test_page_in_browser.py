"""The report's page, opened and used in Chromium: it draws everything, loads nothing, and fits a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import pytest
from playwright.sync_api import Request

from loc.app import page
from loc.artifacts import PEAKS_PER_SECOND, Evidence, FrameRange, Ref, Still
from loc.store.workdir import WorkDir
from tests.app.reports import HARM, SECONDS, subject, troubled
from tests.browser import chromium, is_too_wide

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

DESK, PHONE = (1280, 900), (390, 844)

SHOWN = {"drawn": 0, "passed": 3}
"""Cuts that have stills."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a report with every kind of trouble, under a name that is awkward in an address."""
    folder = tmp_path_factory.mktemp("page")
    store = WorkDir(folder / "store")
    path = folder / "Müller & 100% #1.ja.report.html"
    path.write_bytes(page.build(troubled(), subject(_evidence(store)), store))
    return path


def _evidence(store: WorkDir) -> Evidence:
    def picture(grey: int) -> Ref:
        return store.put_bytes(bytes(cv2.imencode(".webp", np.full((90, 120, 3), grey, np.uint8))[1]))

    def still(number: int, after: Ref | None) -> Still:
        frames = FrameRange(start=125 * number, stop=125 * (number + 1))
        return Still(
            frames=frames, face=f"{number + 1}a", frame=frames.start + 60, before=picture(60), after=after
        )

    through = np.arange(count := int(SECONDS * PEAKS_PER_SECOND)) / count
    # The source falls silent half way, the dub grows from first to last.
    source, dub = np.where(through < 0.5, 255, 0), 255 * through
    peaks = [store.put_bytes(level.astype(np.uint8).tobytes()) for level in (source, dub)]
    drawn = still(SHOWN["drawn"], picture(180))
    later = drawn.model_copy(update={"frame": drawn.frame + 40})
    stills = (drawn, later, still(SHOWN["passed"], None))
    return Evidence(stills=stills, source_peaks=(peaks[0],), dub_peaks=(peaks[1],))


@pytest.fixture
def troubles() -> list[str]:
    """What a page complained of, or asked for beyond its own file."""
    return []


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def opened(
    browser: Browser, written: Path, troubles: list[str], request: pytest.FixtureRequest
) -> Iterator[Page]:
    """The page, opened in a window of each size; nothing may have gone wrong by the end of the test."""
    width, height = request.param

    def asked(request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            troubles.append(request.url)

    with browser.new_context(viewport={"width": width, "height": height}) as context:
        tab = context.new_page()
        tab.on("console", lambda message: troubles.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
        tab.on("request", asked)
        tab.on("requestfailed", lambda asked: troubles.append(f"failed: {asked.url[:80]}"))
        tab.goto(written.as_uri())
        # What its size is found to be draws the timeline anew.
        tab.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
        yield tab
        assert troubles == []


def test_it_shows_every_line_and_cut_of_the_report(opened: Page) -> None:
    report = troubled()
    assert opened.locator("#lanes [data-line]").count() == len(report.lines)
    assert opened.locator("#lanes [data-cut]").count() == len(report.cuts)
    assert opened.locator("#lanes [data-silent]").count() == len(report.silent)
    assert opened.locator("#lanes .shot").count() == 11
    assert opened.locator("#lanes polygon.wave").count() == 2
    assert opened.locator("#lanes .flag").count() == 2
    assert opened.locator("table.lines tbody tr").count() == len(report.lines) + len(report.silent)
    assert "Done, with defects" in opened.locator(".verdict").inner_text()
    assert not is_too_wide(opened)


@pytest.mark.parametrize("section", ["better", "licences"])
def test_what_a_table_says_is_seen_without_scrolling_sideways(opened: Page, section: str) -> None:
    table = opened.locator(f"#{section} .wide")
    assert table.count() == 1
    assert table.evaluate("box => box.scrollWidth <= box.clientWidth")


_CONTRAST = """() => {
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const light = (node) => {
    const parts = getComputedStyle(node).fill.match(/[\\d.]+/g).slice(0, 3);
    const [r, g, b] = parts.map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return [...document.querySelectorAll("#lanes .label")].map((label) => {
    const under = [...label.parentNode.querySelectorAll("rect:not(.over)")].at(-1);
    const [dark, bright] = [light(label), light(under)].sort((a, b) => a - b);
    return [label.textContent, under.getAttribute("class"), (bright + 0.05) / (dark + 0.05)];
  });
}"""
"""Of each name on the timeline: it, what it stands on, and the contrast of both, as WCAG 2.2 reckons it."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_names_on_the_timeline_can_be_read(
    browser: Browser, written: Path, scheme: Literal["light", "dark"]
) -> None:
    with browser.new_context(viewport={"width": DESK[0], "height": DESK[1]}, color_scheme=scheme) as context:
        tab = context.new_page()
        tab.goto(written.as_uri())
        found = tab.evaluate(_CONTRAST)
        # Narrow cuts are named where there is room for it.
        tab.get_by_role("button", name="Zoom in").click()
        tab.get_by_role("button", name="Zoom in").click()
        tab.locator("#scroller").evaluate("box => { box.scrollLeft = box.scrollWidth / 5 }")
        tab.wait_for_function("document.querySelectorAll('#lanes .cut-passed ~ .label').length > 1")
        found += tab.evaluate(_CONTRAST)
    assert {"cut-drawn", "cut-partly", "cut-passed", "cut-failed"} <= {under for _, under, _ in found}
    assert [one for one in found if one[2] < 4.5] == []


def test_things_stand_where_their_times_are(opened: Page) -> None:
    # In one look: the timeline may be drawn anew between two.
    whole, second = opened.evaluate(
        """() => ["#lanes", "#lanes [data-cut='6'] rect"].map((one) => {
            const { x, width } = document.querySelector(one).getBoundingClientRect();
            return { x, width };
        })"""
    )
    assert second["x"] - whole["x"] == pytest.approx(whole["width"] * 30 / SECONDS, abs=1)
    assert second["width"] == pytest.approx(whole["width"] * 5 / SECONDS, abs=2)


@pytest.mark.parametrize("name", ["source", "dub"])
def test_waveforms_are_as_loud_as_the_sounds_are(opened: Page, name: str) -> None:
    points = opened.locator(f"#lanes polygon.wave.{name}").get_attribute("points")
    across, heights = np.array([one.split(",") for one in str(points).split()], dtype=float).T
    half = len(across) // 2
    through = across[:half] / across[half - 1]
    reach = (heights[half:][::-1] - heights[:half]) / 2
    assert reach.max() > 8, "pixels"
    if name == "source":
        assert np.all(reach[through < 0.49] == reach.max())
        assert np.all(reach[through > 0.51] <= 0.5)
    else:
        assert reach / reach.max() == pytest.approx(through, abs=0.05)


def cells(table: Locator) -> list[list[str]]:
    """The words of every row, without empty cells."""
    rows = [row.locator("th, td").all_inner_texts() for row in table.locator("tr").all()]
    return [[" ".join(cell.split()) for cell in row if cell.strip()] for row in rows]


def test_it_tells_what_each_stage_took_made_and_found(opened: Page) -> None:
    table = opened.locator("#work table").first
    assert cells(table.locator("tbody, tfoot")) == [
        ["ingest", "1.5 s", "5", "0"],
        ["lipsync", "12.5 s", "9", "2"],
        ["together", "14.0 s", "14", "2"],
    ]
    bars = table.locator("td.bar:not(.hits) rect").evaluate_all(
        "all => all.map((one) => +one.getAttribute('width'))"
    )
    assert bars == [pytest.approx(12), pytest.approx(100)]
    made = table.locator("td.hits rect:not(.found)").evaluate_all(
        "all => all.map((one) => +one.getAttribute('width'))"
    )
    assert made == [pytest.approx(100), pytest.approx(100 * 9 / 11, abs=0.01)]
    work = opened.locator("#work").inner_text()
    assert troubled().run.id in work
    assert "-19.4 LUFS" in work


def test_it_names_what_was_used_and_under_which_licence(opened: Page) -> None:
    assert opened.locator("nav a[href='#licences']").count() == 1
    [[backend, part, licence, terms]] = cells(opened.locator("#licences tbody"))
    assert backend.startswith("dub: openjtalk 1")
    assert (part, licence, terms) == ("mei voice", "CC BY 3.0", "Credit the author.")


def test_a_cut_shows_what_became_of_it(opened: Page) -> None:
    opened.locator(f"#lanes [data-cut='{SHOWN['drawn']}']").click()
    card = opened.locator("#card")
    assert card.get_attribute("data-shows") == "cut-0"
    assert card.locator("img").count() == 4, "two places of the cut, before and after"
    assert card.locator("img").evaluate_all(
        "all => all.every(one => one.complete && one.naturalWidth === 120)"
    )
    assert "renderer obedience 0.91, in time" in card.inner_text()
    before = card.locator(".wipe img").nth(1).evaluate("one => getComputedStyle(one).clipPath")
    card.get_by_role("slider").first.press("ArrowRight")
    after = card.locator(".wipe img").nth(1).evaluate("one => getComputedStyle(one).clipPath")
    assert (before, after) == ("inset(0px 0px 0px 50%)", "inset(0px 0px 0px 51%)")

    opened.locator(f"#lanes [data-cut='{SHOWN['passed']}']").click()
    assert card.locator("img").count() == 1
    assert "profile: turned by 61 degrees" in card.inner_text()
    assert not is_too_wide(opened)
    card.get_by_role("button", name="close").click()
    assert card.is_hidden()


def test_a_line_shows_its_fit(opened: Page) -> None:
    opened.locator("a[data-show='line-2']").click()
    card = opened.locator("#card")
    assert card.get_attribute("data-shows") == "line-2"
    assert "hurried, 1.69 times" in card.inner_text()
    assert HARM in card.inner_text()
    assert not is_too_wide(opened)


def test_what_needs_eyes_leads_to_its_place(opened: Page) -> None:
    opened.locator(".attention a[data-go='cut-7']").first.click()
    assert opened.locator("#card").get_attribute("data-shows") == "cut-7"
    assert opened.locator("#lanes .chosen").get_attribute("data-cut") == "7"


def test_zoom(opened: Page) -> None:
    def shown() -> int:
        return opened.locator("#lanes [data-cut]").count()

    closer, farther = (opened.get_by_role("button", name=f"Zoom {way}") for way in ("in", "out"))
    closer.click()
    closer.click()
    assert 3 <= shown() <= 5
    assert opened.locator("#range").inner_text() != "0:00.0 – 1:00.0"
    farther.click()
    assert 6 <= shown() <= 8
    opened.get_by_role("button", name="Whole").click()
    assert shown() == 12
    assert opened.locator("#range").inner_text() == "0:00.0 – 1:00.0"


def test_keys_alone(opened: Page) -> None:
    opened.locator("#scroller").focus()
    keys = {
        "ArrowRight": "line-0",
        "End": "line-0",
        "ArrowDown": "cut-0",
        "ArrowUp": "line-0",
        "+": "line-0",
    }
    for key, shows in keys.items():
        opened.keyboard.press(key)
        assert opened.locator("#card").get_attribute("data-shows") == shows, key
    for _ in range(5):
        opened.keyboard.press("ArrowRight")
    assert opened.locator("#lanes .chosen").get_attribute("data-line") == "5"
    opened.keyboard.press("Escape")
    assert opened.locator("#card").is_hidden()


def test_filters(opened: Page) -> None:
    opened.get_by_label("only what needs eyes").check()
    assert opened.locator("table.lines tbody tr:visible").count() == 3
    assert opened.locator(".cut:visible").count() == 4
    assert opened.locator("#lanes .dim").count() == 10 + 8
    opened.get_by_label("only what needs eyes").uncheck()
    opened.get_by_label("Find").fill("台詞 7")
    assert opened.locator("table.lines tbody tr:visible").count() == 1
    assert opened.locator("#found").inner_text() == "1 of 13 lines"


def test_harmful_text_stays_text(opened: Page) -> None:
    assert opened.evaluate("window.harmed") is None
    assert HARM in opened.locator("h1").inner_text()
    assert opened.title() == f"{HARM}.mp4 in ja"
    assert opened.locator("img[src=x]").count() == 0


def test_the_policy_keeps_out_what_might_slip_in(opened: Page, troubles: list[str], written: Path) -> None:
    opened.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.harmed = 1';
            const image = document.createElement('img');
            image.src = 'https://example.com/pixel.png';
            document.body.append(script, image);
        }"""
    )
    assert opened.evaluate("window.harmed") is None
    refused = [words for words in troubles if "Content Security Policy" in words]
    assert len(refused) == 2
    troubles[:] = [words for words in troubles if words not in refused and "example.com" not in words]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(browser: Browser, written: Path, scheme: str) -> None:
    """WCAG AA: 4.5 to 1 for text of this size."""
    with browser.new_context(color_scheme=scheme) as context:  # type: ignore[arg-type]
        tab = context.new_page()
        tab.goto(written.as_uri())
        for selector in ("body", ".eyebrow", "dt", "td small", "nav a", ".notes", ".level", ".verdict strong",
                         ".state", ".detail"):  # fmt: skip
            for pair in tab.locator(selector).evaluate_all(_COLOURS):
                assert contrast(*pair) >= 4.5, (selector, pair)


_COLOURS = """all => all.slice(0, 20).map(one => {
    const painted = (node) => getComputedStyle(node).backgroundColor !== 'rgba(0, 0, 0, 0)';
    let behind = one;
    while (behind !== document.body && !painted(behind)) behind = behind.parentElement;
    return [getComputedStyle(one).color, getComputedStyle(behind).backgroundColor];
})"""


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two CSS colours, as WCAG 2.2 defines it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_without_scripts_and_on_paper_the_tables_hold_everything(browser: Browser, written: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        tab = context.new_page()
        tab.goto(written.as_uri())
        assert tab.locator("#scroller").is_hidden()
        assert "tables below" in tab.locator("noscript").inner_text()
        assert tab.locator("table.lines tbody tr:visible").count() == 13
        tab.emulate_media(media="print")
        assert tab.locator(".cut:visible").count() == 12
