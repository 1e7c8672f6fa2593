"""Boots a machine under QEMU, in software: KVM is not needed, and not used unless asked for."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .build import Machine
from .debian import native_architecture

# Processors of the VM.
PROCESSORS = 2
CONSOLE = {"amd64": "ttyS0", "arm64": "ttyAMA0"}


def processor(architecture: str) -> list[str]:
    """QEMU's command line as far as the kind of machine goes: KVM only if asked for and possible."""
    kvm = os.environ.get("LIVEHAL_VM_ACCEL") == "kvm"
    # qemu64 costs less than max where every instruction is translated.
    qemu = {"amd64": ["qemu-system-x86_64", "-M", "q35", "-cpu", "qemu64"],
            "arm64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a76"]}
    base = qemu[architecture]
    if kvm and architecture == native_architecture():
        return [*base[:-1], "host", "-accel", "kvm"]
    return [*base, "-accel", "tcg,thread=multi,tb-size=512"]


def command(machine: Machine, share: Path, memory: int, wants: Sequence[str],
            ssh_port: int | None = None) -> list[str]:
    """QEMU's command line. `wants` are the units to start besides the usual ones; `ssh_port` of
    127.0.0.1 leads to the VM's ssh server."""
    # log_buf_len: nothing that the kernel says at boot may be pushed out before it is saved.
    kernel = [f"console={CONSOLE[machine.architecture]}", "quiet", "loglevel=5", "log_buf_len=4M",
              "root=/dev/vda", "rw", "panic=-1", "mitigations=off",
              # A host that is busy elsewhere is not a hang of this kernel.
              "watchdog_thresh=60", "rcupdate.rcu_cpu_stall_timeout=120",
              "systemd.show_status=0", "systemd.getty_auto=no", *[f"systemd.wants={unit}" for unit in wants]]
    network = "user,id=net"
    if ssh_port is not None:
        network += f",hostfwd=tcp:127.0.0.1:{ssh_port}-:22"
    return [
        *processor(machine.architecture), "-smp", str(PROCESSORS), "-m", str(memory), "-nodefaults", "-no-reboot",
        "-nographic", "-kernel", str(machine.image / "vmlinuz"),
        "-initrd", str(machine.image / "initrd"), "-append", " ".join(kernel),
        # What the VM writes is thrown away.
        "-drive", (f"file={machine.image / 'root.img'},format=raw,if=none,id=root,"
                   "cache=unsafe,snapshot=on"),
        "-device", "virtio-blk-pci,drive=root",
        "-netdev", network, "-device", "virtio-net-pci,netdev=net,romfile=",
        "-device", "virtio-rng-pci",
        "-virtfs", f"local,path={share},mount_tag=share,security_model=none,multidevs=remap",
    ]


def boot(arguments: list[str], console: Path, seconds: float) -> int | None:
    """Runs QEMU to its end and returns its status; None if it had to be ended after `seconds`."""
    with start(arguments, console) as qemu:
        try:
            return qemu.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if qemu.poll() is None:
                qemu.send_signal(signal.SIGKILL)


def start(arguments: list[str], console: Path, keep: Sequence[int] = (), apart: bool = False) -> subprocess.Popen:
    """Starts QEMU with the VM's console in a file. `keep` are open files that it holds as long as it
    lives, locks for instance; `apart`: Ctrl-C is for who started it alone, whose end is its end."""
    with console.open("wb") as sink:
        return subprocess.Popen([*arguments, "-serial", "stdio", "-monitor", "none"], start_new_session=apart,
                                preexec_fn=_end_with_parent if apart else None,  # noqa: PLW1509  # no threads
                                stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, pass_fds=keep)


def _end_with_parent() -> None:
    """However the parent ends: prctl(PR_SET_PDEATHSIG, SIGKILL)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
