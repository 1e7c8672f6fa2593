SUMMARY = "What every livehal image has"
LICENSE = "MIT"

PACKAGE_ARCH = "${MACHINE_ARCH}"

inherit packagegroup

PACKAGES = "${PN} ${PN}-development ${PN}-fleet"

# LIVEHAL_FLEET = "hawkbit" (kas/opt/hawkbit.yml): the device asks a hawkBit server for updates.
LIVEHAL_FLEET ?= ""
# LIVEHAL_FFMPEG = "1" (kas/opt/ffmpeg.yml): footage in MP4 and WebM, by FFmpeg's libraries.
LIVEHAL_FFMPEG ?= "0"

SUMMARY:${PN} = "The camera, its settings and the update client"
RDEPENDS:${PN} = "\
    avahi-daemon \
    dbus \
    livehal-conf \
    livehal-identity \
    livehal-rauc-conf \
    livehal-state \
    livehal-system \
    live777 \
    packagegroup-livehal-camera \
    rauc \
    rauc-mark-good \
    rauc-service \
    ${@bb.utils.contains('LIVEHAL_FFMPEG', '1', 'packagegroup-livehal-ffmpeg', '', d)} \
    ${@bb.utils.contains('LIVEHAL_FLEET', 'hawkbit', '${PN}-fleet', '', d)} \
"

SUMMARY:${PN}-fleet = "The client of a hawkBit server"
RDEPENDS:${PN}-fleet = "rauc-hawkbit-updater"

SUMMARY:${PN}-development = "Looking into a running camera"
RDEPENDS:${PN}-development = "\
    curl \
    iproute2-ss \
    livehal-ssh-keys \
    openssh-sftp-server \
    strace \
    systemd-analyze \
    v4l-utils \
"
