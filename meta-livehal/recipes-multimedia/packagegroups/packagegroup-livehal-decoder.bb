SUMMARY = "The V4L2 decoder, whole"
DESCRIPTION = "Kernel module, daemon, and FFmpeg's libraries, which that opens at run time. Part of every image but \
those of kas/opt/no-codecs.yml. Its own packagegroup because FFmpeg's recipe has the licence flag commercial."
LICENSE = "MIT"

# The kernel module is the machine's.
PACKAGE_ARCH = "${MACHINE_ARCH}"

inherit packagegroup

LICENSE_FLAGS = "commercial_ffmpeg"

# The daemon opens all three and takes no two of them.
RDEPENDS:${PN} = "daedalus daedalus-v4l2 libavcodec libavformat libavutil"
