"""Nodes: where they go, what can be set, and how mistakes are refused."""

import os
import unittest

import conducto as co
from conducto.errors import DuplicateImageError

HERE = os.path.abspath(__file__)


class Places(unittest.TestCase):
    def test_a_path_begins_at_the_node_or_at_the_root(self):
        root = co.Serial()
        root["a"] = co.Parallel()
        root["a"]["b"] = co.Exec("x")
        root["a"]["/c"] = co.Exec("y")
        root["//a//d/"] = co.Exec("z")
        self.assertEqual([str(node) for node in root.stream()], ["/", "/a", "/a/b", "/a/d", "/c"])
        self.assertEqual([str(node) for node in root.stream(reverse=True)], ["/a/b", "/a/d", "/a", "/c", "/"])
        self.assertIs(root["a/b"].root, root)
        self.assertIn("/a/b", root["c"].parent)
        self.assertNotIn("a/x", root)

    def test_blocks_nest_and_end(self):
        with co.Serial() as root:
            with co.Parallel(name="p"):
                co.Exec("x", name="one")
            last = co.Exec("y", name="two")
        self.assertEqual(str(last), "/two")
        self.assertEqual(list(root.children), ["p", "two"])
        with self.assertRaises(ValueError):
            co.Exec("z", name="three")

    def test_a_node_has_one_place(self):
        root, node = co.Serial(), co.Exec("x")
        root["a"] = node
        for name, child in (("b", node), ("a", co.Exec("y"))):
            with self.assertRaisesRegex(co.TreeError, "violates the integrity"):
                root[name] = child
        with self.assertRaisesRegex(co.TreeError, "root of the same tree"):
            root["b"] = co.Serial()
            root["b/c"] = root
        root.delete_child("a")
        root["b/a"] = node
        self.assertEqual(str(node), "/b/a")

    def test_names_that_cannot_be(self):
        with co.Serial() as root:
            for name in ("", "a/b"):
                with self.assertRaises(ValueError):
                    co.Exec("x", name=name)
        with self.assertRaisesRegex(KeyError, "no node 'x'"):
            root["x/y"]
        with self.assertRaises(TypeError):
            root[3] = co.Exec("x")
        with self.assertRaisesRegex(TypeError, "is no node"):
            root["x"] = "x"
        with self.assertRaises(TypeError):
            iter(root)

    def test_a_leaf_has_no_children(self):
        with self.assertRaisesRegex(co.TreeError, "it cannot have children"):
            co.Exec("x")["a"] = co.Exec("y")


class Settings(unittest.TestCase):
    def test_values_that_cannot_be(self):
        cases = [
            (TypeError, dict(cpu="2")),
            (ValueError, dict(cpu=0)),
            (ValueError, dict(mem=-1)),
            (ValueError, dict(gpu=1.5)),
            (TypeError, dict(env={"A": 1})),
            (TypeError, dict(env=["A"])),
            (TypeError, dict(skip="yes")),
            (TypeError, dict(requires_docker="yes")),
            (ValueError, dict(max_concurrent=0)),
            (ValueError, dict(max_time="30")),
            (ValueError, dict(max_time=-1)),
            (ValueError, dict(container_reuse_context="old")),
            (ValueError, dict(container_reuse_context="new", same_container="new")),
            (ValueError, dict(docker_run_args="--network x")),
            (ValueError, dict(docker_run_args=["--cpus=3"])),
            (ValueError, dict(docker_run_args=3)),
            (TypeError, dict(tags=3)),
            (TypeError, dict(tags=[3])),
            (ValueError, dict(image=3)),
            (AssertionError, dict(image="a", image_name="b")),
            (TypeError, dict(foo=3)),
        ]
        for kind, settings in cases:
            with self.subTest(settings=settings), self.assertRaises(kind):
                co.Parallel(**settings)

    def test_a_refusal_says_what_where_and_how_to_mend_it(self):
        try:
            co.Serial(max_time="30")
        except ValueError as error:
            message, line = str(error), error.__traceback__.tb_lineno
        self.assertEqual(
            message,
            "max_time: '30' is no duration: write pieces such as `90s`, `10m`, `1h30m`\n"
            " --> {}:{}\n"
            'help: write max_time="10m"'.format(HERE, line),
        )

    def test_position_is_that_of_the_caller(self):
        node = co.Lazy("x")
        self.assertEqual((node.file, node["Execute"].file), (HERE, HERE))
        self.assertEqual(node.line, node["Generate"].line)

    def test_set_leaves_out_none(self):
        node = co.Serial(skip=True, cpu=2)
        node.set(skip=False, cpu=None, stop_on_error=False, tags="a")
        self.assertEqual((node.skip, node.cpu, node.stop_on_error, node.tags), (False, 2, False, ["a"]))
        with self.assertRaises(TypeError):
            node.set(colour="red")
        with self.assertRaises(TypeError):
            co.Parallel().set(stop_on_error=False)

    def test_settings_of_params_and_of_keywords_are_merged(self):
        node = co.Exec("x", params=co.Params(mem=3), cpu=2)
        self.assertEqual((node.cpu, node.mem), (2, 3))

    def test_a_leaf_has_no_max_concurrent(self):
        with self.assertWarns(UserWarning):
            node = co.Exec("x", max_concurrent=2)
        self.assertIsNone(node.describe()["max_concurrent"])

    def test_callbacks_must_be_callbacks(self):
        with self.assertRaisesRegex(TypeError, "is no callback"):
            co.Serial().on_done(print)
        with self.assertRaises(TypeError):
            co.callback.retry()

    def test_inherited_settings(self):
        root = co.Serial(cpu=2, image="busybox")
        root["a"] = co.Exec("x")
        node = root["a"]
        self.assertEqual(
            (node.cpu, node.get_inherited_attribute("cpu"), node.get_inherited_attribute("mem")), (None, 2, 2)
        )
        self.assertEqual(node.image, co.Image("busybox"))
        self.assertEqual(node.image_name, root.image_name)
        root.image = None
        self.assertIsNone(node.image)

    def test_pipelines_are_not_launched_from_here(self):
        with self.assertRaisesRegex(co.errors.NotInThisService, "conducto.cfg"):
            co.Serial().launch_local()
        with self.assertRaises(ValueError):
            co.Serial().launch(local=True, cloud=True)


class Images(unittest.TestCase):
    def test_names_come_from_the_definition(self):
        self.assertEqual(co.Image("docker.io/library/busybox:1").name, co.Image("docker.io/library/busybox:1").name)
        self.assertRegex(co.Image("docker.io/library/busybox:1").name, r"\Abusybox-1-[0-9a-f]{8}\Z")
        self.assertRegex(co.Image().name, r"\Adefault-")
        self.assertNotEqual(co.Image("a", copy_dir=".").name, co.Image("a").name)

    def test_keywords_that_do_not_go_together(self):
        cases = [
            (dict(image="a", dockerfile="b"), "at most 1"),
            (dict(copy_dir="a", copy_url="b"), "copy_dir and copy_url"),
            (dict(image="a", copy_url="https://x"), "copy_branch"),
            (dict(image="a", copy_url="s3://x", copy_branch="b"), "s3 copy_url"),
        ]
        for settings, message in cases:
            with self.subTest(settings=settings):
                with self.assertRaisesRegex(ValueError, message) as caught:
                    co.Image(**settings).finalized()
                self.assertIn(" --> {}:".format(HERE), str(caught.exception))
                self.assertIn("\nhelp: ", str(caught.exception))
        with self.assertRaisesRegex(ValueError, "unknown args: colour"):
            co.Image("a", colour="red")
        co.Image("a", pre_built=True, git_sha="x")

    def test_two_images_of_one_name(self):
        root = co.Serial(image=co.Image("a", name="n"))
        root["x"] = co.Exec("x", image=co.Image("b", name="n"))
        with self.assertRaises(DuplicateImageError):
            root.check_images()

    def test_an_unknown_image_name(self):
        root = co.Serial(image_name="nowhere")
        with self.assertRaisesRegex(ValueError, "register_image"):
            root.check_images()

    def test_sharing_a_directory_asks_nothing(self):
        self.assertIsNone(co.Image.share_directory("name", "."))
        self.assertIsNone(co.Image.register_directory("name", "."))
