SUMMARY = "What every livehal image has"
SUMMARY:${PN} = "The camera, its settings and the update client"
SUMMARY:${PN}-development = "Looking into a running camera"
DESCRIPTION = "The packages of the images, in one place: livehal-image-release has the first group and \
livehal-image the first two."
LICENSE = "MIT"

PACKAGE_ARCH = "${MACHINE_ARCH}"

inherit features_check packagegroup

# As the images: livehal-state is an overlay, the update client is RAUC.
REQUIRED_DISTRO_FEATURES = "overlayfs rauc systemd usrmerge"

PACKAGES = "${PN} ${PN}-development"

# LIVEHAL_FLEET = "hawkbit" (kas/opt/hawkbit.yml): the device asks a hawkBit server for updates.
LIVEHAL_FLEET ?= ""
# LIVEHAL_FFMPEG = "1" (kas/opt/ffmpeg.yml): footage in MP4 and WebM, by FFmpeg's libraries.
LIVEHAL_FFMPEG ?= "0"
# LIVEHAL_DECODER = "1", as conf/distro/livehal.conf has it: the V4L2 decoder. Not in other distributions unasked.
LIVEHAL_DECODER ?= "0"

RDEPENDS:${PN} = "\
    avahi-daemon \
    dbus \
    live777 \
    livehal-conf \
    livehal-identity \
    livehal-rauc-conf \
    livehal-state \
    livehal-system \
    packagegroup-livehal-camera \
    rauc \
    rauc-service \
"
# Not on the boards: see classes-recipe/livehal_image.bbclass.
RDEPENDS:${PN}:append:qemuarm64 = " rauc-mark-good"
RDEPENDS:${PN}:append = " ${@bb.utils.contains('LIVEHAL_DECODER', '1', 'packagegroup-livehal-decoder', '', d)}"
RDEPENDS:${PN}:append = " ${@bb.utils.contains('LIVEHAL_FFMPEG', '1', 'packagegroup-livehal-ffmpeg', '', d)}"
RDEPENDS:${PN}:append = " ${@bb.utils.contains('LIVEHAL_FLEET', 'hawkbit', 'livehal-hawkbit', '', d)}"
RDEPENDS:${PN}-development = "\
    curl \
    iproute2-ss \
    live777-peer \
    livehal-identity-console \
    livehal-ssh-keys \
    openssh-sftp-server \
    strace \
    systemd-analyze \
    util-linux-findmnt \
    util-linux-setpriv \
    v4l-utils \
"
