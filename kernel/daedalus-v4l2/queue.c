// SPDX-License-Identifier: GPL-2.0-only
/* Buffer queues: OUTPUT takes bitstream, CAPTURE gives pictures. */
#include <media/videobuf2-dma-sg.h>
#include <media/videobuf2-v4l2.h>

#include "compat.h"
#include "daedalus.h"

static struct v4l2_pix_format_mplane *daedalus_queue_format(struct vb2_queue *q)
{
	struct daedalus_ctx *ctx = vb2_get_drv_priv(q);

	return V4L2_TYPE_IS_OUTPUT(q->type) ? &ctx->src_fmt : &ctx->dst_fmt;
}

/* What the largest stream needs. */
static u32 daedalus_queue_limit(const struct vb2_queue *q)
{
	return V4L2_TYPE_IS_OUTPUT(q->type) ? DAEDALUS_MAX_BITSTREAM :
					      DAEDALUS_MAX_PICTURE;
}

static int daedalus_queue_setup(struct vb2_queue *q, unsigned int *num_buffers,
				unsigned int *num_planes, unsigned int sizes[],
				struct device *alloc_devs[])
{
	u32 size = daedalus_queue_format(q)->plane_fmt[0].sizeimage;

	/* VIDIOC_CREATE_BUFS brings its own sizes. */
	if (*num_planes) {
		if (*num_planes != 1 || sizes[0] < size ||
		    sizes[0] > daedalus_queue_limit(q))
			return -EINVAL;
		return 0;
	}
	*num_planes = 1;
	sizes[0] = size;
	return 0;
}

static int daedalus_buf_init(struct vb2_buffer *vb)
{
	struct daedalus_ctx *ctx = vb2_get_drv_priv(vb->vb2_queue);
	struct daedalus_buffer *buffer = daedalus_buffer(to_vb2_v4l2_buffer(vb));

	buffer->serial = atomic_inc_return(&ctx->dev->serial);
	return 0;
}

static void daedalus_buf_cleanup(struct vb2_buffer *vb)
{
	struct daedalus_ctx *ctx = vb2_get_drv_priv(vb->vb2_queue);

	if (!V4L2_TYPE_IS_OUTPUT(vb->type))
		daedalus_bridge_tell(ctx, DAEDALUS_MSG_CTX_BUFFERS);
}

static int daedalus_buf_out_validate(struct vb2_buffer *vb)
{
	to_vb2_v4l2_buffer(vb)->field = V4L2_FIELD_NONE;
	return 0;
}

static int daedalus_buf_prepare(struct vb2_buffer *vb)
{
	u32 size = daedalus_queue_format(vb->vb2_queue)->plane_fmt[0].sizeimage;

	if (V4L2_TYPE_IS_OUTPUT(vb->type))
		return 0;
	if (vb2_plane_size(vb, 0) < size)
		return -EINVAL;
	vb2_set_plane_payload(vb, 0, size);
	return 0;
}

static void daedalus_buf_queue(struct vb2_buffer *vb)
{
	struct daedalus_ctx *ctx = vb2_get_drv_priv(vb->vb2_queue);

	v4l2_m2m_buf_queue(ctx->fh.m2m_ctx, to_vb2_v4l2_buffer(vb));
}

static void daedalus_buf_request_complete(struct vb2_buffer *vb)
{
	struct daedalus_ctx *ctx = vb2_get_drv_priv(vb->vb2_queue);

	v4l2_ctrl_request_complete(vb->req_obj.req, &ctx->hdl);
}

/* Gives back what the queue still has; with requests, their controls, too. */
static void daedalus_return_buffers(struct daedalus_ctx *ctx, struct vb2_queue *q,
				    enum vb2_buffer_state state)
{
	struct vb2_v4l2_buffer *vbuf;

	for (;;) {
		if (V4L2_TYPE_IS_OUTPUT(q->type))
			vbuf = v4l2_m2m_src_buf_remove(ctx->fh.m2m_ctx);
		else
			vbuf = v4l2_m2m_dst_buf_remove(ctx->fh.m2m_ctx);
		if (!vbuf)
			return;
		v4l2_ctrl_request_complete(vbuf->vb2_buf.req_obj.req, &ctx->hdl);
		v4l2_m2m_buf_done(vbuf, state);
	}
}

static int daedalus_start_streaming(struct vb2_queue *q, unsigned int count)
{
	struct daedalus_ctx *ctx = vb2_get_drv_priv(q);
	int ret;

	if (V4L2_TYPE_IS_OUTPUT(q->type)) {
		ret = daedalus_ctx_begin_decoding(ctx);
		if (ret) {
			daedalus_return_buffers(ctx, q, VB2_BUF_STATE_QUEUED);
			return ret;
		}
		ctx->sequence_src = 0;
	} else {
		ctx->sequence_dst = 0;
	}
	spin_lock(&ctx->job_lock);
	ctx->aborting = false;
	spin_unlock(&ctx->job_lock);
	return 0;
}

static void daedalus_stop_streaming(struct vb2_queue *q)
{
	struct daedalus_ctx *ctx = vb2_get_drv_priv(q);

	daedalus_return_buffers(ctx, q, VB2_BUF_STATE_ERROR);
	if (V4L2_TYPE_IS_OUTPUT(q->type)) {
		daedalus_bridge_tell(ctx, DAEDALUS_MSG_CTX_RESET);
		daedalus_stream_forget(ctx);
		daedalus_ctx_end_decoding(ctx);
	}
}

static const struct vb2_ops daedalus_vb2_ops = {
	.queue_setup = daedalus_queue_setup,
	.buf_init = daedalus_buf_init,
	.buf_cleanup = daedalus_buf_cleanup,
	.buf_out_validate = daedalus_buf_out_validate,
	.buf_prepare = daedalus_buf_prepare,
	.buf_queue = daedalus_buf_queue,
	.buf_request_complete = daedalus_buf_request_complete,
	.start_streaming = daedalus_start_streaming,
	.stop_streaming = daedalus_stop_streaming,
#ifndef DAEDALUS_SINCE_7_0
	.wait_prepare = vb2_ops_wait_prepare,
	.wait_finish = vb2_ops_wait_finish,
#endif
};

static void daedalus_queue_init(struct daedalus_ctx *ctx, struct vb2_queue *q,
				enum v4l2_buf_type type)
{
	q->type = type;
	q->io_modes = VB2_MMAP | VB2_DMABUF;
	q->drv_priv = ctx;
	q->buf_struct_size = sizeof(struct daedalus_buffer);
	q->ops = &daedalus_vb2_ops;
	/* Cached memory that the daemon and the client may synchronise. */
	q->mem_ops = &vb2_dma_sg_memops;
	q->timestamp_flags = V4L2_BUF_FLAG_TIMESTAMP_COPY;
	q->lock = &ctx->lock;
	q->dev = ctx->dev->v4l2_dev.dev;
}

int daedalus_queues_init(void *priv, struct vb2_queue *src, struct vb2_queue *dst)
{
	struct daedalus_ctx *ctx = priv;
	int ret;

	daedalus_queue_init(ctx, src, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE);
	src->supports_requests = true;
	src->subsystem_flags |= VB2_V4L2_FL_SUPPORTS_M2M_HOLD_CAPTURE_BUF;
	ret = vb2_queue_init(src);
	if (ret)
		return ret;
	daedalus_queue_init(ctx, dst, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE);
	return vb2_queue_init(dst);
}

int daedalus_request_validate(struct media_request *req)
{
	struct media_request_object *object;
	struct daedalus_ctx *ctx = NULL;
	unsigned int count;
	int ret;

	count = vb2_request_buffer_cnt(req);
	if (!count)
		return -ENOENT;
	if (count > 1)
		return -EINVAL;
	list_for_each_entry(object, &req->objects, list) {
		if (vb2_request_object_is_buffer(object)) {
			struct vb2_buffer *vb = container_of(object,
							     struct vb2_buffer,
							     req_obj);

			ctx = vb2_get_drv_priv(vb->vb2_queue);
			break;
		}
	}
	if (!ctx)
		return -ENOENT;
	ret = daedalus_ctrls_validate(ctx, req);
	return ret ? ret : vb2_request_validate(req);
}
