"""What the first program makes of a data partition: its own file systems and their checks, on files; what it mounts is
written down instead."""

import os
import random
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import LAYERS, Recipes, bb

PROGRAM = LAYERS[0] / "recipes-core/livehal-state/livehal-state/livehal-mount-state"
SIZE = 16 << 20
# Takes what is asked for in FAIL for failing; a file system is one that the kernel would take.
MOUNT = """#!/bin/sh
echo "mount $*" >>"$LIVEHAL_ROOT/said"
case "$*" in
$FAIL) exit 32 ;;
*device*) [ "$(dd if="$DEVICE" bs=1 skip=1080 count=2 2>/dev/null | od -An -tx1)" = " 53 ef" ] ;;
esac
"""
NOTE = """#!/bin/sh
echo "{name} $*" >>"$LIVEHAL_ROOT/said"
exit {status}
"""


@unittest.skipUnless(shutil.which("e2fsck", path=os.environ["PATH"] + ":/usr/sbin:/sbin"), "apt-get install e2fsprogs")
class State(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        for name in ("bin", "dev", "etc", "data", "run", "var/lib"):
            (self.root / name).mkdir(parents=True)
        self.device = self.root / "device"
        self.tool("mount", MOUNT)
        self.tool("umount", NOTE.format(name="umount", status=0))
        self.tool("mountpoint", NOTE.format(name="mountpoint", status=1))
        self.tool("sleep", NOTE.format(name="sleep", status=0))

    def tool(self, name: str, text: str):
        (self.root / "bin" / name).write_text(text)
        (self.root / "bin" / name).chmod(0o755)

    def run_it(self, fail: str = "nothing") -> str:
        """What it mounted, in order; what it complained about is in `fault`."""
        tool = MOUNT.replace("$FAIL", fail)
        self.tool("mount", tool)
        done = subprocess.run(
            ["sh", PROGRAM, self.device, "ext4", "noatime,nodev,nosuid", "/data"], capture_output=True, text=True,
            env={"PATH": f"{self.root}/bin:/usr/sbin:/sbin:/usr/bin:/bin", "LIVEHAL_ROOT": str(self.root),
                 "DEVICE": str(self.device)})
        self.assertEqual(done.returncode, 0, done.stderr)
        return (self.root / "said").read_text()

    @property
    def fault(self) -> str:
        file = self.root / "run/livehal-state/fault"
        told = self.root / "dev/kmsg"
        if not file.exists():
            return ""
        self.assertIn("<3>livehal: " + file.read_text().strip(), told.read_text())
        return file.read_text()

    def make(self):
        subprocess.run(["mke2fs", "-q", "-t", "ext4", self.device, str(SIZE >> 10)], check=True,
                       env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})

    def test_a_file_system_is_mounted_and_settings_over_it(self):
        self.make()
        said = self.run_it()
        self.assertEqual(self.fault, "")
        self.assertIn(f"mount -n -t ext4 -o noatime,nodev,nosuid {self.device} {self.root}/data", said)
        self.assertIn(f"lowerdir={self.root}/etc,upperdir={self.root}/data/overlay-etc/upper", said)
        self.assertFalse((self.root / "data/overlay-etc/.probe").exists())
        self.assertNotIn("tmpfs", said)

    def test_one_that_was_not_unmounted_is_checked_first(self):
        self.make()
        for command in ("ssv state 2", "clri <8>"):
            subprocess.run(["/usr/sbin/debugfs", "-w", "-R", command, self.device], check=True, capture_output=True)
        self.run_it()
        self.assertEqual(self.fault, "")
        self.assertEqual(subprocess.run(["/usr/sbin/e2fsck", "-fn", self.device], capture_output=True).returncode, 0)

    def test_a_clock_that_is_wrong_is_no_fault(self):
        self.make()
        for field in ("mtime", "wtime", "lastcheck"):
            subprocess.run(["/usr/sbin/debugfs", "-w", "-R", f"ssv {field} 20900101", self.device], check=True, capture_output=True)
        self.run_it()
        self.assertEqual(self.fault, "")

    def test_a_blank_one_is_formatted(self):
        self.device.write_bytes(bytes(SIZE))
        self.run_it()
        self.assertEqual(self.fault, "")
        self.assertEqual(subprocess.run(["/usr/sbin/e2fsck", "-fn", self.device], capture_output=True).returncode, 0)

    def test_noise_is_left_alone_and_said(self):
        noise = random.Random(1).randbytes(SIZE)
        self.device.write_bytes(noise)
        said = self.run_it()
        self.assertIn("holds no file system that can be used: what is changed is lost", self.fault)
        self.assertIn("another token", self.fault)
        self.assertEqual(self.device.read_bytes(), noise)
        self.assertIn(f"tmpfs {self.root}/data", said)
        self.assertIn(f"lowerdir={self.root}/etc,", said)

    def test_one_byte_that_is_no_zero_is_somebodys(self):
        """As of a file system whose beginning was lost."""
        data = bytearray(SIZE)
        data[SIZE - 1] = 1
        self.device.write_bytes(data)
        self.run_it()
        self.assertIn("holds no file system", self.fault)
        self.assertEqual(self.device.read_bytes(), data)

    def test_no_partition_is_said(self):
        said = self.run_it()
        self.assertIn("is not there", self.fault)
        self.assertIn("sleep 1", said)
        self.assertIn(f"tmpfs {self.root}/data", said)

    def test_what_cannot_be_written_is_read(self):
        """Settings and identity stay; changes go to memory."""
        self.make()
        kept = self.root / "run/livehal-state/data"
        (kept / "overlay-etc/upper").mkdir(parents=True)
        (kept / "upper/var/lib").mkdir(parents=True)
        said = self.run_it(fail=r"*noatime*")
        self.assertIn("cannot be mounted", self.fault)
        self.assertIn("Settings are those that it holds", self.fault)
        self.assertIn(f"mount -n -t ext4 -o ro,nosuid,nodev {self.device} {kept}", said)
        self.assertIn(f"lowerdir={kept}/overlay-etc/upper:{self.root}/etc,upperdir={self.root}/data/overlay-etc/upper", said)
        self.assertIn(f"lowerdir={kept}/upper/var/lib:{self.root}/var/lib,upperdir={self.root}/data/upper/var/lib", said)

    def test_a_full_one_is_read(self):
        self.make()
        self.tool("dd", '#!/bin/sh\ncase "$*" in *probe*) exit 1 ;; esac\nexec /usr/bin/dd "$@"\n')
        said = self.run_it()
        self.assertIn("is full, or cannot be written", self.fault)
        self.assertIn(f"umount {self.root}/data", said)
        self.assertIn("-o ro,nosuid,nodev", said)

    def test_a_fault_that_needs_a_person_is_not_repaired(self):
        self.make()
        self.tool("e2fsck", NOTE.format(name="e2fsck", status=4))
        before = self.device.read_bytes()
        said = self.run_it()
        self.assertIn("e2fsck does not repair by itself", self.fault)
        self.assertNotIn("-y", said)
        self.assertEqual(self.device.read_bytes(), before)


class First(unittest.TestCase):
    def test_the_class_makes_a_program_of_it(self):
        """With what openembedded-core's overlayfs-etc.bbclass puts in the place of names in braces, and nothing else."""
        with tempfile.TemporaryDirectory() as scratch:
            d = Recipes(Path(scratch)).store("qemuarm64")
            d = bb.parse.handle(str(LAYERS[0] / "conf/distro/livehal.conf"), d, include=True)
        text = Path(d.getVar("OVERLAYFS_ETC_INIT_TEMPLATE")).read_text()
        names = ["OVERLAYFS_ETC_DEVICE", "OVERLAYFS_ETC_FSTYPE", "OVERLAYFS_ETC_MOUNT_OPTIONS", "OVERLAYFS_ETC_MOUNT_POINT"]
        program = text.format(SBIN_INIT_NAME="/sbin/init.orig", **{name: d.getVar(name) for name in names})
        self.assertIn("livehal-mount-state /dev/vda3 ext4 noatime,nodev,nosuid /data\n", program)
        self.assertTrue(program.endswith("\nexec /sbin/init.orig\n"))
        subprocess.run(["sh", "-n"], input=program, text=True, check=True)


if __name__ == "__main__":
    unittest.main()
