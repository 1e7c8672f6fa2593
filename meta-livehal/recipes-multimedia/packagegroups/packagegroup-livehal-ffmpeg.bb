SUMMARY = "FFmpeg's libraries, which live777 opens at run time where they are there"
DESCRIPTION = "Its own packagegroup because FFmpeg's recipe has the licence flag commercial: \
whoever wants it accepts that, by kas/opt/ffmpeg.yml."
LICENSE = "MIT"

inherit packagegroup

LICENSE_FLAGS = "commercial_ffmpeg"

RDEPENDS:${PN} = "libavcodec libavformat libavutil libswscale"
