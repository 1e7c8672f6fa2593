/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR BSD-2-Clause */
/*
 * The bridge between the kernel module daedalus_v4l2 and its daemon.
 *
 * The character device /dev/daedalus-v4l2 can be open once at a time. read()
 * gives one whole message, or fails with EMSGSIZE and keeps it where the buffer
 * is too small (FIONREAD tells the size); write() takes one whole message.
 * poll() tells when there is one. Everything is in the byte order of the
 * machine: both ends run on it.
 *
 * The first message is the kernel's:
 *
 *   kernel                                   daemon
 *   HELLO {versions, limits}          --->
 *                                     <---   HELLO_REPLY {version}
 *   CTX_OPEN, CTX_FORMAT, REQ_DECODE  --->
 *                                     <---   RESP_FRAME
 *   ...
 *   CTX_RESET, CTX_BUFFERS,
 *   CTX_CLOSE, ABORT                  --->
 *
 * CTX_RESET: the client stopped to decode; what it decodes next does not refer
 * to anything before. CTX_BUFFERS: CAPTURE buffers are no more; descriptors of
 * them keep their memory from being freed. CTX_CLOSE: the client is gone; or
 * another CTX_OPEN follows, for another codec or after a unit that was lost.
 * ABORT: nobody waits for the job with this cookie any more. These four are a
 * header and nothing else, as PING and PONG are.
 *
 * Before HELLO_REPLY nothing else is sent, and nothing else is taken: write()
 * fails with EPROTO. A message that is malformed fails with EINVAL, one about a
 * job that is not there (any more) with ESTALE; neither has an effect.
 */
#ifndef DAEDALUS_V4L2_PROTO_H
#define DAEDALUS_V4L2_PROTO_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DAEDALUS_PROTO_VERSION		1

/* Message types. The high bit says that the daemon sends it. */
#define DAEDALUS_MSG_HELLO		0x0001
#define DAEDALUS_MSG_PING		0x0002
#define DAEDALUS_MSG_CTX_OPEN		0x0010
#define DAEDALUS_MSG_CTX_FORMAT		0x0011
#define DAEDALUS_MSG_CTX_RESET		0x0012
#define DAEDALUS_MSG_CTX_CLOSE		0x0013
#define DAEDALUS_MSG_CTX_BUFFERS	0x0014
#define DAEDALUS_MSG_REQ_DECODE		0x0020
#define DAEDALUS_MSG_ABORT		0x0021
#define DAEDALUS_MSG_HELLO_REPLY	0x8001
#define DAEDALUS_MSG_PONG		0x8002
#define DAEDALUS_MSG_RESP_FRAME		0x8020

/* Codecs. */
#define DAEDALUS_CODEC_VP9		1
#define DAEDALUS_CODEC_AV1		2
#define DAEDALUS_CODEC_H264		3
#define DAEDALUS_CODEC_VP8		4

/* What became of an access unit. */
#define DAEDALUS_DECODE_OK		0
/* Taken, but there is no picture for it. */
#define DAEDALUS_DECODE_NO_FRAME	1
/* The codec could not be opened. */
#define DAEDALUS_DECODE_ERR_OPEN	100
/* The decoder did not take the bitstream. */
#define DAEDALUS_DECODE_ERR_SEND	101
/* The decoder failed while it decoded. */
#define DAEDALUS_DECODE_ERR_RECV	102
/* The codec, or what of it the stream uses, is not supported. */
#define DAEDALUS_DECODE_ERR_CODEC	103

/**
 * struct daedalus_msg_header - how every message begins
 * @len: size of the whole message in bytes, this header included
 * @type: DAEDALUS_MSG_*
 * @version: DAEDALUS_PROTO_VERSION
 * @ctx: the context it is about; 0 for none
 * @gen: the bridge's generation, which each opening of the device counts up
 * @cookie: the job it is about; 0 for none. Never used twice.
 */
struct daedalus_msg_header {
	__u32 len;
	__u16 type;
	__u16 version;
	__u32 ctx;
	__u32 gen;
	__u64 cookie;
};

/**
 * struct daedalus_hello - first message of the kernel
 * @header: DAEDALUS_MSG_HELLO
 * @version_min: oldest version of this protocol that is understood
 * @version_max: newest
 * @contexts_max: contexts that may decode at a time
 * @job_timeout_ms: how long a job may take; then it fails
 * @release: version of the module, ended by a zero
 */
struct daedalus_hello {
	struct daedalus_msg_header header;
	__u16 version_min;
	__u16 version_max;
	__u32 contexts_max;
	__u32 job_timeout_ms;
	__u32 reserved;
	__u8 release[32];
};

/**
 * struct daedalus_hello_reply - first message of the daemon
 * @header: DAEDALUS_MSG_HELLO_REPLY
 * @version: the version both will use
 * @codecs: what it decodes: bit n stands for the DAEDALUS_CODEC_* n
 */
struct daedalus_hello_reply {
	struct daedalus_msg_header header;
	__u32 version;
	__u32 codecs;
};

/*
 * In daedalus_ctx_open.flags: what the stream began with was decoded by another
 * daemon, or not at all: until a picture that refers to none before, nothing can
 * be decoded.
 */
#define DAEDALUS_CTX_RESUMED		0x1

/**
 * struct daedalus_ctx_open - a client decodes
 * @header: DAEDALUS_MSG_CTX_OPEN
 * @codec: DAEDALUS_CODEC_*
 * @uid: the user who opened the video node
 * @flags: DAEDALUS_CTX_*
 */
struct daedalus_ctx_open {
	struct daedalus_msg_header header;
	__u32 codec;
	__u32 uid;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct daedalus_ctx_format - what the client's CAPTURE buffers look like
 * @header: DAEDALUS_MSG_CTX_FORMAT
 * @fourcc: V4L2_PIX_FMT_*
 * @width: width of a buffer in pixels
 * @height: height of a buffer in pixels
 * @bytesperline: from one row to the next, in both planes
 * @sizeimage: size of a buffer in bytes
 * @uv_offset: where the chroma plane begins
 */
struct daedalus_ctx_format {
	struct daedalus_msg_header header;
	__u32 fourcc;
	__u32 width;
	__u32 height;
	__u32 bytesperline;
	__u32 sizeimage;
	__u32 uv_offset;
};

/* In daedalus_req_decode.flags: no CAPTURE buffer; only a digest is wanted. */
#define DAEDALUS_REQ_DIGEST_ONLY	0x1

/**
 * struct daedalus_req_decode - one access unit to decode
 * @header: DAEDALUS_MSG_REQ_DECODE, with the job's cookie
 * @codec: DAEDALUS_CODEC_*
 * @flags: DAEDALUS_REQ_*
 * @capture_index: the CAPTURE buffer that takes the picture
 * @capture_serial: that buffer's serial number: with another, the index means
 *	another buffer than before
 * @timestamp: of the OUTPUT buffer in ns; what references are named by
 * @controls_len: bytes of controls that follow: struct daedalus_control and
 *	its payload, one after the other, each begun at a multiple of 8
 * @bitstream_len: bytes of bitstream that follow the controls
 */
struct daedalus_req_decode {
	struct daedalus_msg_header header;
	__u32 codec;
	__u32 flags;
	__u32 capture_index;
	__u32 capture_serial;
	__u64 timestamp;
	__u32 controls_len;
	__u32 bitstream_len;
};

/**
 * struct daedalus_control - one control of a request
 * @id: V4L2_CID_STATELESS_*
 * @size: bytes of the V4L2 structure that follows; up to the next multiple of 8
 *	there are zeros
 */
struct daedalus_control {
	__u32 id;
	__u32 size;
};

/**
 * struct daedalus_resp_frame - the end of a job
 * @header: DAEDALUS_MSG_RESP_FRAME, with the job's cookie
 * @status: DAEDALUS_DECODE_*
 * @bytesused: bytes of the CAPTURE buffer that hold the picture
 * @width: width of the picture in pixels
 * @height: height of the picture in pixels
 * @fourcc: V4L2_PIX_FMT_* of what was decoded; 0 for none
 * @digest: with DAEDALUS_REQ_DIGEST_ONLY: FNV-1a, 32 bits, of the decoded
 *	planes' visible bytes; else 0
 */
struct daedalus_resp_frame {
	struct daedalus_msg_header header;
	__u32 status;
	__u32 bytesused;
	__u32 width;
	__u32 height;
	__u32 fourcc;
	__u32 digest;
};

/**
 * struct daedalus_capture_fd - argument of DAEDALUS_IOC_GET_CAPTURE_FD
 * @ctx: the context
 * @index: the buffer
 * @serial: its serial number
 * @fd: the buffer as a DMA-BUF, closed on exec (out)
 * @size: its size in bytes (out)
 */
struct daedalus_capture_fd {
	__u32 ctx;
	__u32 index;
	__u32 serial;
	__s32 fd;
	__u64 size;
};

/*
 * A CAPTURE buffer as a DMA-BUF. ENOENT: there is no such context or buffer;
 * ESTALE: the index means another buffer by now.
 */
#define DAEDALUS_IOC_GET_CAPTURE_FD	_IOWR('D', 0x40, struct daedalus_capture_fd)

#endif
