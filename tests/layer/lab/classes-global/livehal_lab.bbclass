# What a recipe's tasks need of a machine that has Debian's programs where OpenEmbedded has native ones.

# apt-native's configuration, for Debian's apt.
python livehal_lab_apt () {
    directory = d.getVar('STAGING_ETCDIR_NATIVE') + '/apt'
    bb.utils.mkdirhier(directory)
    with open(d.getVar('LAB_DIR') + '/apt.conf.sample') as sample, open(directory + '/apt.conf.sample', 'w') as out:
        out.write(sample.read().replace('#DPKG#', d.getVar('HOSTTOOLS_DIR') + '/dpkg'))
}

# gobject-introspection-native's macro for aclocal, from Debian's headers.
python livehal_lab_introspection () {
    native = d.getVar('STAGING_DATADIR_NATIVE') + '/aclocal'
    bb.utils.mkdirhier(native)
    bb.utils.copyfile(d.getVar('STAGING_DATADIR') + '/aclocal/introspection.m4', native + '/introspection.m4')
}

python () {
    if bb.data.inherits_class('gobject-introspection', d) and bb.data.inherits_class('autotools', d):
        d.prependVarFlag('do_configure', 'prefuncs', 'livehal_lab_introspection ')
    if bb.data.inherits_class('image', d):
        # No SDK is made here: it would want every tool chain.
        for task in ('do_populate_sdk', 'do_populate_sdk_ext', 'do_sdk_depends'):
            bb.build.deltask(task, d)
        d.prependVarFlag('do_rootfs', 'prefuncs', 'livehal_lab_apt ')
}

# Where post-install scripts of users look for pseudo.
python livehal_lab_pseudo () {
    directory = d.expand('${COMPONENTS_DIR}/${BUILD_ARCH}/pseudo-native/usr/bin')
    bb.utils.mkdirhier(directory)
    if not os.path.lexists(directory + '/pseudo'):
        os.symlink('/usr/bin/pseudo', directory + '/pseudo')
}
addhandler livehal_lab_pseudo
livehal_lab_pseudo[eventmask] = "bb.event.BuildStarted"
