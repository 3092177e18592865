"""Light and shadow on a presenter's skin."""

from __future__ import annotations

from tests.presenter.canvas import Colour, mix
from tests.presenter.looks import Presenter

BLOOD: Colour = (74, 24, 18)
"""What skin darkens towards: warmer than black, as shadows on skin are."""

LAMP: Colour = (255, 246, 230)


def shadow(who: Presenter, depth: float = 0.45) -> Colour:
    """Skin in shadow; `depth` 0 none .. 1 darkest."""
    return mix(who.skin, BLOOD, depth)


def light(who: Presenter) -> Colour:
    """Skin facing the light."""
    return mix(who.skin, LAMP, 0.55)
