"""Helpers: trees of months, documentation from the source, cells, Git, Slack, and what is not in this service."""

import datetime
import http.server
import json
import os
import subprocess
import threading
import unittest
from unittest import mock

import conducto as co
from conducto.errors import NotInThisService
from conducto.integrations import git
from tests import PACKAGE, support


def documented():
    """Says so.

    Twice.
    """
    # A comment inside.
    return co.util.magic_doc()


# One line
#   and another.
def commented():
    return co.util.magic_doc(comment=True)


def paths(pairs):
    return [(str(parent), str(value)) for parent, value in pairs]


class Util(unittest.TestCase):
    def test_magic_doc(self):
        code = "def documented():\n    # A comment inside.\n    return co.util.magic_doc()\n"
        expected = "Says so.\n\nTwice.\n\n```python\n%s\n```" % code
        self.assertEqual(documented(), expected)
        self.assertEqual(co.util.magic_doc(func=documented), expected)
        self.assertEqual(co.util.magic_doc(func=documented, doc_only=True), "Says so.\n\nTwice.")
        self.assertEqual(commented(), "One line\nand another.")
        self.assertTrue(co.util.magic_doc(func=commented, doc_only=True).startswith("Helpers: trees of months"))

    def test_months(self):
        few, many = ["202001", "202002"], ["2019%02d" % month for month in range(1, 13)] + ["202001"]
        root = co.Serial()
        self.assertEqual(paths(co.util.makeyyyymmnodes(root, few)), [("/", "202002"), ("/", "202001")])
        self.assertEqual(paths(co.util.makeyyyymmnodes(root, many))[:2], [("/2020", "202001"), ("/2019", "201912")])
        leaves = paths(co.util.makeyyyymmnodes(co.Serial(), many, makeLeafNode=True, reverse=False))
        self.assertEqual(leaves[0], ("/2019/201901", "201901"))

    def test_days(self):
        day = datetime.date(2020, 1, 31)
        self.assertEqual(paths(co.util.makedatenodes(co.Serial(), [day])), [("/", "2020-01-31")])
        days = [day - datetime.timedelta(days=3 * number) for number in range(20)]
        self.assertEqual(paths(co.util.makedatenodes(co.Serial(), days))[0], ("/2020-01", "2020-01-31"))
        days = [day - datetime.timedelta(days=30 * number) for number in range(12)]
        self.assertEqual(paths(co.util.makedatenodes(co.Serial(), days))[0], ("/2020/2020-01", "2020-01-31"))

    def test_mkdirs_takes_what_is_there(self):
        root = co.Serial()
        node = co.util.mkdirs(root, "/a//b", nodeType=co.Serial)
        self.assertIs(co.util.mkdirs(root, "a/b"), node)
        self.assertEqual(str(node), "/a/b")
        self.assertIsInstance(co.util.mkdirs(root, "c"), co.Parallel)


class Cells(unittest.TestCase):
    def test_a_cell_shows_comments_code_and_output(self):
        program = """
            import conducto as co

            def f():
                with co.nb.cell():
                    # ## Title
                    # text

                    # no comment of the cell
                    x = 1
                    print("out", x)

            f()
        """
        with support.folder() as folder:
            done = support.python(support.write(os.path.join(folder, "cells.py"), program))
        self.assertEqual(done.errors, "")
        self.assertEqual(
            done.output,
            '\n<ConductoMarkdown>## Title\ntext\n\n```python\n# no comment of the cell\nx = 1\nprint("out", x)\n```\n'
            "out 1\n</ConductoMarkdown>\n",
        )

    def test_images_are_shown_in_a_block(self):
        with mock.patch("builtins.print") as shown:
            co.nb.show_image("/gw/x.png")
        self.assertEqual(shown.call_args[0][0], "\n<ConductoMarkdown>\n![plot](/gw/x.png)\n</ConductoMarkdown>")


class Git(unittest.TestCase):
    def test_addresses(self):
        for given in (
            "https://github.com/a/b.git",
            "git@github.com:a/b.git",
            "https://x:y@github.com/a/b",
            "ssh://git@github.com/a/b",
        ):
            with self.subTest(given=given), mock.patch.dict(os.environ, clear=True):
                self.assertEqual(git.url(given), "https://github.com/a/b")
                self.assertEqual(git.clone_url(given), "https://github.com/a/b.git")
                os.environ.update(GITHUB_USER="me", GITHUB_TOKEN="s/1")
                self.assertEqual(git.clone_url(given), "https://me:s%2F1@github.com/a/b.git")

    def test_what_a_branch_adds(self):
        with support.folder() as folder:
            self._repository(folder)
            self.assertEqual(git.get_num_commits("main", git_dir=folder), 2)
            self.assertEqual(git.get_num_commits_behind_base("main", "feature", git_dir=folder), 0)
            self.assertRegex(git.get_log_diff("main", git_dir=folder), r"\A\w+ Me: three\n\w+ Me: two\Z")
            markdown = git.get_log_diff("main", "feature", git.LogType.MARKDOWN, 1, folder)
            self.assertRegex(markdown, r"\A\* \[\w+\]\(https://github.com/a/b/commit/\w+\) Me: three\n… 1 more\Z")
            self.assertEqual(len(git.get_last_shared_commit("main", git_dir=folder)), 40)

    def test_a_status_where_the_commit_is_known(self):
        node = co.Serial()
        with mock.patch.dict(os.environ, {}, clear=True):
            co.git.apply_status(node)
            self.assertEqual(node.describe()["callbacks"], [])
            os.environ.update(CONDUCTO_GIT_URL="u", CONDUCTO_GIT_SHA="s")
            co.git.apply_status(node)
        expected = ["github_status", {"url": "u", "sha": "s", "inherited": True, "user_display": False}]
        self.assertEqual(node.describe()["callbacks"], [["stateChange", expected]])

    def _repository(self, folder):
        base = ["git", "-C", folder, "-c", "user.name=Me", "-c", "user.email=me@example.com"]
        for words in (
            ["init", "-q"],
            ["checkout", "-q", "-b", "main"],
            ["remote", "add", "origin", "git@github.com:a/b.git"],
            ["commit", "-q", "--allow-empty", "-m", "one"],
            ["checkout", "-q", "-b", "feature"],
            ["commit", "-q", "--allow-empty", "-m", "two"],
            ["commit", "-q", "--allow-empty", "-m", "three"],
        ):
            subprocess.run(base + words, check=True)


class FakeSlack(http.server.BaseHTTPRequestHandler):
    received = []
    answer = {"ok": True, "ts": "1.2"}

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.path, self.headers["Authorization"], json.loads(body.decode())))
        text = json.dumps(self.answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass


class Slack(unittest.TestCase):
    def setUp(self):
        server = http.server.HTTPServer(("127.0.0.1", 0), FakeSlack)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        FakeSlack.received.clear()
        self.variables = {
            "SLACK_API_URL": "http://127.0.0.1:%d" % server.server_port,
            "SLACK_BOT_TOKEN": "xoxb-1",
            "no_proxy": "127.0.0.1",
        }
        patch = mock.patch.dict(os.environ, self.variables)
        patch.start()
        self.addCleanup(patch.stop)

    def test_messages(self):
        co.slack.text("#a", "hi")
        co.slack.block("@b", '{"blocks": [{"type": "divider"}]}')
        answer = co.integrations.slack.Slack().message("#a", text="again", thread_info={"ts": "1.2"})
        self.assertEqual(answer["ts"], "1.2")
        self.assertEqual(
            FakeSlack.received,
            [
                ("/chat.postMessage", "Bearer xoxb-1", {"channel": "#a", "text": "hi"}),
                ("/chat.postMessage", "Bearer xoxb-1", {"channel": "@b", "blocks": [{"type": "divider"}]}),
                ("/chat.postMessage", "Bearer xoxb-1", {"channel": "#a", "text": "again", "thread_ts": "1.2"}),
            ],
        )

    def test_the_command(self):
        done = support.python(os.path.join(PACKAGE, "bin", "conducto-slack"), "text", "#a", "hi", **self.variables)
        self.assertEqual((done.code, done.output, done.errors), (0, "", ""))
        self.assertEqual(FakeSlack.received[0][2], {"channel": "#a", "text": "hi"})

    def test_refusals(self):
        with self.assertRaisesRegex(ValueError, "text or blocks"):
            co.integrations.slack.Slack().message("#a")
        with mock.patch.object(FakeSlack, "answer", {"ok": False, "error": "channel_not_found"}):
            with self.assertRaisesRegex(RuntimeError, "channel_not_found"):
                co.slack.text("#a", "hi")
        del os.environ["SLACK_BOT_TOKEN"]
        with self.assertRaisesRegex(PermissionError, "SLACK_BOT_TOKEN"):
            co.slack.text("#a", "hi")


class FakeServer(http.server.BaseHTTPRequestHandler):
    received = []
    known = [
        {"name": "A", "scope": "org", "subject": None},
        {"name": "B", "scope": "repository", "subject": "acme/api"},
        {"name": "C", "scope": "user", "subject": "ada"},
    ]

    def answer(self):
        length = int(self.headers["Content-Length"] or 0)
        body = json.loads(self.rfile.read(length).decode()) if length else None
        self.received.append((self.command, self.path, self.headers["Authorization"], body))
        refused = "BAD" in self.path
        answer = {"title": "Forbidden", "detail": "not that"} if refused else self.known
        text = b"" if self.command == "DELETE" and not refused else json.dumps(answer).encode()
        self.send_response(403 if refused else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_DELETE = answer  # noqa: N815 -- the names that the server looks for

    def log_message(self, *arguments):
        pass


class Secrets(unittest.TestCase):
    def setUp(self):
        server = http.server.HTTPServer(("127.0.0.1", 0), FakeServer)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        FakeServer.received.clear()
        self.url = "http://127.0.0.1:%d" % server.server_port

    def test_secrets_are_those_of_the_own_server(self):
        with mock.patch.dict(os.environ, {"CONDUCTO_SERVER": self.url, "CONDUCTO_TOKEN": "cdt_1"}):
            secrets = co.api.Secrets(user="ada@example.org")
            self.assertEqual([secret.key for secret in secrets.get()], ["A", "C"])
            secrets.put([co.api.Secret("A", "1234", scope="org"), co.api.Secret("C", "x y", mask=False)])
            secrets.delete([co.api.SecretKey("C"), co.api.SecretKey("A", scope="org")])
            with self.assertRaisesRegex(PermissionError, "Forbidden: not that"):
                secrets.put([co.api.Secret("BAD", "1234")])
        calls = [(method, path, body) for method, path, _, body in FakeServer.received]
        self.assertEqual(
            calls[1:5],
            [
                ("PUT", "/api/v1/secrets/A", {"value": "1234", "mask": True}),
                ("PUT", "/api/v1/secrets/C?user=ada%40example.org", {"value": "x y", "mask": False}),
                ("DELETE", "/api/v1/secrets/C?user=ada%40example.org", None),
                ("DELETE", "/api/v1/secrets/A", None),
            ],
        )
        self.assertEqual({token for _, _, token, _ in FakeServer.received}, {"Bearer cdt_1"})

    def test_without_a_server_it_says_what_is_missing(self):
        with mock.patch.dict(os.environ, clear=True):
            with self.assertRaisesRegex(co.api.UserInputValidation, "CONDUCTO_SERVER"):
                co.api.Secrets().get()


class HostedService(unittest.TestCase):
    def test_what_is_not_there_says_so(self):
        for call in (
            lambda: co.api.Dir().user(),
            lambda: co.api.Pipeline().list(),
            lambda: co.api.AsyncManager().launch("x"),
            lambda: co.schedule.create("x"),
        ):
            with self.assertRaisesRegex(NotInThisService, "help: "):
                call()
        with self.assertRaises(ValueError):
            co.api.SecretKey("A", scope="team")
        self.assertNotIn("1234", repr(co.api.Secret("A", "1234")))
