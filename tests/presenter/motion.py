"""How a presenter moves: head, blinks, gaze and mouth for every frame, from a seed and the words spoken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loc.analysis.phones import mouth_curve
from loc.artifacts import SAMPLE_RATE
from tests.presenter.face import Expression
from tests.presenter.looks import Presenter
from tests.presenter.pen import Pose
from tests.presenter.script import LineTruth

Curve = npt.NDArray[np.float64]

BLINK_SHUT = 0.08
BLINK_OPEN = 0.16
"""Seconds to shut and to open the eyes; people take 0.1 to 0.4 s for both."""


@dataclass(frozen=True)
class Motion:
    """One person's state in every frame of a film: curves of equal length."""

    aperture: Curve
    width: Curve
    blink: Curve
    brow: Curve
    gaze_x: Curve
    gaze_y: Curve
    sway: Curve
    """[n, 6]: shift x and y in head units, growth, roll in radians, yaw, pitch."""

    def expression(self, frame: int) -> Expression:
        return Expression(
            aperture=float(self.aperture[frame]),
            width=float(self.width[frame]),
            blink=float(self.blink[frame]),
            gaze=(float(self.gaze_x[frame]), float(self.gaze_y[frame])),
            brow=float(self.brow[frame]),
        )

    def pose(self, frame: int, rest: Pose) -> Pose:
        """The pose of a frame, about where the head rests in its shot."""
        dx, dy, growth, roll, yaw, pitch = (float(value) for value in self.sway[frame])
        return Pose(
            x=rest.x + dx * rest.scale,
            y=rest.y + dy * rest.scale,
            scale=rest.scale * (1 + growth),
            roll=roll,
            yaw=yaw,
            pitch=pitch,
        )


def move(who: Presenter, lines: Sequence[LineTruth], at: npt.NDArray[np.int64]) -> Motion:
    """Move a presenter through a film.

    Args:
        who: whose seed and whose lines count.
        lines: every line of the film.
        at: the sample at 48 kHz in the middle of each frame's time.
    """
    rng = np.random.default_rng(who.seed)
    t = at / SAMPLE_RATE
    own = [line for line in lines if line.speaker == who.name]
    aperture, width = _mouth(own, at)
    energy = _smooth(aperture, 9)
    sway = np.stack(
        [
            0.050 * _drift(rng, t, 0.16),
            0.030 * _drift(rng, t, 0.21) + 0.05 * energy,
            0.018 * _drift(rng, t, 0.13),
            0.050 * _drift(rng, t, 0.18),
            0.050 * _drift(rng, t, 0.22),
            0.030 * _drift(rng, t, 0.26) + 0.04 * energy,
        ],
        axis=1,
    )
    return Motion(
        aperture=aperture,
        width=width,
        blink=_blinks(rng, t),
        brow=np.clip(0.5 * _drift(rng, t, 0.3) + 0.8 * energy, -1, 1),
        gaze_x=0.5 * _drift(rng, t, 0.2),
        gaze_y=0.3 * _drift(rng, t, 0.15),
        sway=sway,
    )


def _mouth(own: Sequence[LineTruth], at: npt.NDArray[np.int64]) -> tuple[Curve, Curve]:
    """Aperture and width from the phones; between lines the mouth rests closed."""
    aperture, width = np.zeros(len(at)), np.ones(len(at))
    for line in own:
        opened, widened = mouth_curve(line.phones, at - line.start)
        aperture = np.maximum(aperture, opened)
        width += widened - 1
    return aperture, width


def _drift(rng: np.random.Generator, t: Curve, rate: float) -> Curve:
    """A smooth wander within about -1..1: three sines about `rate` hertz."""
    rates = rate * rng.uniform(0.6, 1.8, 3)
    phases = rng.uniform(0, 2 * np.pi, 3)
    drift: Curve = np.sin(2 * np.pi * t[:, None] * rates + phases) @ np.array([0.5, 0.3, 0.2])
    return drift


def _blinks(rng: np.random.Generator, t: Curve) -> Curve:
    """A blink every 2 to 4.5 seconds."""
    blink = np.zeros_like(t)
    at = rng.uniform(0.8, 2.0)
    while at < t[-1]:
        since = t - at
        shutting = np.clip(since / BLINK_SHUT, 0, 1)
        opening = np.clip((since - BLINK_SHUT) / BLINK_OPEN, 0, 1)
        blink = np.maximum(blink, shutting - opening)
        at += rng.uniform(2.0, 4.5)
    return blink


def _smooth(curve: Curve, frames: int) -> Curve:
    window = np.hanning(frames + 2)
    smooth: Curve = np.convolve(curve, window / window.sum(), mode="same")
    return smooth[: len(curve)]
