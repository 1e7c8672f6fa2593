# FFmpeg's libraries as daedalus and live777 open them: decoders alone, under the LGPL. No programs, no encoder, no network,
# no library of others. What is not here cannot be attacked by a stream.
PACKAGECONFIG:livehal = "avcodec avformat"

LIVEHAL_FFCONF:livehal = "\
    --disable-autodetect \
    --disable-doc \
    --disable-everything \
    --disable-network \
    --disable-programs \
    --enable-decoder=h264,vp8,vp9 \
"
# Footage for live777 (kas/opt/ffmpeg.yml): MP4 and WebM from files, as cameras, telephones and browsers write them.
LIVEHAL_FFCONF_FOOTAGE:livehal = "\
    --enable-decoder=hevc,mjpeg,mpeg4 \
    --enable-demuxer=matroska,mov \
    --enable-parser=h264,hevc,mjpeg,mpeg4video,vp8,vp9 \
    --enable-protocol=file \
"
# nooelint: oelint.vars.mispell - a variable of the recipe
EXTRA_FFCONF:append:livehal = " ${LIVEHAL_FFCONF} ${@bb.utils.contains('LIVEHAL_FFMPEG', '1', '${LIVEHAL_FFCONF_FOOTAGE}', '', d)}"
