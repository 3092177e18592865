"""Keeps the ledger of code and the page of actions.

python -m tests.actions                            write the ledger down anew
python -m tests.actions --output-unchanged "why"   also where code changed under the same version
            --of NAME ...                          of these alone: what differs has a reason of its own
python -m tests.actions --page                     write docs/reference/actions.md, from a run on a drawn film
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.actions.ledger import Ledger, complaint, read_code
from tests.actions.page import PAGE, page


def main() -> int:
    """Do what the arguments ask; 1 where the ledger is refused."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.actions", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--output-unchanged", metavar="WHY")
    parser.add_argument("--of", metavar="NAME", nargs="+")
    parser.add_argument("--page", action="store_true")
    arguments = parser.parse_args()
    return write_page() if arguments.page else write_ledger(arguments.output_unchanged, arguments.of)


def write_ledger(reason: str | None, of: list[str] | None = None) -> int:
    """Bring the ledger up to date, unless something is unaccounted for.

    Args:
        reason: why the output is unchanged of what is unaccounted for.
        of: which of it the reason is for; None: all.
    """
    state, ledger = read_code(), Ledger.read()
    if reason and of is not None:
        ledger = ledger.accounted(state, reason, of)
        ledger.write()
        reason = None
    unaccounted = ledger.unaccounted(state)
    if unaccounted and not reason:
        sys.stderr.write(complaint(unaccounted, state.versions) + "\n")
        return 1
    ledger.updated(state, reason).write()
    return 0


def write_page() -> int:
    """Run the graph on a drawn film and write down what stood in the keys."""
    from tests.keys.rig import draw

    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(page(draw(Path(folder)).records()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
