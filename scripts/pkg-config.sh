#!/bin/sh
# pkg-config for builds of this repository: libcamera is taken from PI_SYSROOT, where that is set.
case " $* " in
    *" libcamera "* | *" camera "*)
        if [ -n "${PI_SYSROOT:-}" ]; then
            paths=
            for directory in "$PI_SYSROOT"/usr/lib/*/pkgconfig "$PI_SYSROOT"/usr/lib/pkgconfig \
                "$PI_SYSROOT"/usr/share/pkgconfig; do
                [ ! -d "$directory" ] || paths=${paths:+$paths:}$directory
            done
            PKG_CONFIG_SYSROOT_DIR=$PI_SYSROOT PKG_CONFIG_LIBDIR=$paths PKG_CONFIG_PATH=
            export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_LIBDIR PKG_CONFIG_PATH
        fi
        ;;
esac
exec pkg-config "$@"
