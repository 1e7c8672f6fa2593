#!/bin/bash
# The machine is up, its camera delivers, and live777 runs on it as a package installs it: started by
# systemd, on the system bus under its policy, in its sandbox, streaming, stopped in time.
#: payloads live777
#: limit 150
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh

step "systemd and the bus"
# Not "running": this scenario's own unit is starting still.
state=$(systemctl is-system-running || true)
[[ $state == running || $state == starting ]] || fail "the system is $state: $(systemctl --failed)"
busctl status org.freedesktop.DBus >/dev/null || fail "no system bus"

step "a frame from vivid"
modprobe vivid n_devs=1 node_types=0x1
wait_for 10 video_node vivid >/dev/null
camera=$(video_node vivid)
v4l2-ctl -d "$camera" --set-fmt-video=width=640,height=360,pixelformat=YUYV \
    --stream-mmap --stream-count=1 --stream-to=/tmp/frame.yuv >"$out/v4l2-ctl.log" 2>&1
# v4l2-ctl can fail and say 0: what counts is the frame, whole and not of one colour.
[[ $(stat -c %s /tmp/frame.yuv) == $((640 * 360 * 2)) ]] || fail "the frame has another size"
colours=$(od -An -v -tx4 -w4 /tmp/frame.yuv | sort -u | wc -l)
((colours > 8)) || fail "the frame has $colours different pixel pairs"

step "live777 under its unit"
install_files
# The shipped configuration, with a picture that an emulated processor encodes in time.
sed -i 's/^width = .*/width = 320/; s/^height = .*/height = 240/; s/^fps = .*/fps = 5/' \
    /etc/livehal/live777.toml
begin=$(now_ms)
# As a package does. A call that comes before the name is there waits for it: D-Bus knows who brings it.
systemctl enable --quiet live777.service
systemctl start live777.service || fail "$(journalctl -u live777 --no-pager)"
step "READY after $(($(now_ms) - begin)) ms"

name=org.livehal.Capture1
busctl introspect "$name" /org/livehal/Capture1 >"$out/introspect.log"
grep -q 'org.livehal.Capture1.Manager ' "$out/introspect.log" || fail "no Manager on the bus"

stream() {
    busctl --json=short get-property "$name" /org/livehal/Capture1/stream/demo \
        org.livehal.Capture1.Stream "$1" | sed 's/.*"data":\(.*\)}/\1/'
}
running() { [[ $(stream State) == '"running"' ]]; }
wait_for 20 running
step "demo runs: $(stream Width)x$(stream Height), $(stream CaptureBackend), $(stream EncoderBackend)"
# "degraded" passes by: the first frames come while everything is still being translated.
healthy() { curl -s --fail -o "$out/healthz.json" http://127.0.0.1:7777/healthz; }
wait_for 30 healthy
frames() {
    curl -s http://127.0.0.1:7777/metrics |
        awk '/^livehal_[a-z_]*frames[a-z_]*total\{[^}]*stream="demo"/ { n += $NF } END { print n + 0 }'
}
before=$(frames)
more_frames() { (($(frames) >= before + 5)); }
wait_for 20 more_frames
step "frames counted: $before, then $(frames)"

step "who may call"
if setpriv --reuid=nobody --regid=nogroup --clear-groups \
    busctl get-property "$name" /org/livehal/Capture1/stream/demo \
    org.livehal.Capture1.Stream State >"$out/nobody.log" 2>&1; then
    fail "nobody may read from $name"
fi
grep -qi 'denied' "$out/nobody.log" || fail "refused, but how: $(<"$out/nobody.log")"
[[ $(ps -o user= -C live777) == livehal ]] || fail "live777 runs as $(ps -o user= -C live777)"

step "the sandbox"
systemd-analyze security --no-pager live777.service >"$out/security.log"
tail -n 1 "$out/security.log"
# In tenths: 1.5 is what it has, and no more is wanted.
systemd-analyze security --no-pager --threshold=15 live777.service >/dev/null ||
    fail "exposed: $(tail -n 1 "$out/security.log")"

step "stop"
begin=$(now_ms)
systemctl stop live777.service
took=$(($(now_ms) - begin))
step "stopped after $took ms"
((took <= 2000)) || fail "a stop takes $took ms"
[[ $(systemctl show -p Result --value live777.service) == success ]] ||
    fail "it ended with $(systemctl show -p Result,ExecMainStatus live777.service)"

errors=$(journalctl --boot --no-pager -q --priority=err -u live777.service)
[[ -z $errors ]] || fail "errors in the journal: $errors"
