# Starts the kernel of the root file system on the second partition (slot A).
#
# Counting the tries of two slots is the boot-selection program's part and comes with it; until then
# this is the whole script.
setenv slot A
setenv rootpart 2

part uuid ${devtype} ${devnum}:${rootpart} rootuuid
setenv bootargs "console=ttyS0,115200 root=PARTUUID=${rootuuid} rootfstype=ext4 rootwait ro rauc.slot=${slot} panic=10"

if load ${devtype} ${devnum}:${rootpart} ${kernel_addr_r} /boot/Image; then
    for dtb in x5-rdk-v1p0.dtb x5-rdk.dtb; do
        if load ${devtype} ${devnum}:${rootpart} ${fdt_addr_r} /boot/${dtb}; then
            booti ${kernel_addr_r} - ${fdt_addr_r}
        fi
    done
fi
echo "no kernel that starts on ${devtype} ${devnum}:${rootpart}"
