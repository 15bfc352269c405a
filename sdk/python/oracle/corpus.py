"""The pipelines of `tests/fixtures/pipelines`: what `corpus.json` says of each, and a repository that holds them."""

import ast
import json
import os
import re
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
FOLDER = os.path.join(ROOT, "tests", "fixtures", "pipelines")
ORIGIN = "https://github.com/example/pipelines.git"

ROWS = {
    "syntax": "Exec / Serial / Parallel, dict and `with` syntax",
    "main": "co.main, tree printing, `--local --run`",
    "image-by-name": "plain image by name",
    "default-image": "default image",
    "copy-dir": "copy_dir + WORKDIR",
    "pip": "reqs_py / install_pip (incl. `conducto`)",
    "names": "name= / doc= / title",
    "data-pipeline": "/conducto/data/pipeline",
    "packages": "reqs_packages",
    "dockerfile": "dockerfile (+context)",
    "native": "native functions",
    "lazy": "Lazy",
    "reuse": "container_reuse_context / same_container",
    "env": "env",
    "copy-others": "copy_url/branch, copy_repo, path_map",
    "docker": "requires_docker, pipeline network",
    "markdown": "ConductoMarkdown, nb helpers",
    "stop-on-error": "stop_on_error",
    "secrets": "secrets",
    "debug": "debug / livedebug",
    "resources": "cpu, mem",
    "data-user": "/conducto/data/user",
    "data-tools": "conducto-data-pipeline CLI",
    "skip": "skip (initially skipped cleanup)",
    "run-time": "reset / skip / modify at run time",
    "callbacks": "callbacks",
    "util": "co.util.makeyyyymmnodes / magic_doc",
    "cfg": "conducto.cfg events",
    "rare": "suppress_errors, max_time, max_concurrent, docker_run_args, Notebook",
    "cache": "cache helpers",
    "cloud": "cloud, k8s, schedule, reservations",
}
"""The features that pipelines cover, by the words that their docstrings use."""


def pipelines():
    """Returns what `corpus.json` says, one dict a run of a pipeline."""
    with open(os.path.join(FOLDER, "corpus.json"), encoding="utf-8") as file:
        return json.load(file)["pipelines"]


def covers(file):
    """Returns the words of a pipeline's docstring that say what it covers."""
    with open(os.path.join(FOLDER, file), encoding="utf-8") as source:
        doc = ast.get_docstring(ast.parse(source.read())) or ""
    found = re.search(r"^Covers: (.*)$", doc, re.MULTILINE)
    return [word.strip() for word in found.group(1).split(",")] if found else []


def summary(file):
    """Returns the first sentence of a pipeline's docstring."""
    with open(os.path.join(FOLDER, file), encoding="utf-8") as source:
        return (ast.get_docstring(ast.parse(source.read())) or "").split("\n\n")[0].replace("\n", " ")


def repository(folder):
    """Makes a Git repository that holds the pipelines, with an origin; returns the folder of the pipelines in it."""
    inside = os.path.join(folder, "ci")
    shutil.copytree(FOLDER, inside, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(os.path.join(HERE, "random_pipelines.py"), inside)
    for words in (["init", "-q"], ["remote", "add", "origin", ORIGIN]):
        subprocess.run(["git", "-C", folder] + words, check=True)
    return inside


def table():
    """Returns the tables of `README.md`: the pipelines, and which of them cover a feature."""
    lines = ["| pipeline | arguments | what it shows | end | network | images |", "|---|---|---|---|---|---|"]
    for entry in pipelines():
        words = " ".join(entry["arguments"])
        lines.append(
            "| `{}` | {} | {} | {} | {} | {} |".format(
                entry["file"],
                "`{}`".format(words) if words else "",
                summary(entry["file"]),
                entry["state"],
                "yes" if entry["network"] else "no",
                ", ".join("`{}`".format(image) for image in entry["images"]),
            )
        )
    lines += ["", "| feature | covered by |", "|---|---|"]
    for word, feature in ROWS.items():
        files = sorted({entry["file"][:-3] for entry in pipelines() if word in covers(entry["file"])})
        lines.append("| {} | {} |".format(feature, ", ".join("`{}`".format(file) for file in files)))
    return "\n".join(lines) + "\n"
