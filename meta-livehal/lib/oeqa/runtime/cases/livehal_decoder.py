#
# Copyright (c) 2026 The livehal authors
#
# SPDX-License-Identifier: MIT
#
"""The V4L2 decoder: its module, its daemon, and what live777 has it decode."""

import json

from oeqa.core.decorator.depends import OETestDepends
from oeqa.runtime.case import OERuntimeTestCase
from oeqa.runtime.decorator.package import OEHasPackage

UNIT = "daedalus-v4l2.service"
NAME = "org.livehal.Decoder1"
GET = "busctl --system get-property %s /org/livehal/Decoder1 %s.Manager " % (NAME, NAME)
# systemd-analyze's exposure, 0 to 10; the unit has 0.4 with systemd 252.
EXPOSURE = 0.6


class LivehalDecoderTest(OERuntimeTestCase):
    @OETestDepends(["ssh.SSHTest.test_ssh"])
    @OEHasPackage(["daedalus"])
    def test_the_module_is_loaded_and_its_nodes_are_for_whom_they_should(self):
        """The bridge is the daemon's, video and media node are for the group video."""
        status, output = self.target.run("grep -q '^daedalus_v4l2 ' /proc/modules")
        self.assertEqual(status, 0, "daedalus_v4l2 is not loaded: %s" % output)
        for node, wanted in (("/dev/daedalus-v4l2", "daedalus daedalus 600"),
                             ("/dev/video-dec0", "root video 660"),
                             ("/dev/media-dec0", "root video 660")):
            status, output = self.target.run("stat -L -c '%%U %%G %%a' %s" % node)
            self.assertEqual((status, output.strip()), (0, wanted), node)

    @OETestDepends(["livehal_decoder.LivehalDecoderTest.test_the_module_is_loaded_and_its_nodes_are_for_whom_they_should"])
    def test_the_daemon_runs_and_gains_nothing(self):
        """Active, enabled, on the bus; its own user, no capability, a system call filter."""
        self.assertEqual(self.show("ActiveState"), "active")
        self.assertEqual(self.show("UnitFileState"), "enabled")
        _, status = self.target.run("cat /proc/%s/status" % self.show("MainPID"))
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        self.assertEqual(fields["CapEff"].strip(), "0" * 16)
        self.assertEqual(fields["CapBnd"].strip(), "0" * 16)
        self.assertEqual(fields["NoNewPrivs"].strip(), "1")
        self.assertEqual(fields["Seccomp"].strip(), "2")
        _, user = self.target.run("stat -c %%U /proc/%s" % self.show("MainPID"))
        self.assertEqual(user.strip(), "daedalus")
        status, output = self.target.run(GET + "ModuleVersion")
        self.assertEqual(status, 0, output)
        self.assertRegex(output, r'^s "[0-9]+\.')

    @OETestDepends(["livehal_decoder.LivehalDecoderTest.test_the_daemon_runs_and_gains_nothing"])
    def test_the_exposure_is_small(self):
        """What systemd-analyze security says of it."""
        status, output = self.target.run("systemd-analyze security --no-pager %s" % UNIT)
        if status != 0 and "not found" in output:
            self.skipTest("systemd-analyze is not installed")
        last = [line for line in output.splitlines() if "exposure level" in line]
        self.assertTrue(last, output)
        exposure = float(last[0].split(":", 1)[1].split()[0])
        self.assertLessEqual(exposure, EXPOSURE, output)

    @OETestDepends(["livehal_decoder.LivehalDecoderTest.test_the_daemon_runs_and_gains_nothing"])
    def test_it_decodes_what_live777_encodes(self):
        """SelfTest of the first stream: as many frames decoded as were encoded."""
        status, output = self.target.run(
            "busctl --system --json=short call org.livehal.Capture1 /org/livehal/Capture1"
            " org.livehal.Capture1.Manager ListStreams")
        self.assertEqual(status, 0, output)
        path = json.loads(output)["data"][0][0][1]
        status, output = self.target.run(
            "busctl --system call org.livehal.Capture1 %s org.livehal.Capture1.Stream SelfTest" % path)
        self.assertEqual(status, 0, output)
        self.assertRegex(output, r'^uusd ([1-9][0-9]*) \1 "[0-9a-f]{32}" [0-9.]+$')

    @OETestDepends(["livehal_decoder.LivehalDecoderTest.test_the_daemon_runs_and_gains_nothing"])
    def test_what_is_no_stream_is_refused(self):
        """VerifyStream says what it takes. By the daemon's own program: busctl sends no descriptors."""
        status, output = self.target.run("daedalus_v4l2_daemon verify /etc/os-release 2>&1")
        self.assertEqual(status, 1, output)
        self.assertIn("neither IVF nor H.264", output)

    @OETestDepends(["livehal_decoder.LivehalDecoderTest.test_the_daemon_runs_and_gains_nothing"])
    def test_others_see_nothing(self):
        """An account outside the group livehal is refused by the bus."""
        status, output = self.target.run("setpriv --reuid=nobody --clear-groups %sVersion" % GET)
        if "not found" in output:
            status, output = self.target.run("su -s /bin/sh nobody -c '%sVersion'" % GET)
        self.assertNotEqual(status, 0, output)
        self.assertRegex(output, r"(?i)access denied|not allowed|rejected|accessdenied")

    @OETestDepends(["livehal_decoder.LivehalDecoderTest.test_it_decodes_what_live777_encodes"])
    def test_it_comes_back_after_a_crash(self):
        """Killed, it is active again within ten seconds, as another process."""
        before = self.show("MainPID")
        self.target.run("kill -KILL %s" % before)
        status, output = self.target.run(
            "for i in $(seq 100); do"
            " p=$(systemctl show -P MainPID %s);"
            " [ \"$p\" != %s ] && [ \"$p\" != 0 ] && systemctl -q is-active %s && exit 0;"
            " sleep 0.1; done; systemctl status --no-pager %s; exit 1" % (UNIT, before, UNIT, UNIT))
        self.assertEqual(status, 0, output)

    def show(self, name):
        status, output = self.target.run("systemctl show -P %s %s" % (name, UNIT))
        self.assertEqual(status, 0, output)
        return output.strip()
