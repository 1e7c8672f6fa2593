#
# Copyright (c) 2026 The livehal authors
#
# SPDX-License-Identifier: MIT
#
"""The system as a whole: read-only, quiet, and open only where the documents say so."""

import json
import re

from oeqa.core.decorator.depends import OETestDepends
from oeqa.runtime.case import OERuntimeTestCase

# docs/first-boot.md has the same list. Address family and process do not matter, the port does.
DOCUMENTED = {("tcp", 7777), ("udp", 7777), ("udp", 5353)}
# A development image only.
DEVELOPMENT = {("tcp", 22)}
# avahi answers some queries from a port of its own; DHCP's client has 68 and 546.
CLIENTS = {("udp", 68), ("udp", 546)}

# Lines of the journal that are errors by priority and are none for a camera.
HARMLESS = (
    r"kernel: .*(vc4|v3d).*firmware",
    r"brcmfmac.*(txcap_blob|clm_blob)",
    r"bluetoothd?.*",
    r"kernel: .*PCI: .*bridge window",
)

# What this layer runs besides the system's own.
UNITS = ("live777.service", "livehal-identity.service")


def is_image(target):
    """Whether this is an image of livehal, not another system with its packages."""
    status, _ = target.run("grep -q '^ID=livehal$' /etc/os-release")
    return status == 0


class LivehalSystemTest(OERuntimeTestCase):
    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_root_is_read_only(self):
        """The system's file system cannot be written, and was not mounted writable."""
        _, output = self.target.run("findmnt --noheadings --output OPTIONS /")
        if not is_image(self.target):
            self.skipTest("needs an image of livehal: %s" % output)
        self.assertIn("ro", output.strip().split(","))
        status, _ = self.target.run("touch /usr/livehal-was-here")
        self.assertNotEqual(status, 0, "/usr can be written")

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_state_is_writable_and_on_the_data_partition(self):
        """/etc and /var/lib take writes, and those go to /data."""
        if not is_image(self.target):
            self.skipTest("needs an image of livehal: elsewhere there is no data partition")
        for directory in ("/etc", "/var/lib"):
            status, output = self.target.run("findmnt --noheadings --output FSTYPE --target %s" % directory)
            self.assertEqual((status, output.strip()), (0, "overlay"), directory)
            probe = "%s/.livehal-probe" % directory
            status, output = self.target.run("touch %s && rm %s" % (probe, probe))
            self.assertEqual(status, 0, output)
        status, output = self.target.run("findmnt --noheadings --output OPTIONS /data")
        self.assertEqual(status, 0, "/data is not mounted")
        self.assertIn("nosuid", output)

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_only_documented_ports_listen(self):
        """No program listens where no document says so."""
        _, output = self.target.run("ss --listening --tcp --udp --numeric --no-header")
        found = set()
        for line in output.splitlines():
            fields = line.split()
            if len(fields) < 5:
                continue
            address, _, port = fields[4].rpartition(":")
            if address.strip("[]").split("%")[0] not in ("127.0.0.1", "::1", "127.0.0.53", "127.0.0.54"):
                found.add((fields[0], int(port)))
        extra = found - DOCUMENTED - DEVELOPMENT - CLIENTS
        if ("udp", 5353) in found:
            # avahi-daemon's second socket; its port is chosen anew at every start.
            extra = {e for e in extra if not (e[0] == "udp" and e[1] >= 32768)}
        self.assertEqual(extra, set(), output)

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_journal_has_no_errors(self):
        """Nothing was logged as an error since boot; elsewhere than in an image, nothing of ours."""
        units = "" if is_image(self.target) else " ".join("--unit %s" % unit for unit in UNITS)
        status, output = self.target.run(
            "journalctl --boot --priority err --output short --no-pager --quiet %s" % units)
        self.assertEqual(status, 0, output)
        errors = [line for line in output.splitlines()
                  if line.strip() and not any(re.search(p, line) for p in HARMLESS)]
        self.assertEqual(errors, [], "\n".join(errors))

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_the_name_in_the_network_is_the_devices(self):
        """avahi found no other device of this name: it takes itself for one where its patch is missing."""
        if not is_image(self.target):
            self.skipTest("needs an image of livehal: elsewhere avahi is another")
        status, output = self.target.run("journalctl --boot --unit avahi-daemon --output cat --no-pager --quiet")
        self.assertEqual(status, 0, output)
        self.assertIn("Host name is livehal-", output)
        self.assertNotIn("Host name conflict", output)

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_no_account_has_a_password(self):
        """Nobody logs in by a password that two devices share."""
        if "empty-root-password" in (self.tc.td.get("IMAGE_FEATURES") or "").split():
            self.skipTest("built with empty-root-password, for these tests")
        _, output = self.target.run("cut -d: -f1,2 /etc/shadow")
        with_password = [line for line in output.splitlines() if not re.search(r":[!*]", line)]
        self.assertEqual(with_password, [])

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_no_unit_failed(self):
        """Every unit that should run does."""
        _, output = self.target.run("systemctl list-units --state=failed --output=json")
        self.assertEqual([u["unit"] for u in json.loads(output or "[]")], [])
