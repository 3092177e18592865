"""Draws the sample of the demo, a contact sheet of the presenters, or a picture of a result."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.presenter.compare import draw_comparison
from tests.presenter.samples import write_sample
from tests.presenter.sheet import draw_sheet


def main() -> None:
    """Parse the command line and draw what it asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.presenter", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("folder", nargs="?", type=Path, help="write the sample into this folder")
    what.add_argument("--sheet", type=Path, metavar="PNG", help="write a contact sheet")
    what.add_argument(
        "--compare",
        type=Path,
        nargs=3,
        metavar=("SOURCE", "DUB", "JPEG"),
        help="write frames before and after",
    )
    arguments = parser.parse_args()
    if arguments.sheet:
        draw_sheet(arguments.sheet)
    elif arguments.compare:
        draw_comparison(*arguments.compare)
    else:
        write_sample(arguments.folder)


if __name__ == "__main__":
    main()
