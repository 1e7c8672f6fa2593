"""The programs that the layer puts on a device, run here on a directory of their own."""

import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import tempfile
import time
import tomllib
import unittest
import urllib.request
from pathlib import Path

from support import LAYERS, ROOT, layer_files

LAYER = LAYERS[0]
IDENTITY = LAYER / "recipes-core/livehal-identity/livehal-identity/livehal-identity"
HAWKBIT = LAYER / "recipes-support/livehal-hawkbit/livehal-hawkbit"
CONFIGURATION = LAYER / "recipes-core/livehal-conf/livehal-conf/live777.toml"


class Device(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        self.etc = self.root / "etc"
        self.etc.mkdir()
        (self.root / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")

    def identity(self) -> subprocess.CompletedProcess:
        environment = {"PATH": os.environ["PATH"], "LIVEHAL_ETC": str(self.etc), "LIVEHAL_GROUP": "",
                       "LIVEHAL_MACHINE_ID": str(self.root / "machine-id")}
        return subprocess.run(["sh", str(IDENTITY)], env=environment, capture_output=True, text=True)

    def made(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.etc)): p.read_bytes()
                for p in self.etc.rglob("*") if p.is_file()}


class Identity(Device):
    def test_it_makes_token_key_certificate_and_name(self):
        done = self.identity()
        self.assertEqual(done.returncode, 0, done.stderr)
        made = self.made()
        self.assertEqual(set(made), {"hostname", "livehal/tls/certificate.pem", "livehal/tls/key.pem",
                                     "livehal/tokens/admin"})
        self.assertRegex(made["livehal/tokens/admin"].decode(), r"^[0-9a-f]{64}\n$")
        self.assertEqual(made["hostname"], b"livehal-abcdef\n")
        for secret in ("livehal/tls/key.pem", "livehal/tokens/admin"):
            mode = stat.S_IMODE((self.etc / secret).stat().st_mode)
            self.assertEqual(mode, 0o640, secret)
        shown = subprocess.check_output(
            ["openssl", "x509", "-noout", "-subject", "-ext", "subjectAltName", "-in",
             str(self.etc / "livehal/tls/certificate.pem")], text=True)
        self.assertIn("DNS:livehal-abcdef.local", shown)

    def test_no_two_devices_share_anything(self):
        self.identity()
        first = self.made()
        shutil.rmtree(self.etc)
        self.etc.mkdir()
        (self.root / "machine-id").write_text("fedcba9876543210fedcba9876543210\n")
        self.identity()
        for name, content in self.made().items():
            self.assertNotEqual(content, first[name], name)

    def test_it_leaves_what_is_there(self):
        self.identity()
        (self.etc / "hostname").write_text("front-door\n")
        before = self.made()
        self.assertEqual(self.identity().returncode, 0)
        self.assertEqual(self.made(), before)

    def test_a_certificate_that_was_lost_is_made_with_a_new_key(self):
        self.identity()
        before = self.made()
        (self.etc / "livehal/tls/certificate.pem").unlink()
        self.identity()
        after = self.made()
        self.assertNotEqual(after["livehal/tls/key.pem"], before["livehal/tls/key.pem"])
        self.assertEqual(after["livehal/tokens/admin"], before["livehal/tokens/admin"])

    def test_what_a_power_cut_left_is_removed_and_made_again(self):
        """A file without content is what a file system makes of one whose name came first."""
        (self.etc / "livehal/new.abcdef").mkdir(parents=True)
        (self.etc / "livehal/new.abcdef/key.pem").write_text("half a key")
        for name in ("tokens/admin", "tls/certificate.pem", "tls/key.pem"):
            (self.etc / "livehal" / name).parent.mkdir(exist_ok=True)
            (self.etc / "livehal" / name).touch()
        (self.etc / "hostname").touch()
        self.assertEqual(self.identity().returncode, 0)
        made = self.made()
        self.assertEqual(set(made), {"hostname", "livehal/tls/certificate.pem", "livehal/tls/key.pem", "livehal/tokens/admin"})
        self.assertTrue(all(made.values()))

    def test_without_a_machine_id_it_says_so(self):
        (self.root / "machine-id").write_text("")
        done = self.identity()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("machine id", done.stderr)

    def test_the_server_takes_the_configuration_of_the_image(self):
        server = self.built("live777")
        self.identity()
        shutil.copy(CONFIGURATION, self.etc / "livehal/live777.toml")
        done = subprocess.run([server, "--check-config", self.etc / "livehal/live777.toml"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        (self.etc / "livehal/tokens/admin").unlink()
        done = subprocess.run([server, "--check-config", self.etc / "livehal/live777.toml"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 2, "without its token it must not be taken")

    def test_a_viewer_decodes_what_the_image_serves(self):
        server, viewer = self.built("live777"), self.built("live777-peer")
        self.identity()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            here = "127.0.0.1:%d" % probe.getsockname()[1]
        text = CONFIGURATION.read_text()
        self.assertEqual(text.count("[::]:7777"), 2)
        configuration = self.etc / "livehal/live777.toml"
        configuration.write_text(text.replace("[::]:7777", here))
        process = subprocess.Popen([server, "--config", configuration, "--bus", "none"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.wait_for(process, f"https://{here}/healthz")
        good = self.etc / "livehal/tokens/admin"
        wrong = self.etc / "wrong"
        wrong.write_text("0" * 64)
        for token, path, status, said in ((good, "/whep/cam", 0, "30 frames of 1280x720 decoded"),
                                          (wrong, "/whep/cam", 1, "401"),
                                          (good, "/whep/none", 1, "404"),
                                          (good, "/other", 1, "not an address")):
            done = subprocess.run([viewer, "--frames", "30", "--token-file", token, f"https://{here}{path}"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            self.assertIn(said, done.stdout + done.stderr)

    def wait_for(self, process: subprocess.Popen, url: str):
        """Until a server answers; its certificate is the device's own."""
        anybody = ssl.create_default_context()
        anybody.check_hostname = False
        anybody.verify_mode = ssl.CERT_NONE
        deadline = time.monotonic() + 30
        while True:
            self.assertIsNone(process.poll(), "live777 ended")
            try:
                with urllib.request.urlopen(url, context=anybody, timeout=5):
                    return
            except OSError as fault:
                self.assertLess(time.monotonic(), deadline, fault)
                time.sleep(0.05)

    def built(self, name: str) -> Path:
        """The newest build of a program of this repository."""
        target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
        there = [p for p in (target / kind / name for kind in ("release", "debug")) if p.is_file()]
        if not there:
            self.skipTest(f"{name} is not built (cargo build --bin {name})")
        return max(there, key=lambda p: p.stat().st_mtime)


class Hawkbit(Device):
    def setUp(self):
        super().setUp()
        template = self.root / "usr/share/livehal/hawkbit.conf.in"
        template.parent.mkdir(parents=True)
        text = (HAWKBIT / "config.conf.in").read_text()
        for name, value in (("SERVER", "updates.example.org"), ("TENANT", "DEFAULT"), ("MACHINE", "rdk-x5")):
            text = text.replace(f"@{name}@", value)
        template.write_text(text)
        (self.etc / "rauc-hawkbit-updater").mkdir()
        (self.etc / "hostname").write_text("livehal-abcdef\n")
        (self.etc / "os-release").write_text('ID=livehal\nVERSION_ID="0.1.0"\n')
        self.runtime = self.root / "run"
        self.runtime.mkdir()

    def run_it(self, token: str) -> subprocess.CompletedProcess:
        (self.etc / "rauc-hawkbit-updater/auth-token").write_text(token)
        environment = {"PATH": os.environ["PATH"], "LIVEHAL_ROOT": str(self.root),
                       "RUNTIME_DIRECTORY": str(self.runtime)}
        return subprocess.run(["sh", str(HAWKBIT / "livehal-hawkbit")], env=environment,
                              capture_output=True, text=True)

    def test_it_writes_this_devices_name_and_token(self):
        done = self.run_it("0123abcd\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        made = self.runtime / "config.conf"
        text = made.read_text()
        for line in ("hawkbit_server = updates.example.org", "target_name = livehal-abcdef",
                     "auth_token = 0123abcd", "version = 0.1.0", "ssl_verify = true"):
            self.assertIn(line + "\n", text)
        self.assertNotIn("@", text)
        self.assertEqual(stat.S_IMODE(made.stat().st_mode), 0o600)

    def test_it_refuses_a_token_that_is_none(self):
        for token in ("", "\n", "a|b", "two words&more", "$(reboot)"):
            done = self.run_it(token)
            self.assertNotEqual(done.returncode, 0, token)
            self.assertIn("auth-token", done.stderr)


class Console(unittest.TestCase):
    def test_the_serial_console_is_told_the_token_and_the_screen_is_not(self):
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            for name, text in (("sys/class/tty/console/active", "tty1 ttyAMA0\n"), ("etc/hostname", "livehal-abcdef\n"),
                               ("etc/livehal/tokens/admin", "secret\n"), ("dev/tty1", ""), ("dev/ttyAMA0", "")):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            subprocess.run(["sh", LAYER / "recipes-core/livehal-identity/livehal-identity/livehal-console"], check=True,
                           env={"PATH": os.environ["PATH"], "LIVEHAL_ROOT": scratch})
            self.assertEqual((root / "dev/tty1").read_text(), "")
            self.assertEqual((root / "dev/ttyAMA0").read_text().strip(),
                             "livehal: https://livehal-abcdef.local:7777/ with token secret")


class Shell(unittest.TestCase):
    @unittest.skipUnless(shutil.which("shellcheck"), "apt-get install shellcheck")
    def test_shellcheck_is_content(self):
        scripts = [p for layer in LAYERS for p in layer.rglob("*") if p.is_file()
                   and p.read_bytes().startswith(b"#!/bin/sh")]
        self.assertGreaterEqual(len(scripts), 3)
        done = subprocess.run(["shellcheck", *map(str, scripts)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "apt-get install systemd")
    def test_systemd_takes_the_units(self):
        with tempfile.TemporaryDirectory() as scratch:
            for unit in layer_files(".service"):
                if "[Unit]" not in unit.read_text():
                    continue
                text = re.sub(r"/usr/lib/livehal/[\w-]+", "/bin/true", unit.read_text())
                copy = Path(scratch) / unit.name
                copy.write_text(text)
                done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)],
                                      capture_output=True, text=True)
                faults = [line for line in done.stderr.splitlines() if unit.name in line]
                self.assertEqual(faults, [], unit.name)


if __name__ == "__main__":
    unittest.main()
