SUMMARY = "Decoder daemon for the kernel module daedalus_v4l2"
DESCRIPTION = "Decodes what V4L2 clients ask the kernel module for, with FFmpeg's libraries, in a sandboxed process \
for each client. On D-Bus it decodes whole streams: live777's self-test."
SECTION = "multimedia"
# The first is the program's; the others are those of the crates it is linked with.
LICENSE = "BSD-2-Clause & BSD-3-Clause & ISC & MIT & Unicode-3.0"
LIC_FILES_CHKSUM = "file://LICENSES/BSD-2-Clause.txt;md5=afee2662cd4e3d2ce50a385b553808e0"

inherit livehal_source livehal_cargo systemd useradd

# One Cargo.lock, one list.
require recipes-rust/live777/live777-crates.inc

CARGO_BUILD_FLAGS += "--package daedalus --bin daedalus_v4l2_daemon"

do_install:append () {
    install -D -m 0644 ${S}/systemd/daedalus-v4l2.service ${D}${systemd_system_unitdir}/daedalus-v4l2.service
    install -D -m 0644 ${S}/systemd/modules-load.d/daedalus.conf ${D}${nonarch_libdir}/modules-load.d/daedalus.conf
    install -D -m 0644 ${S}/systemd/sysusers.d/daedalus.conf ${D}${nonarch_libdir}/sysusers.d/daedalus.conf
    install -D -m 0644 ${S}/systemd/udev/71-daedalus.rules ${D}${nonarch_base_libdir}/udev/rules.d/71-daedalus.rules
    install -D -m 0644 ${S}/dbus/org.livehal.Decoder1.conf \
        ${D}${datadir}/dbus-1/system.d/org.livehal.Decoder1.conf
    install -D -m 0644 ${S}/dbus/org.livehal.Decoder1.service \
        ${D}${datadir}/dbus-1/system-services/org.livehal.Decoder1.service
    install -D -m 0644 ${S}/dbus/org.livehal.Decoder1.xml \
        ${D}${datadir}/dbus-1/interfaces/org.livehal.Decoder1.xml
    install -D -m 0644 ${S}/conf/daedalus.toml ${D}${sysconfdir}/livehal/daedalus.toml
}

SYSTEMD_SERVICE:${PN} = "daedalus-v4l2.service"

# The user of systemd/sysusers.d/daedalus.conf: an image whose /etc is read-only has it from the
# beginning. The bus's policy and udev's rules name it.
USERADD_PACKAGES = "${PN}"
USERADD_PARAM:${PN} = "--system --user-group --no-create-home --home-dir / --shell ${base_sbindir}/nologin daedalus"

CONFFILES:${PN} = "${sysconfdir}/livehal/daedalus.toml"
FILES:${PN} += "\
    ${datadir}/dbus-1 \
    ${nonarch_base_libdir}/udev/rules.d \
    ${nonarch_libdir}/modules-load.d \
    ${nonarch_libdir}/sysusers.d \
    ${systemd_system_unitdir} \
"
# What it needs to decode, FFmpeg's libraries and the module, comes with packagegroup-livehal-decoder:
# FFmpeg's recipe has a licence flag.
