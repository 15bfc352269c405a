"""Where data lies outside of nodes: the folder of the active profile."""

import os


def directory() -> str:
    """Returns the folder of the active profile: that of `CONDUCTO_PROFILE`, of the configuration, or `default`."""
    import configparser

    base = os.environ.get("CONDUCTO_BASE_DIR") or os.path.join(os.path.expanduser("~"), ".conducto")
    config = configparser.RawConfigParser(strict=False)
    config.read(os.path.join(base, "config"), encoding="utf-8")
    name = os.environ.get("CONDUCTO_PROFILE") or config.get("general", "default", fallback=None)
    return os.path.join(base, name or "default")
