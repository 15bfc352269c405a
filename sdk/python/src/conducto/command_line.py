"""`conducto.main`: the functions of a file as commands, and a tree as what a server reads."""

import inspect
import os
import sys
from typing import Any, Callable, Dict, List, Mapping, NoReturn, Optional, Tuple, Union

from . import launch, native, usage
from ._version import __version__
from .arguments import Unsupported
from .callsite import frame
from .errors import DuplicateImageError, NodeMethodError, UserInputValidation
from .image import Image
from .node import Node
from .text import env_bool, unindent

Method = Callable[..., Any]


def main(
    variables: Optional[Mapping[str, Any]] = None,
    default: Union[Method, str, None] = None,
    argv: Optional[List[str]] = None,
    env: Optional[Mapping[str, str]] = None,
    cpu: Optional[float] = None,
    gpu: Optional[int] = None,
    mem: Optional[float] = None,
    requires_docker: bool = False,
    image: Union[str, Image, None] = None,
    filename: Optional[str] = None,
    printer: Optional[Callable[[Any], Any]] = None,
) -> Any:
    """Calls the function that the command line names, and returns what it returned.

    A function that is annotated to return a node (`-> conducto.Serial`) prints its tree; where a server runs it, also the
    serialization. What other functions return is printed, unless it is None.

    * `variables`: the functions by name; those of the caller unless given.
    * `default`: the function that is called when the command line names none.
    * `argv`: the arguments; those of the program unless given.
    * `env`, `cpu`, `gpu`, `mem`, `requires_docker`, `image`: settings of the root.
    * `filename`: what the program is called in messages and titles.
    * `printer`: prints what functions return; `pprint.pprint` unless given.

    Wrong usage is said on standard error, and ends the program with exit code 1.
    """
    if variables is None:
        caller = frame()
        variables = dict(caller.f_locals) if caller is not None else {}
    program = filename or sys.argv[0]
    words = list(sys.argv[1:] if argv is None else argv)
    methods = usage.methods(variables)
    prog = os.path.basename(program)

    if "-h" in words or "--help" in words:
        sys.stderr.write(usage.text(prog, methods))
        sys.exit(0)
    if words in (["-v"], ["--version"]):
        print(__version__)
        sys.exit(0)

    name, rest = _chosen(prog, methods, default, words)
    method = methods[name] if name in methods else _callable(default)
    kind = usage.node_kind(method)
    try:
        arguments, options = _parse(prog, name, method, rest, with_launch=kind is not None)
        result = method(**arguments)
        if inspect.isawaitable(result):
            import asyncio

            result = asyncio.run(_await(result))
        if kind is None:
            if result is not None:
                (printer or _pretty_printer())(result)
                if isinstance(result, Node):
                    _say(
                        "help: annotate {}() with -> conducto.{} to have its tree printed".format(
                            name, type(result).__name__
                        )
                    )
            return result
        if not isinstance(result, Node):
            raise NodeMethodError("Expected {} to return a Node, but instead it returned {!r}".format(name, result))
        settings = {"env": env, "cpu": cpu, "gpu": gpu, "mem": mem, "image": image}
        settings["requires_docker"] = requires_docker or None
        _set_on_root(result, settings)
        _describe(
            result, method, options, _title(program, name, words if filename else sys.argv[1:], len(rest) == len(words))
        )
    except (UserInputValidation, NodeMethodError) as error:
        _fail(str(error))
    # The function has returned: what is wrong now is in the tree, and where is part of the message.
    try:
        text = output(result)
    except (DuplicateImageError, TypeError, ValueError) as error:
        _fail(str(error))
    if options.is_launch:
        launch.refuse_from_command_line()
    sys.stdout.write(text)
    sys.stdout.flush()
    return result


def output(root: Node) -> str:
    """Returns what is printed for a tree. Raises ValueError, TypeError or DuplicateImageError if it cannot be one."""
    from . import serialize

    root.check_images()
    tree = root.pretty() + "\n"
    if env_bool("CONDUCTO_GLUE_DEBUG"):
        import pprint

        return pprint.pformat(serialize.to_object(root, final=True)) + "\n"
    if env_bool("__RUN_BY_WORKER__"):
        text = serialize.encode(serialize.to_object(root, final=True))
        return "\n<__conducto_serialization>{}</__conducto_serialization>\n\n{}".format(text, tree)
    return tree


def _chosen(
    prog: str, methods: Dict[str, Method], default: Union[Method, str, None], words: List[str]
) -> Tuple[str, List[str]]:
    if words and not words[0].startswith("--"):
        if words[0] not in methods:
            _fail("{} : error: {} is not a valid method".format(prog, words[0]))
        return words[0], words[1:]
    if default is None:
        sys.stderr.write(usage.text(prog, methods))
        if words:
            _fail("{} : error: {} is not a valid method".format(prog, words[0]))
        _fail("{} : error: must specify method".format(prog))
    if isinstance(default, str):
        if default not in methods:
            _fail("{} : error: {} is not a valid method".format(prog, default))
        return default, words
    return next((name for name, method in methods.items() if method is default), default.__name__), words


def _callable(default: Union[Method, str, None]) -> Method:
    assert callable(default)
    return default


def _parse(
    prog: str, name: str, method: Method, words: List[str], *, with_launch: bool
) -> Tuple[Dict[str, Any], launch.Options]:
    """Returns the arguments of the function, and the options that are not its own."""
    known = _parameters(prog, name, method)
    given: Dict[str, Any] = {}
    positional: List[str] = []
    options = launch.Options()
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            positional += waiting
            break
        if not word.startswith("--"):
            positional.append(word)
            continue
        key, has_value, value = word[2:].partition("=")
        key = key.replace("-", "_")
        negated = key[3:] if key.startswith("no_") else None
        parameter = known.get(key)
        if parameter is None and negated in known and not has_value:
            assert negated is not None
            _give(prog, name, given, negated, False)
        elif parameter is None:
            if not options.take(key, value if has_value else None, waiting, is_node=with_launch):
                raise UserInputValidation("Unknown argument: {}".format(word))
        elif has_value:
            _give(prog, name, given, key, _value(prog, parameter, value))
        elif parameter.is_flag or (parameter.kind is None and (not waiting or waiting[0].startswith("--"))):
            _give(prog, name, given, key, True)
        elif waiting:
            _give(prog, name, given, key, _value(prog, parameter, waiting.pop(0)))
        else:
            raise UserInputValidation("{} : error: {} needs a value".format(prog, word))
    free = [key for key in known if key not in given]
    if len(positional) > len(free):
        raise _wrong(prog, name)
    for key, word in zip(free, positional):
        given[key] = _value(prog, known[key], word)
    if any(key not in given and not parameter.has_default for key, parameter in known.items()):
        raise _wrong(prog, name)
    return given, options


def _parameters(prog: str, name: str, method: Method) -> Dict[str, native.Parameter]:
    signature = inspect.signature(method)
    hints = native.annotations(method)
    known = {}
    for each in signature.parameters.values():
        if each.kind not in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
            raise UserInputValidation(
                "{} : error: {}() cannot be called from a command line: its parameter {} takes any number".format(
                    prog, name, each.name
                )
            )
        known[each.name] = native.Parameter(each, hints.get(each.name, each.annotation))
    return known


def _give(prog: str, name: str, given: Dict[str, Any], key: str, value: Any) -> None:
    if key in given:
        raise _wrong(prog, name)
    given[key] = value


def _value(prog: str, parameter: native.Parameter, word: str) -> Any:
    try:
        return parameter.parse(word)
    except (ValueError, Unsupported) as error:
        raise UserInputValidation("{} : error: {}".format(prog, error)) from None


def _wrong(prog: str, name: str) -> UserInputValidation:
    return UserInputValidation("{} : wrong parameters for {}()".format(prog, name))


def _set_on_root(root: Node, settings: Dict[str, Any]) -> None:
    for key, value in settings.items():
        if value is None:
            continue
        present = root._image if key == "image" else getattr(root, key)
        if (
            present
            and present != value
            and not (key == "image" and present == Image(value if isinstance(value, str) else None))
        ):
            raise UserInputValidation("Trying to overwrite `{}`={} that is already set.".format(key, value))
        if not present:
            setattr(root, key, value)


def _describe(root: Node, method: Method, options: launch.Options, title: str) -> None:
    root.title = options.title or root.title or title
    root.doc = options.doc or root.doc or options.default_doc or unindent(method.__doc__ or "").strip() or None


def _title(program: str, name: str, words: List[str], is_default: bool) -> str:
    """Returns the command line as a title: without options that are not the function's, with the function's name."""
    from shlex import quote

    # With `python -m` the program is a path inside of a package.
    script = [] if os.path.basename(program) == "__main__.py" else [program]
    return " ".join(quote(word) for word in script + ([name] if is_default else []) + launch.without_options(words))


def _pretty_printer() -> Callable[[Any], Any]:
    from pprint import pprint

    return pprint


async def _await(result: Any) -> Any:
    return await result


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _fail(text: str, code: int = 1) -> NoReturn:
    _say(text)
    sys.exit(code)


__all__: List[str] = ["main", "output"]
