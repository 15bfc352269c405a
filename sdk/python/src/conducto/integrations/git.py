"""Git and its hosts: addresses with credentials, what a branch adds to another.

The functions that ask about commits run the program `git`; they raise `subprocess.CalledProcessError` if it fails.
"""

import enum
import os
import re
import subprocess
from typing import Optional
from urllib.parse import quote

from ..callback import github_status
from ..node import Node

__all__ = [
    "LogType",
    "add_status_callback",
    "clone_url",
    "get_last_shared_commit",
    "get_log_diff",
    "get_num_commits",
    "get_num_commits_behind_base",
    "url",
]

_HOSTS = {"github.com": "GITHUB", "bitbucket.org": "BITBUCKET"}
_ADDRESS = re.compile(r"(?:https?://(?:[^@/]*@)?|ssh://git@|git@)([\w.-]+)[:/](.+?)(?:\.git)?/?")


class LogType(enum.Enum):
    """How `get_log_diff` writes commits."""

    RAW = 1
    MARKDOWN = 2
    SLACK = 3


def url(url: str, token: Optional[str] = None) -> str:
    """Returns the address of a repository for people, over HTTPS and without credentials.

    >>> url("git@github.com:a/b.git")
    'https://github.com/a/b'
    """
    found = _ADDRESS.fullmatch(url.strip())
    return "https://{}/{}".format(*found.groups()) if found else url


def clone_url(url: str, token: Optional[str] = None) -> str:
    """Returns an address to clone from, with the secrets `GITHUB_USER` and `GITHUB_TOKEN` (`BITBUCKET_…`) if there are.

    >>> clone_url("git@github.com:a/b.git", token="t")
    'https://x-access-token:t@github.com/a/b.git'
    """
    found = _ADDRESS.fullmatch(url.strip())
    if not found:
        return url
    host, path = found.groups()
    prefix = _HOSTS.get(host)
    user = os.environ.get("{}_USER".format(prefix)) if prefix else None
    secret = token or (os.environ.get("{}_TOKEN".format(prefix)) if prefix else None)
    if not secret:
        return "https://{}/{}.git".format(host, path)
    credentials = "{}:{}".format(quote(user or "x-access-token", safe=""), quote(secret, safe=""))
    return "https://{}@{}/{}.git".format(credentials, host, path)


def add_status_callback(node: Node, url: str, sha: str, *, inherited: bool = False, user_display: bool = True) -> None:
    """Shows the state of a node at a commit."""
    node.on_state_change(github_status(url, sha, inherited=inherited, user_display=user_display))


def get_last_shared_commit(
    base_branch: str, current_branch: Optional[str] = None, git_dir: Optional[str] = None
) -> str:
    """Returns the last commit that two branches have in common."""
    return _git(git_dir, "merge-base", base_branch, current_branch or "HEAD")


def get_num_commits(base_branch: str, current_branch: Optional[str] = None, git_dir: Optional[str] = None) -> int:
    """Returns how many commits a branch has that the base has not."""
    return int(_git(git_dir, "rev-list", "--count", "{}..{}".format(base_branch, current_branch or "HEAD")))


def get_num_commits_behind_base(
    base_branch: str, current_branch: Optional[str] = None, git_dir: Optional[str] = None
) -> int:
    """Returns how many commits the base has that a branch has not."""
    return int(_git(git_dir, "rev-list", "--count", "{}..{}".format(current_branch or "HEAD", base_branch)))


def get_log_diff(
    base_branch: str,
    current_branch: Optional[str] = None,
    log_type: LogType = LogType.RAW,
    max_lines: Optional[int] = None,
    git_dir: Optional[str] = None,
) -> str:
    """Returns the commits that a branch adds to the base, one a line, newest first; at most `max_lines`."""
    log = _git(git_dir, "log", "--pretty=%h%x09%an%x09%s", "{}..{}".format(base_branch, current_branch or "HEAD"))
    rows = [row.split("\t", 2) for row in log.split("\n") if row]
    total = len(rows)
    rows = rows if max_lines is None else rows[:max_lines]
    address = url(_git(git_dir, "remote", "get-url", "origin")) if rows and log_type is not LogType.RAW else ""
    form = {
        LogType.RAW: "{sha} {author}: {subject}",
        LogType.MARKDOWN: "* [{sha}]({address}/commit/{sha}) {author}: {subject}",
        LogType.SLACK: "• <{address}/commit/{sha}|{sha}> {author}: {subject}",
    }[log_type]
    lines = [form.format(sha=sha, author=author, subject=subject, address=address) for sha, author, subject in rows]
    if total > len(rows):
        lines.append("… {} more".format(total - len(rows)))
    return "\n".join(lines)


def _git(git_dir: Optional[str], *words: str) -> str:
    command = ["git"] + (["-C", git_dir] if git_dir else []) + list(words)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
