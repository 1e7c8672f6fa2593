/*
 * Prints where one FFmpeg release keeps the fields this project reads or writes.
 *
 *   layout         the Rust table, for services/ffmpeg/src/sys/v<major>.rs
 *   layout assert  C assertions of the same numbers, to be compiled for another machine
 *
 * The Rust type of each field is derived from its C type, so a field whose type changed between
 * releases no longer fits the table in layout.rs and does not compile.
 */
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/frame.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A field's type as Rust. An enumeration counts as the integer the compiler gives it. */
#define RUST_TYPE(x)                           \
    _Generic((x),                              \
        int: "c_int",                          \
        unsigned: "c_uint",                    \
        int64_t: "i64",                        \
        size_t: "usize",                       \
        AVRational: "AVRational",              \
        uint8_t *: "*mut u8",                  \
        uint8_t **: "[*mut u8; 8]",            \
        void *: "*mut c_void",                 \
        int (*)(AVCodecContext *, AVFrame *, int): "GetBuffer2", \
        int *: "[c_int; 8]",                   \
        AVCodecParameters *: "*mut AVCodecParameters", \
        AVPacketSideData *: "*mut AVPacketSideData",   \
        AVStream **: "*mut *mut AVStream")

/* What services/ffmpeg/src/sys/types.rs says. */
#define SAYS(x) _Static_assert(x, #x)
SAYS(AVMEDIA_TYPE_VIDEO == 0);
SAYS(AVSEEK_FLAG_BACKWARD == 1);
SAYS(AV_LOG_QUIET == -8);
SAYS(AV_NOPTS_VALUE == INT64_MIN);
SAYS(AV_FRAME_FLAG_CORRUPT == 1);
SAYS(AVCOL_RANGE_JPEG == 2);
SAYS(AVERROR_EOF == -0x20464f45);
SAYS(AVERROR(EAGAIN) == -11);
SAYS(AVERROR(ENOMEM) == -12);
SAYS(AV_PKT_DATA_DISPLAYMATRIX == 5);
SAYS(sizeof(AVRational) == 8 && offsetof(AVRational, den) == 4);
SAYS(sizeof(AVPacketSideData) == 24 && offsetof(AVPacketSideData, data) == 0);
SAYS(offsetof(AVPacketSideData, size) == 8 && sizeof(((AVPacketSideData *)0)->size) == 8);
SAYS(offsetof(AVPacketSideData, type) == 16 && sizeof(((AVPacketSideData *)0)->type) == 4);

/* The two arrays of AVFrame decay to pointers in RUST_TYPE: their length is checked here. */
_Static_assert(sizeof(((AVFrame *)0)->data) == 8 * sizeof(uint8_t *), "AVFrame.data");
_Static_assert(sizeof(((AVFrame *)0)->linesize) == 8 * sizeof(int), "AVFrame.linesize");

/* FFmpeg 5 calls the frame's duration pkt_duration. */
#if LIBAVUTIL_VERSION_MAJOR < 58
#define FRAME_DURATION pkt_duration
#else
#define FRAME_DURATION duration
#endif

/* FFmpeg 5 has a field of its own for interlaced frames, later ones a flag. */
#if LIBAVUTIL_VERSION_MAJOR < 58
#define FRAME_INTERLACED interlaced_frame
#define FRAME_INTERLACED_MASK -1
#else
#define FRAME_INTERLACED flags
#define FRAME_INTERLACED_MASK AV_FRAME_FLAG_INTERLACED
#endif

/* FFmpeg 5 keeps the container's side data with the stream, later ones with its parameters. */
#if LIBAVCODEC_VERSION_MAJOR < 60
#define SIDE_DATA_OWNER Stream
#define SIDE_DATA_TYPE AVStream
#define SIDE_DATA side_data
#define SIDE_DATA_COUNT nb_side_data
#else
#define SIDE_DATA_OWNER Parameters
#define SIDE_DATA_TYPE AVCodecParameters
#define SIDE_DATA coded_side_data
#define SIDE_DATA_COUNT nb_coded_side_data
#endif

#define FIELDS(S, F)                                       \
    S(packet, AVPacket)                                    \
    F(AVPacket, data, data)                                \
    F(AVPacket, stream_index, stream_index)                \
    S(frame, AVFrame)                                      \
    F(AVFrame, data, data)                                 \
    F(AVFrame, linesize, linesize)                         \
    F(AVFrame, width, width)                               \
    F(AVFrame, height, height)                             \
    F(AVFrame, format, format)                             \
    F(AVFrame, flags, flags)                               \
    F(AVFrame, color_range, color_range)                   \
    F(AVFrame, colorspace, colorspace)                     \
    F(AVFrame, color_trc, color_trc)                       \
    F(AVFrame, interlaced, FRAME_INTERLACED)               \
    F(AVFrame, best_effort_timestamp, best_effort_timestamp) \
    F(AVFrame, duration, FRAME_DURATION)                   \
    F(AVFrame, decode_error_flags, decode_error_flags)     \
    F(AVFrame, crop_top, crop_top)                         \
    F(AVFrame, crop_bottom, crop_bottom)                   \
    F(AVFrame, crop_left, crop_left)                       \
    F(AVFrame, crop_right, crop_right)                     \
    S(context, AVCodecContext)                             \
    F(AVCodecContext, opaque, opaque)                      \
    F(AVCodecContext, get_buffer2, get_buffer2)            \
    S(stream, AVStream)                                    \
    F(AVStream, time_base, time_base)                      \
    F(AVStream, start_time, start_time)                    \
    F(AVStream, avg_frame_rate, avg_frame_rate)            \
    F(AVStream, codecpar, codecpar)                        \
    S(parameters, AVCodecParameters)                       \
    F(AVCodecParameters, codec_id, codec_id)               \
    F(AVCodecParameters, width, width)                     \
    F(AVCodecParameters, height, height)                   \
    S(format, AVFormatContext)                             \
    F(AVFormatContext, nb_streams, nb_streams)             \
    F(AVFormatContext, streams, streams)

/* Fields that belong to one structure in some releases and to another in others. */
#define SIDE_DATA_FIELDS(F)                                \
    F(SIDE_DATA_TYPE, list, SIDE_DATA)                     \
    F(SIDE_DATA_TYPE, count, SIDE_DATA_COUNT)

static int section_open;

static void rust_section(const char *name, const char *type)
{
    if (section_open)
        printf("    },\n");
    section_open = 1;
    printf("    %s: %sLayout {\n", name, type + 2);
}

static void rust_field(const char *type, const char *field, const char *c_field, size_t offset,
                       const char *rust_type)
{
    (void)c_field;
    printf("        %s: Field::<%s, %s>::at(%zu),\n", field, type, rust_type, offset);
}

static void no_section(const char *name, const char *type)
{
    (void)name;
    (void)type;
}

static void c_assertion(const char *type, const char *field, const char *c_field, size_t offset,
                        const char *rust_type)
{
    (void)field;
    (void)rust_type;
    printf("_Static_assert(offsetof(%s, %s) == %zu, \"%s.%s\");\n", type, c_field, offset, type,
           c_field);
}

#define STR_(x) #x
#define STR(x) STR_(x)
#define RUST_S(name, type) rust_section(#name, #type);
#define NO_S(name, type) no_section(#name, #type);
#define ANY_F(emit, type, field, c_field) \
    emit(STR(type), #field, STR(c_field), offsetof(type, c_field), \
         RUST_TYPE(((type *)0)->c_field));
#define RUST_F(type, field, c_field) ANY_F(rust_field, type, field, c_field)
#define ASSERT_F(type, field, c_field) ANY_F(c_assertion, type, field, c_field)

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "assert") == 0) {
        FIELDS(NO_S, ASSERT_F)
        SIDE_DATA_FIELDS(ASSERT_F)
        return 0;
    }
    printf("//! Where libavutil %s, libavcodec %s and libavformat %s\n"
           "//! keep their fields.\n//!\n"
           "//! Generated by tools/ffmpeg-bindings/generate from the headers of that release.\n\n"
           "use super::layout::*;\nuse super::types::*;\n\n"
           "/// Field offsets of libavcodec %d.\npub(crate) const LAYOUT: Layout = Layout {\n",
           AV_STRINGIFY(LIBAVUTIL_VERSION), AV_STRINGIFY(LIBAVCODEC_VERSION),
           AV_STRINGIFY(LIBAVFORMAT_VERSION), LIBAVCODEC_VERSION_MAJOR);
    FIELDS(RUST_S, RUST_F)
    printf("    },\n    interlaced_mask: %d,\n    side_data: SideData::%s {\n",
           FRAME_INTERLACED_MASK, STR(SIDE_DATA_OWNER));
    SIDE_DATA_FIELDS(RUST_F)
    printf("    },\n};\n");
    return 0;
}
