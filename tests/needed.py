"""System packages that a test needs: without them it skips, but in CI, which sets them up, it fails.

Rights are another matter: nobody can install them, so a test without them skips anywhere.
"""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

IN_CI = bool(os.environ.get("CI"))
"""As GitHub, GitLab and `.ci/run` set it."""


def missing(why: str) -> NoReturn:
    """End a test, or the import of its module, for what `scripts/setup.sh` installs."""
    if IN_CI:
        pytest.fail(f"{why}: run scripts/setup.sh, which installs it", pytrace=False)
    pytest.skip(why, allow_module_level=True)


def unless(present: bool, why: str) -> pytest.MarkDecorator:
    """A mark that skips where something is missing; in CI the test runs and fails."""
    return pytest.mark.skipif(not present and not IN_CI, reason=why)
