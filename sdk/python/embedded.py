"""Writes the metadata beside the package, by which pip and importlib.metadata know it where it was not installed.

    python embedded.py

With `src` on `PYTHONPATH`, `pip install conducto` finds its requirement satisfied. A test compares what is checked in.
"""

import configparser
import os
import re
import shutil

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(HERE, "src")


def version():
    """Returns the version of the package."""
    with open(os.path.join(SOURCE, "conducto", "_version.py"), encoding="utf-8") as file:
        return re.search(r'__version__ = "(.*)"', file.read()).group(1)


def name():
    """Returns the name of the folder."""
    return "conducto-{}.dist-info".format(version())


def files():
    """Returns the content of each file of the folder, by name."""
    metadata = (
        "Metadata-Version: 2.1\nName: conducto\nVersion: {}\n"
        "Summary: Pipelines as Python programs, for a Conducto server\n"
        "License: Apache-2.0\nRequires-Python: >=3.8\n"
    ).format(version())
    made = {"METADATA": metadata, "INSTALLER": "conducto\n", "entry_points.txt": _entry_points()}
    listed = sorted(_package() + ["{}/{}".format(name(), file) for file in list(made) + ["RECORD"]])
    made["RECORD"] = "".join("{},,\n".format(file) for file in listed)
    return made


def _package():
    found = []
    for folder, folders, names in os.walk(os.path.join(SOURCE, "conducto")):
        folders[:] = [each for each in folders if each != "__pycache__"]
        found += [os.path.relpath(os.path.join(folder, each), SOURCE).replace(os.sep, "/") for each in names]
    return found


def _entry_points():
    """Returns the commands, as `pyproject.toml` lists them; TOML of such lines is also an INI file."""
    project = configparser.ConfigParser()
    with open(os.path.join(HERE, "pyproject.toml"), encoding="utf-8") as file:
        section = re.search(r"^\[project\.scripts\]\n(.*?)\n\n", file.read(), re.DOTALL | re.MULTILINE).group(0)
    project.read_string(section)
    commands = sorted(project["project.scripts"].items())
    return "[console_scripts]\n" + "".join("{} = {}\n".format(key, value.strip('"')) for key, value in commands)


if __name__ == "__main__":
    for entry in os.listdir(SOURCE):
        if entry.endswith(".dist-info"):
            shutil.rmtree(os.path.join(SOURCE, entry))
    folder = os.path.join(SOURCE, name())
    os.mkdir(folder)
    for file_name, content in files().items():
        with open(os.path.join(folder, file_name), "w", encoding="utf-8") as target:
            target.write(content)
