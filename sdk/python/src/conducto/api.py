"""What was the client of the hosted service's API.

A server of your own has an HTTP API with an OpenAPI document (`docs/api.md`) and keeps no accounts, so most of it has
nothing to talk to. `Secret` and `SecretKey` are plain values; everything that would call the hosted service raises
`errors.NotInThisService`, which says what to do instead.
"""

from typing import Any, List, NoReturn, Optional

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


class Secrets(_Absent):
    """Secrets of the hosted service. Here the server's operator sets them."""

    _instead = "secrets are set on the server; nodes find them as environment variables"

    def get(self, token: Optional[str] = None) -> List[Secret]:
        """Raises NotInThisService."""
        _absent("Secrets.get", self._instead)

    def put(self, secrets: List[Secret], token: Optional[str] = None) -> None:
        """Raises NotInThisService."""
        _absent("Secrets.put", self._instead)

    def delete(self, secrets: List[SecretKey], token: Optional[str] = None) -> None:
        """Raises NotInThisService."""
        _absent("Secrets.delete", self._instead)


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
