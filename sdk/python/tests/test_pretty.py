"""The tree, to the letter."""

import os
import unittest
from unittest import mock

import conducto as co
from conducto import pretty


def small():
    root = co.Serial()
    root["one"] = co.Exec("echo hi")
    root["two"] = co.Parallel()
    root["two/n0"] = co.Exec("echo 0; exit 0")
    root["two/n2"] = co.Exec("echo 2\nexit 2")
    root["lazy"] = co.Lazy("sh gen.sh")
    return root


class Tree(unittest.TestCase):
    def test_small(self):
        expected = """\
/
├─0 one   echo hi
├─1 two
│ ├─ n0   echo 0; exit 0
│ └─ n2   echo 2\\nexit 2
└─2 lazy
  ├─0 Generate   sh gen.sh
  └─1 Execute"""
        self.assertEqual(small().pretty(), expected)

    def test_numbers_have_the_width_of_the_last(self):
        root = co.Serial()
        for number in range(11):
            root["n%d" % number] = co.Exec("x")
        lines = root.pretty().split("\n")
        self.assertEqual((lines[1], lines[11]), ("├─00 n0   x", "└─10 n10   x"))

    def test_a_leaf_alone(self):
        self.assertEqual(co.Exec("a\nb").pretty(), "/   a\\nb")

    def test_colours(self):
        root = co.Serial()
        root["a"] = co.Exec("x")
        self.assertEqual(pretty.tree(root, colour=True), "\033[1;34m/\033[0m\n└─0 \033[1;36ma\033[0m   x")

    def test_colours_only_on_a_terminal_that_wants_them(self):
        for is_terminal, variables, expected in (
            (True, {"TERM": "xterm"}, True),
            (False, {"TERM": "xterm"}, False),
            (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
            (True, {"TERM": "xterm", "NO_COLOR": "0"}, True),
            (True, {}, False),
        ):
            with mock.patch.dict(os.environ, variables, clear=True), mock.patch("sys.stdout") as output:
                output.isatty.return_value = is_terminal
                self.assertEqual(pretty.colours_wanted(), expected, (is_terminal, variables))

    def test_local_paths_become_those_of_the_container(self):
        here = os.path.basename(__file__)
        command = "cat " + co.relpath(here)
        self.assertEqual(co.Exec(command, image=co.Image("x", copy_dir=".")).pretty(), "/   cat " + here)
        outside = co.Image("x", copy_dir=".", docker_auto_workdir=False)
        self.assertEqual(co.Exec(command, image=outside).pretty(), "/   cat /mnt/conducto/" + here)
        mapped = co.Image("x", path_map={".": "/some where"})
        self.assertEqual(co.Exec(command, image=mapped).pretty(), "/   cat '/some where/{}'".format(here))
        self.assertEqual(co.Exec(command).pretty(), "/   " + command)

    def test_a_path_that_the_image_does_not_have(self):
        node = co.Exec("cat " + co.relpath("test_pretty.py"), image="busybox")
        with self.assertRaisesRegex(ValueError, "Node / uses the local path .*test_pretty.py") as caught:
            node.pretty()
        self.assertIn("help: give the image copy_dir", str(caught.exception))
        self.assertIn("__conducto_path:", node.pretty(strict=False))
