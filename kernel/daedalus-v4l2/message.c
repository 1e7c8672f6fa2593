// SPDX-License-Identifier: GPL-2.0-only
/* Messages to the daemon, as daedalus_v4l2_proto.h lays them out. */
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <media/videobuf2-v4l2.h>

#include "daedalus.h"

static void daedalus_msg_fill(struct daedalus_msg *msg, u16 type, size_t len,
			      u32 ctx, u64 cookie)
{
	INIT_LIST_HEAD(&msg->node);
	msg->header.len = len;
	msg->header.type = type;
	msg->header.version = DAEDALUS_PROTO_VERSION;
	msg->header.ctx = ctx;
	msg->header.cookie = cookie;
}

/* A message of @len bytes, zero but for its header. */
struct daedalus_msg *daedalus_msg_alloc(u16 type, size_t len, u32 ctx, u64 cookie)
{
	struct daedalus_msg *msg;

	msg = kvzalloc(offsetof(struct daedalus_msg, data) + len,
		       GFP_KERNEL_ACCOUNT);
	if (msg)
		daedalus_msg_fill(msg, type, len, ctx, cookie);
	return msg;
}

/*
 * A message that is a header only. It says that something is over, which the
 * daemon must hear of, so it is not given up.
 */
struct daedalus_msg *daedalus_msg_news(u16 type, u32 ctx, u64 cookie)
{
	struct daedalus_msg *msg = kzalloc(sizeof(*msg), GFP_KERNEL | __GFP_NOFAIL);

	daedalus_msg_fill(msg, type, sizeof(msg->header), ctx, cookie);
	return msg;
}

void daedalus_msg_free(struct daedalus_msg *msg)
{
	kvfree(msg);
}

struct daedalus_msg *daedalus_msg_hello(void)
{
	struct daedalus_hello *hello;
	struct daedalus_msg *msg;

	msg = daedalus_msg_alloc(DAEDALUS_MSG_HELLO, sizeof(*hello), 0, 0);
	if (!msg)
		return NULL;
	hello = (struct daedalus_hello *)msg->data;
	hello->version_min = DAEDALUS_PROTO_VERSION;
	hello->version_max = DAEDALUS_PROTO_VERSION;
	hello->contexts_max = daedalus_max_contexts();
	hello->job_timeout_ms = daedalus_job_timeout_ms();
	strscpy(hello->release, DAEDALUS_RELEASE, sizeof(hello->release));
	return msg;
}

struct daedalus_msg *daedalus_msg_open(struct daedalus_ctx *ctx)
{
	struct daedalus_ctx_open *open;
	struct daedalus_msg *msg;

	msg = daedalus_msg_alloc(DAEDALUS_MSG_CTX_OPEN, sizeof(*open), ctx->id, 0);
	if (!msg)
		return NULL;
	open = (struct daedalus_ctx_open *)msg->data;
	open->codec = ctx->codec->codec;
	open->uid = from_kuid_munged(&init_user_ns, ctx->uid);
	open->flags = ctx->begun ? DAEDALUS_CTX_RESUMED : 0;
	return msg;
}

struct daedalus_msg *daedalus_msg_format(struct daedalus_ctx *ctx)
{
	const struct v4l2_pix_format_mplane *fmt = &ctx->dst_fmt;
	struct daedalus_ctx_format *format;
	struct daedalus_msg *msg;

	msg = daedalus_msg_alloc(DAEDALUS_MSG_CTX_FORMAT, sizeof(*format),
				 ctx->id, 0);
	if (!msg)
		return NULL;
	format = (struct daedalus_ctx_format *)msg->data;
	format->fourcc = fmt->pixelformat;
	format->width = fmt->width;
	format->height = fmt->height;
	format->bytesperline = fmt->plane_fmt[0].bytesperline;
	format->sizeimage = fmt->plane_fmt[0].sizeimage;
	format->uv_offset = daedalus_format_uv_offset(fmt);
	return msg;
}

static struct daedalus_msg *daedalus_msg_request(u32 ctx, u64 cookie,
						 size_t controls, size_t bitstream)
{
	struct daedalus_req_decode *req;
	struct daedalus_msg *msg;
	size_t len;

	if (check_add_overflow(sizeof(*req) + controls, bitstream, &len) ||
	    len > U32_MAX)
		return NULL;
	msg = daedalus_msg_alloc(DAEDALUS_MSG_REQ_DECODE, len, ctx, cookie);
	if (!msg)
		return NULL;
	req = (struct daedalus_req_decode *)msg->data;
	req->controls_len = controls;
	req->bitstream_len = bitstream;
	return msg;
}

/*
 * The request of a context. The bitstream is copied: the client may write to its
 * buffer while the daemon parses.
 */
struct daedalus_msg *daedalus_msg_decode(struct daedalus_ctx *ctx, u64 cookie,
					 struct vb2_v4l2_buffer *src,
					 struct vb2_v4l2_buffer *dst)
{
	size_t controls = daedalus_ctrls_size(ctx);
	size_t begin = src->vb2_buf.planes[0].data_offset;
	size_t end = vb2_get_plane_payload(&src->vb2_buf, 0);
	const u8 *bitstream = vb2_plane_vaddr(&src->vb2_buf, 0);
	struct daedalus_req_decode *req;
	struct daedalus_msg *msg;
	size_t len;

	if (!bitstream || begin >= end || end > vb2_plane_size(&src->vb2_buf, 0))
		return NULL;
	len = end - begin;
	msg = daedalus_msg_request(ctx->id, cookie, controls, len);
	if (!msg)
		return NULL;
	req = (struct daedalus_req_decode *)msg->data;
	req->codec = ctx->codec->codec;
	req->capture_index = dst->vb2_buf.index;
	req->capture_serial = daedalus_buffer(dst)->serial;
	req->timestamp = src->vb2_buf.timestamp;
	daedalus_ctrls_pack(ctx, (u8 *)(req + 1));
	memcpy((u8 *)(req + 1) + controls, bitstream + begin, len);
	return msg;
}

/* A request for a digest only, of bytes that somebody gave; or an error. */
struct daedalus_msg *daedalus_msg_bytes(u32 codec, u64 cookie,
					const void __user *from, size_t len)
{
	struct daedalus_req_decode *req;
	struct daedalus_msg *msg;

	msg = daedalus_msg_request(0, cookie, 0, len);
	if (!msg)
		return ERR_PTR(-ENOMEM);
	req = (struct daedalus_req_decode *)msg->data;
	req->codec = codec;
	req->flags = DAEDALUS_REQ_DIGEST_ONLY;
	if (copy_from_user(req + 1, from, len)) {
		daedalus_msg_free(msg);
		return ERR_PTR(-EFAULT);
	}
	return msg;
}
