"""Data that nodes share: `data.pipeline` within a pipeline, `data.user` between pipelines.

>>> import os, tempfile
>>> os.environ["CONDUCTO_DATA_USER"] = tempfile.mkdtemp()
>>> user.puts("reports/today", b"all is well")
>>> user.list("reports"), user.size("reports/today"), user.gets("reports/today", byte_range=(0, 3))
(['reports/today'], 11, b'all')

Names are paths below the store; a `/` at their beginning means nothing. In a node the stores are also the folders
`/conducto/data/pipeline` and `/conducto/data/user`; where a node does not have them, the same calls travel through its
worker.
"""

import io
import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, BinaryIO, Callable, List, Optional, Sequence, Tuple

from .errors import ContextError, NotInThisService

if TYPE_CHECKING:
    from .through_worker import Remote

__all__ = ["pipeline", "user"]


class _Data:
    """What can be done with a store. Errors of the file system come through as OSError."""

    _kind = ""
    _variable = ""

    @classmethod
    def get(cls, name: str, file: str, *, id: Optional[str] = None, local: Optional[bool] = None) -> None:
        """Copies what is stored under `name` to a file. Raises FileNotFoundError if there is nothing."""
        remote = cls._remote(name, id, local)
        if remote is not None:
            _write(file, lambda target: remote.read_into(name, target))
            return
        with open(cls._path(name, id, local), "rb") as source:
            _write(file, lambda target: shutil.copyfileobj(source, target))

    @classmethod
    def gets(
        cls,
        name: str,
        *,
        byte_range: Optional[Sequence[int]] = None,
        id: Optional[str] = None,
        local: Optional[bool] = None,
    ) -> bytes:
        """Returns what is stored under `name`; of a `byte_range` (begin, end) the bytes from begin to before end."""
        remote = cls._remote(name, id, local)
        if remote is not None:
            content = io.BytesIO()
            remote.read_into(name, content, None if byte_range is None else _range(byte_range))
            return content.getvalue()
        with open(cls._path(name, id, local), "rb") as source:
            if byte_range is None:
                return source.read()
            begin, end = _range(byte_range)
            source.seek(begin)
            return source.read(end - begin)

    @classmethod
    def put(cls, name: str, file: str, *, id: Optional[str] = None, local: Optional[bool] = None) -> None:
        """Stores the content of a file. Readers see the old content or the new one, never a part."""
        with open(file, "rb") as source:
            remote = cls._remote(name, id, local)
            if remote is not None:
                remote.write(name, source, os.fstat(source.fileno()).st_size)
                return
            _write(cls._path(name, id, local), lambda target: shutil.copyfileobj(source, target))

    @classmethod
    def puts(cls, name: str, obj: bytes, *, id: Optional[str] = None, local: Optional[bool] = None) -> None:
        """Stores bytes. Raises ValueError for anything else: encode texts first."""
        if not isinstance(obj, (bytes, bytearray, memoryview)):
            raise ValueError("puts() takes bytes, got {}: encode a text with .encode()".format(type(obj).__name__))
        remote = cls._remote(name, id, local)
        if remote is not None:
            content = bytes(obj)
            remote.write(name, content, len(content))
            return
        _write(cls._path(name, id, local), lambda target: target.write(obj))

    @classmethod
    def delete(
        cls, name: str, recursive: bool = False, *, id: Optional[str] = None, local: Optional[bool] = None
    ) -> None:
        """Deletes what is stored under `name`; a folder with `recursive`. Raises FileNotFoundError if it is not there."""
        remote = cls._remote(name, id, local)
        if remote is not None:
            remote.delete(name, recursive)
            return
        path = cls._path(name, id, local)
        if recursive and os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.remove(path)

    @classmethod
    def list(cls, prefix: str, *, id: Optional[str] = None, local: Optional[bool] = None) -> List[str]:
        """Returns the names directly in the folder `prefix`, sorted; nothing if there is no such folder."""
        remote = cls._remote(prefix, id, local)
        if remote is not None:
            return remote.list(prefix)
        try:
            names = sorted(os.listdir(cls._path(prefix, id, local)))
        except (FileNotFoundError, NotADirectoryError):
            return []
        prefix = prefix.strip("/")
        names = [name for name in names if not (name.startswith(".") and name.endswith(".part"))]
        return ["{}/{}".format(prefix, name) if prefix else name for name in names]

    @classmethod
    def exists(cls, name: str, *, id: Optional[str] = None, local: Optional[bool] = None) -> bool:
        """Says whether anything is stored under `name`."""
        remote = cls._remote(name, id, local)
        return os.path.exists(cls._path(name, id, local)) if remote is None else remote.exists(name)

    @classmethod
    def size(cls, name: str, *, id: Optional[str] = None, local: Optional[bool] = None) -> int:
        """Returns the number of bytes. Raises FileNotFoundError if there is nothing."""
        remote = cls._remote(name, id, local)
        return os.stat(cls._path(name, id, local)).st_size if remote is None else remote.size(name)

    @classmethod
    def url(cls, name: str, path_only: bool = True, *, id: Optional[str] = None, local: Optional[bool] = None) -> str:
        """Returns where the server's pages show what is stored; with `path_only=False` with the server's address.

        Raises KeyError if that address (`CONDUCTO_AUTO_URL`) is not known.
        """
        from urllib.parse import quote

        path = "/gw/manager/data/{}/{}/{}".format(_pipeline_id(id), cls._kind, quote(name.lstrip("/")))
        return path if path_only else os.environ["CONDUCTO_AUTO_URL"].rstrip("/") + path

    @classmethod
    def save_cache(
        cls, name: str, checksum: str, save_dir: str, *, id: Optional[str] = None, local: Optional[bool] = None
    ) -> None:
        """Stores a folder under `name` and a `checksum` of what it was made from."""
        from . import cache

        object_name = _cache_name(name, checksum)
        remote = cls._remote(object_name, id, local)
        if remote is not None:
            with tempfile.TemporaryFile() as archive:
                cache.pack(save_dir, archive)
                remote.write(object_name, archive, archive.tell())
            return
        _write(cls._path(object_name, id, local), lambda target: cache.pack(save_dir, target))

    @classmethod
    def restore_cache(
        cls, name: str, checksum: str, restore_dir: str, *, id: Optional[str] = None, local: Optional[bool] = None
    ) -> None:
        """Puts a stored folder, under its own name, into `restore_dir`.

        Raises FileNotFoundError if there is none, UnsafeArchiveError if it holds what would be written elsewhere.
        """
        from . import cache

        object_name = _cache_name(name, checksum)
        remote = cls._remote(object_name, id, local)
        if remote is not None:
            with tempfile.NamedTemporaryFile() as archive:
                try:
                    remote.read_into(object_name, archive.file)
                except FileNotFoundError:
                    raise FileNotFoundError("Cache not found") from None
                archive.flush()
                cache.unpack(archive.name, restore_dir)
            return
        path = cls._path(object_name, id, local)
        if not os.path.exists(path):
            raise FileNotFoundError("Cache not found")
        cache.unpack(path, restore_dir)

    @classmethod
    def cache_exists(cls, name: str, checksum: str, *, id: Optional[str] = None, local: Optional[bool] = None) -> bool:
        """Says whether a folder is stored under `name` and `checksum`."""
        return cls.exists(_cache_name(name, checksum), id=id, local=local)

    @classmethod
    def clear_cache(
        cls, name: str, checksum: Optional[str] = None, *, id: Optional[str] = None, local: Optional[bool] = None
    ) -> None:
        """Deletes the folder stored under `name` and `checksum`; without a checksum all of that name."""
        object_name = _cache_name(name, checksum or "any")
        if checksum is None:
            cls.delete(os.path.dirname(object_name), True, id=id, local=local)
        else:
            cls.delete(object_name, id=id, local=local)

    @classmethod
    def _remote(cls, name: str, id: Optional[str], local: Optional[bool]) -> Optional["Remote"]:
        """Returns the store by way of the worker; None where a folder is to be used."""
        _parts(name, local)
        if os.environ.get(cls._variable) or not os.environ.get("CONDUCTO_DATA_SOCKET"):
            return None
        from .through_worker import Remote

        return Remote(cls._address(id))

    @classmethod
    def _path(cls, name: str, id: Optional[str], local: Optional[bool]) -> str:
        parts = _parts(name, local)
        return os.path.join(cls._root(id), *parts)

    @classmethod
    def _root(cls, id: Optional[str]) -> str:
        raise NotImplementedError

    @classmethod
    def _address(cls, id: Optional[str]) -> str:
        raise NotImplementedError


class pipeline(_Data):  # noqa: N801 -- the name that programs use
    """Data of one pipeline; gone when the server removes the pipeline's data."""

    _kind = "pipeline"
    _variable = "CONDUCTO_DATA_PIPELINE"

    @classmethod
    def _address(cls, id: Optional[str]) -> str:
        return "/pipelines/{}/data".format(_pipeline_id(id))

    @classmethod
    def _root(cls, id: Optional[str]) -> str:
        own = os.environ.get("CONDUCTO_PIPELINE_ID")
        if id in (None, own):
            folder = _folder("CONDUCTO_DATA_PIPELINE", "/conducto/data/pipeline")
            if folder is not None:
                return folder
        return os.path.join(_profile(), "pipelines", _pipeline_id(id), "data")


class user(_Data):  # noqa: N801 -- the name that programs use
    """Data that pipelines share."""

    _kind = "user"
    _variable = "CONDUCTO_DATA_USER"

    @classmethod
    def _address(cls, id: Optional[str]) -> str:
        return "/data/user"

    @classmethod
    def _root(cls, id: Optional[str]) -> str:
        return _folder("CONDUCTO_DATA_USER", "/conducto/data/user") or os.path.join(_profile(), "data")


def _parts(name: str, local: Optional[bool]) -> List[str]:
    if local is False:
        raise NotInThisService("a server of your own has no cloud: leave out local=False")
    parts = [part for part in name.split("/") if part and part != "."]
    if ".." in parts or "\0" in name:
        raise ValueError("{!r} leads out of the store".format(name))
    return parts


def _cache_name(name: str, checksum: str) -> str:
    for part in (name, checksum):
        if not part or "/" in part or part in (".", ".."):
            raise ValueError(
                "the name and the checksum of a cache may not be empty or hold a slash, got {!r}".format(part)
            )
    return "conducto-cache/{}/{}.tar.gz".format(name, checksum)


def _folder(variable: str, inside: str) -> Optional[str]:
    """Returns the folder of a store in a node; None outside."""
    if os.environ.get(variable):
        return os.environ[variable]
    where = os.environ.get("CONDUCTO_EXECUTION_ENV", "")
    return inside if where.startswith(("worker_", "debug_")) else None


def _pipeline_id(id: Optional[str]) -> str:
    known = id or os.environ.get("CONDUCTO_PIPELINE_ID")
    if not known:
        raise ContextError(
            "Pipeline-scoped data requires an initialized pipeline. Try using conducto.data.pipeline from a child node."
        )
    if "/" in known or known in (".", ".."):
        raise ValueError("{!r} is no pipeline".format(known))
    return known


def _profile() -> str:
    from . import profile

    return profile.directory()


def _range(byte_range: Sequence[int]) -> Tuple[int, int]:
    begin, end = byte_range
    if not 0 <= begin <= end:
        raise ValueError("byte_range is (begin, end) with 0 <= begin <= end, got {!r}".format(tuple(byte_range)))
    return begin, end


def _write(path: str, fill: Callable[[BinaryIO], Any]) -> None:
    """Writes a file in full or not at all."""
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
    try:
        with os.fdopen(handle, "wb") as target:
            fill(target)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(unfinished, 0o666 & ~mask)
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
