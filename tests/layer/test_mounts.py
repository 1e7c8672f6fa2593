"""What is mounted where, and in which order: systemd's own verdict on the units of an image.

A root is made of this machine's systemd units, ours, and those that openembedded-core's overlayfs class and its recipe
volatile-binds make of our variables: by their own templates where LIVEHAL_LAYERS names checkouts, else by units that
say the same. `systemctl --root` enables them, and systemd says, as at boot, what it starts after what.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import LAYERS, ROOT, Recipes, bb, checkouts

SYSTEMD = Path("/lib/systemd")
STATE = LAYERS[0] / "recipes-core/livehal-state/livehal-state_0.1.0.bb"
# What keeps something in /var/lib: ours by their own files, systemd's by its own, others by what they all have.
OURS = [ROOT / "systemd/live777.service", ROOT / "systemd/daedalus-v4l2.service",
        LAYERS[0] / "recipes-core/livehal-identity/livehal-identity/livehal-identity.service"]
THEIRS = ["systemd-random-seed.service", "systemd-tmpfiles-setup.service"]
OTHERS = ["rauc.service", "rauc-mark-good.service", "avahi-daemon.service", "sshd.service"]
OTHER = "[Unit]\nDescription=another\n[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
# openembedded-core's own value of VOLATILE_BINDS.
THEIR_BINDS = r"/var/volatile/lib /var/lib\n /var/volatile/cache /var/cache\n /var/volatile/spool /var/spool\n /var/volatile/srv /srv\n"

MOUNT = """[Unit]
RequiresMountsFor={data}
[Mount]
What=overlay
Where={where}
Type=overlay
Options=lowerdir={where},upperdir={data}/upper{where},workdir={data}/workdir{where}
[Install]
WantedBy=multi-user.target
"""
ALL = """[Unit]
After={units}
Requires={units}
[Service]
Type=oneshot
ExecStart=/bin/true
RemainAfterExit=true
[Install]
WantedBy=local-fs.target
"""
BIND = """[Unit]
DefaultDependencies=no
Before=local-fs.target
RequiresMountsFor={parent} {above}
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/mount-copybind {what} {where}
[Install]
WantedBy=local-fs.target
"""


def unit_name(path: str) -> str:
    return subprocess.check_output(["systemd-escape", "--path", path], text=True).strip()


class Machine:
    """The units of an image, enabled, and what systemd makes of them."""

    def __init__(self, scratch: Path, binds: str = ""):
        self.scratch = scratch
        self.units = scratch / "usr/lib/systemd/system"
        self.units.mkdir(parents=True)
        for name in [p.name for p in (SYSTEMD / "system").glob("*.target")] + THEIRS:
            self.put(name, (SYSTEMD / "system" / name).read_text())
        wants = self.units / "sysinit.target.wants"
        wants.mkdir()
        for name in THEIRS:
            (wants / name).symlink_to(f"../{name}")
        for file in OURS:
            self.put(file.name, file.read_text())
        for name in OTHERS:
            self.put(name, OTHER)
        # As fstab's generator does of base-files' line.
        self.put("var-volatile.mount", "[Unit]\nBefore=local-fs.target\n[Mount]\nWhat=tmpfs\nWhere=/var/volatile\nType=tmpfs\n"
                 "[Install]\nRequiredBy=local-fs.target\n")
        d = bb.parse.handle(str(LAYERS[0] / "conf/distro/livehal.conf"), Recipes(scratch).store("qemuarm64"), include=True)
        self.overlays(d.getVarFlag("OVERLAYFS_MOUNT_POINT", "data"))
        self.volatile(d, binds)
        enabled = [p.name for p in self.units.iterdir() if p.is_file() and "[Install]" in p.read_text()]
        enabled = [name for name in enabled if not name.endswith(".target")]
        subprocess.run(["systemctl", f"--root={scratch}", "enable", *enabled], check=True, capture_output=True)
        # In an image its device wants it.
        wanted = scratch / "etc/systemd/system/multi-user.target.wants"
        (wanted / "daedalus-v4l2.service").symlink_to("/usr/lib/systemd/system/daedalus-v4l2.service")
        self.verdict()

    def put(self, name: str, text: str):
        (self.units / name).write_text(text)

    def overlays(self, data: str):
        """What the class overlayfs makes of livehal-state."""
        mount, everything = MOUNT, ALL
        if checkouts():
            files = checkouts() / "openembedded-core/meta/files"
            theirs = (files / "overlayfs-unit.mount.in").read_text(), (files / "overlayfs-all-overlays.service.in").read_text()
            mount = re.sub(r"\{LOWERDIR\}", "{where}", theirs[0]).replace("{DATA_MOUNT_POINT}", "{data}")
            everything = theirs[1].replace("{ALL_OVERLAYFS_UNITS}", "{units}").replace("{PN}", "livehal-state")
        paths = Recipes(self.scratch).parse(STATE).getVarFlag("OVERLAYFS_WRITABLE_PATHS", "data").split()
        self.state = [unit_name(path) + ".mount" for path in paths]
        for path, name in zip(paths, self.state):
            self.put(name, mount.format(data=data, where=path))
        self.put("livehal-state-overlays.service", everything.format(units=" ".join(self.state)))

    def volatile(self, d, binds: str):
        """What volatile-binds makes of VOLATILE_BINDS."""
        binds = binds or d.getVar("VOLATILE_BINDS") or THEIR_BINDS
        if checkouts():
            recipe = checkouts() / "openembedded-core/meta/recipes-core/volatile-binds/volatile-binds.bb"
            for name in ("allarch", "systemd", "features_check"):
                (self.scratch / f"stubs/classes-recipe/{name}.bbclass").touch()
            task = Recipes(self.scratch).parse(recipe, VOLATILE_BINDS=binds).getVar("do_compile")
            work = self.scratch / "work"
            shutil.copytree(recipe.parent / "files", work)
            subprocess.run(["sh", "-e", "-c", task], cwd=work, check=True)
            for made in work.glob("*.service"):
                self.put(made.name, made.read_text())
            return
        for line in binds.replace("\\n", "\n").splitlines():
            if line.strip():
                what, where = line.split()
                self.put(unit_name(what) + ".service", BIND.format(
                    what=what, where=where, parent=Path(what).parent, above=Path(where).parent))

    def verdict(self):
        """The transaction of a start, and every loaded unit's order."""
        for path in (self.scratch, *self.scratch.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
        # It does not run as root, and needs nothing of that.
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run(
            [SYSTEMD / "systemd", "--test", "--system", "--unit=multi-user.target"], text=True, capture_output=True, **user,
            env={"SYSTEMD_UNIT_PATH": f"{self.scratch}/etc/systemd/system:{self.units}", "SYSTEMD_GENERATOR_PATH": "",
                 "SYSTEMD_LOG_LEVEL": "info", "PATH": "/usr/bin"})
        assert done.returncode == 0, done.stderr
        self.said = done.stdout + done.stderr
        units, _, jobs = done.stdout.partition("-> By jobs:")
        self.started = set(re.findall(r"Action: (\S+) -> start", jobs))
        self.after = {}
        for block in units.split("-> Unit ")[1:]:
            name, _, rest = block.partition(":")
            self.after.setdefault(name, set()).update(re.findall(r"^\t\tAfter: (\S+)", rest, re.M))
            for later in re.findall(r"^\t\tBefore: (\S+)", rest, re.M):
                self.after.setdefault(later, set()).add(name)

    def is_after(self, later: str, sooner: str) -> bool:
        seen, waiting = set(), [later]
        while waiting:
            for name in self.after.get(waiting.pop(), ()):
                if name == sooner:
                    return True
                if name not in seen:
                    seen.add(name)
                    waiting.append(name)
        return False

    def mounted_by(self) -> dict[str, str]:
        """Every unit of this root that mounts something, with the place."""
        found = {}
        for name in self.started:
            file = self.units / name
            text = file.read_text() if file.is_file() else ""
            where = re.search(r"^Where=(\S+)", text, re.M) or re.search(r"^ExecStart=/sbin/mount-copybind \S+ (\S+)", text, re.M)
            if where:
                found[name] = where[1]
        return found


@unittest.skipUnless((SYSTEMD / "systemd").exists() and shutil.which("systemctl"), "apt-get install systemd")
class Mounts(unittest.TestCase):
    def machine(self, binds: str = "") -> Machine:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        return Machine(Path(scratch.name), binds)

    def test_one_unit_mounts_the_state(self):
        machine = self.machine()
        self.assertEqual(machine.state, ["var-lib.mount"])
        places = machine.mounted_by()
        self.assertGreaterEqual(len(places), 5)
        self.assertEqual([name for name, place in places.items() if place == "/var/lib"], machine.state)

    def test_nothing_is_mounted_over_state_or_settings(self):
        """/etc is an overlay before systemd starts; a mount at, above or below it would hide some of it."""
        for name, place in self.machine().mounted_by().items():
            for kept in ("/etc", "/data", "/var/lib"):
                if name != "var-lib.mount":
                    self.assertFalse(Path(kept).is_relative_to(place) or Path(place).is_relative_to(kept), f"{name}: {place}")

    def test_whoever_keeps_something_starts_after_the_state_is_there(self):
        machine = self.machine()
        self.assertIn("var-lib.mount", machine.started)
        for name in [file.name for file in OURS] + THEIRS + OTHERS:
            self.assertTrue(machine.is_after(name, "var-lib.mount"), name)
            self.assertIn(name, machine.started)

    def test_the_name_and_the_keys_are_made_before_they_are_used(self):
        machine = self.machine()
        for name in ("live777.service", "avahi-daemon.service", "sshd.service"):
            self.assertTrue(machine.is_after(name, "livehal-identity.service"), name)

    def test_nothing_waits_for_itself(self):
        self.assertNotIn("ordering cycle", self.machine().said)

    def test_two_that_mount_the_same_are_found(self):
        """As with openembedded-core's own list: neither is after the other."""
        machine = self.machine(THEIR_BINDS)
        both = sorted(name for name, place in machine.mounted_by().items() if place == "/var/lib")
        self.assertEqual(both, ["var-lib.mount", "var-volatile-lib.service"])
        self.assertFalse(machine.is_after(*both) or machine.is_after(*reversed(both)))


if __name__ == "__main__":
    unittest.main()
