"""Builds what a run needs, each part kept as long as nothing it is made of changes."""

import contextlib
import multiprocessing
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .cache import Cache, LabError, as_root, digest, run_logged, say
from .debian import SUITE, Archive, Kernel, mirror, native_architecture

HERE = Path(__file__).resolve().parent.parent
SCRIPTS = HERE / "build"
GUEST = HERE / "guest"
DRIVERS_KBUILD = HERE / "modules" / "drivers" / "Kbuild"

# Of GUEST: what comes with each run.
BROUGHT = ("run.sh", "lib.sh", "camera.sh", "decoder.sh")

# What the VM has besides the essential packages. libstdc++6: what live777 is linked with.
PACKAGES = [
    "systemd", "systemd-sysv", "udev", "dbus", "kmod", "busybox-static", "openssh-server", "iproute2",
    "procps", "strace", "curl", "openssl", "libstdc++6", "v4l-utils", "ffmpeg", "gstreamer1.0-tools",
    "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good", "gstreamer1.0-plugins-bad", "rauc",
    "libcamera0.4", "libcamera-ipa", "python3-aiortc", "python3-numpy",
]


@dataclass(frozen=True)
class Machine:
    """A VM that can be booted, and what builds modules for it. Directories of the cache."""

    architecture: str
    kernel: Kernel
    # root.img, initrd and vmlinuz.
    image: Path
    # A Debian with the compiler and the kernel's headers.
    toolchain: Path
    # The test drivers' *.ko and Module.symvers.
    drivers: Path
    # An ssh key pair, id and id.pub: root's in the VM.
    key: Path


class Builder:
    """Builds one architecture's machine; of another suite than the VM's, only what builds modules."""

    def __init__(self, cache: Cache, architecture: str, refresh: bool = False,
                 suite: str = SUITE) -> None:
        self.cache = cache
        self.architecture = architecture
        self.archive = Archive(cache, architecture, suite)
        self.archive.update(force=refresh)
        self.kernel = self.archive.kernel()

    def machine(self) -> Machine:
        """The machine, from the cache or built now."""
        with self._aside(self._rootfs):
            toolchain = self.toolchain()
            drivers = self._drivers(toolchain)
        key = self.cache.get("key", digest(["ed25519"], []), self._make_key)
        image = self._image(self._rootfs(), drivers, key)
        return Machine(self.architecture, self.kernel, image, toolchain / "root", drivers, key)

    @staticmethod
    @contextlib.contextmanager
    def _aside(build: Callable[[], Path]) -> Iterator[None]:
        """Builds an entry in another process during the block: neither build uses two processors all
        the time. What goes wrong there goes wrong here, too, when the entry is asked for."""
        def quietly() -> None:
            with contextlib.suppress(LabError):
                build()

        process = multiprocessing.get_context("fork").Process(target=quietly)
        process.start()
        try:
            yield
        except BaseException:
            process.terminate()
            raise
        finally:
            process.join()

    def _get(self, name: str, texts: list[str], files: list[Path], build) -> Path:
        """The entry, keyed on the kernel, the texts, the files and what was built before."""
        name = f"{name}-{self.architecture}"

        def told(work: Path) -> None:
            say(f"building {name} (first time, or something it is made of has changed)")
            build(work)

        kernel = [self.kernel.release, self.kernel.version, self.archive.suite]
        return self.cache.get(name, digest([*kernel, *texts], files), told)

    def _step(self, script: str, work: Path, *arguments: object) -> None:
        """Runs one of the scripts as root, its output in the entry."""
        run_logged(as_root([str(SCRIPTS / script), *map(str, arguments)]),
                   work / "build.log")

    def toolchain(self) -> Path:
        """A Debian in `root` with the compiler and the kernel's headers."""
        native = native_architecture()

        def build(work: Path) -> None:
            headers = self.archive.download(f"linux-headers-{self.kernel.release}", work)
            source = self.archive.download(self.kernel.source, work)
            self._step("toolchain.sh", work, native, self.architecture, headers, source,
                       self.archive.suite, mirror(), work / "root")
            headers.unlink()
            source.unlink()

        return self._get("toolchain", [native, mirror()], [SCRIPTS / "toolchain.sh"], build)

    def _drivers(self, toolchain: Path) -> Path:
        def build(work: Path) -> None:
            self._step("drivers.sh", work, toolchain / "root", self.architecture,
                       self.kernel.release, DRIVERS_KBUILD, work)

        scripts = [SCRIPTS / "drivers.sh", SCRIPTS / "modules.sh", DRIVERS_KBUILD]
        return self._get("drivers", [toolchain.name], scripts, build)

    def _rootfs(self) -> Path:
        packages = ",".join(PACKAGES)

        def build(work: Path) -> None:
            run_logged([str(SCRIPTS / "rootfs.sh"), self.architecture, packages, SUITE,
                        mirror(), str(work / "root.tar")], work / "build.log")
            kernel = self.archive.download(f"linux-image-{self.kernel.release}", work)
            kernel.rename(work / "kernel.deb")

        return self._get("rootfs", [packages, mirror()], [SCRIPTS / "rootfs.sh"], build)

    def _image(self, rootfs: Path, drivers: Path, key: Path) -> Path:
        # What comes with each run is not in the image.
        guest = [file for file in GUEST.iterdir() if file.name not in BROUGHT]

        def build(work: Path) -> None:
            self._step("image.sh", work, rootfs / "root.tar", rootfs / "kernel.deb", drivers,
                       GUEST, key / "id.pub", work)

        return self._get("image", [rootfs.name, drivers.name, key.name],
                         [SCRIPTS / "image.sh", *guest], build)

    @staticmethod
    def _make_key(work: Path) -> None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "livehal-vm",
                        "-f", str(work / "id")], check=True)


def build_module(machine: Machine, source: Path, out: Path) -> None:
    """Builds an out-of-tree module directory (one with a Kbuild) against the machine's kernel and
    the test drivers; brings its *.ko to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    run_logged(as_root([str(SCRIPTS / "modules.sh"), str(machine.toolchain),
                        machine.architecture, machine.kernel.release, str(source), str(out),
                        str(machine.drivers / "Module.symvers")]), out / "build.log")


def check_module(builder: Builder, source: Path, out: Path) -> list[str]:
    """Builds a module directory with all warnings, and has sparse look at it; what both complain of."""
    out.mkdir(parents=True, exist_ok=True)
    # The helpers that Debian's amd64 kernel has no modules of are not known by name: no error.
    flags = ["W=1", "C=2", "KBUILD_MODPOST_WARN=1", "KCFLAGS=-DCONFIG_V4L2_MEM2MEM_DEV_MODULE=1"]
    run_logged(as_root([str(SCRIPTS / "modules.sh"), str(builder.toolchain() / "root"),
                        builder.architecture, builder.kernel.release, str(source), str(out), "",
                        *flags]), out / "build.log")
    log = (out / "build.log").read_text(errors="replace")
    return [line for line in log.splitlines() if re.search(r"\b(warning|error):", line)]


def style(builder: Builder, source: Path) -> str:
    """What the kernel's checkpatch.pl says of a module directory's files; empty if it is content."""
    scripts = builder.toolchain() / "root/usr/src/linux/scripts"
    files = sorted(str(file) for file in source.rglob("*") if file.suffix in (".c", ".h"))
    done = subprocess.run(["perl", str(scripts / "checkpatch.pl"), "--strict", "--no-tree",
                           "--terse", "--file", *files], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
