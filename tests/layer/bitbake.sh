# BitBake with checkouts of the other layers; sourced after scripts/lib.sh.
# shellcheck shell=bash
#
# LIVEHAL_LAYERS  a directory with bitbake, openembedded-core, meta-openembedded, meta-raspberrypi and
#                 meta-rauc, at the commits of kas/*.lock.yml (default: layers/, where kas puts them)
# LIVEHAL_BUILD   build directories (default: /var/tmp/livehal-layer-build)
# BitBake does not run as root: as root, a user `livehal-build` is made and used.

layers=${LIVEHAL_LAYERS:-$root/layers}
build=${LIVEHAL_BUILD:-/var/tmp/livehal-layer-build}
missing=()
for repository in bitbake openembedded-core meta-openembedded meta-raspberrypi meta-rauc; do
    [[ -d $layers/$repository ]] || missing+=("$repository")
done
if ((${#missing[@]})); then
    fail "checkouts of other layers are missing in $layers: ${missing[*]}
With the internet, 'kas checkout kas/raspberrypi5.yml' puts them into layers/; LIVEHAL_LAYERS names another directory.
The commits are in kas/raspberrypi5.lock.yml."
fi
layers=$(cd "$layers" && pwd) || exit 1
others=("$layers"/meta-openembedded/meta-{oe,python,multimedia} "$layers"/meta-rauc)
# shellcheck disable=SC2034  # what full.sh configures
all=("${others[@]}" "$layers/meta-raspberrypi" "$root/meta-livehal" "$root/meta-livehal-rdk-x5")

# bitbake_host: what BitBake itself asks for, and the user that it runs as.
run_as=()
bitbake_host() {
    mkdir -p "$build/logs"
    if ((EUID == 0)); then
        id livehal-build >/dev/null 2>&1 || useradd --create-home livehal-build || exit 1
        run_as=(runuser -u livehal-build --)
    fi
    apt_need chrpath cpio diffstat file gawk git locales lz4 patch python3 rpcsvc-proto socat texinfo unzip \
        wget xz-utils zstd || exit 1
    if ! locale -a 2>/dev/null | grep -qi '^en_US.utf-\?8$'; then
        ((EUID == 0)) || fail "the locale en_US.UTF-8 is missing"
        sed -i 's/^# *\(en_US.UTF-8\)/\1/' /etc/locale.gen && locale-gen || exit 1
    fi
}

# bitbake_env DIRECTORY COMMAND...: a command with BitBake's environment in a build directory. Programs in
# BITBAKE_TOOLS come before the machine's.
bitbake_env() {
    local directory=$1
    shift
    ((EUID != 0)) || chown livehal-build: "$directory" "$directory"/conf "$directory"/conf/*
    (cd "$directory" && "${run_as[@]}" env -i HOME="$directory" LANG=en_US.UTF-8 LC_ALL=en_US.UTF-8 \
        GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' \
        PATH="${BITBAKE_TOOLS:+$BITBAKE_TOOLS:}$layers/bitbake/bin:$layers/openembedded-core/scripts:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        BUILDDIR="$directory" BBPATH="$directory" MACHINE="${MACHINE:-qemuarm64}" TERM="${TERM:-dumb}" \
        BB_ENV_PASSTHROUGH_ADDITIONS="MACHINE" "$@")
}

# configure DIRECTORY DISTRO [LAYER...]: a build directory; text for local.conf on standard input.
configure() {
    local directory=$1 distro=$2
    shift 2
    mkdir -p "$directory/conf"
    {
        # shellcheck disable=SC2016  # BitBake expands it
        printf 'LCONF_VERSION = "7"\nBBPATH = "${TOPDIR}"\nBBFILES ?= ""\nBBLAYERS = "'
        printf '%s ' "$layers"/openembedded-core/meta "$@"
        printf '"\n'
    } >"$directory/conf/bblayers.conf"
    {
        printf 'CONF_VERSION = "2"\nDISTRO = "%s"\nCONNECTIVITY_CHECK_URIS = ""\n' "$distro"
        printf 'INHERIT:remove = "uninative"\nLICENSE_FLAGS_ACCEPTED = "synaptics-killswitch commercial_ffmpeg"\n'
        cat
    } >"$directory/conf/local.conf"
}

# rust_std DIRECTORY: Rust's standard library for aarch64 from Debian, without making this a machine of two
# architectures.
rust_std() {
    local apt=$build/apt version
    [[ ! -d $1/usr/lib/rustlib ]] || return 0
    mkdir -p "$apt"/{lists/partial,cache/archives/partial} "$1"
    : >"$apt/status"
    local options=(-o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Architecture=arm64
        -o Dir::State::status="$apt/status" -o APT::Architectures=arm64 -o Debug::NoLocking=1)
    version=$(dpkg-query -W -f '${Version}' rustc-web) || return 1
    apt-get "${options[@]}" update -q || return 1
    (cd "$apt" && apt-get "${options[@]}" download "libstd-rust-web-dev=$version") || return 1
    dpkg-deb -x "$apt"/libstd-rust-web-dev_*_arm64.deb "$1"
}
