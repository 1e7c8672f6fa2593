"""Libraries of the VM's Debian that a program of ours is built against on another system."""

import shutil
from pathlib import Path

from .cache import Cache, digest, run_logged, say
from .debian import SUITE, Archive, mirror, native_architecture
from .host import Unavailable

# libcamera, for crate `libcamera`: Debian 12's is too old for it.
PACKAGES = ("libcamera-dev", "libcamera0.4")
# What any program needs besides.
RUN = ("libc6", "libstdc++6")


def libcamera(cache: Cache, architecture: str) -> Path:
    """A directory to set PI_SYSROOT to: the packages, unpacked. Of another architecture it has what they
    need in turn, so that user emulation can run a program there; of this machine's own it has not, for
    the machine that runs the program does."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Unavailable(f"no {tool} here to fetch Debian's libcamera")
    archive = Archive(cache, architecture)
    archive.update()
    foreign = architecture != native_architecture()
    packages = archive.closure(*RUN, *PACKAGES) if foreign else list(PACKAGES)
    versions = [f"{package}={archive.version(package)}" for package in packages]

    def build(work: Path) -> None:
        say(f"unpacking for {architecture}: {' '.join(packages)}")
        root = work / "root"
        root.mkdir()
        for package in packages:
            file = archive.download(package, work)
            run_logged(["dpkg-deb", "-x", str(file), str(root)], work / "build.log")
            file.unlink()
        # Programs name their loader in /lib.
        if not (root / "lib").exists():
            (root / "lib").symlink_to("usr/lib")

    key = digest([SUITE, mirror(), *versions], [Path(__file__)])
    return cache.get(f"libcamera-{architecture}", key, build) / "root"
