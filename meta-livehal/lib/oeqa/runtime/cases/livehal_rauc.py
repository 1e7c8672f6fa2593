#
# Copyright (c) 2026 The livehal authors
#
# SPDX-License-Identifier: MIT
#
"""RAUC: slots, whom it trusts, who may use it."""

import json
from unittest import SkipTest

from oeqa.core.decorator.depends import OETestDepends
from oeqa.runtime.case import OERuntimeTestCase
from oeqa.runtime.decorator.package import OEHasPackage

from livehal_system import is_image

COUNT = {"raspberrypi5": 4, "rdk-x5": 2, "qemuarm64": 2}
INSTALLER = "busctl --system get-property de.pengutronix.rauc / de.pengutronix.rauc.Installer Operation"


class LivehalRaucTest(OERuntimeTestCase):
    @classmethod
    def setUpClass(cls):
        if not is_image(cls.tc.target):
            raise SkipTest("needs an image of livehal: elsewhere there are no slots")

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    @OEHasPackage(["rauc"])
    def test_slots_are_known_and_one_is_booted(self):
        """Every slot of system.conf, with its device there, and exactly one root file system booted."""
        status, output = self.target.run("rauc status --output-format=json")
        self.assertEqual(status, 0, output)
        report = json.loads(output)
        machine = self.tc.td.get("MACHINE")
        self.assertEqual(report["compatible"], "livehal-%s" % machine)
        slots = {name: slot for entry in report["slots"] for name, slot in entry.items()}
        self.assertEqual(len(slots), COUNT[machine])
        booted = [name for name, slot in slots.items() if slot["state"] == "booted"]
        self.assertEqual(len(booted), 1, output)
        for slot in slots.values():
            status, _ = self.target.run("test -b %s" % slot["device"])
            self.assertEqual(status, 0, "%s is not there" % slot["device"])

    @OETestDepends(["livehal_rauc.LivehalRaucTest.test_slots_are_known_and_one_is_booted"])
    def test_only_root_uses_it(self):
        """The bus refuses everybody else."""
        self.assertEqual(self.target.run(INSTALLER)[0], 0)
        status, output = self.target.run("setpriv --reuid=nobody --clear-groups %s" % INSTALLER)
        if "not found" in output:
            status, output = self.target.run("su -s /bin/sh nobody -c '%s'" % INSTALLER)
        self.assertNotEqual(status, 0, output)

    @OETestDepends(["livehal_rauc.LivehalRaucTest.test_slots_are_known_and_one_is_booted"])
    def test_a_file_that_is_no_bundle_is_refused(self):
        """Nothing is written before the signature is good."""
        self.target.run("head -c 1048576 /dev/urandom >/tmp/no.raucb")
        status, output = self.target.run("rauc install /tmp/no.raucb")
        self.target.run("rm -f /tmp/no.raucb")
        self.assertNotEqual(status, 0, output)
