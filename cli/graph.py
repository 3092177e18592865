"""What `cli` hands to the application: the stage graph and every backend that is installed."""

from __future__ import annotations

from loc.app.run import Graph
from loc.backend import discover
from stages.graph import STAGES


def load_graph() -> Graph:
    """The graph of this installation.

    Raises:
        UsageError: a plug-in that cannot be loaded; it is named.
    """
    return Graph(STAGES, discover())
