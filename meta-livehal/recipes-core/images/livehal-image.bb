SUMMARY = "livehal for development: ssh, tools, the update client"
DESCRIPTION = "The camera with an ssh server and what is needed to look into it. Log in as root with \
the key in LIVEHAL_SSH_KEYS; no account has a password."
LICENSE = "MIT"

inherit livehal_image

# nooelint: oelint.var.badimagefeature.allow-root-login - by key only; no account has a password
IMAGE_FEATURES += "allow-root-login ssh-server-openssh"
IMAGE_INSTALL:append = " packagegroup-livehal-development"
