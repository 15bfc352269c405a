"""The commands `conducto-data-pipeline` and `conducto-data-user`, also called `-temp-data` and `-perm-data`."""

import json
import sys
from typing import Any, Callable, Dict, List, Optional, Type

from . import command_line
from .data import _Data, pipeline, user


def pipeline_tool() -> None:
    """Runs `conducto-data-pipeline`."""
    command_line.main(variables=_commands(pipeline), printer=_print)


def user_tool() -> None:
    """Runs `conducto-data-user`."""
    command_line.main(variables=_commands(user), printer=_print)


def _print(value: Any) -> None:
    print(json.dumps(value))


def _commands(store: Type[_Data]) -> Dict[str, Callable[..., Any]]:
    """Returns the commands by name. Each takes the options `--id` and `--[no-]local` too."""

    def delete(name: str, recursive: bool = False, id: Optional[str] = None, local: Optional[bool] = None) -> None:
        """Deletes what is stored; a folder with --recursive."""
        store.delete(name, recursive, id=id, local=local)

    def exists(name: str, id: Optional[str] = None, local: Optional[bool] = None) -> bool:
        """Says whether anything is stored."""
        return store.exists(name, id=id, local=local)

    def get(name: str, file: str, id: Optional[str] = None, local: Optional[bool] = None) -> None:
        """Copies what is stored to a file."""
        store.get(name, file, id=id, local=local)

    def gets(
        name: str,
        byte_range: Optional[List[int]] = None,
        id: Optional[str] = None,
        local: Optional[bool] = None,
    ) -> None:
        """Writes what is stored to standard output."""
        sys.stdout.buffer.write(store.gets(name, byte_range=byte_range, id=id, local=local))
        sys.stdout.buffer.flush()

    def list(prefix: str, id: Optional[str] = None, local: Optional[bool] = None) -> List[str]:
        """Lists the names in a folder."""
        return store.list(prefix, id=id, local=local)

    def put(name: str, file: str, id: Optional[str] = None, local: Optional[bool] = None) -> None:
        """Stores a file."""
        store.put(name, file, id=id, local=local)

    def puts(name: str, id: Optional[str] = None, local: Optional[bool] = None) -> None:
        """Stores what comes from standard input."""
        store.puts(name, sys.stdin.buffer.read(), id=id, local=local)

    def size(name: str, id: Optional[str] = None, local: Optional[bool] = None) -> int:
        """Says how many bytes are stored."""
        return store.size(name, id=id, local=local)

    def url(name: str, path_only: bool = True, id: Optional[str] = None, local: Optional[bool] = None) -> str:
        """Says where the pages show what is stored."""
        return store.url(name, path_only, id=id, local=local)

    def cache_exists(name: str, checksum: str, id: Optional[str] = None, local: Optional[bool] = None) -> bool:
        """Says whether a folder is stored under name and checksum."""
        return store.cache_exists(name, checksum, id=id, local=local)

    def clear_cache(
        name: str, checksum: Optional[str] = None, id: Optional[str] = None, local: Optional[bool] = None
    ) -> None:
        """Deletes stored folders of a name, or the one of a checksum."""
        store.clear_cache(name, checksum, id=id, local=local)

    def save_cache(
        name: str, checksum: str, save_dir: str, id: Optional[str] = None, local: Optional[bool] = None
    ) -> None:
        """Stores a folder under name and checksum."""
        store.save_cache(name, checksum, save_dir, id=id, local=local)

    def restore_cache(
        name: str, checksum: str, restore_dir: str, id: Optional[str] = None, local: Optional[bool] = None
    ) -> None:
        """Restores a folder into another."""
        store.restore_cache(name, checksum, restore_dir, id=id, local=local)

    return {
        "delete": delete,
        "exists": exists,
        "get": get,
        "gets": gets,
        "list": list,
        "put": put,
        "puts": puts,
        "size": size,
        "url": url,
        "cache-exists": cache_exists,
        "clear-cache": clear_cache,
        "save-cache": save_cache,
        "restore-cache": restore_cache,
    }
