"""`make image-run`: boots an image that was built here, with its page on a port of this machine; docs/image.md

IMAGE  livehal-image (default) or livehal-image-release
SLOT   A (default) or B, where an update was installed
PORT   of the page, and of the picture; 7777
RESET  1: begins with the disk as it was built; what was kept is thrown away
"""

import os
import re
import signal
import socket
import sys
from pathlib import Path

from disk import Base, Disk, Image, cat
from lab import host
from lab.cache import LabError
from machine import ETC, MACHINES, TOKEN, TOOLS, Machine, say

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "meta-livehal/recipes-core/livehal-conf/livehal-conf/live777.toml"
# A picture that a processor in software codes in time.
SMALL = {"width": "320", "height": "240", "fps": "10", "bitrate": "300_000", "gop": "20"}


def settings(port: int) -> str:
    """The image's own configuration, so that this machine's browser reaches the camera behind QEMU's network."""
    text = SHIPPED.read_text(encoding="utf-8")
    text = text.replace('[webrtc]\nlisten = "[::]:7777"',
                        f'[webrtc]\nlisten = "[::]:{port}"\ncandidates = ["127.0.0.1"]')
    if os.environ.get("LIVEHAL_VM_ACCEL") != "kvm":
        for key, value in SMALL.items():
            text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.M)
    return text


def disk_of(name: str, port: int) -> Disk:
    """The disk of the last run, or a new one."""
    image = Image.find(name)
    disk = Disk(Base(MACHINES / f"run-{name}"), MACHINES / f"run-{name}.qcow2")
    MACHINES.mkdir(parents=True, exist_ok=True)
    with disk.lock():
        there = disk.overlay.exists() and disk.base.stamp()
        if there and os.environ.get("RESET") != "1":
            if there != image.stamp():
                say("a newer build of the image is there; RESET=1 begins with it, and throws away what this one keeps")
            return disk
        say(f"a new disk of {image.wic}")
        Base.of(image, disk.base.directory)
    disk.reset()
    disk.put({f"{ETC}/livehal/live777.toml": settings(port)})
    return disk


def needs_system(disk: Disk, slot: str) -> None:
    """Slot B is empty until an update was installed."""
    copy = disk.overlay.with_suffix(".slot")
    try:
        disk.read(f"rootfs-{slot.lower()}", copy)
        if "ID=livehal" not in cat(copy, "/usr/lib/os-release"):
            raise LabError(f"slot {slot} is empty: install an update in the other one first (docs/image.md)")
    finally:
        copy.unlink(missing_ok=True)


def port_free(port: int) -> None:
    """Says so before QEMU does."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as fault:
            raise LabError(f"port {port} of 127.0.0.1: {fault.strerror}; PORT=N chooses another") from None


def token(machine: Machine) -> str:
    """As whoever has the card reads it, on a PC: also of an image that nobody logs in to."""
    return machine.disk.file(f"{ETC}{TOKEN.removeprefix('/etc')}", live=True).strip()


def main() -> None:
    name = os.environ.get("IMAGE") or "livehal-image"
    slot = (os.environ.get("SLOT") or "A").upper()
    port = int(os.environ.get("PORT") or "7777")
    if slot not in ("A", "B"):
        raise LabError(f"SLOT={slot}: there are A and B")
    host.need(*TOOLS)
    disk = disk_of(name, port)
    if slot == "B":
        needs_system(disk, slot)
    port_free(port)
    machine = Machine(disk, slot=slot, page=port, media=port)
    with machine:
        say(f"{name}, slot {slot}, starts; its console: tail -f {machine.console}")
        seconds = machine.wait_page()
        say(f"the page is there after {seconds:.0f} s\n\n"
            f"  address   https://127.0.0.1:{port}/ (the certificate is the device's own)\n"
            f"  token     {token(machine) or 'not on the data partition: the console says why'}\n"
            f"            from its data partition, {ETC}/livehal/tokens/admin")
        if name == "livehal-image":
            print(f"  shell     {' '.join(machine.login).replace(' -o BatchMode=yes', '')}", file=sys.stderr)
        say("Ctrl-C switches it off; what it keeps stays for the next run, RESET=1 throws it away")
        try:
            status = machine.qemu.wait()
            say(f"it has ended (status {status}); {machine.tail()}")
        except KeyboardInterrupt:
            say("switching off; Ctrl-C again pulls the plug")
            machine.power_off()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        main()
    except LabError as fault:
        sys.exit(f"error: {fault}")
    except KeyboardInterrupt:
        sys.exit(130)
