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
        int *: "[c_int; 8]",                   \
        AVCodecParameters *: "*mut AVCodecParameters", \
        AVStream **: "*mut *mut AVStream")

/* The two arrays of AVFrame decay to pointers in RUST_TYPE: their length is checked here. */
_Static_assert(sizeof(((AVFrame *)0)->data) == 8 * sizeof(uint8_t *), "AVFrame.data");
_Static_assert(sizeof(((AVFrame *)0)->linesize) == 8 * sizeof(int), "AVFrame.linesize");

/* FFmpeg 5 calls the frame's duration pkt_duration. */
#if LIBAVUTIL_VERSION_MAJOR < 58
#define FRAME_DURATION pkt_duration
#else
#define FRAME_DURATION duration
#endif

#define FIELDS(S, F)                                       \
    S(packet, AVPacket)                                    \
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
    F(AVFrame, best_effort_timestamp, best_effort_timestamp) \
    F(AVFrame, duration, FRAME_DURATION)                   \
    F(AVFrame, decode_error_flags, decode_error_flags)     \
    F(AVFrame, crop_top, crop_top)                         \
    F(AVFrame, crop_bottom, crop_bottom)                   \
    F(AVFrame, crop_left, crop_left)                       \
    F(AVFrame, crop_right, crop_right)                     \
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
    emit(#type, #field, STR(c_field), offsetof(type, c_field), RUST_TYPE(((type *)0)->c_field));
#define RUST_F(type, field, c_field) ANY_F(rust_field, type, field, c_field)
#define ASSERT_F(type, field, c_field) ANY_F(c_assertion, type, field, c_field)

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "assert") == 0) {
        FIELDS(NO_S, ASSERT_F)
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
    printf("    },\n};\n");
    return 0;
}
