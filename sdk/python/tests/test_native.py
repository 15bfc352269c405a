"""Functions as commands: what is sent comes back equal, and what cannot be sent is refused."""

import datetime
import decimal
import enum
import math
import random
import shlex
import sys
import unittest
from typing import Dict, FrozenSet, List, Optional, Sequence, Set, Tuple, Union

import conducto as co
from conducto import arguments, command_line, native

UTC = datetime.timezone.utc


class Colour(enum.Enum):
    RED = 1
    DARK_BLUE = "blue"


class Point:
    def __init__(self, x: int) -> None:
        self.x = x

    def to_str(self) -> str:
        return "p%d" % self.x

    @staticmethod
    def from_str(text: str) -> "Point":
        return Point(int(text[1:]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and other.x == self.x


def show(a, b: str = "x", c: List[int] = [1], d: Optional[datetime.date] = None, e=None, g=True, h: float = 2.0):
    return a, b, c, d, e, g, h


def everything(
    text: str,
    numbers: List[int],
    day: Optional[datetime.date] = datetime.date(2000, 1, 1),
    flag: bool = False,
    maybe: Optional[bool] = None,
    colour: Colour = Colour.RED,
    point: Point = Point(0),
):
    return text, numbers, day, flag, maybe, colour, point


def two_types(a: Union[int, str]): ...
def any_number(*a): ...
def by_name(*, a): ...
def fixed_pair(a: Tuple[int, str]): ...
def _private(): ...
def mapping(a: Dict[str, str]): ...
def number(a: int): ...


if sys.version_info >= (3, 10):

    def modern(a: "list[int]", b: "int | None" = 3, c: "tuple[float, ...]" = ()):
        return a, b, c


def line(function, *positional, **named):
    """Returns the arguments of the command that calls a function."""
    return native.command(function, positional, named).split(":endpath__ ")[1]


def call(function, *positional, **named):
    """Calls a function the long way: as a command, whose words are read again."""
    words = shlex.split(line(function, *positional, **named))
    return command_line.main(variables={function.__name__: function}, argv=words, printer=lambda value: None)


class Commands(unittest.TestCase):
    def test_form(self):
        self.assertEqual(line(show, "x y"), "show '--a=x y'")
        self.assertEqual(
            line(show, 3, "it's", [1, 2], datetime.date(2020, 1, 2), None, False, 3.5),
            """show --a=3 '--b=it'"'"'s' --c=1,2 --d=2020-01-02 --e=None --no-g --h=3.5""",
        )
        self.assertTrue(native.command(show, (1,), {}).startswith("conducto __conducto_path:{"))

    def test_an_argument_that_is_none_anyhow_is_left_out(self):
        self.assertEqual(line(show, 1, d=None), "show --a=1")
        self.assertEqual(line(everything, "t", [], day=None), "everything --text=t --numbers= --day=None")

    def test_settings_of_the_node(self):
        node = co.Exec(number, 3, params=co.Params(cpu=2, doc="d"))
        self.assertEqual((node.cpu, node.doc), (2, "d"))
        self.assertEqual(node.command.split(":endpath__ ")[1], "number --a=3")


class RoundTrips(unittest.TestCase):
    def test_list_optional_date_and_default(self):
        for day in (None, datetime.date(2024, 2, 29)):
            sent = ("t", [1, -2, 3], day, True, None, Colour.DARK_BLUE, Point(7))
            self.assertEqual(call(everything, *sent), sent)
        self.assertEqual(
            call(everything, "t", []), ("t", [], datetime.date(2000, 1, 1), False, None, Colour.RED, Point(0))
        )
        self.assertEqual(call(everything, "t", [], maybe=False)[4], False)

    @unittest.skipIf(sys.version_info < (3, 10), "such unions are new in Python 3.10")
    def test_annotations_of_newer_pythons(self):
        self.assertEqual(call(modern, [1], None, (0.5, 2)), ([1], None, (0.5, 2.0)))

    def test_random_values(self):
        kinds = [
            str, int, float, bool, bytes, datetime.date, datetime.datetime, datetime.time, Colour, decimal.Decimal,
            Optional[str], Optional[int], Optional[datetime.datetime], Optional[bool],
            List[str], List[int], List[float], List[bool], List[datetime.date], List[Optional[str]], List[Colour],
            Tuple[str, ...], Set[int], FrozenSet[str], Sequence[str], list, tuple, set, Optional[List[str]],
        ]  # fmt: skip
        choice = random.Random(4)
        for kind in kinds:
            for _ in range(150):
                value = self._value(choice, kind)
                written = arguments.to_text(kind, value)
                again = arguments.from_text(kind, written)
                self.assertEqual(again, value, (kind, written))
                self.assertEqual(type(again), type(value), (kind, written))

    def test_texts_survive_the_shell(self):
        choice = random.Random(5)
        for _ in range(300):
            text = self._value(choice, str)
            self.assertEqual(call(everything, text, [choice.randrange(-9, 9)])[0], text)

    def test_numbers_may_be_narrower_than_their_annotation(self):
        self.assertEqual(line(show, 1, h=3), "show --a=1 --h=3")
        self.assertEqual(call(show, "1", h=3)[6], 3.0)
        self.assertTrue(math.isnan(arguments.from_text(float, arguments.to_text(float, math.nan))))

    def _value(self, choice, kind):
        inner, is_optional = arguments.optional(kind)
        if is_optional and choice.random() < 0.2:
            return None
        shape = arguments.item_kind(inner)
        if shape is not None:
            return shape[0](self._value(choice, shape[1]) for _ in range(choice.randrange(4)))
        day = datetime.date.fromordinal(choice.randrange(1, 3650000))
        time = datetime.time(
            choice.randrange(24), choice.randrange(60), choice.randrange(60), choice.choice([0, 7, 250000])
        )
        return {
            str: lambda: choice.choice(["None", "\\None", ""]) if choice.random() < 0.2 else self._text(choice),
            int: lambda: choice.randrange(-(10**20), 10**20),
            float: lambda: choice.choice([choice.random() * 10 ** choice.randrange(-300, 300), -0.5, float("inf")]),
            bool: lambda: choice.random() < 0.5,
            bytes: lambda: self._text(choice).encode(),
            datetime.date: lambda: day,
            datetime.datetime: lambda: datetime.datetime.combine(day, time, choice.choice([None, UTC])),
            datetime.time: lambda: time,
            Colour: lambda: choice.choice(list(Colour)),
            decimal.Decimal: lambda: decimal.Decimal(choice.randrange(10**6)) / 8,
        }[inner]()

    def _text(self, choice):
        return "".join(choice.choice("ab,\\'\" \n$é%{}=-") for _ in range(choice.randrange(7)))


class Refusals(unittest.TestCase):
    def test_what_cannot_be_sent(self):
        def inner(): ...

        cases = [
            (TypeError, (two_types, 1), r"Only Union\[T, None\] is allowed"),
            (TypeError, (any_number, 1), "VAR_POSITIONAL"),
            (TypeError, (fixed_pair, (1, "a")), "Tuple"),
            (TypeError, (mapping, {"a": "b"}), "mapping"),
            (TypeError, (number, "x"), "Argument a='x' for function number is not compatible with expected type int"),
            (TypeError, (number, 1.5), "not compatible"),
            (TypeError, (number,), "missing a required argument"),
            (TypeError, (show, {"a": 1}), "as JSON text"),
            (TypeError, (show, "a\0b"), "null character"),
            (TypeError, (show, "\ud800"), "UTF-8"),
            (TypeError, (show, b"\xff"), "base64"),
            (TypeError, (show, "x", 3), "b=3"),
            (ValueError, (_private,), "private"),
            (ValueError, (inner,), "top of its file"),
            (ValueError, (lambda: 3,), "top of its file"),
            (ValueError, (print, 3), "no function of a Python file"),
            (ValueError, (Point, 3), "no function of a Python file"),
        ]
        for kind, (function, *positional), message in cases:
            with self.subTest(function=function, positional=positional):
                with self.assertRaisesRegex(kind, message) as caught:
                    co.Exec(function, *positional)
                self.assertIn(" --> " + __file__, str(caught.exception))

    def test_arguments_that_are_settings(self):
        with self.assertRaisesRegex(TypeError, r"unexpected keyword argument 'cpu'(.|\n)*conducto.Params"):
            co.Exec(number, 3, cpu=2)

    def test_a_lazy_function_must_say_that_it_returns_a_node(self):
        with self.assertRaisesRegex(ValueError, "not annotated to return a node"):
            co.Lazy(number, 3)
