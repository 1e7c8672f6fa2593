# The release nearest to the recipe's that Debian has: the same major versions of the libraries.
PV = "8.1.2"
SRC_URI[sha256sum] = "464beb5e7bf0c311e68b45ae2f04e9cc2af88851abb4082231742a74d97b524c"
# They order what make does, in the recipe's own release.
SRC_URI:remove = "\
    file://0001-fftools-resources-Fix-double-build-by-disabling-.d-f.patch \
    file://0001-ffbuild-commonmak-Consolidate-pattern-rules-for-comp.patch \
    file://0002-ffbuild-common.mak-ensure-target-directories-are-cre.patch \
"
