"""Scenarios: scripts that run as root in the VM, with what they need in their first lines."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from .build import HERE
from .cache import LabError

SCENARIOS = HERE / "scenarios"
ARCHITECTURES = ("amd64", "arm64")
# What runs a scenario unasked: a test, `make test` and `make test-vm`; more, the latter; a bench, nothing.
KINDS = ("test", "more", "bench")


@dataclass(frozen=True)
class Scenario:
    """A script and the `#: KEY VALUE` lines at its top."""

    path: Path
    # What the host lays into the VM's files before it boots: names of lab.stage.PAYLOADS.
    payloads: tuple[str, ...] = ()
    # Directories of out-of-tree modules, from the repository's root.
    modules: tuple[str, ...] = ()
    # Seconds it may take once the VM has booted.
    limit: int = 120
    # Memory of the VM in MiB.
    memory: int = 2048
    # Where it can run.
    architectures: tuple[str, ...] = ARCHITECTURES
    # Of KINDS.
    kind: str = "test"
    # A test of the lab itself: the run is good if it fails for these reasons, and no other.
    must_fail: tuple[str, ...] = ()

    def seconds(self) -> int:
        """The limit on this machine."""
        return self.limit * patience()

    @property
    def name(self) -> str:
        """As the command line names it."""
        return self.path.stem


def patience() -> int:
    """How much longer than usual everything may take: for a machine that is busy elsewhere."""
    text = os.environ.get("LIVEHAL_VM_PATIENCE", "1")
    if not text.isdecimal() or int(text) == 0:
        raise LabError(f"LIVEHAL_VM_PATIENCE is a whole number from 1, not {text}")
    return int(text)


def load(name: str) -> Scenario:
    """The scenario of that name."""
    path = SCENARIOS / f"{name}.sh"
    if not path.is_file():
        raise LabError(f"no scenario {name}; there are: {', '.join(names())}")
    return parse(path, path.read_text(encoding="utf-8"))


def names() -> list[str]:
    """All scenarios."""
    return sorted(path.stem for path in SCENARIOS.glob("*.sh"))


def parse(path: Path, text: str) -> Scenario:
    """A scenario from its script."""
    fields: dict = {}
    for line in text.splitlines():
        if not (found := re.fullmatch(r"#: (\S+) (.+)", line)):
            continue
        key, value = found[1], found[2].strip()
        if key in ("payloads", "modules", "architectures"):
            fields[key] = tuple(value.split())
        elif key in ("limit", "memory"):
            if not value.isdecimal():
                raise LabError(f"{path.name}: {key} is a number, not {value}")
            fields[key] = int(value)
        elif key == "kind":
            if value not in KINDS:
                raise LabError(f"{path.name}: kind is one of {', '.join(KINDS)}, not {value}")
            fields[key] = value
        elif key == "must-fail":
            fields["must_fail"] = (*fields.get("must_fail", ()), value)
        else:
            raise LabError(f"{path.name}: `#: {key}` is not known; there are payloads, modules, "
                           "architectures, limit, memory, kind and must-fail")
    unknown = set(fields.get("architectures", ())) - set(ARCHITECTURES)
    if unknown:
        raise LabError(f"{path.name}: no architecture {', '.join(sorted(unknown))}")
    return Scenario(path, **fields)
