# A device keeps its name when its addresses change while avahi asks whether the name is free.
FILESEXTRAPATHS:prepend:livehal := "${THISDIR}/${BPN}:"
SRC_URI:append:livehal = " file://own-probes-are-no-conflict.patch"
