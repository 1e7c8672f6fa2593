#!/usr/bin/env python3
"""Debian's packages for the lab's image: debian.py DIRECTORY [TABLE...]

Downloads what debian.txt, debian-dev.txt and further tables for the image name, for arm64, with what that needs in turn,
into DIRECTORY/debs, and writes DIRECTORY/debian.inc and debian-dev.inc: those packages in BitBake's words, for
recipes-debian/. What is there already is not fetched again.
"""

import functools
import platform
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "vm"))

from lab.cache import Cache, LabError, say  # noqa: E402
from lab.debian import SUITE, Archive  # noqa: E402

ARCHITECTURE = "arm64"
# What only Debian's own way of installing needs, and what OpenEmbedded has in other packages: those are built by
# its recipes.
NOT_WANTED = {
    "adduser", "base-files", "base-passwd", "busybox", "ca-certificates", "coreutils", "cdebconf", "debconf", "debianutils",
    "dpkg", "gawk", "gcc-14-base", "init-system-helpers", "libdebconfclient0", "libpam-modules-bin", "libpam-runtime",
    "libtext-charwidth-perl", "libtext-wrapi18n-perl", "login.defs", "lsb-base", "mawk", "runit-helper", "netbase", "openssl-provider-legacy", "perl", "perl-base",
    "procps", "sed", "sensible-utils", "sysvinit-utils", "ucf",
}
# The cross compiler brings its own.
COMPILERS = {"libc6", "libc6-dev", "libc-dev-bin", "libgcc-s1", "libstdc++6", "linux-libc-dev"}
# Packages fetched with one call.
AT_ONCE = 40
# systemd's own list of users has root with Debian's shell; OpenEmbedded's base-passwd has them all.
NOT_OURS = {"usr/lib/sysusers.d/basic.conf"}


@dataclass
class Package:
    """One of Debian's packages."""

    name: str
    version: str
    source: str
    file: Path
    depends: list[str]
    provides: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    @staticmethod
    def named(name: str) -> str:
        """A package's name among OpenEmbedded's."""
        return f"debian-{name.replace('+', 'plus')}"

    @property
    def ours(self) -> str:
        """Its own."""
        return self.named(self.name)


def table(path: Path) -> dict[str, list[str]]:
    """The lines of a table: a name, and what it stands for."""
    rows = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split("#")[0].split()
        if words:
            rows[words[0]] = [word for word in words[1:] if word != "-"]
    return rows


@functools.cache
def fields(deb: Path) -> dict[str, str]:
    """The control fields of a package, each on one line."""
    text = subprocess.run(["dpkg-deb", "--field", str(deb)], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^(\S+): (.*(?:\n .*)*)", text, re.MULTILINE))


def control(deb: Path, name: str) -> str:
    """One field of a package; empty where it has none."""
    return fields(deb).get(name, "")


def names(dependencies: str) -> list[list[str]]:
    """Depends as alternatives: without versions and architectures."""
    return [[re.split(r"[\s(:\[]", one.strip())[0] for one in group.split("|")]
            for group in dependencies.split(",") if group.strip()]


def accounts(deb: Path) -> tuple[list[str], list[str]]:
    """The users and groups that a package's sysusers.d asks for, as useradd and groupadd take them."""
    archive = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], capture_output=True, check=True).stdout
    listing = subprocess.run(["tar", "-t"], input=archive, capture_output=True, check=True).stdout.decode()
    users, groups = [], []
    for name in listing.split("\n"):
        path = name.removeprefix("./")
        if not re.fullmatch(r"usr/lib/sysusers\.d/.*\.conf", path) or path in NOT_OURS:
            continue
        text = subprocess.run(["tar", "-xO", name], input=archive, capture_output=True, check=True).stdout.decode()
        for line in text.splitlines():
            words = re.findall(r'"[^"]*"|\S+', line)
            if not words or words[0].startswith("#"):
                continue
            kind, who = words[0].rstrip("!"), words[1]
            if kind == "g":
                groups.append(f"--system {who}")
            elif kind == "u":
                home = words[4] if len(words) > 4 and words[4] != "-" else "/"
                shell = words[5] if len(words) > 5 and words[5] != "-" else "/usr/sbin/nologin"
                users.append(f"--system --user-group --no-create-home --home-dir {home} --shell {shell} {who}")
    return users, groups


def download(archive: Archive, rows: dict[str, list[str]], directory: Path) -> list[Package]:
    """The packages and what they need in turn, as files. A row "-NAME PACKAGE": Debian's NAME is not wanted, who needs
    it needs OpenEmbedded's PACKAGE."""
    directory.mkdir(parents=True, exist_ok=True)
    replaced = {name[1:]: row[0] for name, row in rows.items() if name.startswith("-")}
    wanted = [name for name in rows if not name.startswith("-")]
    closure = [name for name in archive.closure(*wanted) if name not in NOT_WANTED and name not in replaced]
    there = {(control(deb, "Package"), control(deb, "Version")): deb for deb in directory.glob("*.deb")}
    versions = archive.versions(*closure)
    used, missing = set(), []
    for name in closure:
        if (name, versions[name]) not in there:
            missing.append(name)
        else:
            used.add(there[name, versions[name]])
    for begin in range(0, len(missing), AT_ONCE):
        say(f"{directory.name}: {begin} of {len(missing)} packages of Debian fetched")
        used |= set(archive.download_all([f"{name}={versions[name]}" for name in missing[begin:begin + AT_ONCE]],
                                         directory))
    for deb in set(there.values()) - used:
        deb.unlink()
    packages = []
    for deb in sorted(used):
        source = (control(deb, "Source") or control(deb, "Package")).split()[0]
        packages.append(Package(control(deb, "Package"), control(deb, "Version"), source, deb, []))
    known = {package.name for package in packages}
    virtual = {one[0]: package.name for package in packages for one in names(control(package.file, "Provides"))}
    for package in packages:
        for group in names(f"{control(package.file, 'Pre-Depends')},{control(package.file, 'Depends')}"):
            found = next((one for one in (virtual.get(name, name) for name in group)
                          if one in known or one in replaced), None)
            if found in replaced:
                package.depends.append(replaced[found])
            elif found and found != package.name:
                package.depends.append(Package.named(found))
    return packages


def write_changed(out: Path, lines: list[str]) -> None:
    """BitBake reads again what has another age."""
    text = "\n".join(lines) + "\n"
    if not out.exists() or out.read_text(encoding="utf-8") != text:
        out.write_text(text, encoding="utf-8")


def write(packages: list[Package], out: Path) -> None:
    """debian.inc and debian.tsv: the packages for the image."""
    lines = [f'LAB_DEBS = "{" ".join(p.file.name for p in packages)}"',
             f'PACKAGES = "{" ".join(p.ours for p in packages)}"']
    for package in packages:
        name = package.ours
        lines.append(f'ALLOW_EMPTY:{name} = "1"')
        lines.append(f'LAB_DEB:{name} = "{package.file.name}"')
        lines.append(f'SUMMARY:{name} = "Debian\'s {package.name} {package.version}"')
        lines.append(f'RPROVIDES:{name} = "{" ".join(package.provides)}"')
        lines.append(f'RDEPENDS:{name} = "{" ".join(sorted(set(package.depends)))}"')
        if package.users:
            lines.append(f'USERADD_PARAM:{name} = "{"; ".join(package.users)}"')
        if package.groups:
            lines.append(f'GROUPADD_PARAM:{name} = "{"; ".join(package.groups)}"')
    with_accounts = [p.ours for p in packages if p.users or p.groups]
    lines.append(f'USERADD_PACKAGES = "{" ".join(with_accounts)}"')
    write_changed(out, lines)
    (out.parent / "debian.tsv").write_text("".join(
        f"{p.name}\t{p.version}\t{p.source}\t{' '.join(p.provides) or '-'}\n" for p in packages), encoding="utf-8")


def main() -> int:
    """Fetches and writes."""
    directory = Path(sys.argv[1])
    archive = Archive(Cache(), ARCHITECTURE)
    try:
        archive.update()
        rows = {}
        for path in (HERE / "debian.txt", *map(Path, sys.argv[2:])):
            rows |= table(path)
        packages = download(archive, rows, directory / "debs")
        for package in packages:
            package.provides = rows.get(package.name, [])
            package.users, package.groups = accounts(package.file)
        recipes = table(HERE / "debian-dev.txt")
        # Of the release that this machine's cross compiler is of; what is compiled runs on a newer one, too.
        here = Archive(Cache(), ARCHITECTURE, platform.freedesktop_os_release().get("VERSION_CODENAME", SUITE))
        here.update()
        development = [package for package in download(here, recipes, directory / "dev")
                       if package.name not in COMPILERS]
        write(packages, directory / "debian.inc")
        write_changed(directory / "debian-dev.inc", [
            f'LAB_DEBS = "{" ".join(package.file.name for package in development)}"',
            f'PROVIDES += "{" ".join(sorted({one for name, row in recipes.items() if not name.startswith("-") for one in row}))}"'])
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    say(f"{len(packages)} packages of Debian {SUITE} for the image, {len(development)} to compile against")
    return 0


if __name__ == "__main__":
    sys.exit(main())
