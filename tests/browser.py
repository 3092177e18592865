"""The system's Chromium, to look at pages with. `python -m tests.browser PAGE IMAGE` pictures a report."""

from __future__ import annotations

import argparse
import contextlib
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")

WINDOW = (1280, 1340)
"""Of the picture: down to the end of the first cut's card."""


def find() -> str | None:
    """The path of a Chromium, if there is one."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextlib.contextmanager
def started(program: str) -> Iterator[Browser]:
    """A Chromium without a window.

    Raises:
        playwright.sync_api.Error: it does not start.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, in a container, Chromium's own sandbox cannot start.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium for a test, which is skipped where there is none.

    On Debian `make setup` installs it; elsewhere it may be missing or, as a snap, unable to see these files.
    """
    import pytest
    from playwright.sync_api import Error

    debian = platform.freedesktop_os_release().get("ID") == "debian"
    program = find()
    if program is None:
        assert not debian, "chromium is missing: run `make setup`"
        pytest.skip("there is no Chromium here")
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(started(program))
        except Error as error:
            if debian:
                raise
            pytest.skip(f"{program} does not start: {str(error).splitlines()[0]}")
        yield found


def is_too_wide(tab: Page) -> bool:
    """Whether a page goes on beside its window."""
    return bool(tab.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def picture(page: Path, image: Path) -> None:
    """The top of a report's page with the card of its first cut open, as a JPEG."""
    program = find()
    assert program is not None, "chromium is missing: run `make setup`"
    with started(program) as browser:
        width, height = WINDOW
        tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.locator("#lanes [data-cut='0']").click()
        tab.evaluate("scrollTo(0, 0)")
        tab.screenshot(path=image, type="jpeg", quality=85)


def main() -> None:
    """Parse the command line and take the picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser", description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("image", type=Path)
    arguments = parser.parse_args()
    picture(arguments.page, arguments.image)


if __name__ == "__main__":
    main()
