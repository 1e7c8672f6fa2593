"""The Debian archive: which kernel it has today, and its packages as files."""

import os
import platform
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .cache import Cache, LabError, say

SUITE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# How long the archive's lists are taken as they are, in seconds.
LISTS_AGE = 24 * 3600


def mirror() -> str:
    """Where packages come from."""
    return os.environ.get("LIVEHAL_VM_MIRROR", "http://deb.debian.org/debian")


def native_architecture() -> str:
    """This machine's, in Debian's words."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


@dataclass(frozen=True)
class Kernel:
    """The kernel that the archive has now."""

    # As `uname -r` says it, such as 6.12.107+deb13-amd64.
    release: str
    # Version of the package.
    version: str
    # The source package of the same kernel, such as linux-source-6.12.
    source: str


class Archive:
    """Reads one architecture of a suite with apt, in a state directory of its own."""

    def __init__(self, cache: Cache, architecture: str, suite: str = SUITE) -> None:
        self.architecture = architecture
        self.suite = suite
        self.directory = cache.root / "apt" / f"{suite}-{architecture}"
        for part in ("lists/partial", "archives/partial", "parts", "preferences"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)
        (self.directory / "status").touch()
        (self.directory / "sources.list").write_text(
            f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")

    def _apt(self, tool: str, *arguments: str, cwd: Path | None = None) -> str:
        directory = self.directory
        settings = {
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "Acquire::Languages": "none",
            # Downloads as whoever runs this, into directories that only they may write.
            "APT::Sandbox::User": "",
            "Dir::Cache": str(directory),
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "Dir::Etc::PreferencesParts": str(directory / "preferences"),
            "Dir::Etc::SourceList": str(directory / "sources.list"),
            "Dir::Etc::SourceParts": str(directory / "parts"),
            "Dir::State": str(directory),
            "Dir::State::Lists": str(directory / "lists"),
            "Dir::State::status": str(directory / "status"),
        }
        options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
        done = subprocess.run([tool, "-q", *options, *arguments], cwd=cwd, capture_output=True,
                              text=True, check=False)
        if done.returncode:
            raise LabError(f"{tool} {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def update(self, force: bool = False) -> None:
        """Fetches the lists where they are old; without a network old ones have to do."""
        stamp = self.directory / "updated"
        age = time.time() - stamp.stat().st_mtime if stamp.exists() else None
        if age is not None and age < LISTS_AGE and not force:
            return
        try:
            self._apt("apt-get", "update", "--error-on=any")
            stamp.touch()
        except LabError as error:
            if age is None:
                raise
            say(f"the archive's lists are {age / 86400:.0f} days old: {error}")

    def kernel(self) -> Kernel:
        """What linux-image-ARCHITECTURE stands for now."""
        image = self._dependency(f"linux-image-{self.architecture}",
                                 rf"linux-image-\d\S*-{self.architecture}")
        return Kernel(image.removeprefix("linux-image-"), self.version(image),
                      self._dependency("linux-source", r"linux-source-\d\S*"))

    def version(self, package: str) -> str:
        """The package's version."""
        told = self._apt("apt-cache", "show", "--no-all-versions", package)
        version = re.search(r"^Version: (\S+)$", told, re.MULTILINE)
        if version is None:
            raise LabError(f"{self.suite} has no version of {package}")
        return version[1]

    def versions(self, *packages: str) -> dict[str, str]:
        """The version of each package."""
        told = self._apt("apt-cache", "show", "--no-all-versions", *packages)
        return dict(re.findall(r"^Package: (\S+)$.*?^Version: (\S+)$", told, re.MULTILINE | re.DOTALL))

    def closure(self, *packages: str) -> list[str]:
        """The packages and what they need in turn, without what is only recommended."""
        told = self._apt("apt-get", "install", "--simulate", "--no-install-recommends", *packages)
        return sorted(re.findall(r"^Inst (\S+) ", told, re.MULTILINE))

    def _dependency(self, package: str, pattern: str) -> str:
        depends = self._apt("apt-cache", "depends", package)
        found = re.search(rf"Depends: ({pattern})$", depends, re.MULTILINE)
        if found is None:
            raise LabError(f"{package} of {self.suite} depends on nothing like {pattern}")
        return found[1]

    def download(self, package: str, directory: Path) -> Path:
        """The package as a file in the directory."""
        return self.download_all([package], directory)[0]

    def download_all(self, packages: list[str], directory: Path) -> list[Path]:
        """The packages as files in the directory; with NAME=VERSION those versions."""
        self._apt("apt-get", "download", *packages, cwd=directory)
        return [next(directory.glob(f"{name}_{version.replace(':', '%3a') or '*'}_*.deb"))
                for name, _, version in (package.partition("=") for package in packages)]
