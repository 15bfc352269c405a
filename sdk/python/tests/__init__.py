"""Tests of the package: `python -m unittest` in `sdk/python`."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(HERE)
SOURCE = os.path.join(PACKAGE, "src")
ROOT = os.path.dirname(os.path.dirname(PACKAGE))
sys.path[:0] = [SOURCE, os.path.join(PACKAGE, "oracle"), PACKAGE]
