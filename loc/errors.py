"""Errors a user can act on, and the one map from error to exit code.

Every error says what failed, why, and what mends it. `cli` prints the three and exits with `code`;
a traceback appears only with `--debug`.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command. The text of each is the reference documentation."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    DEFECTS = 3
    INPUT = 4
    MISSING = 5
    REFUSED = 6
    STORAGE = 7
    SOME_FAILED = 8
    DEADLINE = 9
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """One line, as printed in the reference."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.INTERNAL: "internal error: a fault in loc itself",
    ExitCode.USAGE: "usage: an option or argument is wrong",
    ExitCode.DEFECTS: "done, with defects: some cut or line failed or fell under a gate",
    ExitCode.INPUT: "the input cannot be used",
    ExitCode.MISSING: "something is missing: tool, package, weights, language pair, source language",
    ExitCode.REFUSED: "refused by policy",
    ExitCode.STORAGE: "no space, or the store or an output folder cannot be written",
    ExitCode.SOME_FAILED: "several inputs, some of them failed",
    ExitCode.DEADLINE: "the deadline came first; what was finished is kept, the next run goes on from there",
    ExitCode.INTERRUPTED: "interrupted; what was finished is kept and the next run goes on from there",
}


def printable(text: object) -> str:
    """Text that may be written as UTF-8: `caf\\xe9.mp4` for a file name that is none."""
    try:
        data = str(text).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Half a character of UTF-16, which no file name is read as.
        data = str(text).encode("utf-8", "backslashreplace")
    return data.decode("utf-8", "backslashreplace")


class LocError(Exception):
    """Root of every error a user sees. What it says may be written as UTF-8.

    Args:
        what: what failed, one sentence.
        why: the cause as far as it is known, may be empty.
        fix: the command or change that mends it, may be empty.
    """

    code: ExitCode = ExitCode.INTERNAL

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        super().__init__(printable(what))
        self.what = printable(what)
        self.why = printable(why)
        self.fix = printable(fix)

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.fix) if part)


class UsageError(LocError):
    """The command line or a settings file asks for something that does not exist."""

    code = ExitCode.USAGE


class InputError(LocError):
    """The input is empty, truncated, not media, still growing, or lacks what the job needs."""

    code = ExitCode.INPUT


class InputChangedError(InputError):
    """An input is not what it was when its digest was taken. It ends the run: what is made of it now would
    stand under the digest of the other."""


class MissingError(LocError):
    """A tool, package, weight file, language pair or the source language is missing."""

    code = ExitCode.MISSING


class RefusedError(LocError):
    """A licence or purpose forbids what was asked."""

    code = ExitCode.REFUSED


class StorageError(LocError):
    """No space, an unwritable folder, or a damaged store."""

    code = ExitCode.STORAGE


class ChildError(LocError):
    """A child process failed or died. Its last lines and its signal are in `why`."""

    code = ExitCode.INTERNAL


class DamagedObjectError(StorageError):
    """An object is missing, truncated or changed. A run forgets what made it, says so, and makes it again.

    Args:
        sha256: the object's name.
    """

    def __init__(self, what: str, *, sha256: str) -> None:
        super().__init__(what, fix="Run `loc cache verify` to find every damaged object.")
        self.sha256 = sha256


class InternalError(LocError):
    """A fault in loc itself, told like any other error."""

    code = ExitCode.INTERNAL

    @classmethod
    def of(cls, fault: Exception) -> InternalError:
        """What to say of an exception that nobody foresaw."""
        return cls(
            f"internal error: {type(fault).__name__}: {fault}",
            fix="This is a fault in loc. Run again with --debug, one input alone, and report what it prints.",
        )


class Interrupted(LocError):  # noqa: N818 - a wish of the user, not an error
    """Ctrl-C or a termination signal."""

    code = ExitCode.INTERRUPTED


class DeadlinePassed(Interrupted):
    """The time given with --deadline is over. It passes wherever an interrupt does."""

    code = ExitCode.DEADLINE
