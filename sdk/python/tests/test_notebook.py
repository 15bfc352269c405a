"""Notebooks: the cell of parameters, what papermill is called with, and what stays of a run."""

import json
import os
import sys
import unittest

from conducto import notebook
from tests import SOURCE, support

TOOL = os.path.join(os.path.dirname(SOURCE), "bin", "conducto-notebook")

# Stands for papermill: writes down what it was called with, and runs nothing.
PAPERMILL = """
    import json, os, sys
    if __name__ == "__main__":
        with open(os.environ["CALLED"], "w") as file:
            json.dump(sys.argv[1:], file)
        sys.exit(int(os.environ.get("CODE", "0")))
"""

NOTEBOOK = '{"cells": [{"cell_type": "code", "metadata": {}, "source": "# parameters", "outputs": []}]}'


def cell(source, kind="code", **metadata):
    return {"cell_type": kind, "metadata": metadata, "source": source}


class Tag(unittest.TestCase):
    def test_the_first_cell_of_code_that_begins_so(self):
        cells = [
            cell("# parameters are told below", "markdown"),
            cell("import os\n# parameters"),
            cell(["#parameters\n", "n = 1"], tags=["slow"]),
            cell("# parameters"),
        ]
        self.assertTrue(notebook.tag_parameters({"cells": cells}))
        self.assertEqual([each["metadata"] for each in cells], [{}, {}, {"tags": ["slow", "parameters"]}, {}])

    def test_a_tag_that_is_there_stays_the_only_one(self):
        cells = [cell("# parameters"), cell("n = 1", tags=["parameters"])]
        self.assertTrue(notebook.tag_parameters({"cells": cells}))
        self.assertEqual(cells[0]["metadata"], {})

    def test_none(self):
        self.assertFalse(notebook.tag_parameters({"cells": [cell("parameters = 1"), cell("# parametersets")]}))
        self.assertFalse(notebook.tag_parameters({}))


class Tool(unittest.TestCase):
    def run_in(self, folder, papermill, *words, **variables):
        place = os.path.join(folder, "packages")
        support.write(os.path.join(place, "papermill.py"), papermill)
        path = "PYTHONPATH=" + os.pathsep.join([SOURCE, place])
        return support.run(["env", path, sys.executable, TOOL] + list(words), cwd=folder, **variables)

    def test_papermill_runs_it_in_place_and_what_ran_is_kept(self):
        with support.folder() as folder:
            path = support.write(os.path.join(folder, "work", "sums.ipynb"), NOTEBOOK)
            called, kept = os.path.join(folder, "called"), os.path.join(folder, "data")
            variables = {"CALLED": called, "CONDUCTO_PIPELINE_ID": "abc-def", "CONDUCTO_DATA_PIPELINE": kept}
            for code in (0, 3):
                options = ["-p", "n", "4", "-p", "words", "a b"]
                result = self.run_in(folder, PAPERMILL, path, *options, CODE=str(code), **variables)
                self.assertEqual((result.code, result.errors), (code, ""))
                self.assertIn("](/gw/manager/data/abc-def/pipeline/notebooks/sums.ipynb)", result.output)
            with open(called, encoding="utf-8") as file:
                words = json.load(file)
            self.assertEqual(words[:8], [path, path] + options)
            with open(os.path.join(kept, "notebooks", "sums.ipynb"), encoding="utf-8") as file:
                self.assertEqual(json.load(file)["cells"][0]["metadata"], {"tags": ["parameters"]})

    def test_parameters_without_a_cell_are_told(self):
        with support.folder() as folder:
            path = support.write(os.path.join(folder, "a.ipynb"), '{"cells": []}')
            result = self.run_in(folder, PAPERMILL, path, "-p", "n", "4", CALLED=os.path.join(folder, "called"))
            self.assertIn("no cell begins with `# parameters`", result.output)

    def test_usage(self):
        for words in ([], ["-p", "a", "1"], ["a.ipynb", "-p", "a"], ["a.ipynb", "a", "1", "2"]):
            with self.subTest(words=words):
                result = support.python(TOOL, *words)
                self.assertEqual((result.code, result.errors[:6]), (2, "usage:"))

    def test_a_file_that_is_none(self):
        with support.folder() as folder:
            support.write(os.path.join(folder, "bad.ipynb"), "[")
            support.write(os.path.join(folder, "list.ipynb"), "[]")
            for name, words in (("away", "No such file"), ("bad", "is no notebook"), ("list", "no object")):
                with self.subTest(name=name):
                    result = support.python(TOOL, os.path.join(folder, name + ".ipynb"))
                    self.assertEqual(result.code, 1)
                    self.assertIn(words, result.errors)
                    self.assertIn("help: ", result.errors)

    def test_without_papermill(self):
        with support.folder() as folder:
            path = support.write(os.path.join(folder, "a.ipynb"), NOTEBOOK)
            result = self.run_in(folder, "raise ImportError('not here')", path)
            self.assertEqual(result.code, 1)
            self.assertIn("papermill is not installed", result.errors)
            self.assertIn("install_pip", result.errors)


if __name__ == "__main__":
    unittest.main()
