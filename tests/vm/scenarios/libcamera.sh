#!/bin/bash
# live777 of the Raspberry Pi's preset on libcamera's own pipelines: the contract's configuration on a
# virtual camera, seen by a viewer; controls, flips and an unplugged camera on vimc, a kernel driver
# that works like a sensor with an image processor behind it.
#: payloads peer aiortc live777-rpi
#: architectures amd64
#: limit 240
#: memory 3072
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh

name=org.livehal.Capture1
api=http://127.0.0.1:7777/api/streams

# configure NAME DEVICE SIZE FPS [LINE...]: one stream of that camera, as the contract's configuration has
# it but for the device and the encoder: there is no H.264 encoder in this machine.
configure() {
    printf '[auth]\nallow_open = true\n' >/etc/livehal/live777.toml
    stream "$@"
}

# stream NAME DEVICE SIZE FPS [LINE...]: one more.
stream() {
    local stream=$1 device=$2 width=${3%x*} height=${3#*x} fps=$4
    shift 4
    cat >>/etc/livehal/live777.toml <<TOML
[stream.$stream]
[[stream.$stream.sources]]
[stream.$stream.sources.capture]
backend = "libcamera"
device = "$device"
width = $width
height = $height
fps = $fps
pixel_format = "yuv420"
$(printf '%s\n' "$@")
[stream.$stream.sources.encoder]
backend = "auto"
codec = "h264"
bitrate = 1_000_000
profile = "baseline"
level = "3.1"
gop = 60
[stream.$stream.sources.output]
payload_type = 96
clock_rate = 90000
TOML
}

field() { curl -s "$api/$1" | grep -o "\"$2\":[^,}]*" | head -n 1 | cut -d : -f 2-; }
state_is() { [[ $(field "$1" state) == "\"$2\"" ]]; }
frames() { field "$1" frames; }
flows() {
    local before
    before=$(frames "$1")
    more() { (($(frames "$1") >= before + 5)); }
    wait_for 30 more "$1"
    step "$1: frames $before, then $(frames "$1"), at $(field "$1" fps_measured) fps"
}
# put STREAM CONTROL VALUE: status and answer.
put() {
    curl -s -o /tmp/answer -w '%{http_code}' -X PUT -H 'Content-Type: application/json' \
        -d "{\"value\": $3}" "$api/$1/controls/$2"
    printf ' '
    cat /tmp/answer
}
start() { systemctl restart live777.service || fail "$(journalctl -u live777 --no-pager | tail -n 20)"; }

install_files
udevadm control --reload
udevadm trigger --settle --subsystem-match=dma_heap
step "the heap: $(stat -c '%U:%G %a' /dev/dma_heap/system)"

step "a virtual camera, as the contract configures one"
mkdir -p /etc/libcamera /usr/share/libcamera/pipeline/virtual
virtual=/usr/share/libcamera/pipeline/virtual/virtual.yaml
# virtual_camera WIDTH HEIGHT FPS: of up to so many frames a second.
virtual_camera() {
    cat >$virtual <<YAML
"Virtual0":
  supported_formats:
  - width: $1
    height: $2
    frame_rates:
    - 5
    - $3
  test_pattern: "bars"
  location: "CameraLocationFront"
  model: "Virtual Video Device"
YAML
}
virtual_camera 640 480 30
configure pi-cam 0 640x480 10
start
wait_for 40 state_is pi-cam running
flows pi-cam
step "$(curl -s "$api/pi-cam" | cut -c 1-200)"
journalctl -u live777 --no-pager -o cat | grep -E 'camera Virtual0' || fail "no word of the camera"
live777-peer --frames 60 --seconds 90 http://127.0.0.1:7777/whep/pi-cam | tee "$out/viewer.log"
grep -q '^60 frames of 640x480 decoded' "$out/viewer.log" || fail "not what was asked for"
aiortc_plays pi-cam 60 640 480
curl -s -o "$out/virtual.jpg" "$api/pi-cam/snapshot.jpg"
# Bars: the rows are alike, the columns are not.
ffmpeg -v error -i "$out/virtual.jpg" -vf scale=8:2:flags=area -pix_fmt gray -f rawvideo /tmp/bars
colours=$(head -c 8 /tmp/bars | od -An -v -tu1 -w1 | sort -u | wc -l)
((colours >= 4)) || fail "the picture has $colours shades where eight bars should be"

step "a camera that is not there is named, with those that are"
configure pi-cam 7 640x480 10
start
named() { field pi-cam reason | grep -q 'libcamera has no such camera; there are 0: Virtual0'; }
wait_for 20 named
step "$(field pi-cam reason)"

step "vimc: what it does not do is refused by name"
rm $virtual
modprobe vimc
udevadm settle
controls='[stream.pi-cam.sources.capture.controls]'
refused() { state_is pi-cam failed && field pi-cam reason | grep -q "$1"; }
configure pi-cam 0 320x240 5 "$controls" 'horizontal_flip = true'
start
wait_for 20 refused 'horizontal_flip = true: camera .* cannot'
step "$(field pi-cam reason)"
configure pi-cam 0 320x240 5 "$controls" 'brightness = 2'
start
wait_for 20 refused 'brightness = 2: allowed are numbers from -1 to 1'

step "vimc, with controls from the configuration"
configure pi-cam 0 320x240 5 "$controls" 'brightness = 0.25'
start
wait_for 40 state_is pi-cam running
flows pi-cam
curl -s "$api/pi-cam/controls" | tee "$out/controls.json"
echo
grep -q '"name":"brightness","type":"float","min":-1.0,"max":1.0,"value":0.25' "$out/controls.json" ||
    fail "brightness is not as configured"

step "controls while it runs"
[[ $(put pi-cam contrast 1.5) == '200 {"value":1.5}' ]] || fail "contrast: $(put pi-cam contrast 1.5)"
[[ $(put pi-cam contrast 9) == 422*'numbers from 0 to 2'* ]] || fail "contrast: $(put pi-cam contrast 9)"
[[ $(put pi-cam sparkle 1) == 404*brightness* ]] || fail "sparkle: $(put pi-cam sparkle 1)"
[[ $(put pi-cam vertical_flip true) == 422*'before the camera starts'* ]] || fail "vertical_flip"
busctl call "$name" /org/livehal/Capture1/stream/pi_2dcam "$name.Stream" SetControl sv saturation d 0.5 |
    grep -qx 'v d 0.5' || fail "saturation over D-Bus"
busctl --json=short call "$name" /org/livehal/Capture1/stream/pi_2dcam "$name.Stream" ListControls |
    grep -q '"saturation":{[^}]*' || fail "no saturation on the bus"

step "the camera is unplugged, and comes back; another has to start anew for it"
# Small and slow: this processor has vimc to compute as well.
virtual_camera 320 240 5
configure pi-cam "platform/vimc.0 Sensor B" 320x240 5
stream other Virtual0 320x240 5
start
pid=$(systemctl show -p MainPID --value live777)
descriptors() { find "/proc/$pid/fd" -mindepth 1 | wc -l; }
# Hundredths of a second of processor time that it takes in three seconds.
spent() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
cost() {
    local begin
    begin=$(spent)
    sleep 3
    echo $(($(spent) - begin))
}
gone() { field pi-cam reason | grep -qE 'unplugged|no such camera'; }
wait_for 40 state_is pi-cam running
wait_for 40 state_is other running
before=$(descriptors)
for _ in 1 2 3; do
    echo vimc.0 >/sys/bus/platform/drivers/vimc/unbind
    wait_for 10 gone
    wait_for 40 state_is other running
    flows other
    alone=$(cost)
    step "while it is gone: $alone hundredths of a second in 3 s"
    # A thread that spins on what is gone takes 300 besides.
    ((alone <= 250)) || fail "with the camera gone it takes $alone hundredths in 3 s"
    echo vimc.0 >/sys/bus/platform/drivers/vimc/bind
    wait_for 40 state_is pi-cam running
done
flows pi-cam
after=$(descriptors)
step "descriptors: $before, then $after; restarts: $(field pi-cam restarts), and $(field other restarts) of the other"
[[ $(systemctl show -p MainPID --value live777) == "$pid" ]] || fail "live777 was started anew"
# libcamera has no way to close a camera of vimc that was unplugged: to stop one would end the process.
((after <= before + 3 * 24)) || fail "more descriptors are left open than a camera has"
journalctl -u live777 --no-pager -o cat | grep 'unplugged without libcamera noticing.*(3 times so far)' ||
    fail "what is left open is not counted"

step "stop"
systemctl stop live777.service
[[ $(systemctl show -p Result --value live777.service) == success ]] ||
    fail "it ended with $(systemctl show -p Result,ExecMainStatus live777.service)"
