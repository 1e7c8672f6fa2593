"""Lays out what a run brings into the VM."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .build import BROUGHT, GUEST, HERE, Machine, build_module
from .cache import Cache, LabError, say
from .debian import native_architecture
from .scenario import Scenario, patience
from .sysroot import libcamera

ROOT = HERE.parent.parent
CARGO_TARGETS = {"amd64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}
# How the names of Debian's compilers for them begin.
COMPILERS = {"amd64": "x86_64-linux-gnu-", "arm64": "aarch64-linux-gnu-"}

# Server and viewer, by the one command that other tests build them with, too.
PROGRAMS = ["--bin", "live777", "--bin", "live777-peer"]

# Files of the repository and where a package installs them.
INSTALLED = {
    "systemd/live777.service": "usr/lib/systemd/system/live777.service",
    "systemd/sysusers.d/livehal.conf": "usr/lib/sysusers.d/livehal.conf",
    "systemd/udev/70-livehal.rules": "usr/lib/udev/rules.d/70-livehal.rules",
    "dbus/org.livehal.Capture1.conf": "usr/share/dbus-1/system.d/org.livehal.Capture1.conf",
    "dbus/org.livehal.Capture1.service":
        "usr/share/dbus-1/system-services/org.livehal.Capture1.service",
    "conf/live777.toml": "etc/livehal/live777.toml",
}

# The same of the decoder.
INSTALLED_DECODER = {
    "systemd/daedalus-v4l2.service": "usr/lib/systemd/system/daedalus-v4l2.service",
    "systemd/modules-load.d/daedalus.conf": "usr/lib/modules-load.d/daedalus.conf",
    "systemd/sysusers.d/daedalus.conf": "usr/lib/sysusers.d/daedalus.conf",
    "systemd/udev/71-daedalus.rules": "usr/lib/udev/rules.d/71-daedalus.rules",
    "dbus/org.livehal.Decoder1.conf": "usr/share/dbus-1/system.d/org.livehal.Decoder1.conf",
    "dbus/org.livehal.Decoder1.service":
        "usr/share/dbus-1/system-services/org.livehal.Decoder1.service",
    "conf/daedalus.toml": "etc/livehal/daedalus.toml",
}


def stage(share: Path, scenario: Scenario, machine: Machine) -> None:
    """Fills the directory that the VM mounts: `in` for it to read, `out` for it to write."""
    inside = share / "in"
    for directory in (inside / "files", inside / "modules", share / "out"):
        directory.mkdir(parents=True)
    for file in BROUGHT:
        shutil.copy(GUEST / file, inside / file)
    shutil.copy(scenario.path, inside / "scenario.sh")
    (inside / "run.env").write_text(f"export LIMIT={scenario.seconds()} PATIENCE={patience()}\n")
    for payload in scenario.payloads:
        if example := re.fullmatch(r"(release:)?example:([^:]+):([^:]+):([^:]*)", payload):
            optimised, package, name, feature = example.groups()
            # Of the workspace, so that what it needs is built as for everything else.
            command = ["--workspace", "--example", name, "--features", f"{package}/{feature}"]
            command += ["--release"] if optimised else []
            built = _cargo(command, Path("examples", name), machine.architecture)
            _install(built, inside / "files/usr/local/bin" / name)
        elif payload in PAYLOADS:
            PAYLOADS[payload](inside / "files", machine.architecture)
        else:
            raise LabError(f"{scenario.name}: no payload {payload}; there are: "
                           f"{', '.join(PAYLOADS)}, [release:]example:PACKAGE:NAME:FEATURE")
    bring_modules(machine, scenario.modules, inside / "modules", share / "modules")


def bring_modules(machine: Machine, modules: Sequence[str], to: Path, work: Path) -> None:
    """Builds directories of modules, from the repository's root, for the machine's kernel."""
    to.mkdir(parents=True, exist_ok=True)
    for module in modules:
        say(f"building the module {module}")
        built = work / Path(module).name
        build_module(machine, ROOT / module, built)
        for file in built.glob("*.ko"):
            shutil.copy(file, to)


def _live777(files: Path, architecture: str) -> None:
    """The server as a package installs it. LIVE777_AMD64 or LIVE777_ARM64 names a binary to take."""
    given = os.environ.get(f"LIVE777_{architecture.upper()}")
    _live777_of(files, Path(given or _cargo(PROGRAMS, Path("live777"), architecture)))


def _live777_rpi(files: Path, architecture: str) -> None:
    """The same with the preset for a Raspberry Pi, built against the VM's libcamera."""
    command = ["--bin", "live777", "--features", "live777/native-rpi"]
    settings = {"PI_SYSROOT": str(libcamera(Cache(), architecture))}
    _live777_of(files, _cargo(command, Path("live777"), architecture, settings))


def _live777_of(files: Path, binary: Path) -> None:
    _install(binary, files / "usr/bin/live777")
    for source, target in INSTALLED.items():
        _install(ROOT / source, files / target)


def _peer(files: Path, architecture: str) -> None:
    """The viewer."""
    built = _cargo(PROGRAMS, Path("live777-peer"), architecture)
    _install(built, files / "usr/local/bin/live777-peer")


def _aiortc(files: Path, _architecture: str) -> None:
    """A viewer by aiortc."""
    for script in ("whep.py", "strip.py"):
        _install(ROOT / "tests/aiortc" / script, files / "usr/local/lib/aiortc" / script)


def _daedalus(files: Path, architecture: str, *profile: str) -> None:
    """The decoder's daemon. DAEDALUS_AMD64 or DAEDALUS_ARM64 names a binary to take."""
    given = os.environ.get(f"DAEDALUS_{architecture.upper()}")
    built = given or _cargo(["--package", "daedalus", *profile], Path("daedalus_v4l2_daemon"),
                            architecture)
    _install(Path(built), files / "usr/bin/daedalus_v4l2_daemon")
    for source, target in INSTALLED_DECODER.items():
        _install(ROOT / source, files / target)


def _daedalus_release(files: Path, architecture: str) -> None:
    """The same, optimised."""
    _daedalus(files, architecture, "--release")


def _decoder_peer(files: Path, architecture: str) -> None:
    """Its client, and the daemon that is up to no good."""
    built = _cargo(["--package", "decoder"], Path("decoder-peer"), architecture)
    _install(built, files / "usr/local/bin/decoder-peer")


def _vectors(files: Path, _architecture: str) -> None:
    """Streams out of the packages that tests/vectors names, with their published MD5s."""
    manifest = ROOT / "tests/vectors/Cargo.toml"
    command = ["cargo", "metadata", "--locked", "--format-version=1", f"--manifest-path={manifest}"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode:
        raise LabError(f"{shlex.join(command)} failed: {told.stderr}")
    for package in json.loads(told.stdout)["packages"]:
        source = Path(package["manifest_path"]).parent
        for kind in ("*.h264", "*.vp8", "*.vp9", "*.ivf"):
            for stream in source.rglob(kind):
                for file in (stream, Path(f"{stream}.md5")):
                    if file.exists() and "av1" not in file.name:
                        _install(file, files / "usr/local/share/vectors" / file.name)


def _cargo(what: list[str], made: Path, architecture: str,
           settings: Mapping[str, str] | None = None) -> Path:
    """What cargo builds: `made` below the target directory of its profile."""
    command = ["cargo", "build", "--quiet", *what]
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    environment = {**os.environ, **(settings or {})}
    if architecture != native_architecture():
        triple = CARGO_TARGETS[architecture]
        command += ["--target", triple]
        target /= triple
        # Unless somebody has said otherwise: Debian's cross compiler links, too.
        environment.setdefault(f"CARGO_TARGET_{triple.upper().replace('-', '_')}_LINKER",
                               f"{COMPILERS[architecture]}gcc")
    say(shlex.join(command))
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
        raise LabError(f"{shlex.join(command)} failed")
    return target / ("release" if "--release" in what else "debug") / made


def _install(source: Path, target: Path) -> None:
    if not source.is_file():
        raise LabError(f"{source} is not there")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


PAYLOADS: dict[str, Callable[[Path, str], None]] = {
    "aiortc": _aiortc, "daedalus": _daedalus, "release:daedalus": _daedalus_release,
    "decoder-peer": _decoder_peer, "live777": _live777,
    "live777-rpi": _live777_rpi, "peer": _peer, "vectors": _vectors}
