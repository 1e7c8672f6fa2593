require recipes-kernel/linux/linux-livehal.inc

SRC_URI:append:livehal = " file://livehal-request-api.cfg"
