"""A machine on the disk of an image that was built here, under QEMU: started, looked at, switched off in every way there
is, and found to stream. `machine.py key` prints the public key for a development image's local.conf."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from disk import BUILD, Base, Disk, Image
from lab import qemu, remote
from lab.cache import LabError
from lab.scenario import patience

MACHINES = BUILD / "machines"
SSH = BUILD / "image/ssh"
ROOT = {"A": "/dev/vda1", "B": "/dev/vda2"}
TOKEN = "/etc/livehal/tokens/admin"
# Where the data partition has what the system sees as /etc.
ETC = "overlay-etc/upper"
# Seconds, on a machine that translates every instruction and has other things to do: until the page answers, until a
# picture is there, until it is switched off.
BOOT, PICTURE, OFF = 300, 180, 120


TOOLS = (("qemu-system-aarch64", "qemu-system-arm"), ("qemu-img", "qemu-utils"), ("debugfs", "e2fsprogs"), ("zstd", "zstd"),
         ("ssh-keygen", "openssh-client"))


def say(text: str) -> None:
    """Tells the user what is being done."""
    print(f"machine: {text}", file=sys.stderr, flush=True)


def ssh_key() -> Path:
    """The key that development images here are built with; made once."""
    key = SSH / "id"
    if not key.exists():
        SSH.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "livehal-lab", "-f", key], check=True)
    return key


def base(name: str) -> Base:
    """The newest build of an image, ready for the disks of tests."""
    return Base.of(Image.find(name), MACHINES / f"test-{name}")


class Machine:
    """One boot after the other on one disk. `console` has what all of them said."""

    def __init__(self, disk: Disk, *, slot: str = "A", clock: str = "", page: int = 0, media: int = 0,
                 append: str = ""):
        self.disk, self.slot, self.clock, self.append = disk, slot, clock, append
        self.page = page or remote.free_port()
        self.media = media
        self.ssh_port = remote.free_port()
        self.console = disk.overlay.with_suffix(".console")
        self.qemu: subprocess.Popen | None = None
        self.began = 0.0
        # Where in the console what is looked for next may begin.
        self.seen = 0

    # --- On and off ---------------------------------------------------------------------------------------------------
    def command(self, monitor: int) -> list[str]:
        """QEMU's command line. The machine has no network but its ports on 127.0.0.1; with `media`, whose answers QEMU would
        hold back, it has this machine's."""
        restrict = "off" if self.media else "on"
        network = f"user,id=net,restrict={restrict},hostfwd=tcp:127.0.0.1:{self.page}-:7777"
        network += f",hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22"
        if self.media:
            network += f",hostfwd=udp:127.0.0.1:{self.media}-:{self.media}"
        kernel = f"console=ttyAMA0 root={ROOT[self.slot]} rootwait ro panic=-1 rauc.slot={self.slot}"
        return [
            *qemu.processor("arm64"), "-smp", "2", "-m", "2048", "-nodefaults", "-display", "none",
            "-kernel", str(self.disk.base.kernel), "-append", f"{kernel} {self.append}".strip(),
            "-drive", f"file={self.disk.overlay},format=qcow2,if=none,id=disk,cache=writeback",
            "-device", "virtio-blk-pci,drive=disk", "-netdev", network,
            "-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci",
            *(["-rtc", f"base={self.clock}"] if self.clock else []),
            "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control",
        ]

    def start(self) -> "Machine":
        """Switches it on."""
        if self.qemu is not None:
            raise LabError("it is on already")
        with self.disk.lock() as lock:
            self.monitor, its = socket.socketpair()
            self.seen = 0
            self.began = time.monotonic()
            self.qemu = qemu.start(self.command(its.fileno()), self.console, [lock.fileno(), its.fileno()],
                                   apart=True)
            its.close()
        return self

    def __enter__(self) -> "Machine":
        return self.start() if self.qemu is None else self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """The power goes."""
        if self.qemu is None:
            return
        if self.qemu.poll() is None:
            self.qemu.send_signal(signal.SIGKILL)
        self._ended()

    def power_off(self) -> None:
        """The power button, or `poweroff` as far as the machine is concerned."""
        self.monitor.sendall(b'{"execute": "qmp_capabilities"}{"execute": "system_powerdown"}')
        self.wait_off()

    def wait_off(self) -> None:
        """Until it has switched itself off."""
        try:
            status = self.qemu.wait(OFF * patience())
        except subprocess.TimeoutExpired:
            self.kill()
            raise LabError(f"it is not off after {OFF * patience():.0f} s; {self.tail()}") from None
        self._ended()
        if status:
            raise LabError(f"QEMU ended with status {status}: {self.tail()}")

    def _ended(self) -> None:
        self.qemu.wait()
        self.monitor.close()
        self.qemu = None

    def reboot(self) -> None:
        """`systemctl reboot`; QEMU goes on, as a board does. Until the next start has begun."""
        self.seen = len(self.said())
        self.ssh("systemctl reboot || true", check=False)
        self.wait_console(r"Booting Linux on physical CPU", BOOT)
        self.began = time.monotonic()

    # --- The console --------------------------------------------------------------------------------------------------
    def said(self) -> str:
        """All of the console since the power came."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def tail(self) -> str:
        return "the console ends:\n" + "\n".join(self.said().splitlines()[-25:])

    def wait_console(self, pattern: str, seconds: float) -> re.Match:
        """Until the console says it, after what was waited for before."""
        def there() -> re.Match | None:
            return re.compile(pattern).search(self.said(), self.seen)
        found = self.until(there, seconds, f"the console does not say {pattern}")
        self.seen = found.end()
        return found

    def until(self, condition, seconds: float, otherwise: str, pause: float = 0.2):
        """The first true answer. Not before a machine that has ended."""
        end = time.monotonic() + seconds * patience()
        while True:
            if answer := condition():
                return answer
            if self.qemu is None or self.qemu.poll() is not None:
                raise LabError(f"the machine has ended: {otherwise}; {self.tail()}")
            if time.monotonic() > end:
                raise LabError(f"{otherwise} within {seconds * patience():.0f} s; {self.tail()}")
            time.sleep(pause)

    # --- A shell, of a development image --------------------------------------------------------------------------------
    @property
    def login(self) -> list[str]:
        return remote.login_by(ssh_key(), self.ssh_port)

    def wait_ssh(self) -> float:
        """The seconds until ssh answered."""
        return remote.wait_for_ssh(self.login, self.qemu, BOOT * patience())

    def ssh(self, command: str, check: bool = True, limit: float = 120) -> str:
        """What a command says. Where ssh itself had no connection, which a machine that is busy elsewhere does, it is asked
        a second time."""
        try:
            done = self._ssh(command, limit)
            if check and done.returncode == 255:
                done = self._ssh(command, limit)
        except subprocess.TimeoutExpired:
            raise LabError(f"no end of `{command}` within {limit * patience():.0f} s; {self.tail()}") from None
        if check and done.returncode:
            raise LabError(f"`{command}` ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def _ssh(self, command: str, limit: float) -> subprocess.CompletedProcess:
        return subprocess.run([*self.login, command], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=limit * patience())

    def send(self, file: Path, path: str, limit: float = 600) -> None:
        """Copies a file into the machine."""
        with file.open("rb") as content:
            done = subprocess.run([*self.login, f"cat >{path}"], stdin=content, capture_output=True, text=True, check=False,
                                  timeout=limit * patience())
        if done.returncode:
            raise LabError(f"{file.name} could not be copied: {done.stderr}")

    # --- The page -------------------------------------------------------------------------------------------------------
    def ask(self, path: str, token: str = "", method: str = "GET") -> tuple[int, bytes]:
        """Status and body of an answer; 0 where nobody answers. The certificate is the device's own."""
        anybody = ssl.create_default_context()
        anybody.check_hostname = False
        anybody.verify_mode = ssl.CERT_NONE
        request = urllib.request.Request(f"https://127.0.0.1:{self.page}{path}", method=method)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, context=anybody, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()
        except OSError:
            return 0, b""

    def wait_page(self, seconds: float = BOOT) -> float:
        """The seconds from the start until the page's server says that it is well."""
        self.until(lambda: self.ask("/healthz")[0] == 200, seconds, "no page", pause=1)
        return time.monotonic() - self.began

    def token(self) -> str:
        """As root reads it."""
        return self.ssh(f"cat {TOKEN}")

    def streams(self, token: str) -> tuple[int, int]:
        """Starts the camera and sees pictures come: frames counted, bytes of a JPEG. Fails where none do."""
        status, body = self.ask("/api/streams", token)
        if status != 200:
            raise LabError(f"/api/streams: {status} {body[:200]!r}")
        name = json.loads(body)[0]["name"]
        status, body = self.ask(f"/api/streams/{name}/start", token, "POST")
        if status != 204:
            raise LabError(f"start of {name}: {status} {body[:200]!r}")

        def frames() -> int:
            status, body = self.ask(f"/api/streams/{name}", token)
            return json.loads(body)["frames"] if status == 200 else 0
        first = self.until(frames, PICTURE, f"{name} has no frame", pause=1)
        count = self.until(lambda: (now := frames()) > first and now, PICTURE, f"{name} stays at {first} frames", pause=1)

        def picture() -> int:
            status, body = self.ask(f"/api/streams/{name}/snapshot.jpg", token)
            return len(body) if status == 200 and body.startswith(b"\xff\xd8\xff") else 0
        return count, self.until(picture, PICTURE, f"{name} has no snapshot", pause=1)


if __name__ == "__main__":
    if sys.argv[1:] != ["key"]:
        sys.exit(__doc__)
    print(f'LIVEHAL_SSH_KEYS = "{ssh_key()}.pub"')
    os.chmod(SSH, 0o755)
