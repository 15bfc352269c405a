"""Folders as archives. What an archive says is not trusted: nothing is written outside of the folder it goes to."""

import os
import shutil
import tarfile
from typing import BinaryIO, List

from .errors import UnsafeArchiveError


def pack(folder: str, target: BinaryIO) -> None:
    """Writes a folder, under its own name, as an archive.

    Raises UnsafeArchiveError for a link that leads out of the folder, since it could not be restored.
    """
    name = os.path.basename(os.path.abspath(folder))
    if not os.path.isdir(folder):
        raise NotADirectoryError("{} is no folder".format(folder))
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(folder, arcname=name, filter=_checked)


def unpack(path: str, folder: str) -> None:
    """Restores an archive into a folder. Raises UnsafeArchiveError, before anything is written, if it may not be."""
    os.makedirs(folder, exist_ok=True)
    root = os.path.realpath(folder)
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        links: List[str] = []
        for member in members:
            _check(member)
            if any(_is_below(_clean(member), link) for link in links):
                raise UnsafeArchiveError("{} lies behind a link of the archive".format(member.name))
            if member.issym():
                links.append(_clean(member))
        for member in members:
            _restore(archive, member, root)
        # Last, and innermost first: a folder may not be writable.
        for member in reversed(members):
            if member.isdir():
                os.chmod(os.path.join(root, _clean(member)), (member.mode & 0o777) | 0o700)


def _checked(member: tarfile.TarInfo) -> tarfile.TarInfo:
    _check(member)
    return member


def _check(member: tarfile.TarInfo) -> None:
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise UnsafeArchiveError("{} is neither a file, a folder nor a link".format(member.name))
    if member.name.startswith("/") or ".." in member.name.split("/") or "\\" in member.name and os.sep == "\\":
        raise UnsafeArchiveError("{} leads out of the folder".format(member.name))
    if member.issym():
        # Beside the member; what is above the folder that was saved may hold anything.
        target = os.path.normpath(os.path.join(os.path.dirname(_clean(member)), member.linkname))
        if member.linkname.startswith("/") or target.split("/")[0] in ("..", ""):
            raise UnsafeArchiveError("the link {} leads out of the folder, to {}".format(member.name, member.linkname))
    if member.islnk():
        target = os.path.normpath(member.linkname)
        if member.linkname.startswith("/") or target.split("/")[0] == "..":
            raise UnsafeArchiveError("the link {} leads out of the folder, to {}".format(member.name, member.linkname))


def _restore(archive: tarfile.TarFile, member: tarfile.TarInfo, root: str) -> None:
    path = os.path.join(root, _clean(member))
    above = os.path.dirname(path)
    # A link may have been there before: what lies behind it is not ours.
    if not _is_below(os.path.realpath(above), root):
        raise UnsafeArchiveError("{} lies behind a link that leads out of the folder".format(member.name))
    os.makedirs(above, exist_ok=True)
    if member.isdir():
        if os.path.islink(path):
            os.unlink(path)
        os.makedirs(path, exist_ok=True)
        return
    if os.path.lexists(path):
        if os.path.isdir(path) and not os.path.islink(path):
            raise IsADirectoryError("{} is a folder, and a file in the cache".format(path))
        os.unlink(path)
    if member.issym():
        os.symlink(member.linkname, path)
    elif member.islnk():
        source = os.path.join(root, os.path.normpath(member.linkname))
        if not _is_below(os.path.realpath(source), root):
            raise UnsafeArchiveError("the link {} leads out of the folder".format(member.name))
        shutil.copy2(source, path)
    else:
        content = archive.extractfile(member)
        assert content is not None  # it is a regular file
        with content, open(path, "wb") as target:
            shutil.copyfileobj(content, target)
        os.chmod(path, member.mode & 0o777)
        os.utime(path, (member.mtime, member.mtime))


def _clean(member: tarfile.TarInfo) -> str:
    return os.path.normpath(member.name)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
