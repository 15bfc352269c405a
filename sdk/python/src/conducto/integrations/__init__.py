"""Other services: `integrations.git`, `integrations.slack`."""

from . import git, slack

__all__ = ["git", "slack"]
