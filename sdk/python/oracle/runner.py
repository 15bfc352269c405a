"""Runs pipelines with one client, in one interpreter: reads what to run as JSON, and writes what was printed as JSON.

Each program runs in a process of its own, forked after the client was imported, so that one import serves them all.
"""

import json
import os
import runpy
import sys
import tempfile


def run(file, arguments):
    """Runs a program as `python FILE ARGUMENTS` would; returns its output, its errors and its exit code."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            os._exit(_call(file, arguments))
        _, status = os.waitpid(child, 0)
        output.seek(0)
        errors.seek(0)
        return {"output": output.read(), "errors": errors.read(), "code": status >> 8 or status}


def _call(file, arguments):
    sys.argv = [file] + arguments
    sys.path.insert(0, os.path.dirname(os.path.abspath(file)))
    code = 0
    try:
        runpy.run_path(file, run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    import conducto  # noqa: F401 -- before the forks

    tasks = json.load(sys.stdin)
    json.dump([run(task["file"], task["arguments"]) for task in tasks], sys.stdout)
