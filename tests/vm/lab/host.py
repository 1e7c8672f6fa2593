"""What the lab needs of this machine, and how it gets it."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from .cache import LabError, say
from .debian import native_architecture

# Older ones were not tried: QEMU below 10, mmdebstrap below 1.5.
QEMU_MAJOR = 10
MMDEBSTRAP = (1, 5)
QEMU = {"amd64": ("qemu-system-x86_64", "qemu-system-x86"),
        "arm64": ("qemu-system-aarch64", "qemu-system-arm")}
# To install packages of a foreign architecture, their programs are run by QEMU's user mode.
FOREIGN = ["qemu-user-static", "binfmt-support", "arch-test"]
# Program and package.
TOOLS = [("cpio", "cpio"), ("depmod", "kmod"), ("mke2fs", "e2fsprogs"), ("xz", "xz-utils"),
         ("dpkg-deb", "dpkg"), ("apt-get", "apt"), ("ssh-keygen", "openssh-client")]


class Unavailable(LabError):
    """This machine cannot run the lab: a test that needs it is skipped, not failed."""


def require(architecture: str) -> None:
    """Makes sure that everything is here, installing it where that is allowed."""
    if architecture not in QEMU:
        raise Unavailable(f"there is no machine of the architecture {architecture}")
    # Where Debian keeps administrators' programs, which users often do not have in PATH.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = _missing(architecture)
    if missing:
        _install(missing)
        still = _missing(architecture)
        if still:
            raise Unavailable(f"not installed, too old or without effect: {', '.join(still)}")


def need(*tools: tuple[str, str]) -> None:
    """Makes sure that programs are here, each with the package that has it; for who needs less than all of the lab."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    packages = sorted({package for tool, package in tools if shutil.which(tool) is None})
    if packages:
        _install(packages)
        still = [package for tool, package in tools if shutil.which(tool) is None]
        if still:
            raise Unavailable(f"not installed: {', '.join(still)}")


def _missing(architecture: str) -> list[str]:
    """Packages that are not here in a version that will do."""
    missing = [package for tool, package in TOOLS if shutil.which(tool) is None]
    if not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        missing.append("debian-archive-keyring")
    qemu, package = QEMU[architecture]
    if _version(qemu) < (QEMU_MAJOR,):
        missing.append(package)
    if _version("mmdebstrap") < MMDEBSTRAP:
        missing.append("mmdebstrap")
    if not _runs(architecture):
        missing += FOREIGN
    if os.geteuid() != 0 and shutil.which("newuidmap") is None:
        missing.append("uidmap")
    return missing


def _runs(architecture: str) -> bool:
    """Whether this machine runs programs of the architecture, itself or by QEMU's user mode."""
    if architecture == native_architecture():
        return True
    return (shutil.which("arch-test") is not None
            and not subprocess.run(["arch-test", architecture], capture_output=True,
                                   check=False).returncode)


def _version(tool: str) -> tuple[int, ...]:
    """Version that a program tells; (0,) where there is none."""
    if shutil.which(tool) is None:
        return (0,)
    told = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)\.(\d+)", told)
    return (int(found[1]), int(found[2])) if found else (0,)


def _install(packages: list[str]) -> None:
    """Installs with apt. On Debian 12 backports are used for this one call, from lists of its own:
    the system's sources and lists stay as they are."""
    if shutil.which("apt-get") is None:
        raise Unavailable(f"no apt-get here to install {', '.join(packages)}")
    if os.environ.get("INSTALL", "1") != "1":
        raise Unavailable(f"{', '.join(packages)} missing, or too old, and INSTALL=0")
    become = []
    if os.geteuid() != 0:
        become = ["sudo", "-n"]
        if shutil.which("sudo") is None or subprocess.run(
                [*become, "true"], capture_output=True, check=False).returncode:
            raise Unavailable(f"{', '.join(packages)} missing, or too old, and only root installs")
    say(f"installing {', '.join(packages)}")
    with tempfile.TemporaryDirectory(prefix="livehal-vm-apt-") as directory:
        Path(directory).chmod(0o755)
        options = _backports(Path(directory)) if _release() == "bookworm" else []
        apt = [*become, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q",
               "-o", "DPkg::Lock::Timeout=300", *options]
        # A source of the user's that does not answer is not the lab's concern: the next line tells.
        subprocess.run([*apt, "update"], stdout=2, check=False)
        target = ["-t", "bookworm-backports"] if options else []
        done = subprocess.run([*apt, "install", "-y", "--no-install-recommends", *target,
                               *packages], stdout=2, check=False)
    if done.returncode:
        raise Unavailable(f"apt-get cannot install {', '.join(packages)}")
    if set(FOREIGN) & set(packages) and not Path("/run/systemd/system").exists():
        _register(become)


def _register(become: list[str]) -> None:
    """Where no systemd runs, as in a container: what it does at boot about foreign programs."""
    if not Path("/proc/sys/fs/binfmt_misc/register").exists():
        subprocess.run([*become, "mount", "-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc"],
                       check=False)
    rules = [str(path) for path in Path("/usr/lib/binfmt.d").glob("qemu-aarch64.conf")]
    subprocess.run([*become, "/usr/lib/systemd/systemd-binfmt", *rules], check=False)


def _release() -> str:
    """Code name of this Debian; empty elsewhere."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return ""
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return fields.get("VERSION_CODENAME", "") if fields.get("ID") == "debian" else ""


def _backports(directory: Path) -> list[str]:
    """apt's options for a copy of the system's sources with backports added."""
    sources = directory / "sources.list.d"
    if Path("/etc/apt/sources.list.d").is_dir():
        shutil.copytree("/etc/apt/sources.list.d", sources)
    else:
        sources.mkdir()
    (directory / "lists" / "partial").mkdir(parents=True)
    (sources / "livehal-vm-backports.sources").write_text(
        "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm-backports\n"
        "Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
        encoding="utf-8")
    return ["-o", f"Dir::Etc::SourceParts={sources}",
            "-o", f"Dir::State::Lists={directory / 'lists'}"]
