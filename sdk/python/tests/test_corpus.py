"""The corpus of pipelines: complete, described, and in step with the documents that quote it."""

import ast
import os
import re
import unittest

import corpus
import readme
from tests import ROOT


class Corpus(unittest.TestCase):
    def test_every_pipeline_is_listed_and_described(self):
        files = sorted(file for file in os.listdir(corpus.FOLDER) if file.endswith(".py"))
        self.assertEqual(sorted({entry["file"] for entry in corpus.pipelines()}), files)
        self.assertGreaterEqual(len(files), 48)
        for entry in corpus.pipelines():
            with self.subTest(file=entry["file"]):
                self.assertTrue(corpus.summary(entry["file"]))
                self.assertTrue(corpus.covers(entry["file"]))
                self.assertLessEqual(set(corpus.covers(entry["file"])), set(corpus.ROWS))
                self.assertIn(entry["state"], ("done", "error"))
                self.assertTrue(entry["images"])

    def test_every_feature_is_covered(self):
        covered = {word for entry in corpus.pipelines() if entry["old_client"] for word in corpus.covers(entry["file"])}
        self.assertEqual(covered, set(corpus.ROWS))

    def test_the_table_is_in_step(self):
        with open(readme.PATH, encoding="utf-8") as file:
            self.assertEqual(file.read(), readme.expected(), "run `python sdk/python/oracle/readme.py`")

    def test_the_guide_quotes_pipelines_that_are_tested(self):
        with open(os.path.join(ROOT, "docs", "python.md"), encoding="utf-8") as file:
            text = file.read()
        quoted = re.findall(r"<!-- from (\S+) -->\n\n```python\n(.*?)```", text, re.DOTALL)
        self.assertTrue(quoted)
        for name, code in quoted:
            self.assertEqual(code, self._without_docstring(name), name)

    def test_the_readme_of_the_package_quotes_one_too(self):
        with open(os.path.join(ROOT, "sdk", "python", "README.md"), encoding="utf-8") as file:
            code = re.search(r"```python\n(.*?)```", file.read(), re.DOTALL).group(1)
        self.assertEqual(code.replace("\n\n\n", "\n\n"), self._hello())

    def _hello(self):
        source = self._without_docstring("hello.py").replace('    """Says hello, then goodbye."""\n', "")
        return source.replace("\n\n\n", "\n\n")

    def _without_docstring(self, name):
        with open(os.path.join(corpus.FOLDER, name), encoding="utf-8") as file:
            source = file.read()
        end = ast.parse(source).body[0].end_lineno
        return "\n".join(source.split("\n")[end:]).lstrip("\n")
