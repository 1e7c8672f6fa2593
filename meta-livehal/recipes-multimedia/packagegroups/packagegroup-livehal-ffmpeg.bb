SUMMARY = "FFmpeg's libraries, which live777 opens at run time where they are there"
DESCRIPTION = "For footage in MP4 and WebM (kas/opt/ffmpeg.yml). Its own packagegroup because FFmpeg's recipe has the licence \
flag commercial."
LICENSE = "MIT"

inherit packagegroup

LICENSE_FLAGS = "commercial_ffmpeg"

RDEPENDS:${PN} = "libavcodec libavformat libavutil"
