"""The kas files, against kas's own schema and each other."""

import json
import re
import unittest
from importlib import resources

import jsonschema
import yaml

from support import MACHINES, ROOT

KAS = ROOT / "kas"
FILES = sorted(KAS.rglob("*.yml"))
LOCKS = [f for f in FILES if f.name.endswith(".lock.yml")]
SCHEMA = json.loads((resources.files("kas") / "schema-kas.json").read_text())


def load(path):
    return yaml.safe_load(path.read_text())


class Kas(unittest.TestCase):
    def test_every_file_fits_the_schema(self):
        self.assertGreater(len(FILES), 10)
        for path in FILES:
            with self.subTest(path.relative_to(ROOT)):
                jsonschema.validate(load(path), SCHEMA)

    def test_the_schema_refuses_what_is_misspelt(self):
        wrong = load(KAS / "common.yml")
        wrong["distribution"] = wrong.pop("distro")
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)

    def test_includes_are_there(self):
        for path in FILES:
            for name in load(path)["header"].get("includes", []):
                self.assertTrue((ROOT / name).is_file(), f"{path}: {name}")

    def test_layers_of_this_repository_are_there(self):
        for path in FILES:
            for layer in load(path).get("repos", {}).get("livehal", {}).get("layers", {}):
                self.assertTrue((ROOT / layer / "conf/layer.conf").is_file(), f"{path}: {layer}")

    def test_every_machine_has_a_file_and_a_lock(self):
        for machine in MACHINES:
            config = load(KAS / f"{machine}.yml")
            self.assertEqual(config["machine"], machine)
            wanted = set(load(KAS / "common.yml")["repos"]) | set(config.get("repos", {}))
            wanted.discard("livehal")
            locked = load(KAS / f"{machine}.lock.yml")["overrides"]["repos"]
            self.assertEqual(set(locked), wanted)
            for repo, pin in locked.items():
                self.assertRegex(pin["commit"], r"^[0-9a-f]{40}$", repo)

    def test_locks_agree(self):
        commits = {}
        for path in LOCKS:
            for repo, pin in load(path)["overrides"]["repos"].items():
                commits.setdefault(repo, set()).add(pin["commit"])
        self.assertEqual({r: c for r, c in commits.items() if len(c) > 1}, {})

    def test_every_repository_comes_from_a_branch_of_the_release(self):
        for path in FILES:
            for name, repo in load(path).get("repos", {}).items():
                if "url" in repo:
                    wanted = {"bitbake": "2.18", "meta-rust-bin": "master"}.get(name, "wrynose")
                    self.assertEqual(repo["branch"], wanted, f"{path}: {name}")

    def test_ffmpegs_licence_flag_is_accepted_once_and_can_be_refused(self):
        text = {path.name: "".join(load(path).get("local_conf_header", {}).values()) for path in FILES}
        accepting = [name for name, lines in text.items() if 'LICENSE_FLAGS_ACCEPTED += "commercial_ffmpeg"' in lines]
        self.assertEqual(accepting, ["common.yml"])
        self.assertEqual(text["no-codecs.yml"].splitlines(),
                         ['LICENSE_FLAGS_ACCEPTED:remove = "commercial_ffmpeg"', 'LIVEHAL_DECODER = "0"'])

    def test_the_catalogue_has_every_file(self):
        text = (ROOT / "docs/kas.md").read_text()
        for path in FILES:
            if not path.name.endswith(".lock.yml"):
                self.assertIn(f"kas/{path.relative_to(KAS)}", text)
        for name in re.findall(r"kas/[a-z0-9/-]+\.yml", text):
            self.assertTrue((ROOT / name).is_file(), name)


if __name__ == "__main__":
    unittest.main()
