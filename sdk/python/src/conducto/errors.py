"""What can go wrong, as exceptions, and how a refusal is worded.

A refusal says what is wrong, where the caller wrote it, and how to mend it:

>>> print(refusal(ValueError, "cpu must be above 0, got -1", help="leave it out for 1 processor", where="ci.py:7"))
cpu must be above 0, got -1
 --> ci.py:7
help: leave it out for 1 processor
"""

from typing import Optional, Type, TypeVar

from . import callsite

ErrorType = TypeVar("ErrorType", bound=Exception)


class TreeError(Exception):
    """A node cannot be put where it was to be put: a second parent, a name that is taken, a circle."""


class DuplicateImageError(Exception):
    """Two different images of one tree have the same name."""


class UserInputValidation(Exception):
    """The command line or the pipeline is wrong; `conducto.main` prints the message alone and exits with 1."""


class NodeMethodError(Exception):
    """A function that is annotated to return a node returned something else."""


class ContextError(Exception):
    """Pipeline data was asked for outside of a pipeline."""


class UnsafeArchiveError(Exception):
    """A cache holds a member that would be written outside of its directory; nothing was restored."""


class NotInThisService(Exception):
    """A feature of the hosted service, which a self-hosted server does not have."""


def refusal(kind: Type[ErrorType], what: str, *, help: Optional[str] = None, where: Optional[str] = None) -> ErrorType:
    """Returns an error of the given kind, with the place of the caller and a way out.

    `where` is found from the stack if it is not given.
    """
    lines = [what]
    place = where if where is not None else callsite.describe()
    if place:
        lines.append(" --> " + place)
    if help:
        lines.append("help: " + help)
    return kind("\n".join(lines))
