"""Find the file system of a path. On Linux; elsewhere nothing is known."""

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NamedTuple
else:
    from ..._tuples import Named as NamedTuple

# For this process: in a container, the mounts that it sees.
_TABLE = "/proc/self/mountinfo"
# The file systems whose files other machines can change.
_NETWORK = {
    *("9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre"),
    *("nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb3", "smbfs", "virtiofs"),
    *("fuse.ceph", "fuse.glusterfs", "fuse.gcsfuse", "fuse.s3fs", "fuse.sshfs"),
}
_IN_MEMORY = {"devtmpfs", "ramfs", "tmpfs"}


class Mount(NamedTuple):
    """A mounted file system: the directory, its kind, and whether it is read-only."""

    directory: str
    kind: str
    read_only: bool

    def __str__(self) -> str:
        return f"{self.kind} at {self.directory}"

    @property
    def is_network(self) -> bool:
        """True if other machines can change its files."""
        return self.kind in _NETWORK

    @property
    def is_in_memory(self) -> bool:
        """True if its files are lost at the next boot."""
        return self.kind in _IN_MEMORY


def mount_of(path: str) -> "Mount | None":
    """Return the file system that an existing path is on; None if it is not known."""
    try:
        with open(_TABLE, encoding="utf-8", errors="surrogateescape") as file:
            return find_mount(os.path.realpath(path), file)
    except OSError:
        return None


def find_mount(path: str, lines: "Iterable[str]") -> "Mount | None":
    r"""Return the file system of a real path, from the lines of a `mountinfo` file.

    >>> lines = [
    ...     "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    ...     r"22 21 0:5 / /my\040home ro - nfs4 host:/home rw,vers=4.2",
    ... ]
    >>> find_mount("/my home/me", lines)
    Mount(directory='/my home', kind='nfs4', read_only=True)
    >>> find_mount("/my homes", lines).kind
    'ext4'
    """
    best: Mount | None = None
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, described = before.split(), after.split()
        if len(fields) < 6 or len(described) < 3:
            continue
        directory = _unescape(fields[4])
        if path != directory and not path.startswith(directory.rstrip("/") + "/"):
            continue
        # Of two mounts on one directory, the later one hides the earlier one.
        if best is None or len(directory) >= len(best.directory):
            options = fields[5].split(",") + described[-1].split(",")
            best = Mount(directory, described[0], "ro" in options)
    return best


def _unescape(text: str) -> str:
    r"""Return a path of a `mountinfo` file, which has spaces and the like as octals.

    >>> _unescape(r"/a\040b\134c")
    '/a b\\c'
    """
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
