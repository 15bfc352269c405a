"""Messages to Slack, with a bot's token from the secret `SLACK_BOT_TOKEN`."""

import json
import os
from typing import Any, Dict, Mapping, Optional

__all__ = ["Slack"]

_TIMEOUT = 30


class Slack:
    """A workspace of Slack."""

    def message(
        self,
        recipient: str,
        text: Optional[str] = None,
        blocks: Any = None,
        thread_info: Optional[Mapping[str, Any]] = None,
        token: Optional[str] = None,
    ) -> Dict[str, Any]:
        """Posts to a channel (`#name`) or a person (`@name`, or an id), and returns what Slack answered.

        `blocks` are those of Slack's block kit; `thread_info`, an earlier answer, makes it a reply. Raises ValueError
        without a text and blocks, PermissionError without a token, RuntimeError with Slack's word if it refuses.
        """
        import urllib.request

        if not text and not blocks:
            raise ValueError("a message needs a text or blocks")
        token = token or os.environ.get("SLACK_BOT_TOKEN")
        if not token:
            raise PermissionError("no token for Slack: give the node a secret SLACK_BOT_TOKEN")
        body: Dict[str, Any] = {"channel": recipient}
        if text:
            body["text"] = text
        if blocks:
            body["blocks"] = blocks
        if thread_info and thread_info.get("ts"):
            body["thread_ts"] = thread_info["ts"]
        address = os.environ.get("SLACK_API_URL", "https://slack.com/api").rstrip("/") + "/chat.postMessage"
        request = urllib.request.Request(
            address,
            data=json.dumps(body).encode(),
            headers={"Authorization": "Bearer " + token, "Content-Type": "application/json; charset=utf-8"},
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            answer: Dict[str, Any] = json.load(response)
        if not answer.get("ok"):
            raise RuntimeError("Slack refused the message: {}".format(answer.get("error", "no reason given")))
        return answer
