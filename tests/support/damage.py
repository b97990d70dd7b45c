"""Damage a file in every way: its bytes, its JSON, what stands in its place."""

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
from tests.support.heads import places, replaced
from tests.support.index_format import TITLE_LENGTH, stat_signature

# The long part is shared by two workers.
PARTS = 2
# Of so many bytes a default run tries one.
SAMPLE = 293
Harmed = Iterator[tuple[str, bytes]]
Harm = Callable[[bytes, list[bytes], slice], Harmed]


def difference(found: Any, truth: Any) -> str:
    """Say where two answers differ, or nothing."""
    if found == truth:
        return ""
    if not isinstance(found, tuple) or not isinstance(truth, tuple):
        return f"{found!r:.200} instead of {truth!r:.200}"
    return f"{set(found) ^ set(truth)!r:.200}, or their order, differ"


def descriptors() -> int:
    """Return how many files are open, where the system tells."""
    directory = "/proc/self/fd"
    return len(os.listdir(directory)) if os.path.isdir(directory) else 0


def junk(number: int, length: int) -> bytes:
    """Return bytes without a sense, the same each time."""
    return hashlib.shake_256(str(number).encode()).digest(length)


def picked(part: int, long: bool, sample: int = SAMPLE) -> slice:
    """Return which places to try, in this part: all, or one of so many."""
    step = 1 if long else sample
    return slice(part * step, None, PARTS * step)


def fewer(picks: slice) -> slice:
    """Return one of five, where a fault is not much else at the next place."""
    return slice(picks.start, None, picks.step * 5)


def flipped(data: bytes, others: list[bytes], picks: slice) -> Harmed:
    """Change each byte; in the header, each of its bits in turn."""
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
    """As a power loss leaves it: pages that were never written."""
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
        yield f"{number}, behind {len(head)}", head + junk(number, 1 + number % 1000)


def joined(data: bytes, others: list[bytes], picks: slice) -> Harmed:
    for at in range(len(data))[fewer(fewer(picks))]:
        for number, other in enumerate(others):
            yield f"{number} from {at}", data[:at] + other[at:]
            yield f"{number} up to {at}", other[:at] + data[at:]


# What is damaged: an index, or what was learned of plugins.
INDEX, FACTS = "the index", "the learned facts"
# Each way of damage, as the report names it where an index is damaged.
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
    """Yield a document with a text that is no value to Python, at each place in it."""
    mark = "here it goes"
    for way in places(document):
        with_mark = written(replaced(document, way, mark))
        for text in BEYOND:
            data = with_mark.replace(f'"{mark}"'.encode(), text.encode())
            yield f"{text:.20} at {way}", data


def compact(value: Any) -> bytes:
    """Return a JSON value without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def an_empty_file(file: Path) -> None:
    file.touch(0o600)


def a_folder(file: Path) -> None:
    file.mkdir(0o700)


def a_folder_with_something_in_it(file: Path) -> None:
    (file / "inside").mkdir(parents=True)


def a_fifo(file: Path) -> None:
    os.mkfifo(file, 0o600)


def a_socket(file: Path) -> None:
    os.mknod(file, stat.S_IFSOCK | 0o600)


def a_link_to_a_sound_index(file: Path) -> None:
    file.symlink_to(file.parent.parent / "aside")


def a_link_to_itself(file: Path) -> None:
    file.symlink_to(file)


def a_link_that_leads_nowhere(file: Path) -> None:
    file.symlink_to("/no/such/file")


def a_link_to_a_device_without_an_end(file: Path) -> None:
    file.symlink_to("/dev/zero")


def a_link_to_a_folder(file: Path) -> None:
    file.symlink_to(file.parent)


def a_sparse_file_of_2_gib(file: Path) -> None:
    file.touch(0o600)
    os.truncate(file, 1 << 31)


def a_sound_index_and_2_gib_of_nothing(file: Path) -> None:
    shutil.copyfile(file.parent.parent / "aside", file)
    os.truncate(file, 1 << 31)


THINGS: list[Callable[[Path], None]] = [
    an_empty_file,
    a_folder,
    a_folder_with_something_in_it,
    a_fifo,
    a_link_to_a_sound_index,
    a_link_to_itself,
    a_link_that_leads_nowhere,
    a_link_to_a_device_without_an_end,
    a_link_to_a_folder,
    a_sparse_file_of_2_gib,
    a_sound_index_and_2_gib_of_nothing,
]


if sys.platform == "linux":
    THINGS.append(a_socket)  # elsewhere only root makes one by its name


def fault_of(fault: str, what: str) -> str:
    """Return the name of a way of damage where it damages this."""
    if what == FACTS:
        fault = fault.replace(
            "an older or another index", "older or other learned facts"
        )
    return fault.replace(INDEX, what)


class Damaged:
    """A file that lazyplug wrote, which is damaged, and what is found in spite of it.

    :ivar file: where it is.
    :ivar sound: its bytes, before it is damaged.
    :ivar others: another file of its kind, and an older one.
    :ivar read: the parts of it that are read; what is between them is not.
    :ivar truth: what must be found.
    """

    what: str
    # Of so many bytes a default run tries one.
    sample: int
    file: Path
    sound: bytes
    others: list[bytes]
    read: list[slice]
    truth: tuple[Any, ...]

    def look(self) -> tuple[Any, ...]:
        """Return what a new process finds, which reads all parts."""
        raise NotImplementedError

    def settle(self, cache: Path, suffix: str) -> None:
        """Find the truth without a cache; let the file be written, keep its bytes."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAZYPLUG_CACHE", "off")
            self.truth = self.look()
        assert self.look() == self.truth
        (self.file,) = cache.glob(f"*{suffix}")
        self.sound = self.file.read_bytes()
        assert damages(str(self.file)) == []

    def harm(self, data: bytes, seen: bool = True) -> list[str]:
        """Let the file be these bytes, look twice, and return what went wrong.

        It should be seen by a look at all parts, and mended by the first look. What
        is between the parts, or behind them, is never read, so that it harms nobody:
        it goes when the file is written again.
        """
        mended = any(data[part] != self.sound[part] for part in self.read)
        self.file.write_bytes(data)
        faults = []
        if bool(damages(str(self.file))) != seen:
            faults.append("not seen" if seen else "seen")
        faults.append(difference(self.look(), self.truth))
        if self.file.read_bytes() != (self.sound if mended else data):
            faults.append("not mended" if mended else "written")
        before = stat_signature(self.file.stat())
        faults.append(difference(self.look(), self.truth))
        if stat_signature(self.file.stat()) != before:
            faults.append("written again")
        return [fault for fault in faults if fault]

    def harm_by_another(self, make: Callable[[Path], None]) -> list[str]:
        """Put something else in the file's place, and return what went wrong."""
        aside = self.file.parent.parent / "aside"
        self.file.rename(aside)
        make(self.file)
        faults = [] if damages(str(self.file)) else ["not seen"]
        faults += [difference(self.look(), self.truth) for _ in range(2)]
        # A folder is not ours to remove.
        if not self.file.is_dir() or self.file.is_symlink():
            if self.file.is_symlink() or self.file.read_bytes() != self.sound:
                faults.append("not mended")
            elif stat.S_IMODE(self.file.stat().st_mode) != 0o600:
                faults.append("not private")
        if aside.read_bytes() != self.sound:
            faults.append("followed")
        return [fault for fault in faults if fault]
