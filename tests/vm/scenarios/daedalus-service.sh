#!/bin/bash
# The decoder as a package installs it: the module is loaded at boot, udev gives its nodes to whom they
# belong, systemd starts the daemon in its sandbox, on the system bus under its policy; live777 has it
# decode what it encodes; killed, it is back; stopped, a call starts it.
#: payloads daedalus live777
#: modules kernel/daedalus-v4l2
#: limit 500
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh

unit=daedalus-v4l2.service
name=org.livehal.Decoder1
show() { systemctl show -P "$1" "$unit"; }
active() { [[ $(show ActiveState) == active ]]; }

step "without the module nothing starts, and nothing fails"
# Where a package would have put it.
kernel=$(uname -r)
install -D -m 0644 modules/daedalus_v4l2.ko "/lib/modules/$kernel/updates/daedalus_v4l2.ko"
depmod
install_files
udevadm control --reload
systemctl enable --quiet "$unit"
if busctl call --timeout=10 "$name" /org/livehal/Decoder1 org.freedesktop.DBus.Peer Ping 2>"$out/no-module.log"; then
    fail "the daemon runs without the module"
fi
[[ $(show Result) == success ]] || fail "a failure without the module: $(show Result)"

step "the module, as at boot"
systemctl restart systemd-modules-load.service
wait_for 10 test -c /dev/daedalus-v4l2
wait_for 30 active
video=$(video_node daedalus_v4l2)
udevadm settle

step "who may open what"
[[ $(stat -c '%U %G %a' /dev/daedalus-v4l2) == "daedalus daedalus 600" ]] || fail "$(ls -l /dev/daedalus-v4l2)"
[[ $(stat -c '%U %G %a' "$video") == "root video 660" ]] || fail "$(ls -l "$video")"
media=$(echo /sys/class/video4linux/"${video##*/}"/device/media*)
media=/dev/${media##*/}
[[ $(stat -c '%U %G %a' "$media") == "root video 660" ]] || fail "$(ls -l "$media")"
[[ $(readlink -f /dev/video-dec0) == "$video" ]] || fail "/dev/video-dec0 is $(readlink -f /dev/video-dec0)"
[[ $(readlink -f /dev/media-dec0) == "$media" ]] || fail "/dev/media-dec0 is $(readlink -f /dev/media-dec0)"
ls -l /dev/v4l/by-path || true

step "the sandbox"
systemd-analyze security --no-pager "$unit" >"$out/security.log"
tail -n 1 "$out/security.log"
systemd-analyze security --no-pager --threshold=5 "$unit" >/dev/null || fail "exposed: $(tail -n 1 "$out/security.log")"
[[ $(ps -o user= -p "$(show MainPID)") == daedalus ]] || fail "it runs as $(ps -o user= -p "$(show MainPID)")"

step "on the bus"
wait_for 20 busctl status "$name"
property() { busctl get-property "$name" /org/livehal/Decoder1 org.livehal.Decoder1.Manager "$1"; }
for one in Version ModuleVersion Libraries Codecs MaxContexts JobTimeoutMs; do
    printf '%s %s\n' "$one" "$(property "$one")" | tee -a "$out/properties.log"
done
[[ $(property ModuleVersion) == "s \"$(modinfo -F version daedalus_v4l2)\"" ]] || fail "another module's version"
if setpriv --reuid=nobody --regid=nogroup --clear-groups busctl get-property "$name" /org/livehal/Decoder1 \
    org.livehal.Decoder1.Manager Version >"$out/nobody.log" 2>&1; then
    fail "nobody may read from $name"
fi
grep -qi 'denied' "$out/nobody.log" || fail "refused, but how: $(<"$out/nobody.log")"

work=/tmp/daedalus
mkdir -p "$work"
ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=320x240:rate=30 -frames:v 40 -pix_fmt yuv420p \
    -c:v libx264 -preset fast "$work/main.h264"
# Slowly, for a look at it.
ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=320x240:rate=30 -frames:v 200 -pix_fmt yuv420p \
    -c:v libvpx -b:v 400k -cpu-used 8 "$work/long.ivf"

step "VerifyStream"
# busctl sends no descriptors.
verify() { daedalus_v4l2_daemon verify "$1"; }
md5=$(ffmpeg -nostdin -v error -i "$work/main.h264" -fps_mode passthrough -f md5 -)
answer=$(verify "$work/main.h264")
step "  $answer"
[[ $answer == "40 frames md5=${md5#MD5=} "* ]] || fail "$answer is not 40 frames of $md5"

step "a member of video decodes, and is seen"
useradd --groups video viewer
# To look for all plugins takes longer than to decode.
export GST_REGISTRY=$work/registry
gst-inspect-1.0 v4l2slvp8dec >/dev/null || fail "GStreamer does not see the node"
gst() {
    setpriv --reuid=viewer --regid=viewer --init-groups timeout 120 gst-launch-1.0 -q "$@"
}
gst filesrc location="$work/long.ivf" ! ivfparse ! v4l2slvp8dec ! video/x-raw,format=NV12 ! \
    identity sleep-time=50000 ! fakesink >"$out/gst.log" 2>&1 &
client=$!
contexts() { busctl tree --list "$name" | grep '/context/'; }
wait_for 60 contexts >/dev/null
context=$(contexts | head -n 1)
figures() { busctl --json=short call "$name" "$context" org.livehal.Decoder1.Context GetStats; }
decoded() { figures | grep -q '"Frames":{"type":"t","data":[1-9]'; }
wait_for 20 decoded
for one in Codec UserId Width Height; do
    printf '%s %s\n' "$one" "$(busctl get-property "$name" "$context" org.livehal.Decoder1.Context "$one")"
done | tee "$out/context.log"
figures | tee "$out/stats.log"
for one in 'Codec s "vp8"' "UserId u $(id -u viewer)" 'Width u 320' 'Height u 240'; do
    grep -qxF "$one" "$out/context.log" || fail "not $one"
done
wait "$client" || fail "$(<"$out/gst.log")"
gone() { ! contexts; }
wait_for 10 gone

step "live777 has it decode what it encodes"
sed -i 's/^width = .*/width = 320/; s/^height = .*/height = 240/; s/^fps = .*/fps = 5/' \
    /etc/livehal/live777.toml
systemctl enable --quiet live777.service
systemctl start live777.service || fail "$(journalctl -u live777 --no-pager)"
self_test() {
    busctl call org.livehal.Capture1 /org/livehal/Capture1/stream/demo org.livehal.Capture1.Stream SelfTest
}
passed() { self_test >"$out/self-test.log" 2>&1; }
# Its first seconds on an emulated processor may bring no key frame in time.
wait_for 60 passed
step "  $(<"$out/self-test.log")"
grep -qE '^uusd ([0-9]+) \1 "[0-9a-f]{32}" [0-9.]+$' "$out/self-test.log" || fail "$(<"$out/self-test.log")"

step "killed, it is back"
before=$(show MainPID)
kill -KILL "$before"
another() { active && [[ $(show MainPID) != "$before" ]]; }
wait_for 20 another
wait_for 20 verify "$work/main.h264"

step "stopped, a call starts it"
systemctl stop "$unit"
[[ $(show Result) == success ]] || fail "it ended with $(show Result)"
[[ $(pgrep -c daedalus) == 0 ]] || fail "workers are left"
answer=$(verify "$work/main.h264")
[[ $answer == "40 frames md5=${md5#MD5=} "* ]] || fail "$answer"

step "in use, the module stays; stopped, it goes"
if rmmod daedalus_v4l2 2>/dev/null; then fail "unloaded while the daemon has it"; fi
systemctl stop "$unit"
rmmod daedalus_v4l2

step "told to, it runs without the module"
mkdir -p "/etc/systemd/system/$unit.d"
printf '[Unit]\nAssertPathExists=\n' >"/etc/systemd/system/$unit.d/without-module.conf"
sed -i 's/^enabled = true/enabled = false/' /etc/livehal/daedalus.toml
systemctl daemon-reload
systemctl start "$unit" || fail "$(journalctl -u "$unit" --no-pager -n 20)"
[[ $(verify "$work/main.h264") == "40 frames "* ]] || fail "it does not decode"
[[ $(property ModuleVersion) == 's ""' ]] || fail "the version of no module is $(property ModuleVersion)"
systemctl stop "$unit"

errors=$(journalctl --boot --no-pager -q --priority=err -u "$unit" | grep -v 'Assertion failed' || true)
[[ -z $errors ]] || fail "errors in the journal: $errors"
