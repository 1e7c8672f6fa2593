# Shared by the scenarios; sourced, not run: source ./lib.sh
# shellcheck shell=bash

# Where to leave what the host shall have, besides the scenario's output.
# shellcheck disable=SC2034 # for the scenarios
out=/mnt/share/out

step() { printf '[%s] %s\n' "$(cut -d ' ' -f 1 /proc/uptime)" "$*"; }

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# Milliseconds since boot.
now_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }

# wait_for SECONDS COMMAND...: until the command succeeds; longer where the host is busy.
wait_for() {
    local seconds=$(($1 * PATIENCE))
    local until=$(($(now_ms) + seconds * 1000))
    shift
    until "$@"; do
        (($(now_ms) < until)) || fail "not within $seconds s: $*"
        sleep 0.1
    done
}

# install_files: what the host has laid down, in its places.
install_files() {
    # Users first: udev reads new rules at its next event, and only once.
    find "$PWD/files" -path '*/sysusers.d/*' -exec systemd-sysusers {} +
    cp -r --no-preserve=ownership files/. /
    systemctl daemon-reload
    busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig
}

# video_node DRIVER: the first /dev/videoN of the driver, once it is there.
video_node() {
    local device
    for device in /sys/class/video4linux/video*; do
        if [[ $(readlink "$device/device/driver") == */"$1" && -c /dev/${device##*/} ]]; then
            printf '/dev/%s\n' "${device##*/}"
            return 0
        fi
    done
    return 1
}

# node_named NAME: the first node whose name, which its driver gives, begins so.
node_named() {
    local name
    for name in /sys/class/video4linux/video*/name; do
        if [[ $(<"$name") == "$1"* ]]; then
            name=${name%/name}
            printf '/dev/%s\n' "${name##*/}"
            return 0
        fi
    done
    return 1
}

# m2m_drivers MULTIPLANAR MULTIPLANAR: vivid and vicodec, anew, with one interface or the other; $camera,
# $encoder and $decoder are their nodes.
# shellcheck disable=SC2034 # for the scenarios
m2m_drivers() {
    modprobe -r vicodec vivid 2>/dev/null || true
    modprobe vivid n_devs=1 node_types=0x1 "multiplanar=$1"
    modprobe vicodec "multiplanar=$2"
    wait_for 20 video_node vivid >/dev/null
    wait_for 20 node_named stateful-decoder >/dev/null
    camera=$(video_node vivid)
    encoder=$(node_named stateful-encoder)
    decoder=$(node_named stateful-decoder)
    # vivid's other choice is the end of a frame that it delivers at its start: a time to come.
    v4l2-ctl -d "$camera" --set-ctrl=timestamp_source=1 >/dev/null
}

# aiortc_plays STREAM FRAMES WIDTH HEIGHT: another implementation of WebRTC decodes so many frames of that
# size, whose time stamps rise. Payload `aiortc`.
aiortc_plays() {
    local seen limit=$((90 * PATIENCE))
    # aiortc takes no part in ICE from 127.0.0.1, and there is no other address here.
    ip address replace 192.0.2.1/32 dev lo
    seen=$(python3 /usr/local/lib/aiortc/whep.py --frames "$2" --limit "$limit" "http://127.0.0.1:7777/whep/$1") ||
        fail "aiortc does not play $1"
    printf '%s\n' "$seen" >"$out/aiortc-$1.json"
    [[ $seen == '{"frames": '"$2, "*'"width": '"$3, "*'"height": '"$4, "* ]] || fail "aiortc saw $seen"
    step "aiortc decoded $2 frames of $3x$4, time stamps $(grep -o '"pts": [^]]*' <<<"$seen" | cut -c 8-60)…"
}
