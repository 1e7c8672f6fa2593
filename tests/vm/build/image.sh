#!/usr/bin/env bash
# image.sh ROOTFS.tar KERNEL.deb DRIVERS GUEST KEY.pub OUT
# Makes of the root file system, the kernel's package and the directory DRIVERS (*.ko) what QEMU boots,
# in the directory OUT: root.img, initrd, vmlinuz. GUEST is tests/vm/guest; KEY lets ssh in as root.
set -euo pipefail
rootfs=$1 kernel=$2 drivers=$3 guest=$4 key=$5 out=$6

work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir "$root"
tar -x -C "$root" --numeric-owner --exclude='./dev/*' -f "$rootfs"
dpkg-deb --fsys-tarfile "$kernel" | tar -x --keep-directory-symlink -C "$root"
cp "$root"/boot/vmlinuz-* "$out/vmlinuz"
rm -rf "${root:?}/boot" && mkdir "$root/boot"

# --- modules ---------------------------------------------------------------------------------------
release=$(ls "$root/usr/lib/modules")
modules=$root/usr/lib/modules/$release
mkdir "$modules/updates"
cp "$drivers"/*.ko "$modules/updates/"
# What a boot and the tests load is unpacked here rather than, slowly, in the emulated machine.
find "$modules/kernel"/{arch,crypto,drivers/{media,virtio,block,net,char},fs,net,lib} \
    -name '*.ko.xz' -print0 2>/dev/null | xargs -0 -r -P "$(nproc)" -n 64 xz -d
depmod -b "$root/usr" "$release"

# --- initrd: a busybox that finds the file systems ---------------------------------------------------
initrd=$work/initrd
mkdir -p "$initrd"/{bin,proc,sys,dev,root,modules}
cp "$root/usr/bin/busybox" "$initrd/bin/"
install -m 755 "$guest/init" "$initrd/init"
# 9pnet_virtio: if udev loads it while /mnt/share is mounted, the mount can come before the channel.
for module in virtio_pci virtio_blk ext4 9pnet_virtio 9p; do
    modprobe -d "$root" -S "$release" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r path; do
    cp "$path" "$initrd/modules/"
    basename "$path"
done >"$initrd/modules/order"
(cd "$initrd" && find . | cpio -o -H newc -R 0:0 --quiet) | gzip -1 >"$out/initrd"

# --- a root file system that boots fast --------------------------------------------------------------
systemd=$root/etc/systemd/system
mkdir -p "$systemd" "$root/mnt/share"
cp "$guest"/*.service "$systemd/"
mkdir -p "$systemd/serial-getty@.service.d"
cp "$guest/autologin.conf" "$systemd/serial-getty@.service.d/"
# Nothing of these is tested, and each costs a second or more under emulation.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer getty@tty1.service keyboard-setup.service ldconfig.service \
    modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service \
    systemd-binfmt.service systemd-firstboot.service systemd-hwdb-update.service \
    systemd-journal-catalog-update.service systemd-networkd-wait-online.service \
    systemd-timesyncd.service systemd-update-done.service; do
    ln -sf /dev/null "$systemd/$unit"
done
# Started where the kernel's command line wants them.
find "$systemd" -path '*.wants/*' \( -name 'ssh.*' -o -name 'systemd-network*' \) -delete
# Where the system does not come up there is nobody to press a key.
mkdir -p "$systemd/emergency.service.d"
cp "$guest/emergency.conf" "$systemd/emergency.service.d/"
# It looks for a vsock, which there is not, and complains.
mkdir -p "$root/etc/systemd/system-generators"
ln -s /dev/null "$root/etc/systemd/system-generators/systemd-ssh-generator"
# The system is as new as it gets: nothing to bring up to date at boot.
touch "$root/etc/.updated" "$root/var/.updated"
mkdir -p "$root/etc/systemd/journald.conf.d" "$root/etc/systemd/network"
printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\n' >"$root/etc/systemd/journald.conf.d/lab.conf"
printf '[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4\n' >"$root/etc/systemd/network/lab.network"
printf '%s\n' '/dev/vda / ext4 defaults 0 0' \
    'share /mnt/share 9p trans=virtio,version=9p2000.L,msize=512000,cache=none 0 0' \
    >"$root/etc/fstab"
install -D -m 600 "$key" "$root/root/.ssh/authorized_keys"
# A machine that only this one reaches: host keys need not differ from image to image.
ssh-keygen -A -f "$root" >/dev/null
echo livehal-vm >"$root/etc/hostname"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
sed -i 's/^root:[^:]*:/root::/' "$root/etc/shadow"

mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1,root_owner=0:0 -L root -d "$root" \
    "$out/root.img" 4G
# Made by the root of a user namespace, read by its user.
chmod 0644 "$out"/{root.img,initrd,vmlinuz}
