"""Prints, with both clients, every pipeline of the corpus, and compares what they print.

    python compare.py --old PYTHON_WITH_OLD_CLIENT [--also PYTHON ...]

Both run in two surroundings: on a machine where somebody tries a pipeline, and as a server runs it (`CONDUCTO_PATH_MAP`).
So do pipelines that `random_pipelines.py` makes. The old client, and ours in the same interpreter, must print the same;
ours in the interpreters of `--also` must print the same once more, with their own version in the default image. Then the
comparison itself is tried: for every key of every pipeline a changed value must make it fail.
"""

import argparse
import concurrent.futures
import copy
import difflib
import json
import os
import subprocess
import sys
import tempfile

import corpus
import normalise

SURROUNDINGS = ("machine", "server")
SEEDS = 60
SOURCE = os.path.join(os.path.dirname(corpus.HERE), "src")


def main():
    """Compares; returns the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--old", required=True, help="an interpreter that has the old client")
    parser.add_argument("--also", nargs="*", default=[], help="interpreters in which ours must print the same")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # The old client follows symbolic links in some places and not in others.
        folder = os.path.realpath(folder)
        home, repository = os.path.join(folder, "home"), os.path.join(folder, "repository")
        os.mkdir(home)
        os.mkdir(repository)
        place = corpus.repository(repository)
        failures, mutated = [], {}
        compared, mutations = 0, 0
        for surroundings in SURROUNDINGS:
            environment = _environment(surroundings, home, repository)
            entries = [entry for entry in corpus.pipelines() if surroundings in entry.get("compare", SURROUNDINGS)]
            both = [entry for entry in entries if entry["old_client"]]
            made = [{"file": "random_pipelines.py", "arguments": ["pipeline", str(seed)]} for seed in range(SEEDS)]
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                new = dict(environment, PYTHONPATH=SOURCE)
                old = pool.submit(_print, options.old, both + made, place, environment)
                ours = pool.submit(_print, options.old, entries + made, place, new).result()
                others = {python: pool.submit(_print, python, entries, place, new) for python in options.also}
                for name, serialization in old.result().items():
                    compared += not name.startswith("random")
                    failures += _difference(surroundings + " " + name, serialization, ours[name])
                    if not name.startswith("random"):
                        mutated.setdefault(name, ours[name])
                for python, printed in others.items():
                    for name, serialization in printed.result().items():
                        expected = _with_default_image(ours[name], _version(options.old), _version(python))
                        failures += _difference("{} {} {}".format(python, surroundings, name), expected, serialization)
        for name, serialization in mutated.items():
            missed, tried = mutate(serialization)
            mutations += tried
            failures += ["{}: a change of {} goes unnoticed".format(name, path) for path in missed]
    for failure in failures:
        print(failure)
    if failures:
        return 1
    print(
        "{} pipelines and {} made at random equal in both clients, ours in {} more interpreters, {} changes noticed".format(
            compared, 2 * SEEDS, len(options.also), mutations
        )
    )
    return 0


def mutate(serialization):
    """Changes one value after the other. Returns the paths of changes that the comparison misses, and their number."""
    expected = normalise.text(serialization)
    missed, tried = [], 0
    for path in list(_paths(serialization)):
        holder = serialization
        for key in path[:-1]:
            holder = holder[key]
        value = holder[path[-1]]
        holder[path[-1]] = _other(value)
        found = normalise.text(serialization)
        holder[path[-1]] = value
        is_dropped = path == ("token",) or (path[0] == "nodes" and path[-1] in ("file", "line"))
        tried += not is_dropped
        if (found == expected) != is_dropped:
            missed.append(path)
    return missed, tried


def _paths(value, path=()):
    """Yields the way to every value: of objects, of lists, and of what is in them."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            for found in _paths(inner, path + (key,)):
                yield found
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for found in _paths(inner, path + (index,)):
                yield found


def _other(value):
    """Returns another value, as near as there is one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, list):
        return value + ["x"] if not value or not isinstance(value[0], dict) else value + [{"x": 1}]
    if isinstance(value, dict):
        return {"x": {}} if not value or isinstance(next(iter(value.values())), dict) else dict(value, x=1)
    return "x"


def _environment(surroundings, home, repository):
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL") if key in os.environ}
    environment = dict(kept, HOME=home, NO_COLOR="1", __RUN_BY_WORKER__="1", PYTHONDONTWRITEBYTECODE="1")
    environment.update(PYTHONWARNINGS="ignore", PYTHONIOENCODING="utf-8", PYTHONUTF8="1")
    if surroundings == "server":
        outside = json.dumps(
            {"pathsep": "/", "path": ["home", "you", "project", {"type": "git", "url": corpus.ORIGIN}]}
        )
        environment.update(
            CONDUCTO_EXECUTION_ENV="worker_local",
            CONDUCTO_PIPELINE_ID="abc-def",
            CONDUCTO_PATH_MAP=json.dumps({outside: repository}),
            CONDUCTO_GIT_URL=corpus.ORIGIN,
            CONDUCTO_GIT_SHA="0123456789abcdef0123456789abcdef01234567",
        )
    return environment


def _print(python, entries, place, environment):
    """Returns the serialization that each pipeline prints, by its name."""
    tasks = [{"file": entry["file"], "arguments": entry["arguments"]} for entry in entries]
    runner = os.path.join(corpus.HERE, "runner.py")
    done = subprocess.run(
        [python, runner],
        input=json.dumps(tasks).encode(),
        stdout=subprocess.PIPE,
        cwd=place,
        env=environment,
        check=True,
        timeout=120,
    )
    printed = {}
    for entry, result in zip(entries, json.loads(done.stdout.decode())):
        serialization = normalise.from_output(result["output"])
        if serialization is None:
            sys.exit(
                "{} printed no serialization with {}:\n{}{}".format(
                    entry["file"], python, result["output"], result["errors"]
                )
            )
        printed[" ".join([entry["file"]] + entry["arguments"])] = serialization
    return printed


def _difference(name, expected, found):
    one, two = normalise.text(expected), normalise.text(found)
    if one == two:
        return []
    lines = difflib.unified_diff(one.split("\n"), two.split("\n"), "expected", "found", lineterm="", n=4)
    return ["{} differs:\n{}".format(name, "\n".join(lines))]


def _version(python):
    code = "import sys; print(sys.version_info[0], sys.version_info[1])"
    return tuple(int(part) for part in subprocess.check_output([python, "-c", code]).split())


def _with_default_image(serialization, old, new):
    """Returns a serialization with the default image of another Python: it is that of the one that prints."""
    changed = copy.deepcopy(serialization)
    for image in changed["images"].values():
        if image["image"] == "python:{}.{}-slim".format(*old):
            image["image"] = "python:{}.{}-slim".format(*new)
    return changed


if __name__ == "__main__":
    sys.exit(main())
