r"""Values of function parameters as text on a command line, and back.

Whatever `to_text` accepts, `from_text` gives back as an equal value:

>>> from_text(List[int], to_text(List[int], [1, 2]))
[1, 2]
>>> from_text(List[str], to_text(List[str], ["a,b", "c\\", ""]))
['a,b', 'c\\', '']
>>> import datetime
>>> from_text(Optional[datetime.date], to_text(Optional[datetime.date], None)) is None
True
"""

import datetime
import enum
import re
import sys
from typing import Any, Iterable, List, Optional, Sequence, Tuple, Union

from . import dates, text

Type = Any
"""An annotation; `None` where there is none."""

_NONE_TEXT = re.compile(r"\\*None")
_CONTAINERS = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
}


class Unsupported(TypeError):
    """An annotation that cannot be used on a command line, or a value that does not fit its annotation."""


def optional(kind: Type) -> Tuple[Type, bool]:
    """Takes `Optional` off an annotation. Raises Unsupported for other unions.

    >>> optional(Optional[int]), optional(int)
    ((<class 'int'>, True), (<class 'int'>, False))
    """
    if not _is_union(kind):
        return kind, False
    others = [member for member in kind.__args__ if member is not type(None)]
    if len(others) != 1:
        raise Unsupported(
            "Only Union[T, None] is allowed, i.e., Optional[T], got {}: a text does not say of which type it is".format(
                name_of(kind)
            )
        )
    return others[0], len(others) < len(kind.__args__)


def item_kind(kind: Type) -> Optional[Tuple[Any, Type]]:
    """Returns what makes a container, and the annotation of its items; None if the annotation is no container.

    >>> item_kind(List[int]), item_kind(int)
    ((<class 'list'>, <class 'int'>), None)
    """
    if kind in _CONTAINERS:
        return _CONTAINERS[kind], str
    origin = getattr(kind, "__origin__", None)
    arguments = tuple(getattr(kind, "__args__", ()) or ())
    if origin is tuple:
        if len(arguments) != 2 or arguments[1] is not Ellipsis:
            raise Unsupported("of tuples only Tuple[T, ...] is allowed, got {}".format(name_of(kind)))
        return tuple, arguments[0]
    if origin in _CONTAINERS:
        return _CONTAINERS[origin], _argument(arguments)
    if (
        origin is not None
        and origin.__module__ == "collections.abc"
        and origin.__name__ in ("Sequence", "Iterable", "Collection")
    ):
        return list, _argument(arguments)
    if origin is not None:
        raise Unsupported("Only typing.List[T], Optional[T] and the like are allowed, got {}".format(name_of(kind)))
    return None


def name_of(kind: Type) -> str:
    """Returns an annotation as people write it."""
    return kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__origin__") else str(kind)


def to_text(kind: Type, value: Any) -> str:
    """Returns a value as text. Raises Unsupported if it does not fit the annotation or cannot be written."""
    inner, is_optional = optional(kind)
    if value is None and (is_optional or kind is None or kind is Any):
        return "None"
    shape = item_kind(inner) if inner is not None and inner is not Any else None
    if shape is not None:
        if not _fits_container(shape[0], inner, value):
            raise Unsupported("expected {}, got {!r}".format(name_of(kind), value))
        if item_kind(optional(shape[1])[0]) is not None:
            raise Unsupported("lists of lists are not allowed, got {}".format(name_of(kind)))
        written = join([to_text(shape[1], item) for item in _ordered(value)])
    elif inner is None or inner is Any:
        written = _free_text(value)
    else:
        written = _scalar_text(inner, value)
    if is_optional and _NONE_TEXT.fullmatch(written):
        written = "\\" + written
    if "\0" in written:
        raise Unsupported("a null character cannot be passed to a program")
    try:
        written.encode("utf-8")
    except UnicodeEncodeError:
        raise Unsupported("{!r} cannot be written in UTF-8".format(written)) from None
    return written


def from_text(kind: Type, written: str) -> Any:
    """Returns the value of a text. Raises ValueError if the text is none of that type."""
    inner, is_optional = optional(kind)
    if is_optional and _NONE_TEXT.fullmatch(written):
        if written == "None":
            return None
        written = written[1:]
    if inner is None or inner is Any:
        return written
    shape = item_kind(inner)
    if shape is not None:
        return shape[0](from_text(shape[1], item) for item in split(written))
    return _scalar(inner, written)


def join(items: Iterable[str]) -> str:
    r"""Joins items with commas; a comma of an item becomes ``\,``.

    >>> join(["a", "b,c"]), join([]), join([""])
    ('a,b\\,c', '', '\\')
    """
    escaped = [re.sub(r"(\\*)(,|\Z)", _escape, item) for item in items]
    return "\\" if escaped == [""] else ",".join(escaped)


def split(joined: str) -> List[str]:
    r"""Splits at commas; the opposite of `join`.

    >>> split("a,b\\,c"), split(""), split("\\"), split("C:\\dir,x")
    (['a', 'b,c'], [], [''], ['C:\\dir', 'x'])
    """
    if joined in ("", "\\"):
        return [""] if joined else []
    items, current, at = [], "", 0
    for found in re.finditer(r"(\\*)(,|\Z)", joined):
        slashes = len(found.group(1))
        current += joined[at : found.start()] + "\\" * (slashes // 2)
        at = found.end()
        if slashes % 2 and found.group(2):
            current += ","
        else:
            # One too many at the end: another program wrote it, which did not double them.
            items.append(current + "\\" * (slashes % 2))
            current = ""
        if not found.group(2):
            break
    return items


def _escape(found: "re.Match[str]") -> str:
    return found.group(1) * 2 + ("\\," if found.group(2) else "")


def _scalar_text(kind: Type, value: Any) -> str:
    if hasattr(kind, "from_str") and hasattr(value, "to_str"):
        return str(value.to_str())
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        if not isinstance(value, kind):
            raise Unsupported("expected {}, got {!r}".format(name_of(kind), value))
        return str(value.name)
    # A whole number may stand for any number, and a bool for a whole one; not the other way round.
    if kind is float and isinstance(value, int):
        value = float(value) if isinstance(value, bool) else value
    elif kind is int and isinstance(value, bool):
        value = int(value)
    elif kind is datetime.date and isinstance(value, datetime.datetime):
        raise Unsupported("expected date, got {!r}".format(value))
    elif isinstance(kind, type) and not isinstance(value, kind):
        raise Unsupported("expected {}, got {!r}".format(name_of(kind), value))
    written = _free_text(value)
    again = _scalar(kind, written)
    # Not a number is not even equal to itself; a type without an equality of its own cannot be compared.
    if again != value and value == value and _has_equality(type(value)):
        raise Unsupported("{!r} cannot be written as text: {!r} is read as {!r}".format(value, written, again))
    return written


def _has_equality(kind: Type) -> bool:
    return any("__eq__" in vars(base) for base in kind.__mro__ if base is not object)


def _free_text(value: Any) -> str:
    if hasattr(value, "to_str"):
        return str(value.to_str())
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise Unsupported("{!r} is not UTF-8: pass it as base64 text".format(value)) from None
    if isinstance(value, dict):
        raise Unsupported("a dict cannot be passed: pass it as JSON text, and read it with json.loads")
    if isinstance(value, (list, tuple, set, frozenset)):
        return join([_free_text(item) for item in _ordered(value)])
    return str(value)


def _scalar(kind: Type, written: str) -> Any:
    if kind is str:
        return written
    if kind is bool:
        return text.is_true(written)
    if kind is bytes:
        return written.encode("utf-8")
    if hasattr(kind, "from_str"):
        return kind.from_str(written)
    if kind is datetime.datetime:
        return dates.datetime_of(written)
    if kind is datetime.date:
        return dates.date_of(written)
    if kind is datetime.time:
        return dates.time_of(written)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _member(kind, written)
    if kind is dict or not callable(kind):
        raise Unsupported("{} is not supported: pass it as JSON text".format(name_of(kind)))
    return kind(written)


def _member(kind: Type, written: str) -> Any:
    name = written.rsplit(".", 1)[-1]  # `Colour.RED` too, which is what str() of a member is
    if name in kind.__members__:
        return kind.__members__[name]
    for member in kind:
        if str(member.value) == written:
            return member
    raise ValueError("{!r} is none of {}".format(written, ", ".join(kind.__members__)))


def _fits_container(make: Any, kind: Type, value: Any) -> bool:
    if getattr(kind, "__origin__", kind) in _CONTAINERS:
        return isinstance(value, make)
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _ordered(values: Any) -> List[Any]:
    return sorted(values, key=repr) if isinstance(values, (set, frozenset)) else list(values)


def _argument(arguments: Tuple[Type, ...]) -> Type:
    return arguments[0] if arguments and type(arguments[0]).__name__ != "TypeVar" else str


def _is_union(kind: Type) -> bool:
    if getattr(kind, "__origin__", None) is Union:
        return True
    # `int | None`, from Python 3.10 on
    return sys.version_info >= (3, 10) and type(kind).__name__ in ("UnionType", "Union") and hasattr(kind, "__args__")
