"""Dates and times of day as people write them.

>>> date_of("2020-01-02"), date_of("20200102"), date_of("2020/1/2"), date_of("2 Jan 2020")
(datetime.date(2020, 1, 2), datetime.date(2020, 1, 2), datetime.date(2020, 1, 2), datetime.date(2020, 1, 2))
>>> datetime_of("2020-01-02 03:04"), datetime_of("2020-01-02T03:04:05Z")
(datetime.datetime(2020, 1, 2, 3, 4), datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc))
>>> time_of("3:04")
datetime.time(3, 4)
"""

import datetime
import re

_DAY_FORMATS = (
    "%Y%m%d",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d %Y",
    "%B %d %Y",
    "%b %d, %Y",
    "%B %d, %Y",
)
_TIME_FORMATS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I %p", "%I%p", "%I:%M %p", "%I:%M%p", "%H")
_CLOCK = re.compile(
    r"(.*?\d)(?:[T ]+)(\d{1,2}(?::[\d:.]+)?(?: ?[AaPp][Mm])?)(Z|[+-]\d\d:?\d\d(?::?\d\d(?:\.\d+)?)?)?", re.DOTALL
)


def datetime_of(written: str) -> datetime.datetime:
    """Returns a date with its time of day. Raises ValueError if the text is none."""
    written = written.strip()
    try:
        return datetime.datetime.fromisoformat(re.sub(r"Z\Z", "+00:00", written))
    except ValueError:
        pass
    parts = _CLOCK.fullmatch(written)
    if parts is None:
        return datetime.datetime.combine(_day(written), datetime.time())
    zone = (
        datetime.time.fromisoformat("00:00" + parts.group(3).replace("Z", "+00:00")).tzinfo if parts.group(3) else None
    )
    return datetime.datetime.combine(_day(parts.group(1)), time_of(parts.group(2)), zone)


def date_of(written: str) -> datetime.date:
    """Returns a date. Raises ValueError if the text is none, or has a time of day other than midnight."""
    moment = datetime_of(written)
    if moment.time() != datetime.time():
        raise ValueError(
            "Interpreting input as a date, but got non-zero time component: {} -> {}".format(written, moment)
        )
    return moment.date()


def time_of(written: str) -> datetime.time:
    """Returns a time of day. Raises ValueError if the text is none."""
    written = written.strip()
    try:
        return datetime.time.fromisoformat(re.sub(r"Z\Z", "+00:00", written))
    except ValueError:
        pass
    for form in _TIME_FORMATS:
        try:
            return datetime.datetime.strptime(written.upper(), form).time()
        except ValueError:
            continue
    raise ValueError("{!r} is no time of day: write 13:45:00".format(written))


def _day(written: str) -> datetime.date:
    for form in _DAY_FORMATS:
        try:
            return datetime.datetime.strptime(written.strip(), form).date()
        except ValueError:
            continue
    raise ValueError("{!r} is no date: write 2020-01-31".format(written))
