"""Writes the tables of `tests/fixtures/pipelines/README.md` again: `python readme.py`. A test compares them."""

import os

import corpus

PATH = os.path.join(corpus.FOLDER, "README.md")
MARK = "<!-- below: written by sdk/python/oracle/readme.py -->\n"


def expected():
    """Returns what the file should be."""
    with open(PATH, encoding="utf-8") as file:
        above = file.read().split(MARK)[0]
    return above + MARK + "\n" + corpus.table()


if __name__ == "__main__":
    text = expected()
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(text)
