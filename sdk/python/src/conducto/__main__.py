"""The command `conducto`, as far as a Python program is meant: `conducto FILE.py [FUNCTION] [ARGUMENTS]`."""

import importlib.util
import os
import sys
from typing import Any, Dict, List, Optional

_USAGE = "usage: conducto FILE.py [function] [arguments]\n"
_SERVER_DOES = "help: this is done by the server's own program: run the `conducto` that you installed with the server\n"


def main(argv: Optional[List[str]] = None) -> int:
    """Runs a function of a file; returns the exit code if there is none to run."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        sys.stderr.write(_USAGE + _SERVER_DOES)
        return 0 if words else 2
    if words[0] in ("-v", "--version"):
        from ._version import __version__

        print(__version__)
        return 0
    if not words[0].endswith(".py"):
        sys.stderr.write("error: `{}` is no Python file\n".format(words[0]) + _SERVER_DOES)
        return 2
    if not os.path.isfile(words[0]):
        sys.stderr.write("error: there is no file {}\n".format(words[0]))
        return 2
    from .command_line import main as run

    run(variables=_load(words[0]), argv=words[1:], filename=words[0])
    return 0


def _load(file: str) -> Dict[str, Any]:
    """Imports a file as a module of its own name, with its folder among those that imports are searched in."""
    path = os.path.abspath(file)
    name = os.path.splitext(os.path.basename(path))[0]
    sys.path.append(os.path.dirname(path))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A file may have the name of a module that others need, such as `json.py`.
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return vars(module)


def run() -> None:
    """The console command."""
    sys.exit(main())


if __name__ == "__main__":
    run()
