"""The disk of an image that was built here, for QEMU: the image as it was built, and a copy-on-write file of what a
machine has written since. The data partition can be read and written from outside, as a PC does with a card, by anybody.
"""

import fcntl
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "vm"))
from lab.cache import LabError  # noqa: E402  # tests/vm/lab: what both laboratories need

BUILD = Path(os.environ.get("LIVEHAL_BUILD") or "/var/tmp/livehal-layer-build")
SECTOR = 512
# Administrators' programs, which users often do not have in PATH.
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class Busy(LabError):
    """Another machine runs on this disk."""


def tool(*command: object, **options) -> subprocess.CompletedProcess:
    """Runs a program; what it complains about is the error."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                          env=os.environ | {"PATH": PATH}, **options)
    if done.returncode:
        raise LabError(f"{Path(str(command[0])).name}: {(done.stderr or done.stdout).strip()}")
    return done


@dataclass(frozen=True)
class Image:
    """What BitBake left of an image."""

    name: str
    wic: Path
    kernel: Path

    @classmethod
    def find(cls, name: str) -> "Image":
        """The newest one; `make image` builds it."""
        deploy = BUILD / "image/tmp/deploy/images/qemuarm64"
        there = [deploy / f"{name}-qemuarm64.wic", deploy / f"{name}-qemuarm64.wic.zst"]
        there = [path for path in there if path.exists()]
        kernel = deploy / "Image"
        if not there or not kernel.exists():
            raise LabError(f"{name} is not in {deploy}: `make image TARGETS={name}` builds it (docs/build.md)")
        return cls(name, there[0], kernel)

    def stamp(self) -> str:
        """Another one after each build."""
        return " ".join(f"{path.stat().st_mtime_ns}:{path.stat().st_size}" for path in (self.wic, self.kernel))


class Base:
    """A copy of an image, which a later build does not change under a machine's feet."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.wic, self.kernel = directory / "image.wic", directory / "Image"

    @classmethod
    def of(cls, image: Image, directory: Path) -> "Base":
        """Copied anew where it is of another build."""
        base = cls(directory)
        if base.stamp() == image.stamp():
            return base
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        if image.wic.suffix == ".zst":
            tool("zstd", "-q", "-d", "--sparse", "-o", base.wic, image.wic)
        else:
            tool("cp", "--sparse=always", "--reflink=auto", "--dereference", image.wic, base.wic)
        shutil.copyfile(image.kernel, base.kernel)
        # Last: a copy that was interrupted is none.
        (directory / "stamp").write_text(image.stamp())
        return base

    def stamp(self) -> str:
        file = self.directory / "stamp"
        return file.read_text() if file.exists() else ""

    def partitions(self) -> dict[str, tuple[int, int]]:
        """Offset and size in bytes of each partition, by the name that the GPT has."""
        with self.wic.open("rb") as disk:
            disk.seek(SECTOR)
            header = disk.read(SECTOR)
            if header[:8] != b"EFI PART":
                raise LabError(f"{self.wic} has no partition table")
            first, count, size = struct.unpack_from("<QII", header, 72)
            disk.seek(first * SECTOR)
            entries = [disk.read(size) for _ in range(count)]
        found = {}
        for entry in entries:
            begin, end = struct.unpack_from("<QQ", entry, 32)
            if begin:
                found[entry[56:128].decode("utf-16-le").rstrip("\0")] = (begin * SECTOR, (end - begin + 1) * SECTOR)
        return found


class Disk:
    """One machine's disk. A file beside it is locked while a machine runs."""

    def __init__(self, base: Base, overlay: Path):
        self.base, self.overlay = base, overlay

    def reset(self) -> "Disk":
        """As it was built."""
        with self.lock():
            self.overlay.unlink(missing_ok=True)
            tool("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", self.base.wic, self.overlay)
        return self

    def lock(self) -> "Lock":
        """To be held, and given to QEMU, while somebody uses it."""
        return Lock(self.overlay.with_suffix(".lock"))

    def read(self, partition: str, to: Path, live: bool = False) -> Path:
        """A partition, as a file. Of a machine that runs (`live`) it is what reached the disk so far."""
        tool("qemu-img", "convert", *(["--force-share"] if live else []), "-O", "raw",
             "--image-opts", self._options(partition), to)
        return to

    def write(self, partition: str, content: Path) -> None:
        """A partition from a file of its size."""
        if content.stat().st_size != self.base.partitions()[partition][1]:
            raise LabError(f"{content} is not as large as the partition {partition}")
        with self.lock():
            tool("qemu-img", "convert", "-n", "-f", "raw", content, "--target-image-opts", self._options(partition))

    def _options(self, partition: str) -> str:
        offset, size = self.base.partitions()[partition]
        return f"driver=raw,offset={offset},size={size},file.driver=qcow2,file.file.filename={self.overlay}"

    def file(self, path: str, partition: str = "data", live: bool = False) -> str:
        """A text file of a partition; empty where there is none. The journal is replayed in a copy."""
        with tempfile.TemporaryDirectory(dir=self.overlay.parent) as scratch:
            copy = self.read(partition, Path(scratch) / "partition", live)
            fsck(copy)
            return cat(copy, path)

    def put(self, files: dict[str, str]) -> None:
        """Writes files into the data partition, and the directories that they are in."""
        with tempfile.TemporaryDirectory(dir=self.overlay.parent) as scratch:
            copy = self.read("data", Path(scratch) / "partition")
            fsck(copy)
            for number, (path, text) in enumerate(files.items()):
                content = Path(scratch) / str(number)
                content.write_text(text, encoding="utf-8")
                content.chmod(0o644)
                words = path.strip("/").split("/")
                lines = [f"mkdir /{'/'.join(words[:n])}" for n in range(1, len(words))]
                lines += [f"rm /{'/'.join(words)}", f"write {content} /{'/'.join(words)}"]
                script = Path(scratch) / "script"
                script.write_text("\n".join(lines) + "\n", encoding="utf-8")
                # What is there already is a complaint, not a failure; what counts is what can be read.
                tool("debugfs", "-w", "-f", script, copy)
                if cat(copy, path) != text:
                    raise LabError(f"{path} could not be written")
            self.write("data", copy)


class Lock:
    """One holder at a time, as long as one of the programs that have the file open lives."""

    def __init__(self, path: Path):
        self.path = path
        # Closed by __exit__.
        self.file = path.open("a")  # noqa: SIM115
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.file.close()
            raise Busy(f"a machine runs on {path.with_suffix('.qcow2')}: end it first") from None

    def fileno(self) -> int:
        return self.file.fileno()

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def fsck(partition: Path) -> None:
    """Replays the journal, and repairs what e2fsck dares to. What is no file system is left as it is."""
    subprocess.run(["e2fsck", "-p", str(partition)], capture_output=True, check=False, env=os.environ | {"PATH": PATH})


def faults(partition: Path) -> str:
    """What e2fsck finds wrong with a file system; empty if nothing."""
    done = subprocess.run(["e2fsck", "-f", "-n", str(partition)], capture_output=True, text=True, check=False,
                          env=os.environ | {"PATH": PATH})
    return done.stdout if done.returncode else ""


def cat(partition: Path, path: str) -> str:
    """A file in a file system in a file."""
    return tool("debugfs", "-R", f"cat {path}", partition).stdout


def links(partition: Path, directory: str) -> dict[str, str]:
    """The symbolic links in a directory of a file system in a file, and what they say."""
    names = re.findall(r"^/\d+/12\d{4}/\d+/\d+/([^/]+)/", tool("debugfs", "-R", f"ls -p {directory}", partition).stdout, re.M)
    said = {name: tool("debugfs", "-R", f"stat {directory}/{name}", partition).stdout for name in names}
    return {name: found[1] for name, text in said.items() if (found := re.search(r'Fast link dest: "([^"]*)"', text))}
