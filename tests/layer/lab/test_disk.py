"""The disks of the lab's machines, without a machine: a small one with the partitions of an image."""

import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
import run
from disk import PATH, Base, Busy, Disk, Image, faults
from lab import host
from lab.cache import LabError
from machine import ETC, TOOLS, Machine

MIB = 1 << 20
LAYOUT = "label: gpt\nstart=2048, size=32768, name=rootfs-a\nsize=32768, name=rootfs-b\nsize=65536, name=data\n"


class Small(unittest.TestCase):
    def setUp(self):
        host.need(*TOOLS, ("sfdisk", "fdisk"))
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        (self.root / "Image").write_text("a kernel")
        wic = self.root / "livehal-image-qemuarm64.wic"
        with wic.open("wb") as file:
            file.truncate(72 * MIB)
        self.tool("sfdisk", "-q", wic, input=LAYOUT)
        self.image = Image("livehal-image", wic, self.root / "Image")
        self.base = Base.of(self.image, self.root / "base")
        offset, size = self.base.partitions()["data"]
        data = self.root / "data"
        self.tool("mke2fs", "-q", "-t", "ext4", data, f"{size >> 10}k")
        for place in (self.base.wic, wic):
            with place.open("r+b") as file:
                file.seek(offset)
                file.write(data.read_bytes())
        self.disk = Disk(self.base, self.root / "one.qcow2").reset()

    def tool(self, *command: object, **options):
        subprocess.run(list(map(str, command)), check=True, text=True, env={"PATH": PATH}, capture_output=True, **options)


class Disks(Small):
    def test_partitions_have_the_names_and_places_of_the_table(self):
        self.assertEqual(self.base.partitions(), {"rootfs-a": (MIB, 16 * MIB), "rootfs-b": (17 * MIB, 16 * MIB),
                                                  "data": (33 * MIB, 32 * MIB)})

    def test_a_file_is_written_and_read_from_outside(self):
        self.disk.put({f"{ETC}/livehal/tokens/admin": "secret\n", f"{ETC}/hostname": "door\n"})
        self.assertEqual(self.disk.file(f"{ETC}/livehal/tokens/admin"), "secret\n")
        self.assertEqual(self.disk.file(f"{ETC}/hostname"), "door\n")
        self.assertEqual(self.disk.file(f"{ETC}/none"), "")
        self.assertEqual(faults(self.disk.read("data", self.root / "after")), "")

    def test_what_is_written_is_not_the_images(self):
        before = self.base.wic.read_bytes()
        self.disk.put({"file": "text"})
        self.assertEqual(self.base.wic.read_bytes(), before)
        self.assertEqual(Disk(self.base, self.root / "two.qcow2").reset().file("file"), "")
        self.assertEqual(self.disk.reset().file("file"), "")

    def test_a_partition_is_replaced_and_no_other_byte(self):
        noise = self.root / "noise"
        noise.write_bytes(random.Random(1).randbytes(32 * MIB))
        self.disk.write("data", noise)
        self.assertEqual(self.disk.read("data", self.root / "back").read_bytes(), noise.read_bytes())
        self.assertEqual(self.disk.read("rootfs-b", self.root / "back").read_bytes(), bytes(16 * MIB))
        self.assertEqual(self.disk.file("file"), "")
        noise.write_bytes(b"short")
        self.assertRaises(LabError, self.disk.write, "data", noise)

    def test_a_disk_in_use_is_refused(self):
        with self.disk.lock() as lock:
            # As QEMU does, which outlives who started it.
            holder = subprocess.Popen(["sleep", "60"], pass_fds=[lock.fileno()])
            self.addCleanup(holder.wait)
            self.addCleanup(holder.kill)
        self.assertRaises(Busy, self.disk.lock)
        self.assertRaises(Busy, self.disk.reset)
        self.assertRaises(Busy, Machine(self.disk).start)
        holder.kill()
        holder.wait()
        self.disk.reset()

    def test_a_later_build_changes_no_disk(self):
        self.disk.put({"file": "text"})
        self.image.wic.write_bytes(bytes(72 * MIB))
        self.assertEqual(self.disk.file("file"), "text")
        self.assertIsNot(Base.of(self.image, self.root / "base").stamp(), "")
        self.assertRaises(LabError, self.base.partitions)


class Run(Small):
    """What `make image-run` does before it starts a machine."""

    def run_disk(self, **environment: str) -> Disk:
        with mock.patch.object(run, "MACHINES", self.root / "machines"), mock.patch.dict("os.environ", environment), \
                mock.patch.object(Image, "find", lambda _: self.image):
            return run.disk_of("livehal-image", 7777)

    def test_the_disk_is_kept_until_it_is_thrown_away(self):
        disk = self.run_disk()
        disk.put({"file": "text"})
        self.assertEqual(self.run_disk().file("file"), "text")
        self.image.wic.touch()
        self.assertEqual(self.run_disk().file("file"), "text", "a newer build is said, and changes nothing")
        self.assertEqual(self.run_disk(RESET="1").file("file"), "")

    def test_the_camera_is_told_how_it_is_reached(self):
        text = self.run_disk().file(f"{ETC}/livehal/live777.toml")
        self.assertIn('listen = "[::]:7777"\ncandidates = ["127.0.0.1"]', text)
        self.assertIn("width = 320", text)
        self.assertIn('[http]\nlisten = "[::]:7777"', text)

    def test_two_at_once_are_refused(self):
        with self.run_disk().lock(), self.assertRaises(Busy):
            self.run_disk()

    def test_an_empty_slot_is_said(self):
        with self.assertRaisesRegex(LabError, "slot B is empty"):
            run.needs_system(self.run_disk(), "B")


if __name__ == "__main__":
    unittest.main()
