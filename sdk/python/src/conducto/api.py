"""What was the client of the hosted service's API.

A server of your own has an HTTP API with an OpenAPI document (`docs/api.md`) and keeps no accounts, so most of it has
nothing to talk to: it raises `errors.NotInThisService`, which says what to do instead. `Secrets` speaks with your server.
"""

import json
import os
from typing import Any, Dict, List, NoReturn, Optional
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from .errors import NotInThisService, UserInputValidation

__all__ = ["Auth", "Config", "Dir", "Manager", "Pipeline", "Secret", "SecretKey", "Secrets", "UserInputValidation"]


class SecretKey:
    """The name of a secret, and whose it is: `"user"` or `"org"`."""

    def __init__(self, key: str, scope: str = "user") -> None:
        if scope not in ("user", "org"):
            raise ValueError('scope must be "user" or "org", got {!r}'.format(scope))
        self.key = key
        self.scope = scope

    def __repr__(self) -> str:
        return "{}({!r}, scope={!r})".format(type(self).__name__, self.key, self.scope)


class Secret(SecretKey):
    """A secret; its value is not shown by `repr`.

    >>> Secret("API_TOKEN", "1234")
    Secret('API_TOKEN', scope='user')
    """

    def __init__(self, key: str, value: str, scope: str = "user", mask: bool = True) -> None:
        super().__init__(key, scope)
        self.value = value
        self.mask = mask


class _Absent:
    """A part of the hosted service: it can be made, and each of its methods raises NotInThisService."""

    _instead = "see the HTTP API of your server, docs/api.md"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _absent("{}.{}".format(type(self).__name__, name), self._instead)


class Secrets:
    """Secrets on your server: its address in `CONDUCTO_SERVER`, a token with the scope `secret:write` in `CONDUCTO_TOKEN`.

    Without a user's login, secrets of the scope `"user"` are those of `user`.
    """

    def __init__(self, server: Optional[str] = None, user: Optional[str] = None) -> None:
        self._server = server or os.environ.get("CONDUCTO_SERVER") or os.environ.get("CONDUCTO_AUTO_URL")
        self._user = user or os.environ.get("CONDUCTO_EMAIL") or os.environ.get("USER")

    def get(self, token: Optional[str] = None) -> List[SecretKey]:
        """Lists secrets of users and of the organization: their names. The server shows no values."""
        found = self._ask("GET", "/secrets", token)
        return [SecretKey(secret["name"], secret["scope"]) for secret in found if secret["scope"] in ("user", "org")]

    def put(self, secrets: List[Secret], token: Optional[str] = None) -> None:
        """Sets secrets, in the place of those that are there."""
        for secret in secrets:
            body = {"value": secret.value, "mask": secret.mask}
            self._ask("PUT", self._address(secret), token, body)

    def delete(self, secrets: List[SecretKey], token: Optional[str] = None) -> None:
        """Deletes secrets."""
        for secret in secrets:
            self._ask("DELETE", self._address(secret), token)

    def _address(self, secret: SecretKey) -> str:
        address = "/secrets/" + quote(secret.key, safe="")
        if secret.scope == "org":
            return address
        if not self._user:
            raise UserInputValidation("whose secret it is: give Secrets a user, or set CONDUCTO_EMAIL")
        return address + "?user=" + quote(self._user, safe="")

    def _ask(self, method: str, path: str, token: Optional[str], body: Optional[Dict[str, Any]] = None) -> Any:
        if not self._server:
            raise UserInputValidation("no server: set CONDUCTO_SERVER to its address")
        headers = {"Content-Type": "application/json"}
        token = token or os.environ.get("CONDUCTO_TOKEN")
        if token:
            headers["Authorization"] = "Bearer " + token
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._server.rstrip("/") + "/api/v1" + path, data=data, headers=headers, method=method)
        try:
            with urlopen(request, timeout=30) as answer:
                text = answer.read()
        except HTTPError as error:
            raise PermissionError(_detail(error)) from None
        return json.loads(text.decode()) if text else None


class Auth(_Absent):
    """Accounts of the hosted service."""


class Config(_Absent):
    """Profiles of the hosted service."""


class Dir(_Absent):
    """Users and organizations of the hosted service."""


class Manager(_Absent):
    """Managers of pipelines of the hosted service."""


class Pipeline(_Absent):
    """Pipelines of the hosted service."""

    _instead = "pipelines are started by a push, or by `conducto start`"


AsyncAuth, AsyncConfig, AsyncDir = Auth, Config, Dir
AsyncManager, AsyncPipeline, AsyncSecrets = Manager, Pipeline, Secrets


def _absent(what: str, instead: str) -> NoReturn:
    raise NotInThisService("{} belongs to the hosted service\nhelp: {}".format(what, instead))


def _detail(error: HTTPError) -> str:
    """What the server says is wrong; it never repeats a value."""
    try:
        problem = json.loads(error.read().decode())
        return "{}: {}".format(problem["title"], problem.get("detail", "no more is said"))
    except (ValueError, KeyError):
        return "the server answered {}".format(error.code)
