"""Functions as commands: `Exec(function, …)` becomes a command line, and that line becomes the call again.

>>> def report(days: int, title: str = "All") -> None: ...
>>> [parameter.option(value) for parameter, value in zip(parameters(report), (7, "A b"))]
['--days=7', '--title=A b']
"""

import inspect
import shlex
import typing
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Type

from . import arguments
from .errors import refusal
from .paths import Path

Function = Callable[..., Any]

_GENERICS: Dict[str, Any] = {
    "list": typing.List,
    "tuple": typing.Tuple,
    "set": typing.Set,
    "frozenset": typing.FrozenSet,
}


class Parameter:
    """One parameter of a function: its name, what its text is read as, and its default."""

    def __init__(self, parameter: inspect.Parameter, annotation: Any) -> None:
        self.name = parameter.name
        self.is_annotated = annotation is not inspect.Parameter.empty
        self.has_default = parameter.default is not inspect.Parameter.empty
        self.default = parameter.default if self.has_default else None
        self.kind: Any = None
        if self.is_annotated:
            self.kind = annotation
        elif self.default is not None:
            self.kind = type(self.default)

    @property
    def is_flag(self) -> bool:
        """Whether the option may stand alone, as `--x` or `--no-x`."""
        return arguments.optional(self.kind)[0] is bool

    def option(self, value: Any) -> str:
        """Returns the option that passes a value. Raises TypeError if it does not fit."""
        takes_flags = self.is_flag or self.kind is None
        if isinstance(value, bool) and takes_flags:
            return "--{}{}".format("" if value else "no-", self.name)
        if self.is_annotated:
            return "--{}={}".format(self.name, arguments.to_text(self.kind, value))
        # Without an annotation anything goes, as long as it can be read.
        written = arguments.to_text(None, value)
        if self.kind is not None and value is not None:
            arguments.from_text(self.kind, written)
        return "--{}={}".format(self.name, written)

    def is_left_out(self, value: Any) -> bool:
        """Says whether a value is what the function has anyhow, and cannot be written without an annotation for it."""
        is_optional = self.is_annotated and arguments.optional(self.kind)[1]
        return value is None and is_optional and self.has_default and self.default is None

    def parse(self, written: str) -> Any:
        """Returns the value of a text. Raises ValueError that names the parameter."""
        kind = self.kind
        if not self.is_annotated and self.has_default and self.default is None and written == "None":
            return None
        try:
            return arguments.from_text(kind, written)
        except (TypeError, ValueError) as error:
            raise ValueError("parameter {!r}: {}".format(self.name, error)) from error


def parameters(function: Function) -> List[Parameter]:
    """Returns the parameters of a function, in order. Raises TypeError for kinds that cannot be passed by name."""
    signature = inspect.signature(function)
    unsupported = [
        (parameter.name, parameter.kind.name)
        for parameter in signature.parameters.values()
        if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    if unsupported:
        plain = ", ".join(name for name, _ in unsupported)
        raise refusal(
            TypeError,
            "Unsupported parameter types of {}: {} - Only POSITIONAL_OR_KEYWORD is allowed.".format(
                _name(function), unsupported
            ),
            help="make them plain parameters: def {}({}): …".format(_name(function), plain),
        )
    hints = annotations(function)
    return [Parameter(each, hints.get(each.name, each.annotation)) for each in signature.parameters.values()]


def annotations(function: Function) -> Dict[str, Any]:
    """Returns the annotations of a function, those that are texts evaluated where that is possible.

    An annotation `T` beside the default None means `Optional[T]`, as it always has with this package.
    """
    inner = inspect.unwrap(function)
    try:
        hints = typing.get_type_hints(inner)
    except (NameError, TypeError, AttributeError, SyntaxError):
        try:
            # Python 3.8 does not know `list[int]`, which may stand there as a text.
            hints = typing.get_type_hints(inner, localns=_GENERICS)
        except (NameError, TypeError, AttributeError, SyntaxError):
            hints = _as_written(inner)
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name)
        if hint is not None and parameter.default is None and not isinstance(hint, str):
            hints[parameter.name] = Optional[hint]
    return hints


def _as_written(function: Function) -> Dict[str, Any]:
    try:
        return dict(getattr(function, "__annotations__", {}))
    except NameError:  # from Python 3.14 on they are evaluated here, and one of them cannot be
        return {}


def command(function: Function, positional: Sequence[Any], named: Mapping[str, Any]) -> str:
    """Returns the command that calls a function in a container. Raises TypeError or ValueError if that cannot be."""
    name = _name(function)
    if inspect.isclass(function) or inspect.isbuiltin(function) or not hasattr(function, "__qualname__"):
        raise refusal(
            ValueError, "{!r} is no function of a Python file".format(function), help="write a function around it"
        )
    known = {parameter.name: parameter for parameter in parameters(function)}
    file = _file(function)
    try:
        bound = inspect.signature(function).bind(*positional, **named)
    except TypeError as error:
        raise refusal(
            TypeError,
            "{}() {}".format(name, error),
            help="settings of the node go into params=conducto.Params(cpu=2, …)" if named else None,
        ) from None
    words = ["conducto", Path.from_localhost(file).in_command(), name]
    for key, value in bound.arguments.items():
        parameter = known[key]
        try:
            if not parameter.is_left_out(value):
                words.append(shlex.quote(parameter.option(value)))
        except (TypeError, ValueError) as error:
            raise _unfit(function, parameter, value, error) from None
    return " ".join(words)


def _unfit(function: Function, parameter: Parameter, value: Any, error: Exception) -> Exception:
    kind: Type[Exception] = TypeError if isinstance(error, TypeError) else ValueError
    return refusal(
        kind,
        "Argument {}={!r} for function {} is not compatible with expected type {}: {}".format(
            parameter.name,
            value,
            _name(function),
            arguments.name_of(parameter.kind) if parameter.kind else "str",
            error,
        ),
        help="change the argument, or the annotation of the parameter",
    )


def _name(function: Function) -> str:
    return str(getattr(function, "__name__", repr(function)))


def _file(function: Function) -> str:
    """Returns the file of a function that can be called from outside. Raises ValueError if it cannot."""
    name = _name(function)
    if name == "<lambda>" or "." in function.__qualname__:
        raise refusal(
            ValueError,
            "{} is not at the top of its file: it cannot be called by name in a container".format(
                function.__qualname__
            ),
            help="move it to the top level of the file, with def",
        )
    if name.startswith("_"):
        raise refusal(
            ValueError,
            "{}: a function whose name begins with _ is private".format(name),
            help="give it a name without _",
        )
    source = getattr(inspect.unwrap(function), "__code__", None)
    if source is None or source.co_filename.startswith("<"):
        raise refusal(ValueError, "{} comes from no file".format(name), help="write it into the file of the pipeline")
    return str(source.co_filename)
