"""`python -m tests.presenter FOLDER` writes the sample; `--sheet PNG` a contact sheet."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.presenter.samples import write_sample
from tests.presenter.sheet import draw_sheet


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.presenter", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="where the sample goes")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="write a contact sheet")
    arguments = parser.parse_args()
    if arguments.folder is None and arguments.sheet is None:
        parser.error("name a folder, or --sheet")
    if arguments.sheet is not None:
        draw_sheet(arguments.sheet)
    if arguments.folder is not None:
        write_sample(arguments.folder)


if __name__ == "__main__":
    main()
