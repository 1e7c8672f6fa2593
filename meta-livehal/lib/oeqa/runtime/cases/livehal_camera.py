#
# Copyright (c) 2026 The livehal authors
#
# SPDX-License-Identifier: MIT
#
"""A camera where the machine has one; the built-in source where it has none."""

import json

from oeqa.core.decorator.depends import OETestDepends
from oeqa.runtime.case import OERuntimeTestCase

# How a camera of the board itself shows: the driver of its capture node.
BOARD_CAMERA = {"raspberrypi5": ("rp1-cfe", "pispbe"), "rdk-x5": ("vin_node", "uvcvideo")}


class LivehalCameraTest(OERuntimeTestCase):
    @OETestDepends(["livehal_stream.LivehalStreamTest.test_it_is_healthy"])
    def test_the_built_in_source_runs(self):
        """With no camera in the configuration the source is the test picture, and it has frames."""
        _, output = self.target.run(
            "busctl --system --json=short call org.livehal.Capture1 /org/livehal/Capture1 "
            "org.livehal.Capture1.Manager ListStreams")
        streams = json.loads(output)["data"][0]
        self.assertTrue(streams, "no stream is configured")
        path = streams[0][1]
        _, backend = self.target.run(
            "busctl --system get-property org.livehal.Capture1 %s org.livehal.Capture1.Stream CaptureBackend"
            % path)
        if "testsrc" not in backend:
            self.skipTest("the configuration has a camera: %s" % backend.strip())
        self.assertIn("testsrc", backend)

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_the_boards_camera_is_there(self):
        """Needs a board with a camera: its driver has made nodes."""
        drivers = BOARD_CAMERA.get(self.tc.td.get("MACHINE"))
        if drivers is None:
            self.skipTest("%s has no camera; needs a board" % self.tc.td.get("MACHINE"))
        status, output = self.target.run("for d in /sys/class/video4linux/*/name; do cat $d; done")
        self.assertEqual(status, 0, "no video nodes at all")
        self.assertTrue(any(driver in output for driver in drivers), output)
