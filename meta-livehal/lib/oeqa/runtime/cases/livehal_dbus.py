#
# Copyright (c) 2026 The livehal authors
#
# SPDX-License-Identifier: MIT
#
"""org.livehal.Capture1 on the system bus, and who may call it."""

from oeqa.core.decorator.depends import OETestDepends
from oeqa.runtime.case import OERuntimeTestCase
from oeqa.runtime.decorator.package import OEHasPackage

NAME = "org.livehal.Capture1"
MANAGER = "/org/livehal/Capture1"
LIST = "busctl --system call %s %s %s.Manager ListStreams" % (NAME, MANAGER, NAME)


class LivehalDbusTest(OERuntimeTestCase):
    @OETestDepends(["ssh.SSHTest.test_ssh"])
    @OEHasPackage(["live777"])
    def test_the_name_is_owned_by_the_unit(self):
        """The name belongs to live777.service."""
        status, output = self.target.run("busctl --system status %s" % NAME)
        self.assertEqual(status, 0, output)
        self.assertIn("Unit=live777.service", output)

    @OETestDepends(["livehal_dbus.LivehalDbusTest.test_the_name_is_owned_by_the_unit"])
    def test_root_sees_the_streams(self):
        """ListStreams answers with at least one stream."""
        status, output = self.target.run(LIST)
        self.assertEqual(status, 0, output)
        self.assertRegex(output, r"^a\(sos\) [1-9]")

    @OETestDepends(["livehal_dbus.LivehalDbusTest.test_the_name_is_owned_by_the_unit"])
    def test_others_see_nothing(self):
        """An account outside the group livehal is refused by the bus."""
        status, output = self.target.run("setpriv --reuid=nobody --clear-groups %s" % LIST)
        if "not found" in output:
            status, output = self.target.run("su -s /bin/sh nobody -c '%s'" % LIST)
        self.assertNotEqual(status, 0, output)
        self.assertRegex(output, r"(?i)access denied|not allowed|rejected|accessdenied")

    @OETestDepends(["livehal_dbus.LivehalDbusTest.test_root_sees_the_streams"])
    def test_a_call_starts_it(self):
        """Stopped, it is started by the next call: the bus activates it."""
        self.target.run("systemctl stop live777")
        status, output = self.target.run(LIST)
        self.target.run("systemctl start live777")
        self.assertEqual(status, 0, output)
