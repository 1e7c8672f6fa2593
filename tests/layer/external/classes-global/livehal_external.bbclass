# What `bitbake -b` needs and openembedded-core no longer has: package_pkgdata.bbclass calls this function, of other
# recipes' packages. Here there are none: the C library is Debian's.

def staging_package_populate_pkgdata_dir(pkgdatadir, d):
    bb.utils.mkdirhier(pkgdatadir)
