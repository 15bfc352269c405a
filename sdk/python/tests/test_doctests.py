"""The examples in the documentation of all modules."""

import doctest
import importlib
import os
import pkgutil
import unittest
from unittest import mock

import conducto
import normalise

_NEEDS_MATPLOTLIB = "conducto.matplotlib_backend"


class Doctests(unittest.TestCase):
    def test_examples_give_what_they_say(self):
        names = ["conducto"] + [module.name for module in pkgutil.walk_packages(conducto.__path__, "conducto.")]
        modules = [importlib.import_module(name) for name in names if name != _NEEDS_MATPLOTLIB] + [normalise]
        attempted = 0
        for module in modules:
            with self.subTest(module=module.__name__), mock.patch.dict(os.environ):
                failed, count = doctest.testmod(module)
                attempted += count
                self.assertEqual(failed, 0)
        self.assertGreater(attempted, 60)
