"""A program that prints a pipeline made at random: `python random_pipelines.py pipeline SEED`.

It stays within what both clients accept, and tries what no pipeline of the corpus thinks of: settings at any place, images
of all kinds, commands and arguments with odd letters. The same seed gives the same pipeline in every client.
"""

import datetime
import random
from typing import List

import conducto as co

COMMANDS = [
    "x",
    "  x  ",
    "a\n  b\n c",
    "\n    a\n      b\n",
    "\n\ta\n\n\tb\n",
    " a\nb",
    "a\n\n  b\n   ",
    "a\n b\nc\n  d",
]


def called(a, b: str = "x", c: int = 1, d: List[str] = ["q"], e: bool = False, f=None, g: float = 1.5):  # noqa: B006
    """Only its parameters matter."""


def grown(a) -> co.Parallel:
    """Only its parameter matters."""
    return co.Parallel()


def words(choice):
    return "".join(choice.choice("ab c,\\'\"\n\t  $é") for _ in range(choice.randrange(8)))


def image(choice):
    settings = choice.choice(
        [
            {"image": "x"},
            {"image": "registry.example/y:1"},
            {"dockerfile": choice.choice(["docker/Dockerfile", "./files/../docker/Dockerfile"])},
            {"dockerfile_text": "FROM y"},
            {},
        ]
    ).copy()
    settings.update(
        choice.choice(
            [
                {"copy_dir": choice.choice([".", "..", "files", "/tmp"])},
                {"copy_url": "https://github.com/a/b.git", "copy_branch": choice.choice(["m", "n/o"])},
                {"copy_url": "s3://a/b"},
                {"copy_dir": ".", "copy_branch": "other"},
                {},
                {},
            ]
        )
    )
    places = [(".", "/a"), ("files", "b"), ("..", "/mnt/conducto"), ("/usr", "/usr")]
    for name, values in {
        "context": [".", "..", "files"],
        "path_map": [dict(choice.sample(places, 2))],
        "install_pip": [None, [], ["b", "a"], ["conducto"]],
        "reqs_py": [None, ["z"]],
        "install_npm": [True, None, [], ["q"]],
        "reqs_npm": [True, None],
        "install_packages": [None, ["g"]],
        "reqs_packages": [[], ["h"]],
        "install_docker": [True, False],
        "reqs_docker": [True, False],
        "docker_auto_workdir": [True, False],
        "docker_build_args": [None, {"A": "1", "B": 2}],
        "shell": ["__auto__", "/bin/sh"],
        "pre_built": [1],
        "git_urls": [["x"]],
    }.items():
        if choice.random() < 0.15:
            settings[name] = choice.choice(values)
    return co.Image(**settings)


def settings(choice, images, *, of_group=False):
    found = {}
    for name, values in {
        "cpu": [1, 2, 0.5],
        "mem": [1, 2],
        "gpu": [0, 1],
        "requires_docker": [True, False, None],
        "skip": [True, False],
        "suppress_errors": [True, False],
        "max_time": ["1h", 5, 2.5, None, 0],
        "container_reuse_context": ["new", "global", None],
        "docker_run_args": [["-e", "a"], "--x 'y z'", None],
        "doc": ["d", "", None],
        "title": ["t", None],
        "tags": ["x", ["a", "b"], None],
        "env": [{"A": "1"}, {"A": "1", "B": "2"}, {"B": "3"}, {}],
        "image": images + ["s"],
        "max_concurrent": [1, 3, None],
    }.items():
        if choice.random() < 0.25 and (of_group or name != "max_concurrent"):
            found[name] = choice.choice(values)
    return found


def function(choice, images):
    arguments = {"a": choice.choice([words(choice), 3, 2.5, None, datetime.date(2020, 1, 2)])}
    items = [words(choice).replace("\\", "") for _ in range(choice.randrange(1, 4))]
    for name, value in {
        "b": words(choice),
        "c": choice.randrange(-5, 5),
        "d": items if items != [""] else ["x"],
        "e": choice.choice([True, False]),
        "f": choice.choice([1, "z", None, [1, 2], (3,), True]),
        "g": choice.random() * 10,
    }.items():
        if choice.random() < 0.5:
            arguments[name] = value
    if choice.random() < 0.2:
        return co.Lazy(grown, arguments["a"], params=co.Params(image=images[0]))
    return co.Exec(called, params=co.Params(**dict(settings(choice, []), image=images[0])), **arguments)


def tree(choice, images, depth):
    kind = choice.random()
    if depth and kind > 0.5:
        node = choice.choice([co.Serial, co.Parallel])(**settings(choice, images, of_group=True))
        if isinstance(node, co.Serial) and choice.random() < 0.3:
            node.stop_on_error = choice.choice([True, False, "False"])
        for number in range(choice.randrange(4)):
            node["n%d" % number] = tree(choice, images, depth - 1)
        if choice.random() < 0.3:
            node.on_error(co.callback.retry(1))
        return node
    if kind < 0.15:
        return function(choice, images)
    command = choice.choice(COMMANDS + [words(choice) + "\n" + words(choice)])
    if kind < 0.2:
        return co.lazy_shell(command, **dict({"env": {}}, **settings(choice, images)))
    return co.Exec(command, **settings(choice, images))


def pipeline(seed: int) -> co.Node:
    """Made at random.

    By a seed.
    """
    choice = random.Random(seed)
    first = co.Image("w", copy_dir="..", reqs_py=["conducto"], path_map={"/opt": "/r"})
    return tree(choice, [first] + [image(choice) for _ in range(3)], 3)


if __name__ == "__main__":
    co.main()
