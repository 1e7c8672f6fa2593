"""Both images start, in both slots, are closed where they should be, and stay who they are."""

import contextlib
import re
import socket
import unittest
from pathlib import Path

import checks
from case import Boots, new_disk
from disk import BUILD, cat, faults, links
from machine import BOOT, ETC, Machine, say

BUNDLE = BUILD / "image/tmp/deploy/images/qemuarm64/livehal-bundle-qemuarm64.raucb"
# Seconds to write a slot.
INSTALL = 900


class Development(Boots):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.wait_ssh()

    def holds(self, check):
        self.assertEqual(check(self.machine), "")

    def test_root_is_read_only(self):
        self.holds(checks.root_is_read_only)

    def test_settings_and_state_are_on_the_data_partition_and_nothing_is_mounted_over_them(self):
        self.holds(checks.state_is_on_the_data_partition)

    def test_no_unit_failed(self):
        self.holds(checks.no_unit_failed)

    def test_the_journal_has_no_errors(self):
        checks.no_unit_failed(self.machine)
        self.holds(checks.the_journal_has_no_errors)

    def test_the_kernel_is_content(self):
        self.holds(checks.the_kernel_is_content)

    def test_only_documented_ports_listen(self):
        self.holds(checks.only_documented_ports_listen)

    def test_nobody_has_a_password(self):
        self.holds(checks.nobody_has_a_password)

    def test_the_camera_waits_for_nothing_that_it_does_not_need(self):
        checks.no_unit_failed(self.machine)
        self.holds(checks.nothing_needless_is_waited_for)
        say("\n" + checks.critical_chain(self.machine) + "\n" + self.machine.ssh(
            "systemd-analyze time --no-pager; systemd-analyze blame --no-pager | sed -n 1,15p"))

    def test_it_streams(self):
        frames, size = self.machine.streams(self.machine.token())
        say(f"{frames} frames, a picture of {size} bytes")

    def test_strangers_get_nothing(self):
        self.assertEqual(self.machine.ask("/api/streams")[0], 401)
        self.assertEqual(self.machine.ask("/api/streams", "0" * 64)[0], 401)

    def test_the_console_says_where_the_page_is_and_the_token(self):
        checks.no_unit_failed(self.machine)
        self.assertIn(f"https://{self.machine.ssh('hostname')}.local:7777/ with token {self.machine.token()}", self.machine.said())

    def test_slot_a_runs(self):
        self.assertIn("rauc.slot=A", self.machine.ssh("cat /proc/cmdline"))
        self.assertRegex(self.machine.ssh("rauc status --output-format=shell"), r"RAUC_SYSTEM_BOOTED_BOOTNAME='?A'?")


class Identity(Boots):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.wait_ssh()

    def test_it_is_made_once_and_kept(self):
        """Over three reboots, and over a power cut."""
        machine, first = self.machine, checks.identity(self.machine)
        self.assertEqual([name for name, value in first.items() if not value], [])
        self.assertRegex(first["hostname"], r"^livehal-[0-9a-f]{6}$")
        for start in ("reboot", "reboot", "reboot", "power cut"):
            with self.subTest(start):
                if start == "reboot":
                    machine.reboot()
                else:
                    machine.kill()
                    machine.start()
                seconds = machine.wait_page()
                machine.wait_ssh()
                say(f"{start}: the page is there after {seconds:.0f} s")
                self.assertEqual(checks.identity(machine), first)
                self.assertEqual(checks.no_unit_failed(machine), "")
        machine.streams(first["token"])

    def test_two_devices_share_nothing(self):
        other = Machine(new_disk("livehal-image", "test-other"))
        first = checks.identity(self.machine)
        with other:
            other.wait_page()
            other.wait_ssh()
            second = checks.identity(other)
        self.assertEqual([name for name in first if first[name] == second[name]], [])


class Mutations(Boots):
    """Every check finds what it is there for."""

    WRONG = {
        checks.root_is_read_only: "mount -o remount,rw /",
        checks.state_is_on_the_data_partition: "mount -t tmpfs none /var/lib/systemd",
        checks.no_unit_failed: "systemd-run --wait false",
        checks.the_journal_has_no_errors: "echo '<3>wrong' | systemd-cat; journalctl --sync",
        checks.the_kernel_is_content: "echo '<4>WARNING: CPU: 0' >/dev/kmsg",
        checks.only_documented_ports_listen: "systemd-run nc -l -p 8080; until ss -Hltn | grep -q 8080; do :; done",
        checks.nobody_has_a_password: "sed -i 's/^nobody:[^:]*/nobody:/' /etc/shadow",
        checks.nothing_needless_is_waited_for:
            "mkdir -p /etc/systemd/system/live777.service.d; cd /etc/systemd/system;"
            "printf '[Service]\\nType=oneshot\\nExecStart=/bin/sleep 3\\n' >slow.service;"
            "printf '[Unit]\\nWants=slow.service\\nAfter=slow.service\\n' >live777.service.d/slow.conf;"
            "systemctl daemon-reload; systemctl restart live777",
    }

    def test_every_check_finds_what_it_is_for(self):
        self.machine.wait_ssh()
        self.assertEqual(set(self.WRONG), set(checks.ALL))
        for check, command in self.WRONG.items():
            with self.subTest(check.__name__):
                before = check(self.machine)
                self.machine.ssh(command, check=False)
                self.assertNotIn(check(self.machine), ("", before))


class Release(Boots):
    image = "livehal-image-release"

    @classmethod
    def setUpClass(cls):
        cls.machine = Machine(new_disk(cls.image, "test-release"), append=(
            "systemd.show_status=1 systemd.journald.forward_to_console=1 systemd.journald.max_level_console=err"))
        cls.addClassCleanup(cls.machine.kill)
        cls.machine.start()
        say(f"Release: the page is there after {cls.machine.wait_page():.0f} s")
        cls.machine.wait_console(r"Reached target .*[Mm]ulti-[Uu]ser", BOOT)

    def token(self) -> str:
        return self.machine.disk.file(f"{ETC}/livehal/tokens/admin", live=True).strip()

    def system(self, path: str) -> str:
        """A file of the system, as it was built."""
        return cat(self.copy(), path)

    def copy(self) -> Path:
        """The slot, in a file."""
        copy = self.machine.disk.overlay.with_suffix(".system")
        if not copy.exists():
            self.machine.disk.read("rootfs-a", copy, live=True)
            self.addClassCleanup(copy.unlink)
        return copy

    def test_it_streams(self):
        self.machine.streams(self.token())

    def test_the_console_has_no_prompt_no_token_and_no_fault(self):
        said = re.sub(r"\x1b\[[0-9;]*m", "", self.machine.said())
        self.assertNotRegex(said, r"login:|# $|\$ $")
        self.assertNotIn(self.token(), said)
        self.assertEqual(re.findall(r".*(?:\[FAILED\]|\[DEPEND\]|Failed to ).*", said), [])
        self.assertEqual(re.findall(r"^\[ *[\d.]+\] (?!systemd)\S+\[\d+\]: .*", said, re.M), [], "errors of the journal")

    def test_nobody_logs_in(self):
        self.assertEqual(self.system("/usr/sbin/sshd"), "")
        units = links(self.copy(), "/etc/systemd/system")
        for unit in ("getty@.service", "serial-getty@.service"):
            self.assertEqual(units.get(unit), "/dev/null")
        self.assertEqual(checks.passwords(self.system("/etc/shadow")), "")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.machine.ssh_port), 5) as ssh:
            self.assertEqual(ssh.recv(64), b"", "something answers at ssh's port")

    def test_zz_it_is_switched_off_by_its_button_and_stays_who_it_is(self):
        token = self.token()
        self.machine.power_off()
        self.assertEqual(faults(self.machine.disk.read("data", self.data())), "")
        self.machine.start()
        self.machine.wait_page()
        self.assertEqual(self.token(), token)
        self.machine.streams(token)

    def data(self) -> Path:
        copy = self.machine.disk.overlay.with_suffix(".data")
        self.addCleanup(copy.unlink)
        return copy


class SlotB(Boots):
    def test_an_update_is_installed_and_b_is_the_same_device(self):
        if not BUNDLE.exists():
            self.skipTest(f"{BUNDLE} is not there: make image TARGETS=livehal-bundle")
        machine = self.machine
        machine.wait_ssh()
        first = checks.identity(machine)
        machine.send(BUNDLE, "/tmp/update.raucb")
        machine.ssh("rauc install /tmp/update.raucb", limit=INSTALL)
        machine.power_off()
        machine.slot = "B"
        machine.start()
        seconds = machine.wait_page()
        machine.wait_ssh()
        say(f"slot B: the page is there after {seconds:.0f} s")
        self.assertEqual(machine.ssh("findmnt -no SOURCE /"), "/dev/vda2")
        self.assertRegex(machine.ssh("rauc status --output-format=shell"), r"RAUC_SYSTEM_BOOTED_BOOTNAME='?B'?")
        self.assertEqual(checks.identity(machine), first)
        for check in checks.ALL:
            with self.subTest(check.__name__):
                self.assertEqual(check(machine), "")
        machine.streams(first["token"])


if __name__ == "__main__":
    unittest.main()
