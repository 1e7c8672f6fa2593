SUMMARY = "WebRTC camera server"
SUMMARY:${PN}-conf = "${SUMMARY}: the shipped configuration, a test picture for this machine only"
DESCRIPTION = "Captures a camera or a built-in source, encodes it and serves every viewer over WebRTC (WHEP). \
Controlled over HTTP and D-Bus."
SECTION = "multimedia"
# The first is the program's; the others are those of the crates it is linked with.
LICENSE = "BSD-2-Clause & Apache-2.0 & BSD-3-Clause & IJG & ISC & MIT & Unicode-3.0 & Zlib"
LIC_FILES_CHKSUM = "file://LICENSES/BSD-2-Clause.txt;md5=afee2662cd4e3d2ce50a385b553808e0"

inherit livehal_source livehal_cargo systemd useradd

require live777-crates.inc

# The JPEG decoder of cameras is C and built by cmake. The software encoder is C++; the assembly of both
# needs nasm on x86 and the compiler elsewhere.
DEPENDS:append = " cmake-native"
DEPENDS:append:x86 = " nasm-native"
DEPENDS:append:x86-64 = " nasm-native"

# libcamera, and what crate libcamera finds its C++ interface with.
# nooelint: oelint.vars.specific - an override of meta-raspberrypi
DEPENDS:append:rpi = " clang-native libcamera pkgconfig-native"
# Where its bindgen finds libclang, and for which machine it reads libcamera's headers. Not yet built.
export LIBCLANG_PATH = "${STAGING_LIBDIR_NATIVE}"
export BINDGEN_EXTRA_CLANG_ARGS = "--target=${TARGET_SYS} --sysroot=${STAGING_DIR_TARGET}"

PACKAGECONFIG ?= "webui"
PACKAGECONFIG[webui] = ""

# The features differ by machine.
PACKAGE_ARCH = "${MACHINE_ARCH}"

# Backends, by machine: the presets of services/live777/Cargo.toml.
LIVE777_PRESET ?= "native-generic-v4l2"
# nooelint: oelint.vars.specific
LIVE777_PRESET:rpi ?= "native-rpi"
# nooelint: oelint.vars.specific
LIVE777_PRESET:rdk-x5 ?= "native-rdk"

LIVE777_FEATURES = "${LIVE777_PRESET} ${@bb.utils.filter('PACKAGECONFIG', 'webui', d)}"

CARGO_BUILD_FLAGS += "\
    --package live777 --bin live777 --no-default-features \
    --features ${@','.join(d.getVar('LIVE777_FEATURES').split())} \
"

do_install:append () {
    install -D -m 0644 ${S}/systemd/live777.service ${D}${systemd_system_unitdir}/live777.service
    install -D -m 0644 ${S}/systemd/sysusers.d/livehal.conf ${D}${nonarch_libdir}/sysusers.d/livehal.conf
    install -D -m 0644 ${S}/systemd/udev/70-livehal.rules ${D}${nonarch_base_libdir}/udev/rules.d/70-livehal.rules
    install -D -m 0644 ${S}/dbus/org.livehal.Capture1.conf \
        ${D}${datadir}/dbus-1/system.d/org.livehal.Capture1.conf
    install -D -m 0644 ${S}/dbus/org.livehal.Capture1.service \
        ${D}${datadir}/dbus-1/system-services/org.livehal.Capture1.service
    install -D -m 0644 ${S}/dbus/org.livehal.Capture1.xml \
        ${D}${datadir}/dbus-1/interfaces/org.livehal.Capture1.xml
    install -D -m 0644 ${S}/conf/live777.toml ${D}${sysconfdir}/livehal/live777.toml
}

SYSTEMD_SERVICE:${PN} = "live777.service"

# The user of systemd/sysusers.d/livehal.conf: an image whose /etc is read-only has it from the
# beginning. The bus's policy names it.
USERADD_PACKAGES = "${PN}"
USERADD_PARAM:${PN} = "\
    --system --user-group --no-create-home --home-dir / --shell ${base_sbindir}/nologin \
    --groups video livehal \
"

# The configuration of the repository is a package of its own: an image brings another one.
PACKAGES =+ "${PN}-conf"
# nooelint: oelint.var.filesoverride
FILES:${PN}-conf = "${sysconfdir}/livehal/live777.toml"
CONFFILES:${PN}-conf = "${sysconfdir}/livehal/live777.toml"
FILES:${PN} += "\
    ${datadir}/dbus-1 \
    ${nonarch_base_libdir}/udev/rules.d \
    ${nonarch_libdir}/sysusers.d \
    ${systemd_system_unitdir} \
"
RRECOMMENDS:${PN} = "virtual-live777-conf"
RPROVIDES:${PN}-conf = "virtual-live777-conf"
