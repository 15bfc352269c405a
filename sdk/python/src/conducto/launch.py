"""The options that launched a pipeline of the hosted service, and what is done here instead."""

import os
import sys
from typing import Any, List, NoReturn, Optional

from .errors import NotInThisService, UserInputValidation

_FLAGS = ("cloud", "local", "k8s", "run", "shell", "app", "sleep_when_done", "public")
_VALUES = ("run_at", "title", "doc", "default_doc")
_ANYWHERE = ("pipeline_id", "profile")
_LAUNCHES = ("cloud", "local", "k8s")


class Options:
    """The options of a command line that are not those of the function."""

    def __init__(self) -> None:
        self.is_launch = False
        self.title: Optional[str] = None
        self.doc: Optional[str] = None
        self.default_doc: Optional[str] = None

    def take(self, key: str, value: Optional[str], waiting: List[str], *, is_node: bool) -> bool:
        """Takes an option, with its value from the words that wait if it needs one. Says whether it is known."""
        if is_node and (key in _FLAGS or (key.startswith("no_") and key[3:] in _FLAGS)):
            self.is_launch = self.is_launch or key in _LAUNCHES
            return True
        if key in _ANYWHERE or (is_node and key in _VALUES):
            if value is None:
                if not waiting:
                    raise UserInputValidation("--{} needs a value".format(key.replace("_", "-")))
                value = waiting.pop(0)
            if key in ("title", "doc", "default_doc"):
                setattr(self, key, value)
            return True
        return False


def without_options(words: List[str]) -> List[str]:
    """Returns a command line without the options of launching.

    >>> without_options(["build", "--run", "--title", "Mine", "--x=1", "--no-app"])
    ['build', '--x=1']
    """
    kept: List[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        key, has_value, value = word[2:].partition("=") if word.startswith("--") else ("", "", "")
        options = Options()
        if not key or not options.take(key.replace("-", "_"), value if has_value else None, waiting, is_node=True):
            kept.append(word)
    return kept


def refuse(**options: Any) -> NoReturn:
    """Raises NotInThisService. Raises ValueError if more than one place to run is named."""
    if sum(bool(options.get(mode)) for mode in _LAUNCHES) > 1:
        raise ValueError("only one of local, cloud and k8s can be True")
    raise NotInThisService(_how())


def refuse_from_command_line() -> NoReturn:
    """Says that pipelines are not launched from here, and ends the program."""
    sys.stderr.write(_how() + "\n")
    sys.exit(1)


def _how() -> str:
    if os.environ.get("CONDUCTO_PIPELINE_ID"):
        return (
            "a pipeline cannot be launched from inside of another\n"
            "help: conducto.Lazy makes a node that grows the tree it prints"
        )
    return (
        "this package describes pipelines; your server starts them from a commit\n"
        'help: name the program in conducto.cfg, such as command = "python ci/pipeline.py", and push; '
        "without --local, --cloud and --k8s the tree is printed"
    )
