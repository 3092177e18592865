"""A contact sheet of the presenters, for looking at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from tests.presenter.body import draw_neck, draw_torso
from tests.presenter.canvas import Canvas, Pixels, shrink
from tests.presenter.face import Expression, draw_head
from tests.presenter.film import ZOOM
from tests.presenter.hair import back_hair
from tests.presenter.looks import PRESENTERS, Presenter
from tests.presenter.pen import Pen, Pose
from tests.presenter.scenery import draw_backdrop

TILE = (320, 360)
"""Width and height of a tile, pixels."""

EXPRESSIONS = (
    Expression(),
    Expression(aperture=0.25),
    Expression(aperture=0.6),
    Expression(aperture=1.0),
    Expression(aperture=0.35, width=0.73),
    Expression(aperture=0.38, width=1.11),
    Expression(blink=0.5),
    Expression(aperture=0.1, blink=1.0),
)
"""Closed, ajar, half, wide, /u/, /i/, half a blink, a blink."""


def draw_sheet(path: Path) -> None:
    """Write a PNG: a row for each presenter, a column for each expression."""
    rows = [np.hstack([_tile(who, face, i) for i, face in enumerate(EXPRESSIONS)]) for who in PRESENTERS]
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def _tile(who: Presenter, face: Expression, column: int) -> Pixels:
    """One head, turned a little further in each column."""
    width, height = TILE
    canvas = Canvas(draw_backdrop("plain", ZOOM * width, ZOOM * height))
    rest = Pose(x=width / 2, y=0.46 * height, scale=0.27 * height)
    turn = (column - 3.5) / 3.5
    body = Pen(canvas, rest, (0, 0), ZOOM)
    head = Pen(canvas, replace(rest, roll=0.04 * turn, yaw=0.05 * turn), (0, 0), ZOOM)
    draw_torso(body, who)
    back_hair(head, who)
    draw_neck(head, body, who)
    draw_head(head, who, face)
    return shrink(canvas.pixels, ZOOM)
