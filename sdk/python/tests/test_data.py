"""Data and caches, from Python and from a shell; and archives that want to get out."""

import io
import os
import stat
import sys
import tarfile
import unittest
from unittest import mock

import conducto as co
from conducto import cache
from conducto.errors import ContextError, NotInThisService, UnsafeArchiveError
from tests import PACKAGE, support


class WithFolder(unittest.TestCase):
    def setUp(self):
        held = support.folder()
        self.folder = held.__enter__()
        self.addCleanup(held.__exit__, None, None, None)

    def path(self, *names):
        return os.path.join(self.folder, *names)


class Stores(WithFolder):
    def setUp(self):
        super().setUp()
        kept = {key: value for key, value in os.environ.items() if not key.startswith("CONDUCTO_")}
        variables = dict(kept, CONDUCTO_DATA_PIPELINE=self.path("store"), CONDUCTO_PIPELINE_ID="abc-def")
        patch = mock.patch.dict(os.environ, variables, clear=True)
        patch.start()
        self.addCleanup(patch.stop)

    def test_bytes_and_files(self):
        store = co.data.pipeline
        store.puts("/a/b", b"0123456789")
        self.assertEqual(store.gets("a/b", byte_range=(2, 5)), b"234")
        store.get("a/b", self.path("copy"))
        store.put("c", self.path("copy"))
        self.assertEqual(store.gets("c"), b"0123456789")
        self.assertEqual((store.size("c"), store.exists("c"), store.exists("d")), (10, True, False))
        self.assertEqual(
            (store.list("a"), store.list(""), store.list("/a/"), store.list("none")), (["a/b"], ["a", "c"], ["a/b"], [])
        )
        store.delete("c")
        with self.assertRaises(FileNotFoundError):
            store.delete("c")
        with self.assertRaises(OSError):
            store.delete("a")
        store.delete("a", recursive=True)
        self.assertEqual(os.listdir(self.path("store")), [])
        with self.assertRaises(ValueError):
            store.puts("a", "text")

    def test_a_put_that_fails_leaves_what_was_there(self):
        co.data.pipeline.puts("a", b"old")
        with self.assertRaises(FileNotFoundError):
            co.data.pipeline.put("a", self.path("none"))
        with mock.patch("os.replace", side_effect=OSError("no room")), self.assertRaises(OSError):
            co.data.pipeline.puts("a", b"new")
        self.assertEqual(os.listdir(self.path("store")), ["a"])
        self.assertEqual(co.data.pipeline.gets("a"), b"old")

    def test_files_are_readable_by_others(self):
        co.data.pipeline.puts("a", b"")
        mask = os.umask(0o022)
        os.umask(mask)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("store", "a")).st_mode), 0o666 & ~mask)

    def test_names_stay_in_the_store(self):
        for name in ("../x", "a/../../x", "a\0b"):
            with self.subTest(name=name), self.assertRaises(ValueError):
                co.data.pipeline.puts(name, b"")
        with self.assertRaises(ValueError):
            co.data.pipeline.save_cache("a/b", "c", self.folder)

    def test_addresses(self):
        self.assertEqual(co.data.pipeline.url("/a b.png"), "/gw/manager/data/abc-def/pipeline/a%20b.png")
        with self.assertRaises(KeyError):
            co.data.user.url("a", path_only=False)
        os.environ["CONDUCTO_AUTO_URL"] = "https://ci.example/"
        self.assertEqual(co.data.user.url("a", path_only=False), "https://ci.example/gw/manager/data/abc-def/user/a")

    def test_where_the_stores_are(self):
        del os.environ["CONDUCTO_DATA_PIPELINE"]
        for where in ("worker_local", "debug_k8s"):
            os.environ["CONDUCTO_EXECUTION_ENV"] = where
            self.assertEqual(co.data.pipeline._root(None), "/conducto/data/pipeline")
            self.assertEqual(co.data.user._root(None), "/conducto/data/user")
        os.environ["CONDUCTO_EXECUTION_ENV"] = "external"
        os.environ["CONDUCTO_BASE_DIR"] = self.path("base")
        self.assertEqual(co.data.pipeline._root(None), self.path("base", "default", "pipelines", "abc-def", "data"))
        support.write(self.path("base", "config"), "[general]\ndefault = 87a5a060\n")
        self.assertEqual(co.data.user._root(None), self.path("base", "87a5a060", "data"))
        del os.environ["CONDUCTO_PIPELINE_ID"]
        with self.assertRaises(ContextError):
            co.data.pipeline.exists("a")
        with self.assertRaises(NotInThisService):
            co.data.user.exists("a", local=False)

    def test_other_names(self):
        self.assertIs(co.Data, co.data)
        self.assertIs(co.temp_data, co.data.pipeline)
        self.assertIs(co.perm_data, co.Data.user)

    def test_caches(self):
        support.write(self.path("deps", "inner", "file"), "kept")
        os.chmod(self.path("deps", "inner", "file"), 0o755)
        os.symlink("inner/file", self.path("deps", "link"))
        os.link(self.path("deps", "inner", "file"), self.path("deps", "same"))
        store = co.data.pipeline
        store.save_cache("deps", "1", self.path("deps"))
        self.assertEqual(store.list("conducto-cache/deps"), ["conducto-cache/deps/1.tar.gz"])
        store.restore_cache("deps", "1", self.path("again"))
        for name in ("inner/file", "link", "same"):
            with open(self.path("again", "deps", name)) as file:
                self.assertEqual(file.read(), "kept")
        self.assertTrue(os.access(self.path("again", "deps", "inner", "file"), os.X_OK))
        self.assertEqual(os.readlink(self.path("again", "deps", "link")), "inner/file")
        store.restore_cache("deps", "1", self.path("again"))
        store.clear_cache("deps", "1")
        self.assertFalse(store.cache_exists("deps", "1"))
        with self.assertRaisesRegex(FileNotFoundError, "Cache not found"):
            store.restore_cache("deps", "1", self.path("again"))


class Archives(WithFolder):
    def archive(self, *members):
        path = self.path("cache.tar")
        with tarfile.open(path, "w") as target:
            for name, kind, link in members:
                member = tarfile.TarInfo(name)
                member.type, member.linkname, member.mode = kind, link, 0o755
                member.size = 3 if kind == tarfile.REGTYPE else 0
                target.addfile(member, io.BytesIO(b"abc"))
        return path

    def test_nothing_gets_out(self):
        file, link, hard = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
        cases = [
            [("../out", file, "")],
            [("a/../../out", file, "")],
            [(self.path("out"), file, "")],
            [("link", link, "/etc")],
            [("a/link", link, "../../out")],
            [("link", link, "..")],
            [("link", link, "a"), ("link/x", file, "")],
            [("hard", hard, "../out")],
            [("hard", hard, "/etc/passwd")],
            [("device", tarfile.CHRTYPE, "")],
            [("pipe", tarfile.FIFOTYPE, "")],
            [("fine", file, ""), ("../out", file, "")],
        ]
        for members in cases:
            with self.subTest(members=members):
                with self.assertRaises(UnsafeArchiveError):
                    cache.unpack(self.archive(*members), self.path("target"))
                self.assertEqual(os.listdir(self.path("target")), [])
                self.assertFalse(os.path.exists(self.path("out")))

    def test_a_link_that_was_there_before_is_not_followed(self):
        os.makedirs(self.path("target"))
        os.makedirs(self.path("out"))
        os.symlink(self.path("out"), self.path("target", "a"))
        os.symlink(self.path("out", "file"), self.path("target", "b"))
        with self.assertRaises(UnsafeArchiveError):
            cache.unpack(self.archive(("a/x", tarfile.REGTYPE, "")), self.path("target"))
        cache.unpack(self.archive(("b", tarfile.REGTYPE, "")), self.path("target"))
        self.assertEqual(os.listdir(self.path("out")), [])
        self.assertFalse(os.path.islink(self.path("target", "b")))

    def test_what_could_not_be_restored_is_not_saved(self):
        os.makedirs(self.path("deps"))
        os.symlink("/etc/passwd", self.path("deps", "link"))
        with self.assertRaises(UnsafeArchiveError):
            cache.pack(self.path("deps"), io.BytesIO())


class Tools(WithFolder):
    def tool(self, *words, name="conducto-data-pipeline", stdin=b""):
        path = os.path.join(PACKAGE, "bin", name)
        variables = dict(CONDUCTO_PIPELINE_ID="abc-def", CONDUCTO_DATA_PIPELINE=self.path("store"))
        variables.update(CONDUCTO_DATA_USER=self.path("user"), CONDUCTO_AUTO_URL="https://ci.example")
        return support.python(path, *words, cwd=self.folder, stdin=stdin, **variables)

    def test_every_command(self):
        support.write(self.path("local"), "hi\n")
        support.write(self.path("deps", "file"), "x")
        for words, stdin, output in (
            (["put", "x/y.txt", "local"], b"", ""),
            (["exists", "x/y.txt"], b"", "true\n"),
            (["list", "x"], b"", '["x/y.txt"]\n'),
            (["size", "--name=x/y.txt"], b"", "3\n"),
            (["gets", "x/y.txt"], b"", "hi\n"),
            (["gets", "x/y.txt", "--byte_range=0,1"], b"", "h"),
            (["get", "x/y.txt", "copy"], b"", ""),
            (["puts", "z"], b"from a pipe", ""),
            (["gets", "z", "--id=abc-def", "--local"], b"", "from a pipe"),
            (["url", "--name=a b.png"], b"", '"/gw/manager/data/abc-def/pipeline/a%20b.png"\n'),
            (["url", "z", "--no-path_only"], b"", '"https://ci.example/gw/manager/data/abc-def/pipeline/z"\n'),
            (["delete", "x", "--recursive"], b"", ""),
            (["save-cache", "n", "c", "--save_dir=deps"], b"", ""),
            (["cache-exists", "n", "c"], b"", "true\n"),
            (["restore-cache", "n", "c", "--restore-dir", "again"], b"", ""),
            (["clear-cache", "n"], b"", ""),
            (["cache-exists", "n", "c"], b"", "false\n"),
        ):
            with self.subTest(words=words):
                done = self.tool(*words, stdin=stdin)
                self.assertEqual((done.output, done.errors, done.code), (output, "", 0))
        self.assertTrue(os.path.exists(self.path("again", "deps", "file")))

    def test_failures(self):
        done = self.tool("delete", "none")
        self.assertEqual(done.code, 1)
        self.assertIn("FileNotFoundError", done.errors)
        self.assertEqual(self.tool("size").errors, "conducto-data-pipeline : wrong parameters for size()\n")
        self.assertEqual(self.tool("cache_exists", "n", "c").code, 1)
        self.assertTrue(self.tool().errors.endswith("conducto-data-pipeline : error: must specify method\n"))

    def test_the_four_names(self):
        self.assertEqual(self.tool("puts", "a", name="conducto-temp-data").code, 0)
        self.assertEqual(self.tool("puts", "a", name="conducto-perm-data").code, 0)
        self.assertEqual(self.tool("list", "", name="conducto-data-user").output, '["a"]\n')
        for name in os.listdir(os.path.join(PACKAGE, "bin")):
            path = os.path.join(PACKAGE, "bin", name)
            self.assertTrue(os.access(path, os.X_OK), name)
            with open(path) as file:
                self.assertEqual(file.readline(), "#!/usr/bin/env python3\n")
        self.assertTrue(sys.executable)
