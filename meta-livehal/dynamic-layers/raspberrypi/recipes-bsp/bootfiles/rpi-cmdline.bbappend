# One boot image serves both slots: config.txt takes the command line by the partition it was read
# from. Device names are those of livehal-raspberrypi5.wks.
CMDLINE_ROOTFS:livehal = "root=/dev/mmcblk0p4 rootfstype=ext4 rootwait ro rauc.slot=A panic=10"

do_compile:append:livehal () {
    cp ${WORKDIR}/cmdline.txt ${WORKDIR}/cmdline-a.txt
    sed 's,root=/dev/mmcblk0p4,root=/dev/mmcblk0p5,; s,rauc.slot=A,rauc.slot=B,' \
        ${WORKDIR}/cmdline-a.txt >${WORKDIR}/cmdline-b.txt
}

do_deploy:append:livehal () {
    install -m 0644 ${WORKDIR}/cmdline-a.txt ${WORKDIR}/cmdline-b.txt ${DEPLOYDIR}/${BOOTFILES_DIR_NAME}
}
