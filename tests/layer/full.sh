#!/usr/bin/env bash
# The layer's tests that need checkouts of the other layers: full.sh [STEP...]
#
# LIVEHAL_LAYERS  see bitbake.sh; besides, meta-rust-bin at the commit of kas/opt/rust-bin.yml, x5-kernel and
#                 x5-drv-camsys where they are to be looked at, too
# LIVEHAL_BUILD   build directories (default: /var/tmp/livehal-layer-build); the step `build` leaves its
#                 packages in package/debs
set -uo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=tests/layer/bitbake.sh
source tests/layer/bitbake.sh

steps=("$@")
((${#steps[@]})) || steps=(bare commits kas kernel parse values check build vm)
machines=(raspberrypi5 rdk-x5 qemuarm64)

passed=0 failed=0
check() { # check NAME COMMAND...: one check, with its log
    local name=$1 log=$build/logs/$1.log begin=$SECONDS
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        printf '  ok %s (%d s)\n' "$name" $((SECONDS - begin))
    else
        failed=$((failed + 1))
        tail -n 40 "$log"
        printf '  FAILED %s (%d s): %s\n' "$name" $((SECONDS - begin)) "$log"
    fi
}

bitbake_host

# --- Steps ------------------------------------------------------------------------------------
step_bare() { check bare env LIVEHAL_LAYERS="$layers" tests/layer/run.sh; }

same_commits() {
    local machine repository wanted found status=0
    for machine in "${machines[@]}"; do
        while read -r repository wanted; do
            found=$(git -c safe.directory='*' -C "$layers/$repository" rev-parse HEAD) || return 1
            [[ $found == "$wanted" ]] && continue
            printf '%s is at %s; kas/%s.lock.yml has %s\n' "$repository" "$found" "$machine" "$wanted"
            status=1
        done < <(awk '/^    [a-z]/ { sub(":", ""); name = $1 } /commit:/ { print name, $2 }' "kas/$machine.lock.yml")
    done
    return $status
}
step_commits() { check commits same_commits; }

# The kas files, by kas itself: it checks the layers out by the lock files, writes the configuration, and BitBake
# says what came of it. Without a network: the repositories are the checkouts, whose branches of `origin` are those
# of the internet.
step_kas() {
    local python=$build/kas-python repository machine revision
    # What kas/opt/testimage.yml needs.
    apt_need iproute2 iputils-ping openssh-client procps || return
    revision=$(git rev-parse HEAD)
    [[ -x $python/bin/kas ]] || check kas-python kas_python "$python"
    mkdir -p "$build/kas/mirrors"
    # git clones of another user's repositories only by a file that allows it.
    git config --file "$build/kas/.gitconfig" safe.directory '*'
    local repositories=(bitbake openembedded-core meta-openembedded meta-raspberrypi meta-rauc)
    [[ ! -d $layers/meta-rust-bin ]] || repositories+=(meta-rust-bin)
    for repository in "${repositories[@]}"; do
        check "kas-$repository" kas_mirror "$repository"
    done
    for machine in "${machines[@]}"; do
        check "kas-$machine" kas_says "$machine" "kas/$machine.yml" <<<"DISTRO=livehal MACHINE=$machine LIVEHAL_RELEASE="
    done
    check kas-release kas_says raspberrypi5 kas/raspberrypi5.yml:kas/opt/release.yml:kas/opt/hawkbit.yml:kas/opt/ffmpeg.yml \
        <<<"LIVEHAL_RELEASE=1 LIVEHAL_FLEET=hawkbit LIVEHAL_FFMPEG=1 LIVEHAL_REVISION=$revision"
    check kas-desk kas_says rdk-x5 kas/rdk-x5.yml:kas/opt/local.yml:kas/opt/hobot.yml:kas/opt/debug.yml:kas/opt/testimage.yml \
        <<<"LIVEHAL_HOBOT=1 LIVEHAL_TREE=$build/kas LIVEHAL_SLOT_KIB=4194304"
    if [[ -d $layers/meta-rust-bin ]]; then
        check kas-rust-bin kas_says qemuarm64 kas/qemuarm64.yml:kas/opt/rust-bin.yml <<<"LIVEHAL_CARGO_CLASS=cargo_bin"
    else
        printf 'SKIPPED: kas-rust-bin: meta-rust-bin is not in LIVEHAL_LAYERS\n'
    fi
}
kas_python() {
    /usr/bin/python3 -m venv --clear "$1" &&
        "$1/bin/python" -m pip install --quiet "$(grep '^kas==' tests/layer/requirements.txt)"
}

# kas_mirror REPOSITORY: what kas clones in place of the repository in the internet: its branches, by name.
kas_mirror() {
    local mirror=$build/kas/mirrors/$1.git url
    url=$(sed -n "s|^    url: \(https://.*/$1.git\)|\1|p" kas/*.yml kas/opt/*.yml | head -n 1)
    git config --file "$build/kas/.gitconfig" "url.$mirror.insteadOf" "$url" || return 1
    [[ -d $mirror ]] ||
        bitbake_env "$build/kas" git clone --bare --shared "$layers/$1" "$mirror" || return 1
    bitbake_env "$build/kas" git -C "$mirror" fetch "$layers/$1" '+refs/remotes/origin/*:refs/heads/*'
}

# kas_says MACHINE FILES: BitBake's variables are those on standard input, as NAME=VALUE.
kas_says() {
    local machine=$1 files=$2 pair found status=0 pairs
    read -ra pairs
    for pair in "${pairs[@]}"; do
        found=$(bitbake_env "$build/kas" env KAS_WORK_DIR="$build/kas" KAS_BUILD_DIR="$build/kas/build-$machine" \
            GITCONFIG_FILE="$build/kas/.gitconfig" \
            LIVEHAL_REVISION="$revision" LIVEHAL_TREE="$build/kas" LIVEHAL_HAWKBIT_SERVER=updates.example \
            PATH="$build/kas-python/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
            bash -c "cd '$root' && kas shell '$files' -c 'bitbake-getvar --quiet --ignore-undefined --value ${pair%%=*}'") || return 1
        found=$(tail -n 1 <<<"$found")
        printf '%s = "%s"\n' "${pair%%=*}" "$found"
        [[ $found == "${pair#*=}" ]] && continue
        printf 'not so: %s\n' "$pair"
        status=1
    done
    return $status
}

without_complaint() { # without_complaint COMMAND...: no error, and no warning but about this host
    local output status
    output=$("$@" 2>&1)
    status=$?
    printf '%s\n' "$output"
    ((status == 0)) || return "$status"
    ! grep -E '^(WARNING|ERROR)' <<<"$output" | grep -vE 'Host distribution|SANITY_TESTED|^WARNING: Buildfile specified'
}
step_parse() {
    configure "$build/parse" livehal "${all[@]}" </dev/null
    local machine recipe
    for machine in "${machines[@]}"; do
        export MACHINE=$machine
        check "parse-$machine" without_complaint bitbake_env "$build/parse" bitbake -p
        check "graph-$machine" without_complaint bitbake_env "$build/parse" bitbake -g livehal-image livehal-bundle
        for recipe in live777 daedalus daedalus-v4l2 ffmpeg; do
            in_graph "$recipe" || check "graph-has-$recipe-$machine" false
        done
    done
    # Without codecs, by what kas/opt/no-codecs.yml says; and with the decoder where nobody accepted FFmpeg's licence flag.
    export MACHINE=raspberrypi5
    sed -n '/50-no-codecs/,$ s/^    //p' kas/opt/no-codecs.yml | configure "$build/parse" livehal "${all[@]}"
    check graph-no-codecs without_complaint bitbake_env "$build/parse" bitbake -g livehal-image
    in_graph live777 || check graph-no-codecs-has-live777 false
    for recipe in daedalus daedalus-v4l2 ffmpeg; do
        ! in_graph "$recipe" || check "graph-no-codecs-has-no-$recipe" false
    done
    configure "$build/parse" livehal "${all[@]}" <<<'LICENSE_FLAGS_ACCEPTED:remove = "commercial_ffmpeg"'
    check graph-flag-not-accepted refused_by_licence_flag bitbake_env "$build/parse" bitbake -g livehal-image
    unset MACHINE
}
in_graph() { grep -q "\"$1.do_compile\"" "$build/parse/task-depends.dot" 2>/dev/null; }
refused_by_licence_flag() { # refused_by_licence_flag COMMAND...: BitBake says which flag, and how to do without
    local output
    ! output=$("$@" 2>&1) || return 1
    printf '%s\n' "$output"
    grep -q "restricted license 'commercial_ffmpeg'" <<<"$output" && grep -q 'LIVEHAL_DECODER = "0"' <<<"$output"
}

step_values() {
    configure "$build/parse" livehal "${all[@]}" </dev/null
    local machine
    for machine in "${machines[@]}"; do
        export MACHINE=$machine
        check "image-values-$machine" values "$machine" livehal-image
        check "live777-values-$machine" values "$machine" live777
    done
    MACHINE=raspberrypi5 check libcamera-values values raspberrypi5 libcamera
    MACHINE=raspberrypi5 check ffmpeg-values values raspberrypi5 ffmpeg
    unset MACHINE
    check token-values token_values
    if [[ -d $layers/meta-rust-bin ]]; then
        check rust-bin-values rust_bin_values
    else
        printf 'SKIPPED: rust-bin-values: meta-rust-bin is not in LIVEHAL_LAYERS\n'
    fi
}
values() {
    bitbake_env "$build/parse" bitbake -e "$2" >"$build/logs/$2-$1.env" || return 1
    python3 tests/layer/values.py "$1" "$2" "$build/logs/$2-$1.env"
}

# The bundle's recipe with a release key in a token.
token_values() {
    printf '%s\n' 'RAUC_KEY_FILE = "pkcs11:token=release;object=livehal"' 'RAUC_CERT_FILE = "/keys/cert.pem"' \
        'RAUC_PKCS11_MODULE = "/usr/lib/softhsm/libsofthsm2.so"' >"$build/parse/conf/token.conf"
    bitbake_env "$build/parse" bitbake -e -R conf/token.conf \
        -b "$root/meta-livehal/recipes-core/bundles/livehal-bundle_0.1.0.bb" \
        >"$build/logs/livehal-bundle-token.env" || { tail "$build/logs/livehal-bundle-token.env"; return 1; }
    python3 tests/layer/values.py qemuarm64 livehal-bundle-token "$build/logs/livehal-bundle-token.env"
}

# live777's recipe with kas/opt/rust-bin.yml's layer and class.
rust_bin_values() {
    configure "$build/rust-bin" livehal "${all[@]}" "$layers/meta-rust-bin" <<<'LIVEHAL_CARGO_CLASS = "cargo_bin"'
    sed -n 's/^ *\(LAYERSERIES_COMPAT.*\)/\1/p' kas/opt/rust-bin.yml >>"$build/rust-bin/conf/bblayers.conf"
    bitbake_env "$build/rust-bin" bitbake -e -b "$root/meta-livehal/recipes-rust/live777/live777_0.1.0.bb" \
        >"$build/logs/live777-rust-bin.env" || { tail "$build/logs/live777-rust-bin.env"; return 1; }
    python3 tests/layer/values.py qemuarm64 live777-rust-bin "$build/logs/live777-rust-bin.env"
}

# The kernel of the RDK X5: its own configuration with our fragments, by its own Kconfig. Needs x5-kernel and
# x5-drv-camsys among the checkouts, at the recipe's commits.
step_kernel() {
    local kernel=$layers/x5-kernel camsys=$layers/x5-drv-camsys
    if [[ ! -d $kernel || ! -d $camsys ]]; then
        printf 'SKIPPED: kernel: x5-kernel and x5-drv-camsys are not in LIVEHAL_LAYERS\n'
        return
    fi
    apt_need bison flex gcc g++-aarch64-linux-gnu make || return
    check kernel-rdk-x5 kernel_configuration "$kernel" "$camsys"
}
kernel_configuration() (
    kernel=$1 camsys=$2
    recipe=meta-livehal-rdk-x5/recipes-kernel/linux/linux-hobot_6.1.bb tree=$build/x5-kernel
    git=(git -c safe.directory='*')
    status=0
    rm -rf "$tree" && mkdir -p "$tree/drivers/media/platform/horizon/camsys"
    revision=$(sed -n 's/^SRCREV_kernel = "\(.*\)"/\1/p' "$recipe")
    mapfile -t files < <("${git[@]}" -C "$kernel" ls-tree -r --name-only "$revision" |
        grep -E '(^|/)Kconfig|^scripts/|^Makefile|^arch/arm64/(Makefile|Kbuild|configs)|\.include$')
    "${git[@]}" -C "$kernel" archive "$revision" "${files[@]}" | tar -x -C "$tree" || return 1
    revision=$(sed -n 's/^SRCREV_camsys = "\(.*\)"/\1/p' "$recipe")
    "${git[@]}" -C "$camsys" archive "$revision" |
        tar -x -C "$tree/drivers/media/platform/horizon/camsys" || return 1
    mapfile -t fragments < <(find "$root/meta-livehal/recipes-kernel" "$root/meta-livehal-rdk-x5" -name '*.cfg')
    export ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-
    cd "$tree" || return 1
    make -s "$(sed -n 's/^KBUILD_DEFCONFIG = "\(.*\)"/\1/p' "$root/$recipe")" &&
        scripts/kconfig/merge_config.sh -m .config "${fragments[@]}" && make -s olddefconfig || return 1
    while read -r line; do
        grep -qxF "$line" .config && continue
        printf 'not so in the configuration: %s\n' "$line"
        status=1
    done < <(grep -h '^CONFIG_' "${fragments[@]}")
    exit $status
)

step_check() {
    configure "$build/check" nodistro </dev/null
    check yocto-check-layer check_layer "$root/meta-livehal" --dependency "${others[@]}"
    # Two machines: a recipe that they share has to be the same for both.
    check yocto-check-layer-rdk-x5 check_layer "$root/meta-livehal-rdk-x5" --machines qemuarm64 rdk-x5
}

# check_layer LAYER OPTION...: the tool builds nothing, but parses every layer several times. It would check the
# dependencies, too: those are others'.
check_layer() {
    local layer=$1
    shift
    bitbake_env "$build/check" yocto-check-layer --no-auto --no-auto-dependency "$@" -- "$layer"
}

step_build() {
    apt_need rustc-web cargo-web cmake g++-aarch64-linux-gnu pseudo quilt dpkg-dev u-boot-tools || return
    local sysroot=$build/rust-aarch64
    check rust-for-aarch64 rust_std "$sysroot"
    configure "$build/package" livehal "${all[@]}" "$root/tests/layer/external" <<EOF
require conf/external.conf
RUST_EXTERNAL_SYSROOT = "$sysroot/usr"
DEPLOY_DIR_DEB = "$build/package/debs"
LIVEHAL_HAWKBIT_SERVER = "updates.example"
EOF
    local recipe core=$root/meta-livehal/recipes-core
    # livehal-rauc-conf has the certificate of what this makes.
    check build-development-keys tasks "$core/rauc/livehal-development-keys_0.1.0.bb" generate
    for recipe in "$core"/livehal-{conf,identity,ssh-keys,state,system}/*.bb "$core"/rauc/livehal-rauc-conf_*.bb \
        "$root"/meta-livehal/recipes-support/*/*.bb "$root"/meta-livehal/recipes-rust/*/*.bb; do
        check "build-$(basename "${recipe%_*}")" tasks "$recipe" package_write_deb package_qa
    done
    MACHINE=rdk-x5 check build-rdk-x5-boot-script tasks \
        "$root"/meta-livehal-rdk-x5/recipes-bsp/*/*.bb deploy package_write_deb package_qa
    check package-content package_content live777 usr/bin/live777 usr/lib/systemd/system/live777.service \
        usr/lib/sysusers.d/livehal.conf usr/share/dbus-1/system.d/org.livehal.Capture1.conf \
        usr/share/dbus-1/system-services/org.livehal.Capture1.service
    check decoder-content package_content daedalus usr/bin/daedalus_v4l2_daemon etc/livehal/daedalus.toml \
        usr/lib/systemd/system/daedalus-v4l2.service usr/lib/sysusers.d/daedalus.conf \
        usr/lib/modules-load.d/daedalus.conf usr/lib/udev/rules.d/71-daedalus.rules \
        usr/share/dbus-1/system.d/org.livehal.Decoder1.conf \
        usr/share/dbus-1/system-services/org.livehal.Decoder1.service
}

# tasks RECIPE TASK...: of this recipe alone; what it depends on is Debian's.
tasks() {
    local recipe=$1 task
    shift
    for task in "$@"; do
        without_complaint bitbake_env "$build/package" bitbake -b "$recipe" -c "$task" || return 1
    done
}

# package_content NAME PROGRAM FILE...: what is in a package; its program is for the boards.
package_content() {
    local name=$1 program=$2 package listing file
    shift
    package=$(find "$build/package/debs" -name "${name}_*.deb" | head -n 1)
    [[ -n $package ]] || { printf 'no package\n'; return 1; }
    dpkg-deb --info "$package" && dpkg-deb --contents "$package" || return 1
    [[ $(dpkg-deb --field "$package" Version) == "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"* ]] || return 1
    listing=$(dpkg-deb --contents "$package")
    for file in "$@"; do
        grep -q "root/root.* \./$file$" <<<"$listing" || { printf 'missing: %s\n' "$file"; return 1; }
    done
    dpkg-deb --fsys-tarfile "$package" | tar -xO "./$program" >"$build/$name-aarch64"
    file "$build/$name-aarch64" | grep -q 'ARM aarch64'
}

# The packages of the step `build` in a Debian machine of arm64: live777 under its systemd and D-Bus, and the
# image's cases. docs/vm.md, docs/testimage.md
step_vm() {
    local why
    if ! why=$(tests/vm/vm check --arch arm64); then
        printf '%s\n' "$why"
        return
    fi
    check image-cases env LIVEHAL_LAYERS="$layers" \
        tests/vm/vm ssh --arch arm64 --module kernel/daedalus-v4l2 -- \
        "$root/tests/layer/debian_vm.sh" "$build/package/debs"
    grep -E '^  (passed|skipped) ' "$build/logs/image-cases.log"
}

for step in "${steps[@]}"; do
    declare -F "step_$step" >/dev/null || fail "no step $step"
    say "$step"
    "step_$step"
done
printf 'test result: %s. %d passed; %d failed; 0 ignored\n' \
    "$( ((failed)) && echo FAILED || echo ok)" "$passed" "$failed"
((failed == 0))
