"""The serialization: ids, inheritance, order, and the way back."""

import random
import unittest

import conducto as co
from conducto import serialize


def nodes(root):
    return {node["id"]: node for node in serialize.to_object(root)["nodes"]}


def effective(root):
    """Returns what every leaf has, of its own and inherited, since what rises is not always the same again."""
    printed = serialize.to_object(root)
    found = {node["id"]: dict(node) for node in printed["nodes"]}
    rising = serialize.INHERITED + ("image_name",)
    for parent, child, _ in printed["edges"]:
        for key, value in found[parent].items():
            if key in rising or key.startswith("__env__"):
                found[child].setdefault(key, value)
    for node in found.values():
        if node["type"] != "Exec":  # groups have needs only to hand them down
            for key in [key for key in node if key in rising or key.startswith("__env__")]:
                del node[key]
    return found, printed["edges"], printed["images"]


class Serialization(unittest.TestCase):
    def test_ids_come_from_paths(self):
        root = co.Serial()
        root["one"] = co.Exec("x")
        root["two"] = co.Parallel()
        root["two/n0"] = co.Exec("x")
        root["lazy"] = co.Lazy("x")
        printed = serialize.to_object(root)
        self.assertEqual(
            [node["id"] for node in printed["nodes"]],
            ["B", "cmoUroa31CfycGuum6AaB", "mQisT7t6NAlycGuum6AaB", "qQMWITN1odATZLsLUAEB5"]
            + ["qbWFUJGFfw5qPL4yU1mb3C", "neDYR7zRRYCaqvmBO1bsrC", "jZdwwnx42RYKY6C8Lac8fD"],
        )
        self.assertEqual(printed["edges"][0], ["B", "cmoUroa31CfycGuum6AaB", "one"])
        self.assertEqual(
            printed["nodes"][5]["callbacks"], [["done", ["deserialize_into_node", {"target": "/lazy/Execute"}]]]
        )

    def test_what_all_children_have_rises(self):
        root = co.Serial()
        for name in ("a", "b"):
            root[name] = co.Exec("x", cpu=2, env={"SAME": "1", "OWN": name})
        top, one, two = serialize.to_object(root)["nodes"]
        self.assertEqual((top["cpu"], top["__env__SAME"], top["skip"]), (2, "1", False))
        for node in (one, two):
            self.assertFalse({"cpu", "skip", "__env__SAME"} & set(node))
            self.assertIn("__env__OWN", node)

    def test_what_differs_stays(self):
        root = co.Serial(skip=True, cpu=2)
        root["a"] = co.Exec("x", cpu=2)
        root["b"] = co.Exec("x", cpu=3)
        top, one, two = serialize.to_object(root)["nodes"]
        self.assertEqual((top["skip"], one["skip"], two["skip"]), (True, False, False))
        self.assertEqual((top["cpu"], one["cpu"], two["cpu"]), (2, 2, 3))

    def test_the_tree_itself_is_not_changed(self):
        root = co.Serial()
        root["a"] = co.Exec("x", cpu=2, env={"A": "1"})
        self.assertEqual(root.serialize(), root.serialize())
        self.assertEqual((root.cpu, root["a"].cpu, root.env), (None, 2, {}))

    def test_equal_images_that_are_two_objects_have_two_names(self):
        root = co.Parallel()
        for name in ("a", "b", "c"):
            root[name] = co.Exec("x", image="busybox")
        root["c"].image = root["a"].image
        printed = serialize.to_object(root)
        names = [node.get("image_name") for node in printed["nodes"][1:]]
        self.assertEqual(names[1], names[0] + "-2")
        self.assertEqual(names[2], names[0])
        self.assertEqual(sorted(printed["images"]), sorted(set(names)))

    def test_a_changed_variable_that_is_no_text_is_found(self):
        root = co.Serial()
        root.env["A"] = 1
        with self.assertRaisesRegex(TypeError, "/ has int in env value for A when str is required"):
            root.serialize()

    def test_random_trees_come_back(self):
        for seed in range(100):
            root = self._tree(random.Random(seed), 3)
            again = co.Node.deserialize(root.serialize())
            self.assertEqual(effective(again), effective(root))
            self.assertEqual(again.pretty(strict=False), root.pretty(strict=False))

    def test_what_is_no_serialization(self):
        for text in ("", "x", "YWJj", serialize.encode([1])):
            with self.subTest(text=text), self.assertRaises(ValueError):
                co.Node.deserialize(text)

    def _tree(self, choice, depth):
        settings = {
            key: choice.choice(values)
            for key, values in {
                "cpu": [None, 1, 2.5],
                "skip": [False, True],
                "env": [{}, {"A": "1"}, {"A": "2", "B": "ä"}],
                "image": [None, co.Image("a", copy_dir="."), "b"],
                "max_time": [None, "1h", 3],
                "docker_run_args": [None, ["-a"]],
                "tags": [None, ["t"]],
                "doc": [None, "text"],
                "container_reuse_context": [None, "new"],
            }.items()
        }
        if depth == 0 or choice.random() < 0.3:
            node = co.Exec(choice.choice(["x", "a\n  b", "  y "]), **settings)
        else:
            node = choice.choice([co.Serial, co.Parallel])(**settings)
            for number in range(choice.randrange(4)):
                node["n%d" % number] = self._tree(choice, depth - 1)
        if choice.random() < 0.3:
            node.on_error(co.callback.retry(choice.randrange(3), inherited=True))
        return node
