"""`warp`: the person's own pixels, moved by landmark-driven fields to the mouth of the dub's phones.

No network, no weights. Two thin-plate-spline fields, one above the mouth line and one below it, open and
close lips and jaw. A mouth that closes far is drawn from frames in which the same person had it closed, the
inside of an open one from frames in which it was open: each time those nearest in pose and light.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import ClassVar

import numpy as np

from loc import packages
from loc.backend import Card, Host, LicensedPart
from stages.lipsync.contract import Patch, Profile, RedrawWindow, ShotView
from stages.lipsync.parts import FACES


class Warp:
    """The embedded mouth renderer. Its methods may run on several threads."""

    card: ClassVar[Card] = Card(
        stage="lipsync",
        name="warp",
        version="6",
        summary="moves the person's own pixels by landmarks; teeth and closed lips from their own frames",
        family="embedded",
        quality="basic",
        runs="in-process",
        needs=FACES.needs,
        memory_mb=120,
        licences=(LicensedPart("code", "loc's own renderer", "apache-2_0"), *FACES.licences),
    )

    follows_phones = True
    hears = False

    def __init__(self, host: Host) -> None:
        self._host = host

    def fingerprint(self) -> Mapping[str, str]:
        """What shapes a patch besides this package: resampling, solving."""
        return {
            "opencv": packages.version("opencv-contrib-python"),
            "numpy": packages.version("numpy"),
        }

    def profile(self, shot: ShotView) -> Profile:
        """Measure the person: range and width of the mouth, patch size, the mouth's inside."""
        from stages.lipsync.warp import person

        return person.measure(shot)

    def looks(self, rate: Fraction) -> int:
        """Frames beside its own that have a say in which views it draws from."""
        from stages.lipsync.warp.recall import reach
        from stages.lipsync.warp.render import timed

        return reach(timed(rate))

    def draw(self, window: RedrawWindow) -> Iterator[Patch]:
        """Draw every frame of the window, in order."""
        from stages.lipsync.warp import person
        from stages.lipsync.warp.render import choices, draw_patch

        who = person.load(window.profile, window.lent)
        plan, before, after = window.plan, window.run_in, window.run_out
        points = np.array([*before.points, *window.points, *after.points])
        apertures = np.concatenate([before.aperture, plan.aperture, after.aperture])
        chosen = choices(points, window.video, who, apertures)[len(before) : len(before) + len(plan)]
        frames = zip(window.pictures(), window.points, plan.aperture, plan.width, chosen, strict=True)
        for planes, points, aperture, width, choice in frames:
            yield draw_patch(planes, window.video, points, who, float(aperture), float(width), choice)

    def close(self) -> None:
        """Nothing is held."""
