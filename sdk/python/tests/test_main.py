"""`conducto.main` as a user sees it: output, errors and exit codes."""

import os
import re
import unittest

import conducto as co
from tests import SOURCE, support

PROGRAM = """
    import datetime
    from typing import List, Optional
    import conducto as co

    def pipeline(count: int = 2) -> co.Serial:
        '''Counts.

            more
        '''
        root = co.Serial(image="busybox")
        for number in range(count):
            root["n%d" % number] = co.Exec("echo %d" % number)
        return root

    def add(a: int, b: int = 1, double=False):
        return (a + b) * (2 if double else 1)

    def types(text, day: datetime.date = None, words: List[str] = [], flag: bool = True, under_score: float = 0.5):
        return [text, day, words, flag, under_score]

    async def later(a: int):
        return {"a": a}

    def silent(): pass
    def not_annotated(): return co.Exec("x")
    def liar() -> co.Exec: return 3
    def failing() -> co.Exec: raise ZeroDivisionError("on purpose")
    def broken() -> co.Exec: return co.Exec("x", image=co.Image("a", dockerfile="b"))
    def many(*words): pass
    def _hidden(): pass
    class Thing: pass

    if __name__ == "__main__":
        co.main({arguments})
"""


class Main(unittest.TestCase):
    def setUp(self):
        held = support.folder()
        self.folder = held.__enter__()
        self.addCleanup(held.__exit__, None, None, None)
        self._write("")

    def _write(self, arguments):
        text = PROGRAM.replace("{arguments}", arguments)
        support.write(os.path.join(self.folder, "ci.py"), text)

    def run_it(self, *words, **variables):
        return support.python("ci.py", *words, cwd=self.folder, **variables)

    def printed(self, *words):
        done = self.run_it(*words, __RUN_BY_WORKER__="1")
        self.assertEqual(done.errors, "")
        found = re.fullmatch(
            r"\n<__conducto_serialization>(.*)</__conducto_serialization>\n\n(.*)\n", done.output, re.DOTALL
        )
        return co.Node.deserialize(found.group(1)), found.group(2)

    def test_a_tree_is_printed(self):
        done = self.run_it("pipeline", "1")
        self.assertEqual((done.code, done.output, done.errors), (0, "/\n└─0 n0   echo 0\n", ""))

    def test_a_server_finds_the_serialization_before_the_tree(self):
        root, tree = self.printed("pipeline", "--count=1")
        self.assertEqual(tree, "/\n└─0 n0   echo 0")
        self.assertEqual((root.title, root.doc), ("ci.py pipeline --count=1", "Counts.\n\nmore"))
        self.assertEqual(root["n0"].command, "echo 0")

    def test_the_default_is_named_in_the_title(self):
        self._write('default=pipeline, cpu=0.5, env={"A": "1"}')
        root, _ = self.printed("--count", "1", "--run", "--no-app", "--run-at=8:00")
        self.assertEqual((root.title, root.cpu, root.env), ("ci.py pipeline --count 1", 0.5, {"A": "1"}))
        root, _ = self.printed("--title", "Mine", "--doc=Other")
        self.assertEqual((root.title, root.doc), ("Mine", "Other"))

    def test_settings_that_the_root_has_already(self):
        self._write("default=pipeline, image='debian'")
        done = self.run_it()
        self.assertEqual((done.code, done.output), (1, ""))
        self.assertEqual(done.errors, "Trying to overwrite `image`=debian that is already set.\n")

    def test_other_results_are_printed(self):
        for words, expected in (
            (["add", "1"], "2\n"),
            (["add", "--a", "1", "--b=4", "--double"], "10\n"),
            (["add", "1", "--no-double", "4"], "5\n"),
            (["add", "--double=true", "--a=-3"], "-4\n"),
            (["later", "3"], "{'a': 3}\n"),
            (["silent"], ""),
            (["types", "x"], "['x', None, [], True, 0.5]\n"),
            (
                ["types", "x", "2020-01-02", "--words", r"a\,b,c", "--flag=false", "--under-score", "2"],
                "['x', datetime.date(2020, 1, 2), ['a,b', 'c'], False, 2.0]\n",
            ),
        ):
            with self.subTest(words=words):
                done = self.run_it(*words)
                self.assertEqual((done.output, done.errors, done.code), (expected, "", 0))

    def test_wrong_usage(self):
        for words, message in (
            (["nothing"], "ci.py : error: nothing is not a valid method"),
            (["_hidden"], "ci.py : error: _hidden is not a valid method"),
            (["Thing"], "ci.py : error: Thing is not a valid method"),
            (["pipeline", "--x=3"], "Unknown argument: --x=3"),
            (["add", "1", "--run"], "Unknown argument: --run"),
            (["add"], "ci.py : wrong parameters for add()"),
            (["add", "1", "2", "3", "4"], "ci.py : wrong parameters for add()"),
            (["add", "--a=1", "--a=2"], "ci.py : wrong parameters for add()"),
            (["add", "--a"], "ci.py : error: --a needs a value"),
            (["add", "x"], "ci.py : error: parameter 'a': invalid literal for int() with base 10: 'x'"),
            (
                ["many", "x"],
                "ci.py : error: many() cannot be called from a command line: its parameter words takes any number",
            ),
            (["liar"], "Expected liar to return a Node, but instead it returned 3"),
        ):
            with self.subTest(words=words):
                done = self.run_it(*words)
                self.assertEqual((done.errors, done.output, done.code), (message + "\n", "", 1))

    def test_a_date_with_a_time(self):
        done = self.run_it("types", "x", "--day=2020-01-02T05:00")
        self.assertIn("parameter 'day': Interpreting input as a date, but got non-zero time component", done.errors)

    def test_no_method(self):
        done = self.run_it()
        self.assertEqual((done.output, done.code), ("", 1))
        self.assertTrue(done.errors.startswith("usage: ci.py  [-h] <method> [method arguments]\n"))
        self.assertTrue(done.errors.endswith("\nci.py : error: must specify method\n"))

    def test_help(self):
        done = self.run_it("pipeline", "--help")
        self.assertEqual((done.output, done.code), ("", 0))
        self.assertEqual(
            done.errors.split("other methods:")[0],
            """usage: ci.py  [-h] <method> [method arguments]
             [--local | --cloud | --k8s] [--run] [--run-at] [--sleep-when-done]
             [--app | --no-app] [--shell | --no-shell]
methods that return conducto pipelines:
    pipeline       (count:int=2) -> Serial
        Counts.

        more
    liar           () -> Exec
    failing        () -> Exec
    broken         () -> Exec
""",
        )

    def test_version(self):
        self.assertEqual(self.run_it("--version").output, co.__version__ + "\n")

    def test_a_node_that_is_not_announced(self):
        done = self.run_it("not_annotated")
        self.assertEqual((done.output, done.code), ("<Exec />\n", 0))
        self.assertEqual(done.errors, "help: annotate not_annotated() with -> conducto.Exec to have its tree printed\n")

    def test_what_the_function_raises_has_its_traceback(self):
        done = self.run_it("failing")
        self.assertEqual(done.code, 1)
        self.assertIn("Traceback", done.errors)
        self.assertIn("ZeroDivisionError: on purpose", done.errors)

    def test_a_tree_that_cannot_be_is_refused_without_a_traceback(self):
        done = self.run_it("broken", __RUN_BY_WORKER__="1")
        self.assertEqual((done.code, done.output), (1, ""))
        self.assertRegex(
            done.errors, r"\Aimage a-\w+: must specify at most 1 of image, dockerfile\n --> .*ci.py:\d+\nhelp: "
        )

    def test_launching_is_refused_with_the_way_that_there_is(self):
        done = self.run_it("pipeline", "--cloud", "--run")
        self.assertEqual((done.code, done.output), (1, ""))
        self.assertIn("help: name the program in conducto.cfg", done.errors)
        inside = self.run_it("pipeline", "--local", CONDUCTO_PIPELINE_ID="abc-def")
        self.assertIn("help: conducto.Lazy", inside.errors)

    def test_debug_output(self):
        done = self.run_it("pipeline", "1", CONDUCTO_GLUE_DEBUG="1")
        self.assertIn("'type': 'Serial'", done.output)

    def test_all_says_which_methods_there_are(self):
        self._write('variables={"b": silent, "a": add, "c": later, "__all__": ["a", "b"]}')
        done = self.run_it("--help")
        self.assertIn("methods:\n    a  (a:int, b:int=1, double=False)\n    b  ()\n", done.errors)
        self.assertEqual(self.run_it("c", "1").code, 1)

    def test_the_command_runs_functions_of_files(self):
        done = support.python("-m", "conducto", "ci.py", "add", "2", cwd=self.folder)
        self.assertEqual((done.output, done.errors, done.code), ("3\n", "", 0))
        support.write(
            os.path.join(self.folder, "sub", "other.py"), "import helper\ndef f(): return helper.x, __name__\n"
        )
        support.write(os.path.join(self.folder, "sub", "helper.py"), "x = 1\n")
        done = support.python("-m", "conducto", "sub/other.py", "f", cwd=self.folder)
        self.assertEqual((done.output, done.errors), ("(1, 'other')\n", ""))
        self.assertEqual(support.python("-m", "conducto", "none.py", "f").code, 2)
        done = support.python("-m", "conducto", "show", "abc-def")
        self.assertIn("the server's own program", done.errors)

    def test_a_title_of_the_command_has_no_command(self):
        words = ("-m", "conducto", "ci.py", "pipeline")
        done = support.python(*words, cwd=self.folder, __RUN_BY_WORKER__="1")
        text = re.search("serialization>(.*)</", done.output).group(1)
        self.assertEqual(co.Node.deserialize(text).title, "ci.py pipeline")

    def test_in_a_container_files_are_those_of_the_launching_machine(self):
        program = """
            import conducto as co
            def call(a: int): pass
            def pipeline() -> co.Exec:
                return co.Exec(call, 1, params=co.Params(image=co.Image("x", copy_dir=".")))
            co.main(default=pipeline)
        """
        path = support.write(os.path.join(self.folder, "ci", "p.py"), program)
        outside = '{"pathsep": "/", "path": ["home", "you", "project"]}'
        mapping = '{"%s": "%s"}' % (outside.replace('"', '\\"'), self.folder)
        done = support.python(path, __RUN_BY_WORKER__="1", CONDUCTO_PATH_MAP=mapping)
        root = co.Node.deserialize(re.search("serialization>(.*)</", done.output).group(1))
        self.assertEqual(root.file, "/home/you/project/ci/p.py")
        self.assertIn('"path": ["home", "you", "project", "ci", "p.py"]', root.command)
        self.assertTrue(done.output.endswith("/   conducto p.py call --a=1\n"))

    def test_the_package_can_be_read_only_and_is_quick_to_import(self):
        code = (
            "import sys, conducto; heavy = ['asyncio', 'tarfile', 'urllib.request', 'subprocess', 'logging', 'hashlib'];"
            "print([name for name in heavy if name in sys.modules])"
        )
        done = support.python("-c", code)
        self.assertEqual(done.output, "[]\n", done.errors)
        self.assertTrue(os.path.isdir(SOURCE))
