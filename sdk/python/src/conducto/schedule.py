"""Schedules of the hosted service. A server of your own takes them from `conducto.cfg`."""

from typing import Any

from .errors import NotInThisService


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotInThisService(
        "schedule.{} belongs to the hosted service\nhelp: write a [cron] section in conducto.cfg".format(name)
    )
