# What a recipe's tasks need of a machine that has Debian's programs where OpenEmbedded has native ones.

# apt-native's configuration, for Debian's apt.
python livehal_lab_apt () {
    directory = d.getVar('STAGING_ETCDIR_NATIVE') + '/apt'
    bb.utils.mkdirhier(directory)
    with open(d.getVar('LAB_DIR') + '/apt.conf.sample') as sample, open(directory + '/apt.conf.sample', 'w') as out:
        out.write(sample.read().replace('#DPKG#', d.getVar('HOSTTOOLS_DIR') + '/dpkg'))
}

# What gettext-native and gobject-introspection-native have for autotools, from Debian's.
python livehal_lab_autotools () {
    native = d.getVar('STAGING_DATADIR_NATIVE')
    gettext = '/usr/share/gettext'
    for name, source in (('gettext/config.rpath', gettext + '/config.rpath'),
                         ('gettext/po/Makefile.in.in', gettext + '/po/Makefile.in.in'),
                         ('gettext/po/Makevars.template.minimal', gettext + '/po/Makevars.template'),
                         ('gettext/po/remove-potcdate.sed', gettext + '/po/remove-potcdate.sin'),
                         ('aclocal/introspection.m4', d.getVar('STAGING_DATADIR') + '/aclocal/introspection.m4')):
        bb.utils.mkdirhier(os.path.dirname(native + '/' + name))
        if os.path.exists(source):
            bb.utils.copyfile(source, native + '/' + name)
}

# Where meta-rauc's class calls the program by its path.
python livehal_lab_rauc () {
    program = d.expand('${STAGING_DIR_NATIVE}${bindir_native}/rauc')
    bb.utils.mkdirhier(os.path.dirname(program))
    if not os.path.lexists(program):
        os.symlink(d.getVar('HOSTTOOLS_DIR') + '/rauc', program)
}

python () {
    if bb.data.inherits_class('bundle', d):
        d.prependVarFlag('do_bundle', 'prefuncs', 'livehal_lab_rauc ')
    if bb.data.inherits_class('gettext', d) and bb.data.inherits_class('autotools', d):
        d.prependVarFlag('do_configure', 'prefuncs', 'livehal_lab_autotools ')
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

# Debian's pseudo is older than OpenEmbedded's, and a process that writes a package is lost at times, without an error:
# what was packaged and not written is written now.
python do_package_deb:append () {
    import glob
    for package in (d.getVar('PACKAGES') or '').split():
        name = d.getVar('PKG:' + package) or package
        if not os.path.exists(d.expand('${PKGDESTWORK}/runtime/%s.packaged' % package)):
            continue
        for attempt in range(3):
            if glob.glob(d.expand('${PKGWRITEDIRDEB}/*/%s_*.deb' % name)):
                break
            bb.note('%s is not there: written again' % name)
            deb_write_pkg(package, d)
        else:
            bb.fatal('%s was not written' % name)
}
