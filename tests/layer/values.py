"""Assertions on what BitBake made of a recipe: values.py MACHINE RECIPE FILE, FILE as from `bitbake -e`."""

import re
import sys


def variables(path: str) -> dict[str, str]:
    """Every variable of the report; values end where the line does."""
    found = {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = re.match(r'^(?:export )?([A-Za-z0-9_:./+${}-]+)="(.*)"$', line)
            if match:
                found[match[1]] = match[2]
    return found


FORBIDDEN = {"debug-tweaks", "empty-root-password", "allow-empty-password", "package-management"}


def image(machine: str, v: dict[str, str]) -> list[tuple[str, bool]]:
    features = set(v["IMAGE_FEATURES"].split())
    distro = set(v["DISTRO_FEATURES"].split())
    data = {"raspberrypi5": "/dev/mmcblk0p6", "rdk-x5": "/dev/mmcblk1p4", "qemuarm64": "/dev/vda3"}
    types = set(v["IMAGE_FSTYPES"].split())
    return [
        ("the system is read-only", {"read-only-rootfs", "overlayfs-etc"} <= features),
        ("no debug feature", not features & FORBIDDEN),
        ("systemd, merged /usr, overlays, RAUC", {"systemd", "usrmerge", "overlayfs", "rauc"} <= distro),
        ("no graphics", not distro & {"x11", "wayland", "opengl"}),
        ("the data partition", v["OVERLAYFS_ETC_DEVICE"] == data[machine]),
        ("the mount points are not made at run time", v["OVERLAYFS_ETC_CREATE_MOUNT_DIRS"] == "0"),
        ("the layout is ours", v["WKS_FULL_PATH"].endswith(f"/files/wic/livehal-{machine}.wks")),
        ("ext4 for the slot, wic for the card", {"ext4", "wic.zst", "wic.bmap"} <= types),
        ("SPDX 3 and VEX", v["SPDX_INCLUDE_VEX"] == "all" and "create-spdx" in v["INHERIT"]
         and "vex" in v["INHERIT"].split()),
        ("the files have the names of the documents", v["IMAGE_LINK_NAME"] == f"livehal-image-{machine}"),
        ("what needs a boot-selection program is where there is one",
         ("rauc-mark-good" in v["PACKAGE_EXCLUDE"].split()) == (machine != "qemuarm64")),
        ("an image fits its slot", v["IMAGE_ROOTFS_MAXSIZE"] == "1572864"),
        ("an image is whole blocks of 4 KiB", v["IMAGE_ROOTFS_ALIGNMENT"] == "4"),
        ("so is its file system", "-b 4096" in v["EXTRA_IMAGECMD:ext4"]),
        ("the decoder", v["LIVEHAL_DECODER"] == "1"),
    ]


def live777(machine: str, v: dict[str, str]) -> list[tuple[str, bool]]:
    preset = {"raspberrypi5": "native-rpi", "rdk-x5": "native-rdk", "qemuarm64": "native-generic-v4l2"}
    return [
        ("the machine's preset", f"--features {preset[machine]},webui" in v["CARGO_BUILD_FLAGS"]),
        ("nothing is fetched while compiling", "--frozen" in v["CARGO_BUILD_FLAGS"]),
        ("no nasm on ARM", "nasm-native" not in v["DEPENDS"]),
        ("the tree's own source", "file://services;subdir=live777-" in v["SRC_URI"]),
        ("a package of the machine", v["PACKAGE_ARCH"] == machine.replace("-", "_")),
    ]


def rust_bin(_machine: str, v: dict[str, str]) -> list[tuple[str, bool]]:
    """live777 with the class of meta-rust-bin."""
    return [
        ("the prebuilt tool chain", "cargo-bin-cross-aarch64" in v["DEPENDS"]),
        ("the machine's preset", "--features native-generic-v4l2,webui" in v["CARGO_BUILD_FLAGS"]),
        ("nothing is fetched while compiling", "--frozen" in v["CARGO_BUILD_FLAGS"]),
        ("cargo looks where BitBake put the crates", v["CARGO_HOME"] == v["UNPACKDIR"] + "/cargo_home"),
    ]


def token(_machine: str, v: dict[str, str]) -> list[tuple[str, bool]]:
    """The bundle with a release key in a token."""
    return [
        ("OpenSSL's engine for tokens", "libp11-native" in v["DEPENDS"].split()),
        ("RAUC", "rauc-native" in v["DEPENDS"].split()),
        ("the engine is found", v["OPENSSL_ENGINES"] == v["STAGING_LIBDIR_NATIVE"] + "/engines-3"),
        ("the token's module", v["RAUC_PKCS11_MODULE"] == "/usr/lib/softhsm/libsofthsm2.so"),
    ]


def libcamera(_machine: str, v: dict[str, str]) -> list[tuple[str, bool]]:
    return [
        ("the pipeline of the Pi 5", "rpi/pisp" in v["EXTRA_OEMESON"]),
        ("libpisp", "libpisp" in v["DEPENDS"]),
    ]


def ffmpeg(_machine: str, v: dict[str, str]) -> list[tuple[str, bool]]:
    options = v["EXTRA_OECONF"].split()
    return [
        ("decoders alone", "--disable-everything" in options and "--enable-decoder=h264,vp8,vp9" in options),
        ("no programs, no network", {"--disable-programs", "--disable-network"} <= set(options)),
        ("no other library", not {"--enable-swscale", "--enable-swresample", "--enable-avfilter", "--enable-avdevice"}
         & set(v["PACKAGECONFIG_CONFARGS"].split())),
        ("under the LGPL", "--enable-gpl" not in v["EXTRA_OECONF"] + v["PACKAGECONFIG_CONFARGS"]
         and "--enable-nonfree" not in v["EXTRA_OECONF"] and v["LICENSE:libavcodec"] == "LGPL-2.1-or-later"),
        ("nothing of others", not {"alsa-lib", "bzip2", "libtheora", "zlib"} & set(v["DEPENDS"].split())),
    ]


def main() -> int:
    machine, recipe, path = sys.argv[1:]
    checks = {"livehal-image": image, "live777": live777, "live777-rust-bin": rust_bin,
              "livehal-bundle-token": token, "libcamera": libcamera, "ffmpeg": ffmpeg}[recipe]
    bad = [text for text, true in checks(machine, variables(path)) if not true]
    for text in bad:
        print(f"{recipe} for {machine}: not so: {text}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
