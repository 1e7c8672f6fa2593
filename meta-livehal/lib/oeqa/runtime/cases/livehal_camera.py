#
# Copyright (c) 2026 The livehal authors
#
# SPDX-License-Identifier: MIT
#
"""A camera where the machine has one; the built-in source where it has none."""

import json
import time

from oeqa.core.decorator.depends import OETestDepends
from oeqa.runtime.case import OERuntimeTestCase

CALL = "busctl --system --json=short call org.livehal.Capture1 %s org.livehal.Capture1.%s"
# The driver of a capture node that only a camera makes, and the program that lists cameras with a line of one.
BOARD_CAMERA = {
    "raspberrypi5": ("rp1-cfe", "cam --list", r"(?m)^1: "),
    "rdk-x5": ("uvcvideo", "v4l2-ctl --list-devices", r"/dev/video[0-9]"),
}
DRIVERS = "for d in /sys/class/video4linux/*/device/driver; do basename $(readlink -f $d); done"
# Seconds until a source that is started has a picture, on an emulated machine.
FIRST_PICTURE = 60


class LivehalCameraTest(OERuntimeTestCase):
    @OETestDepends(["livehal_stream.LivehalStreamTest.test_it_is_healthy"])
    def test_the_built_in_source_runs(self):
        """With no camera in the configuration the source is the test picture, and it has frames."""
        streams = self.call("/org/livehal/Capture1", "Manager ListStreams")
        self.assertTrue(streams, "no stream is configured")
        path = streams[0][1]
        _, backend = self.target.run(
            "busctl --system get-property org.livehal.Capture1 %s org.livehal.Capture1.Stream CaptureBackend"
            % path)
        if "testsrc" not in backend:
            self.skipTest("the configuration has a camera: %s" % backend.strip())
        # Nobody watches: a stream on demand captures nothing until it is told to.
        self.call(path, "Stream Start")
        end = time.monotonic() + FIRST_PICTURE
        while not (frames := self.call(path, "Stream GetStats")["Frames"]["data"]) and time.monotonic() < end:
            time.sleep(1)
        self.assertGreater(frames, 0)

    @OETestDepends(["ssh.SSHTest.test_ssh"])
    def test_the_boards_camera_is_there(self):
        """Needs a board with a camera: where the kernel has one, the programs that use it list it."""
        machine = self.tc.td.get("MACHINE")
        if machine not in BOARD_CAMERA:
            self.skipTest("%s has no camera; needs a board" % machine)
        driver, program, line = BOARD_CAMERA[machine]
        _, output = self.target.run(DRIVERS)
        if driver not in output.split():
            self.skipTest("no camera is connected: no video node has the driver %s" % driver)
        status, output = self.target.run(program)
        self.assertEqual(status, 0, output)
        self.assertRegex(output, line)

    def call(self, path, method):
        """What a method without arguments answers, if anything."""
        status, output = self.target.run(CALL % (path, method))
        self.assertEqual(status, 0, output)
        data = json.loads(output)["data"] if output.strip() else []
        return data[0] if data else None
