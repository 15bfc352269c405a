"""Messages to Slack from a node; also the command `conducto-slack`."""

import json as json_module

from . import command_line
from .integrations.slack import Slack

__all__ = ["block", "text"]


def text(recipient: str, text: str) -> None:
    """Posts a text. Raises as `integrations.slack.Slack.message` does."""
    Slack().message(recipient, text=text)


def block(recipient: str, json: str) -> None:
    """Posts blocks of Slack's block kit, given as JSON text."""
    blocks = json_module.loads(json)
    Slack().message(recipient, blocks=blocks["blocks"] if isinstance(blocks, dict) else blocks)


def tool() -> None:
    """Runs `conducto-slack`."""
    command_line.main(variables={"text": text, "block": block})
