#
# Copyright (c) 2026 The livehal authors
#
# SPDX-License-Identifier: MIT
#
"""live777's unit: it runs, and inside its sandbox."""

from oeqa.core.decorator.depends import OETestDepends
from oeqa.runtime.case import OERuntimeTestCase
from oeqa.runtime.decorator.package import OEHasPackage

# systemd-analyze's exposure, 0 to 10; the unit has 1.5 with systemd 252.
EXPOSURE = 2.0


class LivehalUnitsTest(OERuntimeTestCase):
    @OETestDepends(["ssh.SSHTest.test_ssh"])
    @OEHasPackage(["live777"])
    def test_live777_runs(self):
        """Active, enabled, and never restarted."""
        self.assertEqual(self.show("ActiveState"), "active")
        self.assertEqual(self.show("UnitFileState"), "enabled")
        self.assertEqual(self.show("NRestarts"), "0", "it was restarted: journalctl -u live777")

    @OETestDepends(["livehal_units.LivehalUnitsTest.test_live777_runs"])
    def test_it_is_no_root_and_gains_nothing(self):
        """Its own user, no capability, no new privileges, a system call filter."""
        status, output = self.target.run("cat /proc/%s/status" % self.show("MainPID"))
        self.assertEqual(status, 0, output)
        fields = dict(line.split(":", 1) for line in output.splitlines() if ":" in line)
        self.assertEqual(fields["CapEff"].strip(), "0" * 16)
        self.assertEqual(fields["CapBnd"].strip(), "0" * 16)
        self.assertEqual(fields["NoNewPrivs"].strip(), "1")
        self.assertEqual(fields["Seccomp"].strip(), "2")
        _, user = self.target.run("stat -c %%U /proc/%s" % self.show("MainPID"))
        self.assertEqual(user.strip(), "livehal")

    @OETestDepends(["livehal_units.LivehalUnitsTest.test_live777_runs"])
    def test_the_exposure_is_small(self):
        """What systemd-analyze security says of it."""
        status, output = self.target.run("systemd-analyze security --no-pager live777.service")
        if status != 0 and "not found" in output:
            self.skipTest("systemd-analyze is not installed")
        last = [line for line in output.splitlines() if "exposure level" in line]
        self.assertTrue(last, output)
        exposure = float(last[0].split(":", 1)[1].split()[0])
        self.assertLessEqual(exposure, EXPOSURE, output)

    @OETestDepends(["livehal_units.LivehalUnitsTest.test_live777_runs"])
    def test_it_comes_back_after_a_crash(self):
        """Killed, it is active again within ten seconds, as another process."""
        before = self.show("MainPID")
        self.target.run("kill -KILL %s" % before)
        status, output = self.target.run(
            "for i in $(seq 100); do"
            " p=$(systemctl show -P MainPID live777);"
            " [ \"$p\" != %s ] && [ \"$p\" != 0 ] && systemctl -q is-active live777 && exit 0;"
            " sleep 0.1; done; systemctl status --no-pager live777; exit 1" % before)
        self.assertEqual(status, 0, output)

    def show(self, name):
        status, output = self.target.run("systemctl show -P %s live777.service" % name)
        self.assertEqual(status, 0, output)
        return output.strip()
