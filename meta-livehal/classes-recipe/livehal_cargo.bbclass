# Cargo, from oe-core's own tool chain or from meta-rust-bin's prebuilt one (kas/opt/rust-bin.yml). The crates are
# those of SRC_URI either way: nothing is fetched while compiling.

LIVEHAL_CARGO_CLASS ??= "cargo"
# Deferred, the class would overwrite what the recipe appends to its variables.
# nooelint: oelint.var.inherit.inherit_defer
inherit ${LIVEHAL_CARGO_CLASS}

# C in crates: its debug information names the place that Rust's does, not the build directory.
DEBUG_PREFIX_MAP:append = " -ffile-prefix-map=${UNPACKDIR}/cargo_home=${TARGET_DBGSRC_DIR}/sources/cargo_home"

# meta-rust-bin's class knows nothing of crates that BitBake fetched.
livehal_vendored_crates () {
    install -d ${UNPACKDIR}/cargo_home
    printf '%s\n' '[source.bitbake]' 'directory = "${UNPACKDIR}/cargo_home/bitbake"' \
        '[source.crates-io]' 'replace-with = "bitbake"' >${CARGO_HOME}/config.toml
}

python () {
    if d.getVar('LIVEHAL_CARGO_CLASS') == 'cargo':
        return
    d.setVar('CARGO_HOME', '${UNPACKDIR}/cargo_home')
    d.appendVar('EXTRA_CARGO_FLAGS', ' --frozen')
    d.appendVarFlag('do_configure', 'postfuncs', ' livehal_vendored_crates')
}
