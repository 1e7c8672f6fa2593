"""Libraries of the VM's Debian that a program of ours is built against on another system."""

import shutil
from pathlib import Path

from .cache import Cache, digest, run_logged, say
from .debian import SUITE, Archive, mirror
from .host import Unavailable

# libcamera, for crate `libcamera`: Debian 12's is too old for it.
PACKAGES = ("libcamera-dev", "libcamera0.4")


def libcamera(cache: Cache, architecture: str) -> Path:
    """A directory to set PI_SYSROOT to: the packages, unpacked. What they need in turn is not in it;
    the machine that runs the program has that."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Unavailable(f"no {tool} here to fetch Debian's libcamera")
    archive = Archive(cache, architecture)
    archive.update()
    versions = [archive.version(package) for package in PACKAGES]

    def build(work: Path) -> None:
        say(f"unpacking libcamera {versions[0]} for {architecture}")
        root = work / "root"
        root.mkdir()
        for package in PACKAGES:
            file = archive.download(package, work)
            run_logged(["dpkg-deb", "-x", str(file), str(root)], work / "build.log")
            file.unlink()

    key = digest([SUITE, mirror(), *PACKAGES, *versions], [Path(__file__)])
    return cache.get(f"libcamera-{architecture}", key, build) / "root"
