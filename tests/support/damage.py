"""Damage a file in every way: its bytes, its JSON, or something else in its place."""

import hashlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lazyplug.cli.verifying import damages
from tests.support.index_format import TITLE_LENGTH, stat_signature
from tests.support.index_heads import places, replaced

# The number of tests, for parallel workers, that a long run is divided into.
PARTS = 2
# A default run damages one of this many bytes.
SAMPLE = 293
Harmed = Iterator[tuple[str, bytes]]
Harm = Callable[[bytes, list[bytes], slice], Harmed]


def difference(found: Any, truth: Any) -> str:
    """Return how two answers differ, or an empty text if they are equal."""
    if found == truth:
        return ""
    if not isinstance(found, tuple) or not isinstance(truth, tuple):
        return f"{found!r:.200} instead of {truth!r:.200}"
    return f"{set(found) ^ set(truth)!r:.200}, or their order, differ"


def descriptors() -> int:
    """Return the number of open file descriptors, or 0 where it is unknown."""
    directory = "/proc/self/fd"
    return len(os.listdir(directory)) if os.path.isdir(directory) else 0


def junk(number: int, length: int) -> bytes:
    """Return pseudo-random bytes, always the same for one number."""
    return hashlib.shake_256(str(number).encode()).digest(length)


def picked(part: int, long: bool, sample: int = SAMPLE) -> slice:
    """Return the positions to try in this part: all of them, or a sample."""
    step = 1 if long else sample
    return slice(part * step, None, PARTS * step)


def fewer(picks: slice) -> slice:
    """Return one of five positions, for faults that hardly differ at the next one."""
    return slice(picks.start, None, picks.step * 5)


def flipped(data: bytes, others: list[bytes], picks: slice) -> Harmed:
    """Yield the data with each byte changed; in the header, each of its bits."""
    header = data.find(b"\n", TITLE_LENGTH)
    for at in range(len(data))[picks]:
        values = {junk(at, 1)[0] % 255 + 1}
        if at < header:
            values |= {1 << bit for bit in range(8)}
        for value in values:
            changed = bytes([data[at] ^ value])
            yield f"{at} ^ {value}", data[:at] + changed + data[at + 1 :]


def cut(data: bytes, others: list[bytes], picks: slice) -> Harmed:
    for at in range(len(data))[picks]:
        yield f"{at}", data[:at]


def inserted(data: bytes, others: list[bytes], picks: slice) -> Harmed:
    for at in range(len(data) + 1)[fewer(picks)]:
        more = [b"\n", b"\0", b'"', b"0", b"[", junk(at, 1 + at % 40)][at % 6]
        yield f"{more!r} at {at}", data[:at] + more + data[at:]
    yield "at the end", data + junk(picks.start, 1 + picks.start)


def removed(data: bytes, others: list[bytes], picks: slice) -> Harmed:
    for at in range(len(data))[fewer(picks)]:
        yield f"{at}", data[:at] + data[at + 1 + at % 40 :]


def zeroed(data: bytes, others: list[bytes], picks: slice) -> Harmed:
    """Yield the data with zeros, as a power loss leaves pages that were not written."""
    size = len(data)
    for at in range(size)[fewer(picks)]:
        yield f"from {at}", data[:at] + b"\0" * (size - at)
    part = picks.start * PARTS // picks.step
    for page in (512, 4096):
        for at in range(0, size, page)[part::PARTS]:
            end = min(at + page, size)
            yield f"page at {at}", data[:at] + b"\0" * (end - at) + data[end:]
            yield f"up to {at}", b"\0" * end + data[end:]


def scrambled(data: bytes, others: list[bytes], picks: slice) -> Harmed:
    for number in range(1 << 10)[picks]:
        yield f"{number}, alone", junk(number, number % 1000)
        head = data[: number * 7 % len(data)]
        yield f"{number}, after {len(head)}", head + junk(number, 1 + number % 1000)


def joined(data: bytes, others: list[bytes], picks: slice) -> Harmed:
    for at in range(len(data))[fewer(fewer(picks))]:
        for number, other in enumerate(others):
            yield f"{number} from {at}", data[:at] + other[at:]
            yield f"{number} up to {at}", other[:at] + data[at:]


# The kinds of files that are damaged.
INDEX, FACTS = "the index", "the learned facts"
# The ways to damage bytes, by the name that the report has for a damaged index.
BYTES: dict[str, Harm] = {
    "a byte of the index flipped": flipped,
    "the index cut short": cut,
    "bytes inserted into the index": inserted,
    "bytes removed from the index": removed,
    "zeros in the index, as a power loss leaves them": zeroed,
    "random bytes in the index": scrambled,
    "an older or another index in its place, or half of it": joined,
}


BEYOND = [
    "[" * 100_000,
    "[" * 100_000 + "]" * 100_000,
    '{"key":' * 100_000 + "1" + "}" * 100_000,
    "9" * 5_000,
    "-" + "9" * 5_000,
    "1e999",
    "-1e999",
    "1e-999",
    "NaN",
    "9223372036854775808",
    "-9223372036854775809",
    '"\\ud800"',
    '"\\u0000"',
    f'"{"x" * 100_000}"',
]


def beyond(document: Any, written: Callable[[Any], bytes]) -> Harmed:
    """Yield a document with a text that Python cannot decode, at each place in it."""
    mark = "placeholder"
    for path in places(document):
        with_mark = written(replaced(document, path, mark))
        for text in BEYOND:
            data = with_mark.replace(f'"{mark}"'.encode(), text.encode())
            yield f"{text:.20} at {path}", data


def compact(value: Any) -> bytes:
    """Return a JSON value without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def an_empty_file(file: Path) -> None:
    file.touch(0o600)


def a_directory(file: Path) -> None:
    file.mkdir(0o700)


def a_directory_that_is_not_empty(file: Path) -> None:
    (file / "inside").mkdir(parents=True)


def a_fifo(file: Path) -> None:
    os.mkfifo(file, 0o600)


def a_socket(file: Path) -> None:
    os.mknod(file, stat.S_IFSOCK | 0o600)


def a_link_to_an_intact_file(file: Path) -> None:
    file.symlink_to(file.parent.parent / "aside")


def a_link_to_itself(file: Path) -> None:
    file.symlink_to(file)


def a_link_that_leads_nowhere(file: Path) -> None:
    file.symlink_to("/no/such/file")


def a_link_to_an_endless_device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def a_link_to_a_directory(file: Path) -> None:
    file.symlink_to(file.parent)


def a_sparse_file_of_2_gib(file: Path) -> None:
    file.touch(0o600)
    os.truncate(file, 1 << 31)


def an_intact_file_and_2_gib_of_zeros(file: Path) -> None:
    shutil.copyfile(file.parent.parent / "aside", file)
    os.truncate(file, 1 << 31)


THINGS: list[Callable[[Path], None]] = [
    an_empty_file,
    a_directory,
    a_directory_that_is_not_empty,
    a_fifo,
    a_link_to_an_intact_file,
    a_link_to_itself,
    a_link_that_leads_nowhere,
    a_link_to_an_endless_device,
    a_link_to_a_directory,
    a_sparse_file_of_2_gib,
    an_intact_file_and_2_gib_of_zeros,
]


if sys.platform == "linux":
    THINGS.append(a_socket)  # elsewhere only root can create one by name


def fault_of(fault: str, what: str) -> str:
    """Return the name that the report has for this damage to a file of this kind."""
    if what == FACTS:
        fault = fault.replace(
            "an older or another index", "older or other learned facts"
        )
    return fault.replace(INDEX, what)


class Damaged:
    """A file of lazyplug that a test damages, and the answer that must not change.

    :ivar file: its path.
    :ivar intact: its bytes before the damage.
    :ivar others: the bytes of another file of its kind, and of an older one.
    :ivar read: the parts of it that are read; the bytes between them are not.
    :ivar truth: the right answer.
    """

    what: str
    # A default run damages one of this many bytes.
    sample: int
    file: Path
    intact: bytes
    others: list[bytes]
    read: list[slice]
    truth: tuple[Any, ...]

    def query(self) -> tuple[Any, ...]:
        """Return the answer of a new process that reads all parts."""
        raise NotImplementedError

    def prepare(self, cache: Path, suffix: str) -> None:
        """Get the right answer without a cache; then have the file written."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAZYPLUG_CACHE", "off")
            self.truth = self.query()
        assert self.query() == self.truth
        (self.file,) = cache.glob(f"*{suffix}")
        self.intact = self.file.read_bytes()
        assert damages(str(self.file)) == []

    def harm(self, data: bytes, reported: bool = True) -> list[str]:
        """Write these bytes into the file, query twice, and return what went wrong.

        A check of all parts should report the damage, and the first query should
        repair it. Bytes between or after the parts are never read, so they do no harm;
        they disappear when the file is written again.
        """
        repaired = any(data[part] != self.intact[part] for part in self.read)
        self.file.write_bytes(data)
        faults = []
        if bool(damages(str(self.file))) != reported:
            faults.append("not reported" if reported else "reported")
        faults.append(difference(self.query(), self.truth))
        if self.file.read_bytes() != (self.intact if repaired else data):
            faults.append("not repaired" if repaired else "written")
        before = stat_signature(self.file.stat())
        faults.append(difference(self.query(), self.truth))
        if stat_signature(self.file.stat()) != before:
            faults.append("written again")
        return [fault for fault in faults if fault]

    def replace_by(self, make: Callable[[Path], None]) -> list[str]:
        """Put something else in place of the file; return what went wrong."""
        aside = self.file.parent.parent / "aside"
        self.file.rename(aside)
        make(self.file)
        faults = [] if damages(str(self.file)) else ["not reported"]
        faults += [difference(self.query(), self.truth) for _ in range(2)]
        # lazyplug does not remove a directory.
        if not self.file.is_dir() or self.file.is_symlink():
            if self.file.is_symlink() or self.file.read_bytes() != self.intact:
                faults.append("not repaired")
            elif stat.S_IMODE(self.file.stat().st_mode) != 0o600:
                faults.append("not private")
        if aside.read_bytes() != self.intact:
            faults.append("followed")
        return [fault for fault in faults if fault]
