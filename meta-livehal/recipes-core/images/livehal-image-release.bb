SUMMARY = "livehal for products: no ssh, no shell, no debug features"
DESCRIPTION = "The camera and its update client. What a device shares with no other is made at first boot."
LICENSE = "MIT"

inherit livehal_image

# Features that a release must not have, from wherever they came.
LIVEHAL_FORBIDDEN_FEATURES = "\
    allow-empty-password \
    allow-root-login \
    dbg-pkgs \
    debug-tweaks \
    empty-root-password \
    package-management \
    post-install-logging \
    serial-autologin-root \
    ssh-server-dropbear \
    ssh-server-openssh \
    tools-debug \
    tools-profile \
    tools-sdk \
    tools-testapps \
"
python () {
    found = set((d.getVar('IMAGE_FEATURES') or '').split())
    found &= set(d.getVar('LIVEHAL_FORBIDDEN_FEATURES').split())
    if found:
        raise bb.parse.SkipRecipe("IMAGE_FEATURES has %s, which no release image has"
                                  % ', '.join(sorted(found)))
}

# Nobody logs in on the console either.
livehal_no_getty () {
    rm -f ${IMAGE_ROOTFS}${sysconfdir}/systemd/system/getty.target.wants/*
    ln -sf /dev/null ${IMAGE_ROOTFS}${sysconfdir}/systemd/system/getty@.service
    ln -sf /dev/null ${IMAGE_ROOTFS}${sysconfdir}/systemd/system/serial-getty@.service
}
ROOTFS_POSTPROCESS_COMMAND += "livehal_no_getty"
