"""What can go wrong with power, disk and clock: the machine comes up all the same, or says why, and the camera streams."""

import hashlib
import os
import random
import re
import subprocess
import time
import unittest
from pathlib import Path

import checks
from case import new_disk
from disk import PATH, Busy, faults, tool
from machine import ETC, Machine, say

CUTS = int(os.environ.get("CUTS") or "20")
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
# Seconds of a first boot in which power is cut; a bit longer than until the page is there.
FIRST_BOOT = float(os.environ.get("FIRST_BOOT") or "90")
FAULT = "what is changed is lost at the next start"


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Faults(unittest.TestCase):
    """A new disk for each test; what is wrong with it is done before the machine is switched on."""

    def setUp(self):
        self.disk = new_disk("livehal-image", "test-faults")
        self.machine = Machine(self.disk)
        self.addCleanup(self.machine.kill)

    def data(self) -> Path:
        """The data partition, in a file."""
        copy = self.disk.overlay.with_suffix(".data")
        self.addCleanup(copy.unlink, missing_ok=True)
        return self.disk.read("data", copy)

    def up(self) -> str:
        """Switched on, with its page there and a shell; its token."""
        self.machine.start()
        seconds = self.machine.wait_page()
        self.machine.wait_ssh()
        say(f"{self.id().rsplit('.', 1)[1]}: the page is there after {seconds:.0f} s")
        return self.machine.token()

    def comes_up_well(self) -> str:
        """Every check holds, and the camera streams; its token."""
        token = self.up()
        self.assertEqual(checks.no_unit_failed(self.machine), "")
        self.assertEqual(checks.state_is_on_the_data_partition(self.machine), "")
        self.machine.streams(token)
        return token

    def comes_up_and_says(self, why: str) -> str:
        """The camera streams; console, journal and a failed unit say what is wrong. Its token."""
        token = self.up()
        self.machine.wait_console(f"the data partition /dev/vda3 {why}: {FAULT}", 1)
        self.assertIn("livehal-state-check.service", checks.no_unit_failed(self.machine))
        self.assertIn(FAULT, self.machine.ssh("journalctl --boot --quiet --no-pager --unit livehal-state-check --priority err"))
        self.assertEqual(self.machine.ssh("touch /etc/probe /var/lib/probe && findmnt -no FSTYPE /data"), "tmpfs")
        self.machine.streams(token)
        return token

    # --- The data partition ---------------------------------------------------------------------------------------------
    def test_noise_is_said_and_left_alone(self):
        noise, source = self.data(), random.Random(SEED)
        with noise.open("r+b") as file:
            for _ in range(noise.stat().st_size >> 20):
                file.write(source.randbytes(1 << 20))
        self.disk.write("data", noise)
        before = digest(noise)
        token = self.comes_up_and_says("holds no file system that can be used")
        self.machine.power_off()
        self.assertEqual(digest(self.data()), before)
        self.assertNotEqual(self.comes_up_and_says("holds no file system that can be used"), token)

    def test_a_blank_one_is_made_usable(self):
        blank = self.data()
        with blank.open("wb") as file:
            file.truncate(self.disk.base.partitions()["data"][1])
        self.disk.write("data", blank)
        token = self.comes_up_well()
        self.machine.power_off()
        self.assertEqual(self.comes_up_well(), token)

    def test_a_full_one_is_read_and_the_device_stays_who_it_is(self):
        token = self.up()
        self.machine.ssh("dd if=/dev/zero of=/data/full bs=1M 2>/dev/null; dd if=/dev/zero of=/data/more bs=1k 2>/dev/null; sync", check=False)
        self.machine.power_off()
        self.assertEqual(self.comes_up_and_says("is full, or cannot be written"), token)
        # What makes room makes it well.
        self.machine.ssh("mount -o remount,rw /run/livehal-state/data && rm /run/livehal-state/data/full /run/livehal-state/data/more && sync")
        self.machine.power_off()
        self.assertEqual(self.comes_up_well(), token)

    def test_one_that_was_full_from_the_beginning(self):
        data = self.data()
        room = int(re.search(r"^Free blocks: +(\d+)", tool("dumpe2fs", "-h", data).stdout, re.M)[1])
        size = int(re.search(r"^Block size: +(\d+)", tool("dumpe2fs", "-h", data).stdout, re.M)[1])
        filler = self.disk.overlay.with_suffix(".filler")
        self.addCleanup(filler.unlink)
        filler.write_bytes(b"x" * (room * size))
        subprocess.run(["debugfs", "-w", "-R", f"write {filler} full", str(data)], capture_output=True, check=False,
                       env=os.environ | {"PATH": PATH})
        self.disk.write("data", data)
        self.comes_up_and_says("is full, or cannot be written")

    def test_a_fault_that_needs_a_person_is_read_only(self):
        token = self.up()
        self.machine.power_off()
        self.disk.put({f"{ETC}/broken": "a file\n"})
        data = self.data()
        for command in (f"sif /{ETC}/broken mode 0", "ssv state 2"):
            tool("debugfs", "-w", "-R", command, data)
        self.disk.write("data", data)
        self.assertEqual(self.comes_up_and_says("has faults that e2fsck does not repair by itself"), token)
        self.machine.power_off()
        self.assertNotEqual(faults(self.data()), "", "it was repaired behind the user's back")

    # --- Clock, and two at once -----------------------------------------------------------------------------------------
    def test_the_clock_is_at_1970(self):
        self.machine.clock = "1970-01-01T00:00:00"
        token = self.comes_up_well()
        # systemd knows when it was built, and goes on from there.
        self.assertGreater(int(self.machine.ssh("date +%s")), 1_600_000_000)
        self.machine.power_off()
        self.assertEqual(self.comes_up_well(), token)

    def test_two_machines_on_one_disk_are_refused(self):
        self.machine.start()
        self.machine.wait_console("Booting Linux", 60)
        self.assertRaises(Busy, Machine(self.disk).start)
        self.assertRaises(Busy, self.disk.reset)
        # Whoever does it without the lab is refused by QEMU.
        done = subprocess.run(["qemu-img", "info", str(self.disk.overlay)], capture_output=True, text=True, check=False)
        self.assertIn("lock", done.stderr)

    # --- Power ----------------------------------------------------------------------------------------------------------
    def test_power_is_cut_at_any_second_of_the_first_boot(self):
        say(f"{CUTS} cuts, SEED={SEED}")
        for number in range(CUTS):
            second = random.Random(f"{SEED}/{number}").uniform(0, FIRST_BOOT)
            with self.subTest(number=number, second=f"{second:.1f}", seed=SEED):
                self.disk.reset()
                self.machine.start()
                # What is tested is this moment and no condition.
                time.sleep(second)
                self.machine.kill()
                before = self.disk.file(f"{ETC}/livehal/tokens/admin").strip()
                token = self.comes_up_well()
                if before:
                    self.assertEqual(token, before, "a token that was on the disk")
                self.machine.kill()
                data = self.data()
                subprocess.run(["e2fsck", "-p", str(data)], capture_output=True, check=False, env=os.environ | {"PATH": PATH})
                self.assertEqual(faults(data), "")
                say(f"cut {number + 1} of {CUTS}, after {second:.1f} s: {'the token was there' if before else 'no token yet'}")
            self.machine.kill()


if __name__ == "__main__":
    unittest.main()
