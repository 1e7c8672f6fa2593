# STAND-IN for the repository that the recipe fetches its config.txt from. What the recipe does with it is its own, and what
# meta-livehal appends.
FILESEXTRAPATHS:prepend := "${THISDIR}/files:"
SRC_URI = "file://config.txt"
S = "${UNPACKDIR}"
