#
# Copyright (c) 2026 The livehal authors
#
# SPDX-License-Identifier: MIT
#
"""Pictures come out: over HTTP, and over WebRTC on the device's own loopback."""

import json
import time

from oeqa.core.decorator.depends import OETestDepends
from oeqa.runtime.case import OERuntimeTestCase
from oeqa.runtime.decorator.package import OEHasPackage

TOKEN = "/etc/livehal/tokens/admin"
CERTIFICATE = "/etc/livehal/tls/certificate.pem"
# Seconds until a source that is started has a picture, on an emulated machine.
FIRST_PICTURE = 60


class LivehalStreamTest(OERuntimeTestCase):
    @OETestDepends(["ssh.SSHTest.test_ssh"])
    @OEHasPackage(["live777"])
    def test_it_is_healthy(self):
        """/healthz answers 200."""
        status, output = self.curl("/healthz")
        self.assertEqual(status, 0, output)
        self.assertEqual(json.loads(output)["status"], "ok")

    @OETestDepends(["livehal_stream.LivehalStreamTest.test_it_is_healthy"])
    def test_strangers_get_nothing(self):
        """With a token set, a request without one is refused."""
        if not self.has_token():
            self.skipTest("%s is not there: the configuration has no token" % TOKEN)
        _, output = self.curl("/api/streams", token=False, more="-o /dev/null -w '%{http_code}'")
        self.assertIn("401", output)

    @OETestDepends(["livehal_stream.LivehalStreamTest.test_it_is_healthy"])
    def test_a_picture_is_captured(self):
        """A snapshot is a JPEG with a picture in it."""
        stream = self.first_stream()
        # Nobody watches: a stream on demand captures nothing until it is told to.
        status, output = self.curl("/api/streams/%s/start" % stream, more="--fail --request POST")
        self.assertEqual(status, 0, output)
        end = time.monotonic() + FIRST_PICTURE
        while True:
            status, output = self.curl("/api/streams/%s/snapshot.jpg" % stream,
                                       more="--fail --output /tmp/livehal.jpg --write-out '%{size_download}'")
            if status == 0 or time.monotonic() > end:
                break
            time.sleep(1)
        self.assertEqual(status, 0, output)
        self.assertGreater(int(output.split()[-1]), 2000)
        _, magic = self.target.run("od -An -tx1 -N3 /tmp/livehal.jpg")
        self.assertEqual(magic.split(), ["ff", "d8", "ff"])

    @OETestDepends(["livehal_stream.LivehalStreamTest.test_a_picture_is_captured"])
    def test_a_stream_is_decoded_over_whep(self):
        """A WHEP viewer on the device gets frames, and every one decodes."""
        if self.target.run("command -v live777-peer")[0] != 0:
            self.skipTest("live777-peer, the viewer of the tests, is not installed")
        token = "--token-file %s " % TOKEN if self.has_token() else ""
        # Two minutes: an emulated machine encodes a frame a second.
        status, output = self.target.run("live777-peer --frames 60 --seconds 120 %s%s/whep/%s"
                                         % (token, self.base(), self.first_stream()))
        self.assertEqual(status, 0, output)
        self.assertIn("60 frames of", output)

    def first_stream(self):
        status, output = self.curl("/api/streams")
        self.assertEqual(status, 0, output)
        return json.loads(output)[0]["name"]

    def has_token(self):
        return self.target.run("test -s %s" % TOKEN)[0] == 0

    def base(self):
        secure = self.target.run("test -s %s" % CERTIFICATE)[0] == 0
        return "%s://127.0.0.1:7777" % ("https" if secure else "http")

    def curl(self, path, token=True, more=""):
        """A request on the device itself. Its certificate is its own, so it is trusted by name only."""
        auth = ""
        if token and self.has_token():
            auth = "-H \"Authorization: Bearer $(cat %s)\"" % TOKEN
        return self.target.run("curl --silent --show-error --insecure --max-time 20 %s %s %s%s"
                               % (auth, more, self.base(), path))
