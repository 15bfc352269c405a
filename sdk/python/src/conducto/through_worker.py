"""Data by way of the worker, in a node that has no folder of it: HTTP over the socket that `CONDUCTO_DATA_SOCKET` names.

The node's own token (`CONDUCTO_TOKEN`) says whose data it is. While the server is away, calls wait for it.
"""

import errno
import http.client
import json
import os
import shutil
import socket
import time
from typing import IO, Any, BinaryIO, List, Optional, Tuple, Union
from urllib.parse import quote

#: Seconds for which a call waits for a server that does not answer, and between two tries at most.
PATIENCE = 120.0
LONGEST_PAUSE = 2.0

Body = Union[bytes, BinaryIO, None]


class _Connection(http.client.HTTPConnection):
    """A connection to a socket of this machine."""

    def __init__(self, path: str) -> None:
        super().__init__("worker.invalid")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.connect(self._path)
        except BaseException:
            self.sock.close()
            raise


class Remote:
    """One store. Errors are those of a folder: FileNotFoundError and other kinds of OSError, ValueError for a bad name."""

    def __init__(self, path: str) -> None:
        self._socket = os.environ["CONDUCTO_DATA_SOCKET"]
        self._path = "/api/v1" + path

    def read_into(self, name: str, target: IO[bytes], byte_range: Optional[Tuple[int, int]] = None) -> None:
        """Copies what is stored, or a part of it."""
        headers = {}
        if byte_range is not None:
            begin, end = byte_range
            if begin == end:
                self.size(name)
                return
            headers["Range"] = "bytes={}-{}".format(begin, end - 1)
        begin_at = target.tell()

        def take(response: http.client.HTTPResponse) -> None:
            if response.status == 416:
                return
            target.seek(begin_at)
            target.truncate()
            shutil.copyfileobj(response, target)
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)

        self._ask("GET", name, headers=headers, take=take, also=416)

    def write(self, name: str, body: Body, size: int) -> None:
        """Stores a content, in full or not at all."""
        self._ask("PUT", name, body=body, headers={"Content-Length": str(size)})

    def delete(self, name: str, recursive: bool) -> None:
        """Deletes an object or a folder."""
        self._ask("DELETE", name, query="?recursive=true" if recursive else "")

    def size(self, name: str) -> int:
        """Returns the number of bytes."""
        return int(self._ask("HEAD", name, take=lambda response: response.getheader("Content-Length", "0")))

    def exists(self, name: str) -> bool:
        """Says whether there is an object or a folder of this name."""
        name = "/".join(part for part in name.split("/") if part and part != ".")
        return not name or name in self.list(name.rpartition("/")[0])

    def list(self, prefix: str) -> List[str]:
        """Returns the names directly in a folder, sorted."""
        found = self._ask("GET", None, query="?prefix=" + quote(prefix, safe=""), take=json.load)
        return [entry["name"] for entry in found["entries"]]

    def _ask(
        self,
        method: str,
        name: Optional[str],
        *,
        query: str = "",
        body: Body = None,
        headers: Any = (),
        take: Any = None,
        also: int = 0,
    ) -> Any:
        address = self._path + ("" if name is None else "/" + quote(name.lstrip("/"))) + query
        all_headers = dict(headers)
        all_headers["Authorization"] = "Bearer " + os.environ.get("CONDUCTO_TOKEN", "")
        until = time.monotonic() + PATIENCE
        pause = 0.05
        while True:
            connection = _Connection(self._socket)
            try:
                if body is not None and not isinstance(body, bytes):
                    body.seek(0)
                connection.request(method, address, body=body, headers=all_headers)
                response = connection.getresponse()
                if response.status in (502, 503, 504):
                    raise ConnectionError("the server answers {}".format(response.status))
                if response.status >= 300 and response.status != also:
                    raise _error(response, name or "")
                return take(response) if take else response.read()
            except (ConnectionError, FileNotFoundError, http.client.HTTPException) as error:
                if isinstance(error, _Answered) or time.monotonic() >= until:
                    raise
            finally:
                connection.close()
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


class _Answered(Exception):
    """Marks what the server has said, which asking again does not change."""


class _NotFound(_Answered, FileNotFoundError):
    pass


def _error(response: http.client.HTTPResponse, name: str) -> Exception:
    try:
        detail = json.loads(response.read().decode("utf-8", "replace"))["detail"]
    except (ValueError, KeyError, TypeError):
        detail = "the server answered {}".format(response.status)
    if response.status == 404:
        return _NotFound(errno.ENOENT, detail, name)
    if response.status in (401, 403):
        return PermissionError(errno.EACCES, detail, name)
    if response.status == 409:
        return IsADirectoryError(errno.EISDIR, detail, name)
    if response.status == 413:
        return OSError(errno.EFBIG, detail, name)
    if response.status == 507:
        return OSError(errno.ENOSPC, detail, name)
    if response.status == 400:
        return ValueError(detail)
    return OSError(errno.EIO, detail, name)
