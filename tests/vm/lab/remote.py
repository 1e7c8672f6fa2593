"""A VM that a program of this machine works on through ssh."""

import os
import shlex
import socket
import subprocess
import time
from pathlib import Path

from . import qemu, verdict
from .build import Machine
from .cache import LabError, say
from .scenario import patience

# Seconds to boot until ssh answers, and to power off.
BOOT_LIMIT = 240
OFF_LIMIT = 60
# Lays down what a scenario lays down.
FINISH = ("journalctl --boot --no-pager --output=short-monotonic >/mnt/share/out/journal.log; "
          "dmesg >/mnt/share/out/dmesg.log; sync; systemctl poweroff -ff")


def run(machine: Machine, share: Path, command: list[str]) -> list[str]:
    """Boots, runs the command with VM_SSH (a command line to ssh), VM_PORT, VM_KEY and VM_SHARE (the
    VM's /mnt/share) in its environment, powers off; the reasons why that was not good."""
    (share / "out").mkdir()
    port = free_port()
    login = login_by(machine.key / "id", port)
    line = qemu.command(machine, share, 2048, ["systemd-networkd.service", "ssh.service"], port)
    console = share / "console.log"
    with qemu.start(line, console) as machine_process:
        try:
            seconds = wait_for_ssh(login, machine_process, BOOT_LIMIT * patience())
            say(f"ssh answers after {seconds:.0f} s")
            environment = os.environ | {
                "VM_SSH": shlex.join(login), "VM_PORT": str(port), "VM_SHARE": str(share),
                "VM_KEY": str(machine.key / "id")}
            done = subprocess.run(command, env=environment, check=False)
            (share / "out" / "result").write_text(f"{done.returncode}\n")
            subprocess.run([*login, FINISH], check=False, timeout=OFF_LIMIT * patience())
            status = machine_process.wait(OFF_LIMIT * patience())
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if machine_process.poll() is None:
                machine_process.kill()
    return verdict.judge(share / "out", console, status)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody has at this moment."""
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def login_by(key: Path, port: int) -> list[str]:
    """A command line to root's shell, whichever VM is behind the port."""
    return ["ssh", "-q", "-i", str(key), "-p", str(port), "-o", "IdentitiesOnly=yes",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "root@127.0.0.1"]


def wait_for_ssh(login: list[str], machine: subprocess.Popen, limit: float) -> float:
    """Until ssh answers; the seconds that took."""
    begin = time.monotonic()
    while subprocess.run([*login, "true"], stdin=subprocess.DEVNULL, check=False).returncode:
        if machine.poll() is not None:
            raise LabError(f"QEMU ended with status {machine.returncode} before ssh answered")
        if time.monotonic() - begin > limit:
            raise LabError(f"no ssh in the VM within {limit:.0f} s")
        time.sleep(1)
    return time.monotonic() - begin
