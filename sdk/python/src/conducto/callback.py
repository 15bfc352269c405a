"""Callbacks: what the server does when a node changes its state.

>>> retry(2).to_literal()
['retry', {'max_num_retries': 2, 'inherited': False, 'user_display': True}]

`inherited=True` lets a callback answer for every node below as well; `user_display=False` hides it from the pages.
"""

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple, Union

if TYPE_CHECKING:
    from .node import Node

__all__ = [
    "base",
    "deserialize_into_node",
    "email",
    "github_pipeline_status",
    "github_status",
    "handle_memory_errors",
    "retry",
    "retry_then_skip",
    "retry_with_double_mem",
    "skip_some_errors",
    "slack_status",
]


class base:  # noqa: N801 -- the name that programs use
    """A callback: its name and its arguments."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        self.name = name
        self.kwargs = kwargs

    def to_literal(self) -> List[Any]:
        """Returns the form for JSON; a node among the arguments becomes its path."""
        from .node import Node

        arguments: Dict[str, Any] = {}
        for key, value in self.kwargs.items():
            arguments[key] = str(value) if isinstance(value, Node) else value
        return [self.name, arguments]

    def __repr__(self) -> str:
        arguments = ("{}={!r}".format(key, value) for key, value in self.to_literal()[1].items())
        return "callback.{}({})".format(self.name, ", ".join(arguments))


def retry(max_num_retries: int, *, inherited: bool = False, user_display: bool = True) -> base:
    """Runs a failed node again, at most so many times."""
    return base("retry", max_num_retries=max_num_retries, inherited=inherited, user_display=user_display)


def retry_then_skip(max_num_retries: int, *, inherited: bool = False, user_display: bool = True) -> base:
    """Runs a failed node again, and skips it if it still fails."""
    return base("retry_then_skip", max_num_retries=max_num_retries, inherited=inherited, user_display=user_display)


def retry_with_double_mem(max_num_retries: int, *, inherited: bool = False, user_display: bool = True) -> base:
    """Runs a failed node again, each time with twice the memory."""
    return base(
        "retry_with_double_mem", max_num_retries=max_num_retries, inherited=inherited, user_display=user_display
    )


def skip_some_errors(max_num_errors: int, *, inherited: bool = False, user_display: bool = True) -> base:
    """Skips failed nodes below, if they are not more than so many."""
    return base("skip_some_errors", max_num_errors=max_num_errors, inherited=inherited, user_display=user_display)


def handle_memory_errors(
    mem_limits: Tuple[float, float] = (8, 32),
    max_duration: float = 3600,
    *,
    inherited: bool = False,
    user_display: bool = True,
) -> base:
    """Runs a node that ran out of memory again with twice as much.

    `mem_limits` are GiB: below the first it is retried again and again, up to the second once, beyond it not at all. What
    ran longer than `max_duration` seconds is not retried.
    """
    return base(
        "handle_memory_errors",
        mem_limits=list(mem_limits),
        max_duration=max_duration,
        inherited=inherited,
        user_display=user_display,
    )


def email(
    to: Union[str, Sequence[str], None] = None,
    cc: Union[str, Sequence[str], None] = None,
    *,
    inherited: bool = False,
    user_display: bool = True,
) -> base:
    """Sends a summary by mail."""
    return base("email", to=to, cc=cc, inherited=inherited, user_display=user_display)


def slack_status(
    recipient: str,
    message: Optional[str] = None,
    node_summary: bool = False,
    *,
    inherited: bool = False,
    user_display: bool = True,
) -> base:
    """Posts to Slack; without a message, a summary."""
    return base(
        "slack_status",
        recipient=recipient,
        message=message,
        node_summary=node_summary,
        inherited=inherited,
        user_display=user_display,
    )


def github_status(url: str, sha: str, *, inherited: bool = False, user_display: bool = True) -> base:
    """Sets a status of this node at a commit."""
    return base("github_status", url=url, sha=sha, inherited=inherited, user_display=user_display)


def github_pipeline_status(url: str, sha: str, *, inherited: bool = False, user_display: bool = True) -> base:
    """Sets a status of the whole pipeline at a commit."""
    return base("github_pipeline_status", url=url, sha=sha, inherited=inherited, user_display=user_display)


def deserialize_into_node(target: Union["Node", str]) -> base:
    """Puts the tree that a node has printed in the place of `target`. `conducto.Lazy` makes these."""
    return base("deserialize_into_node", target=target)
