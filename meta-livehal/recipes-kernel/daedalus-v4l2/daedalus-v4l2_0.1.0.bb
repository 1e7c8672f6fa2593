SUMMARY = "V4L2 decoder whose decoding is done by a daemon: kernel module"
DESCRIPTION = "Registers a stateless decoder (H.264, VP8, VP9) and passes what clients want decoded on to \
daedalus_v4l2_daemon, of the recipe daedalus."
SECTION = "kernel"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://LICENSES/GPL-2.0-only.txt;md5=b234ee4d69f5fce4486a80fdaf4a4263"

inherit livehal_source module

LIVEHAL_SOURCES = "LICENSES kernel/daedalus-v4l2"
B = "${S}/kernel/daedalus-v4l2"
# The kernel's own build, over its own headers.
do_configure[noexec] = "1"
