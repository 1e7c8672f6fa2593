"""What was built once and is kept: each entry is complete, or it is not there."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path


def say(text: str) -> None:
    """Tells the user what is being done."""
    print(f"vm: {text}", file=sys.stderr, flush=True)


class LabError(Exception):
    """Something the lab cannot do, in words for the user."""


def as_root(command: list[str]) -> list[str]:
    """The command, run as root: of this machine, or of a user namespace."""
    if os.geteuid() == 0:
        return command
    return ["mmdebstrap", "--unshare-helper", *command]


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Whoever wants to end this program does so after the block."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number))
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)


def run_logged(command: list[str], log: Path) -> None:
    """Runs a command with its output in a file; on failure the end of it is the error. Who ends this
    program ends the command with all that it has started."""
    running = None
    with log.open("ab") as sink:
        try:
            with signals_held():
                running = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT,
                                           stdin=subprocess.DEVNULL, start_new_session=True)
            status = running.wait()
        except BaseException:
            if running is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.pid, signal.SIGTERM)
                # mmdebstrap tidies up first, which can take a while.
                running.wait()
            raise
    if status:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise LabError(f"{command[0]} failed ({status}):\n{tail}")


def digest(texts: Iterable[str], files: Iterable[Path]) -> str:
    """A key over strings and over the names and contents of files."""
    state = hashlib.sha256()
    for text in texts:
        state.update(text.encode() + b"\0")
    for file in sorted(files):
        state.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return state.hexdigest()[:16]


class Cache:
    """Directories named NAME-KEY below one root, outside the repository."""

    def __init__(self) -> None:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        self.root = Path(base).expanduser() / "livehal-vm"
        self.entries = self.root / "entries"
        self.partial = self.root / "partial"
        for directory in (self.entries, self.partial):
            directory.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def locked(self, file: Path, other: str) -> Iterator[None]:
        """One at a time; who comes second says what it waits for."""
        with file.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"waiting for {other}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _building(self, name: str) -> contextlib.AbstractContextManager[None]:
        """One builder of a name at a time; who comes second finds the entry made."""
        return self.locked(self.root / f".{name}.lock", f"another build of {name}")

    def get(self, name: str, key: str, build: Callable[[Path], None]) -> Path:
        """The entry; where it is missing, `build` fills a directory that then becomes it."""
        entry = self.entries / f"{name}-{key}"
        if entry.exists():
            return entry
        with self._building(name):
            if entry.exists():
                return entry
            # Nobody else builds it now: whatever is here was left by a build that died.
            for left in self.partial.glob(f"{name}-*"):
                remove(left)
            work = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.partial))
            # Root of a user namespace is not this user, and must get in.
            work.chmod(0o777)
            try:
                build(work)
            except BaseException:
                remove(work)
                raise
            work.chmod(0o755)
            work.rename(entry)
        return entry

    def list(self) -> list[tuple[str, int]]:
        """Every entry with its size in bytes."""
        return [(entry.name, disk_use(entry)) for entry in sorted(self.entries.iterdir())]

    def remove_older(self) -> None:
        """Removes every entry of which there is one of the same name that was made later."""
        newest: dict[str, Path] = {}
        for entry in sorted(self.entries.iterdir(), key=lambda entry: entry.stat().st_mtime):
            newest[entry.name.rpartition("-")[0]] = entry
        self.remove(lambda entry: entry in newest.values())

    def remove(self, keep: Callable[[Path], bool]) -> None:
        """Removes the entries that `keep` does not want, and what dead builds left."""
        for path in [*self.partial.iterdir(), *self.entries.iterdir()]:
            with self._building(path.name.rpartition("-")[0]):
                if path.exists() and (path.parent == self.partial or not keep(path)):
                    say(f"removing {path}")
                    remove(path)


def remove(path: Path) -> None:
    """Removes a tree, also one whose owners are those of a user namespace."""
    if os.geteuid() == 0:
        shutil.rmtree(path)
    else:
        subprocess.run(as_root(["rm", "-rf", "--", str(path)]), check=True)
        shutil.rmtree(path, ignore_errors=True)


def disk_use(path: Path) -> int:
    """Bytes on disk, sparse files counted by what they hold."""
    total = 0
    for directory, _, files in os.walk(path):
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(directory) / file).lstat().st_blocks * 512
    return total
