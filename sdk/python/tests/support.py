"""What several tests use: programs in files, run as a user would."""

import contextlib
import os
import subprocess
import sys
import tempfile
import textwrap

from tests import SOURCE


class Result:
    """What a program printed, and its exit code."""

    def __init__(self, code, output, errors):
        self.code, self.output, self.errors = code, output, errors


@contextlib.contextmanager
def folder():
    """Gives a folder that is gone afterwards, with its real path."""
    with tempfile.TemporaryDirectory() as path:
        yield os.path.realpath(path)


def write(path, text):
    """Writes a text, less its indentation, into a file; returns the path."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(textwrap.dedent(text).lstrip("\n"))
    return path


def environment(**more):
    """Returns the environment of a program that finds the package, without what a node would have."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CONDUCTO", "__RUN", "NO_COLOR"))}
    return dict(kept, PYTHONPATH=SOURCE, PYTHONDONTWRITEBYTECODE="1", PYTHONIOENCODING="utf-8", **more)


def run(words, cwd=None, stdin=b"", **variables):
    """Runs a program."""
    done = subprocess.run(
        words,
        cwd=cwd,
        input=stdin,
        capture_output=True,
        env=environment(**variables),
        timeout=60,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def python(*words, **options):
    """Runs this Python."""
    return run([sys.executable] + list(words), **options)
