#!/usr/bin/env bash
# debian_vm.sh PACKAGES: installs the layer's Debian packages in a Debian machine, starts live777 and the decoder
# under its systemd and D-Bus, and runs the image's cases there with oe-core's oe-test. docs/testimage.md
#
# Run as `tests/vm/vm ssh --arch arm64 --module kernel/daedalus-v4l2 -- tests/layer/debian_vm.sh PACKAGES`: that boots
# the machine, builds the decoder's module for its kernel and sets VM_SSH, VM_PORT, VM_KEY and VM_SHARE.
#
# LIVEHAL_LAYERS  a directory with openembedded-core and bitbake
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
layers=${LIVEHAL_LAYERS:?a directory with openembedded-core and bitbake}
packages=${1:?a directory with the packages}
read -ra machine <<<"$VM_SSH"

# --- The packages ---------------------------------------------------------------------------------
mkdir -p "$VM_SHARE/debs"
for name in daedalus live777 live777-peer livehal-conf livehal-identity; do
    found=("$packages"/*/"${name}"_*.deb)
    [[ ${#found[@]} == 1 && -f ${found[0]} ]] || {
        printf 'not one package %s in %s, but: %s\n' "$name" "$packages" "${found[*]}" >&2
        exit 1
    }
    cp "${found[0]}" "$VM_SHARE/debs/"
done
# What Debian calls otherwise: OpenEmbedded's name, Debian's package. An unknown dependency stays an error.
names=(base-passwd:base-passwd openssh-sshd:openssh-server openssl-bin:openssl shadow:passwd)
stand_in=$(mktemp -d)
trap 'rm -rf "$stand_in"' EXIT
mkdir "$stand_in/DEBIAN"
{
    printf 'Package: livehal-names\nVersion: 1\nArchitecture: all\nMaintainer: nobody\n'
    printf 'Description: Names of OpenEmbedded for packages of Debian\n'
    printf 'Provides: %s\n' "$(printf '%s\n' "${names[@]%%:*}" | paste -s -d ,)"
    printf 'Depends: %s\n' "$(printf '%s\n' "${names[@]##*:}" | paste -s -d ,)"
} >"$stand_in/DEBIAN/control"
dpkg-deb --build --root-owner-group "$stand_in" "$VM_SHARE/debs/livehal-names.deb" >/dev/null

# --- As on the first boot of an image ---------------------------------------------------------------
# SYSTEMD_OFFLINE: installed as into an image, which has nothing running yet.
"${machine[@]}" bash -euo pipefail -s <<'E2'
SYSTEMD_OFFLINE=1 dpkg --install /mnt/share/debs/*.deb
# A picture that an emulated processor encodes in time.
sed -i 's/^width = .*/width = 320/; s/^height = .*/height = 240/; s/^fps = .*/fps = 5/' /etc/livehal/live777.toml
# The machine lets root in without a password, for `vm shell`; an image does not.
usermod --password '*' root
busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig
systemctl daemon-reload
systemctl start live777.service
# The module is the machine's, for its kernel is; it starts the daemon, as at boot.
install -D -m 0644 -t "/lib/modules/$(uname -r)/updates" /mnt/share/modules/daedalus_v4l2.ko
depmod
udevadm control --reload
systemctl restart systemd-modules-load.service
timeout 60 bash -c 'until systemctl --quiet is-active daedalus-v4l2.service; do sleep 0.2; done'
systemctl --no-pager --lines 0 status live777.service livehal-identity.service daedalus-v4l2.service
E2

# --- The cases ----------------------------------------------------------------------------------------
work=$VM_SHARE/oe-test
mkdir "$work"
printf '{"MACHINE": "qemuarm64", "MLPREFIX": "", "IMAGE_FEATURES": ""}\n' >"$work/data.json"
"${machine[@]}" "dpkg-query --show --showformat '\${Package}\n\${Provides}\n'" |
    tr ',' '\n' | sed -n 's/^ *\([^ ]\+\).*/\1/p' >"$work/manifest"
read -ra suites < <(sed -n 's/^ *TEST_SUITES = "\(.*\)"/\1/p' "$root/kas/opt/testimage.yml")
# oe-test knows of no key.
eval "$(ssh-agent -s)" >/dev/null
trap 'rm -rf "$stand_in"; kill "$SSH_AGENT_PID"' EXIT
ssh-add -q "$VM_KEY"
cd "$work"
PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=$layers/bitbake/lib:$layers/openembedded-core/meta/lib:$root/meta-livehal/lib \
    python3 "$layers/openembedded-core/scripts/oe-test" runtime \
    "$layers/openembedded-core/meta/lib/oeqa/runtime/cases" "$root/meta-livehal/lib/oeqa/runtime/cases" \
    --target-type simpleremote --target-ip "127.0.0.1:$VM_PORT" --server-ip 127.0.0.1 \
    --test-data-file data.json --packages-manifest manifest --json-result-dir results \
    --run-tests "${suites[@]}" || true
python3 "$here/oe_results.py" results/testresults.json
