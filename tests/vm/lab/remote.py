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
    port = _free_port()
    login = ["ssh", "-q", "-i", str(machine.key / "id"), "-p", str(port),
             "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
             "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "root@127.0.0.1"]
    line = qemu.command(machine, share, 2048, ["systemd-networkd.service", "ssh.service"], port)
    console = share / "console.log"
    with qemu.start(line, console) as machine_process:
        try:
            _wait_for_ssh(login, machine_process)
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for_ssh(login: list[str], machine: subprocess.Popen) -> None:
    begin = time.monotonic()
    while subprocess.run([*login, "true"], check=False).returncode:
        if machine.poll() is not None:
            raise LabError(f"QEMU ended with status {machine.returncode} before ssh answered")
        if time.monotonic() - begin > BOOT_LIMIT * patience():
            raise LabError(f"no ssh in the VM within {BOOT_LIMIT * patience()} s")
        time.sleep(1)
    say(f"ssh answers after {time.monotonic() - begin:.0f} s")
