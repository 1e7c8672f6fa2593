"""What the layer's tests share: the tree, and BitBake's parser without OpenEmbedded."""

import contextlib
import logging
import os
import re
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LAYERS = [ROOT / "meta-livehal", ROOT / "meta-livehal-rdk-x5"]
MACHINES = ["raspberrypi5", "rdk-x5", "qemuarm64"]
CACHE = Path(os.environ.get("LIVEHAL_CACHE")
             or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "livehal")


def layer_files(*endings: str) -> list[Path]:
    """Every file of the layers whose name has one of the endings."""
    found = [p for layer in LAYERS for p in layer.rglob("*") if p.name.endswith(endings)]
    return sorted(p for p in found if p.is_file() and "__pycache__" not in p.parts)


def checkouts() -> Path | None:
    """The directory with checkouts of other layers, where somebody named one."""
    named = os.environ.get("LIVEHAL_LAYERS")
    return Path(named) if named else None


def _import_bitbake():
    # bb.siggen wants the hash equivalence server's library, which the package does not bring and
    # a parser does not use.
    for name in ("hashserv", "hashserv.client", "prserv", "prserv.serv"):
        sys.modules.setdefault(name, types.ModuleType(name))
    import bb
    import bb.cache
    import bb.data
    import bb.fetch2
    import bb.parse
    import bb.parse.parse_py  # registers the handlers for .bb, .inc and .conf
    logging.getLogger("BitBake").setLevel(logging.WARNING)
    return bb


bb = _import_bitbake()

# What oe-core's classes give the recipes here, as far as a parser needs it.
OE_CORE = {
    "bindir": "/usr/bin", "datadir": "/usr/share", "sysconfdir": "/etc", "base_sbindir": "/usr/sbin",
    "nonarch_libdir": "/usr/lib", "localstatedir": "/var", "ROOT_HOME": "/root",
    "systemd_system_unitdir": "/usr/lib/systemd/system", "systemd_unitdir": "/usr/lib/systemd",
    "WORKDIR": "/build/work/${PN}", "UNPACKDIR": "${WORKDIR}/sources", "S": "${UNPACKDIR}/${BP}",
    "B": "${S}", "D": "${WORKDIR}/image", "TMPDIR": "/build/tmp", "TOPDIR": "/build",
    "COREBASE": "/oe-core", "DEPLOY_DIR_IMAGE": "/build/deploy", "DEPLOYDIR": "${WORKDIR}/deploy",
    "P": "${PN}-${PV}", "BP": "${BPN}-${PV}", "BPN": "${PN}",
    "PN": "${@bb.parse.vars_from_file(d.getVar('FILE', False), d)[0] or 'defaultpkgname'}",
    "PV": "${@bb.parse.vars_from_file(d.getVar('FILE', False), d)[1] or '1.0'}",
    "PACKAGES": "${PN}-dbg ${PN}-dev ${PN}", "PACKAGECONFIG_CONFARGS": "",
    "FILESPATH": "${FILESEXTRAPATHS}:${@d.getVar('FILE') and os.path.dirname(d.getVar('FILE'))}",
    "OVERRIDES": "${MACHINE}:${MACHINE_OVERRIDES}:livehal:linux", "MACHINE_OVERRIDES": "",
    "DISTRO_VERSION": "0.1.0", "MACHINE_ARCH": "${@d.getVar('MACHINE').replace('-', '_')}",
}


class Recipes:
    """Parses recipes with BitBake, with an empty class in the place of each class of oe-core."""

    def __init__(self, scratch: Path):
        self.stubs = scratch / "stubs"
        (self.stubs / "classes-recipe").mkdir(parents=True, exist_ok=True)
        ours = {p.stem for p in layer_files(".bbclass")}
        for recipe in layer_files(".bb", ".bbappend", ".bbclass", ".inc"):
            for line in re.findall(r"^inherit (.*)$", recipe.read_text(), re.M):
                for name in line.split():
                    if name not in ours and "$" not in name:
                        (self.stubs / f"classes-recipe/{name}.bbclass").touch()
        (self.stubs / "classes-recipe/cargo.bbclass").write_text('CARGO_BUILD_FLAGS = "--frozen"\n')

    def store(self, machine: str, **variables: str):
        """A data store as the configuration would leave it."""
        d = bb.data.init()
        d.setVar("BBPATH", ":".join([str(self.stubs)] + [str(layer) for layer in LAYERS]))
        for name, value in OE_CORE.items():
            d.setVar(name, value)
        d.setVar("__bbclasstype", "recipe")
        d.setVar("MACHINE", machine)
        d.setVar("MACHINE_OVERRIDES", {"raspberrypi5": "rpi"}.get(machine, ""))
        for layer in LAYERS:
            d.setVar("LAYERDIR", str(layer))
            d = bb.parse.handle(str(layer / "conf/layer.conf"), d, include=True, baseconfig=True)
            d.expandVarref("LAYERDIR")
        for name, value in variables.items():
            d.setVar(name, value)
        bb.parse.init_parser(d)
        return d

    def parse(self, recipe: Path, machine: str = "qemuarm64", **variables: str):
        """The recipe's variables; raises what BitBake raises."""
        with quiet():
            return bb.parse.handle(str(recipe), self.store(machine, **variables))[""]


@contextlib.contextmanager
def quiet():
    """Without BitBake's own report of an error that the caller looks at."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
