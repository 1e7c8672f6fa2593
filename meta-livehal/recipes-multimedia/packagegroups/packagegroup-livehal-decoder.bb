SUMMARY = "The V4L2 decoder, whole"
DESCRIPTION = "Kernel module, daemon, and FFmpeg's libraries, which that opens at run time. Its own packagegroup because FFmpeg's recipe has the licence flag commercial: \
whoever wants it accepts that, by kas/opt/decoder.yml."
LICENSE = "MIT"

# The kernel module is the machine's.
PACKAGE_ARCH = "${MACHINE_ARCH}"

inherit packagegroup

LICENSE_FLAGS = "commercial_ffmpeg"

RDEPENDS:${PN} = "daedalus daedalus-v4l2 libavcodec libavformat libavutil"
