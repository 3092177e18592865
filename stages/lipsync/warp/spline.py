"""Thin-plate splines: the smoothest field through given displacements (Bookstein, IEEE PAMI 11(6), 1989)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
"""[k, 2] in face units."""

STIFFNESS = 1.6e-4
"""Added to the kernel's diagonal, in face units: control points that nearly coincide (lips that touch) may
miss their displacement by under a thousandth of a face instead of folding the field."""

_TINY = 1e-12


@dataclass(frozen=True)
class Field:
    """A displacement field over the plane.

    Args:
        centres: control points, [k, 2].
        weights: [k + 3, 2]: of the kernel at each control point, then of 1, x and y.
    """

    centres: Points
    weights: Points

    def __call__(self, at: Points) -> Points:
        """Displacements [m, 2] at points [m, 2]."""
        count = len(self.centres)
        bending = _kernel(at, self.centres) @ self.weights[:count]
        return np.asarray(bending + self.weights[count] + at @ self.weights[count + 1 :])


def fit(centres: Points, displacements: Points) -> Field:
    """The field that has `displacements` [k, 2] at `centres` [k, 2], of which three are not on one line."""
    count = len(centres)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(centres, centres)
    system[np.arange(count), np.arange(count)] += STIFFNESS
    system[:count, count] = system[count, :count] = 1
    system[:count, count + 1 :] = centres
    system[count + 1 :, :count] = centres.T
    wanted = np.concatenate([displacements, np.zeros((3, 2))])
    return Field(centres, np.linalg.solve(system, wanted))


def _kernel(at: Points, centres: Points) -> npt.NDArray[np.float64]:
    """r² log r between every two points, [m, k]."""
    dx = at[:, None, 0] - centres[None, :, 0]
    dy = at[:, None, 1] - centres[None, :, 1]
    squared = dx * dx + dy * dy
    return np.asarray(0.5 * squared * np.log(squared + _TINY))
