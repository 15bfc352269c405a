"""The package as others find it: metadata in step, known to pip where it was not installed, readable by Python 3.8."""

import ast
import importlib.util
import os
import re
import sys
import unittest

import conducto
import embedded
from tests import HERE, PACKAGE, ROOT, SOURCE, support


class Packaging(unittest.TestCase):
    def test_the_version_is_that_of_the_server(self):
        with open(os.path.join(ROOT, "Cargo.toml"), encoding="utf-8") as file:
            version = re.search(r'^version = "(.*)"', file.read(), re.MULTILINE).group(1)
        self.assertEqual(conducto.__version__, version)

    def test_the_metadata_beside_the_package_is_in_step(self):
        folder = os.path.join(SOURCE, embedded.name())
        expected = embedded.files()
        self.assertEqual(sorted(os.listdir(folder)), sorted(expected), "run `python sdk/python/embedded.py`")
        for name, content in expected.items():
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                self.assertEqual(file.read(), content, "run `python sdk/python/embedded.py`")
        self.assertEqual([each for each in os.listdir(SOURCE) if each.endswith("-info")], [embedded.name()])

    @unittest.skipUnless(importlib.util.find_spec("pip"), "there is no pip in this Python")
    def test_pip_finds_its_requirement_satisfied(self):
        with support.folder() as folder:
            file = support.write(os.path.join(folder, "requirements.txt"), "conducto\n")
            done = support.python("-m", "pip", "install", "--no-index", "--disable-pip-version-check", "-r", file)
        self.assertEqual(done.code, 0, done.errors)
        self.assertIn("Requirement already satisfied: conducto", done.output)

    def test_every_file_can_be_read_by_python_3_8(self):
        for folder, _, names in os.walk(PACKAGE):
            for name in names:
                if name.endswith(".py") and not folder.startswith(HERE):
                    with self.subTest(file=name), open(os.path.join(folder, name), encoding="utf-8") as file:
                        ast.parse(file.read(), feature_version=(3, 8))

    def test_only_the_standard_library_is_imported(self):
        if not hasattr(sys, "stdlib_module_names"):
            self.skipTest("this Python does not know its own modules")
        allowed = set(sys.stdlib_module_names) | {"conducto", "typing_extensions", "matplotlib"}
        for folder, _, names in os.walk(os.path.join(SOURCE, "conducto")):
            for name in names:
                if not name.endswith(".py"):
                    continue
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    tree = ast.parse(file.read())
                for node in ast.walk(tree):
                    if isinstance(node, ast.Import):
                        self.assertLessEqual({each.name.split(".")[0] for each in node.names}, allowed, name)
                    elif isinstance(node, ast.ImportFrom) and not node.level:
                        self.assertIn(node.module.split(".")[0], allowed, name)

    def test_the_public_names(self):
        for name in (
            "Exec Serial Parallel Node Notebook Params main lazy_py lazy_shell Lazy temp_data perm_data data profile "
            "slack Image relpath SameContainer ContainerReuseContext env_bool api callback Path git nb schedule util "
            "integrations glue pipeline Data __version__ __sha1__"
        ).split():
            with self.subTest(name=name):
                self.assertIsNotNone(getattr(conducto, name))
                self.assertIn(name, dir(conducto))
        with self.assertRaises(AttributeError):
            self.assertIsNone(conducto.nothing)
