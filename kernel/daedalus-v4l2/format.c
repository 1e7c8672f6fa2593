// SPDX-License-Identifier: GPL-2.0-only
/* Formats: what is offered, negotiated and derived. */
#include <media/v4l2-event.h>
#include <media/v4l2-ioctl.h>

#include "compat.h"
#include "daedalus.h"

/* Rows begin where SIMD likes them to. */
#define DAEDALUS_STRIDE_ALIGN	64u

static const struct daedalus_codec *daedalus_codec_find(u32 fourcc)
{
	unsigned int i;

	for (i = 0; i < daedalus_num_codecs; i++)
		if (daedalus_codecs[i].fourcc == fourcc)
			return &daedalus_codecs[i];
	return NULL;
}

static u32 daedalus_picture_fourcc(unsigned int bit_depth)
{
	return bit_depth > 8 ? V4L2_PIX_FMT_P010 : V4L2_PIX_FMT_NV12;
}

static void daedalus_clamp_size(struct v4l2_pix_format_mplane *fmt)
{
	fmt->width = clamp(fmt->width, DAEDALUS_MIN_SIZE, DAEDALUS_MAX_SIZE);
	fmt->height = clamp(fmt->height, DAEDALUS_MIN_SIZE, DAEDALUS_MAX_SIZE);
	fmt->field = V4L2_FIELD_NONE;
	fmt->num_planes = 1;
	fmt->flags = 0;
	memset(fmt->reserved, 0, sizeof(fmt->reserved));
	memset(fmt->plane_fmt[0].reserved, 0, sizeof(fmt->plane_fmt[0].reserved));
}

static void daedalus_fill_bitstream(struct v4l2_pix_format_mplane *fmt)
{
	u32 picture, least;

	daedalus_clamp_size(fmt);
	/* Of noise coded without loss, about what the picture takes. */
	picture = fmt->width * fmt->height * 3 / 2;
	least = clamp(PAGE_ALIGN(picture), DAEDALUS_MIN_BITSTREAM,
		      DAEDALUS_MAX_BITSTREAM);
	fmt->plane_fmt[0].sizeimage = clamp(fmt->plane_fmt[0].sizeimage, least,
					    DAEDALUS_MAX_BITSTREAM);
	fmt->plane_fmt[0].bytesperline = 0;
}

/* Both planes are in one buffer, chroma after luma. */
static void daedalus_fill_picture(struct v4l2_pix_format_mplane *fmt)
{
	u32 row;

	daedalus_clamp_size(fmt);
	fmt->width = ALIGN(fmt->width, 2);
	fmt->height = ALIGN(fmt->height, 2);
	row = fmt->pixelformat == V4L2_PIX_FMT_P010 ? 2 * fmt->width : fmt->width;
	row = ALIGN(row, DAEDALUS_STRIDE_ALIGN);
	fmt->plane_fmt[0].bytesperline = row;
	fmt->plane_fmt[0].sizeimage = row * fmt->height * 3 / 2;
}

u32 daedalus_format_uv_offset(const struct v4l2_pix_format_mplane *fmt)
{
	return fmt->plane_fmt[0].bytesperline * fmt->height;
}

static void daedalus_derive_picture(struct daedalus_ctx *ctx)
{
	struct v4l2_pix_format_mplane *dst = &ctx->dst_fmt;

	dst->width = ctx->src_fmt.width;
	dst->height = ctx->src_fmt.height;
	dst->colorspace = ctx->src_fmt.colorspace;
	dst->ycbcr_enc = ctx->src_fmt.ycbcr_enc;
	dst->quantization = ctx->src_fmt.quantization;
	dst->xfer_func = ctx->src_fmt.xfer_func;
	dst->pixelformat = daedalus_picture_fourcc(ctx->bit_depth);
	daedalus_fill_picture(dst);
	ctx->announced_format = false;
}

void daedalus_format_reset(struct daedalus_ctx *ctx)
{
	ctx->codec = &daedalus_codecs[0];
	ctx->bit_depth = 8;
	ctx->src_fmt.pixelformat = ctx->codec->fourcc;
	ctx->src_fmt.width = 640;
	ctx->src_fmt.height = 480;
	ctx->src_fmt.colorspace = V4L2_COLORSPACE_REC709;
	daedalus_fill_bitstream(&ctx->src_fmt);
	daedalus_derive_picture(ctx);
}

static struct vb2_queue *daedalus_vq(struct daedalus_ctx *ctx, u32 type)
{
	return v4l2_m2m_get_vq(ctx->fh.m2m_ctx, type);
}

/* The depth of the samples decides on the CAPTURE format. */
int daedalus_format_stream(struct daedalus_ctx *ctx, unsigned int bit_depth)
{
	u32 fourcc = daedalus_picture_fourcc(bit_depth);

	if (fourcc == ctx->dst_fmt.pixelformat)
		return 0;
	/* Controls are set up before there are queues. */
	if (ctx->fh.m2m_ctx &&
	    vb2_is_streaming(daedalus_vq(ctx, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE)))
		return -EBUSY;
	ctx->bit_depth = bit_depth;
	ctx->dst_fmt.pixelformat = fourcc;
	daedalus_fill_picture(&ctx->dst_fmt);
	ctx->announced_format = false;
	return 0;
}

static int daedalus_querycap(struct file *file, void *priv,
			     struct v4l2_capability *cap)
{
	strscpy(cap->driver, DAEDALUS_NAME, sizeof(cap->driver));
	strscpy(cap->card, DAEDALUS_NAME, sizeof(cap->card));
	strscpy(cap->bus_info, "platform:" DAEDALUS_NAME, sizeof(cap->bus_info));
	return 0;
}

static int daedalus_enum_fmt_out(struct file *file, void *priv,
				 struct v4l2_fmtdesc *f)
{
	if (f->index >= daedalus_num_codecs)
		return -EINVAL;
	f->pixelformat = daedalus_codecs[f->index].fourcc;
	return 0;
}

static int daedalus_enum_fmt_cap(struct file *file, void *priv,
				 struct v4l2_fmtdesc *f)
{
	struct daedalus_ctx *ctx = daedalus_file_to_ctx(file);

	if (f->index)
		return -EINVAL;
	f->pixelformat = daedalus_picture_fourcc(ctx->bit_depth);
	return 0;
}

static int daedalus_enum_framesizes(struct file *file, void *priv,
				    struct v4l2_frmsizeenum *fsize)
{
	if (fsize->index || !daedalus_codec_find(fsize->pixel_format))
		return -EINVAL;
	fsize->type = V4L2_FRMSIZE_TYPE_CONTINUOUS;
	fsize->stepwise.min_width = DAEDALUS_MIN_SIZE;
	fsize->stepwise.max_width = DAEDALUS_MAX_SIZE;
	fsize->stepwise.step_width = 1;
	fsize->stepwise.min_height = DAEDALUS_MIN_SIZE;
	fsize->stepwise.max_height = DAEDALUS_MAX_SIZE;
	fsize->stepwise.step_height = 1;
	return 0;
}

static int daedalus_g_fmt_out(struct file *file, void *priv,
			      struct v4l2_format *f)
{
	f->fmt.pix_mp = daedalus_file_to_ctx(file)->src_fmt;
	return 0;
}

static int daedalus_g_fmt_cap(struct file *file, void *priv,
			      struct v4l2_format *f)
{
	f->fmt.pix_mp = daedalus_file_to_ctx(file)->dst_fmt;
	return 0;
}

static int daedalus_try_fmt_out(struct file *file, void *priv,
				struct v4l2_format *f)
{
	struct v4l2_pix_format_mplane *fmt = &f->fmt.pix_mp;

	if (!daedalus_codec_find(fmt->pixelformat))
		fmt->pixelformat = daedalus_codecs[0].fourcc;
	if (fmt->colorspace == V4L2_COLORSPACE_DEFAULT)
		fmt->colorspace = V4L2_COLORSPACE_REC709;
	daedalus_fill_bitstream(fmt);
	return 0;
}

static int daedalus_try_fmt_cap(struct file *file, void *priv,
				struct v4l2_format *f)
{
	struct daedalus_ctx *ctx = daedalus_file_to_ctx(file);
	struct v4l2_pix_format_mplane *fmt = &f->fmt.pix_mp;

	/* The coded size and the stream's colours are what they are. */
	fmt->pixelformat = daedalus_picture_fourcc(ctx->bit_depth);
	fmt->width = max(fmt->width, ctx->src_fmt.width);
	fmt->height = max(fmt->height, ctx->src_fmt.height);
	fmt->colorspace = ctx->src_fmt.colorspace;
	fmt->ycbcr_enc = ctx->src_fmt.ycbcr_enc;
	fmt->quantization = ctx->src_fmt.quantization;
	fmt->xfer_func = ctx->src_fmt.xfer_func;
	daedalus_fill_picture(fmt);
	return 0;
}

static int daedalus_s_fmt_out(struct file *file, void *priv,
			      struct v4l2_format *f)
{
	struct daedalus_ctx *ctx = daedalus_file_to_ctx(file);
	const struct daedalus_codec *codec;
	struct vb2_queue *output, *capture;
	bool resized;
	int ret;

	ret = daedalus_try_fmt_out(file, priv, f);
	if (ret)
		return ret;
	/*
	 * A stream may change its size between key frames. Then a client sets
	 * this while it still holds buffers of the old size: pictures that others
	 * refer to, and the bitstream at hand. CAPTURE buffers are checked when
	 * they are queued. Another codec is another stream.
	 */
	output = daedalus_vq(ctx, f->type);
	capture = daedalus_vq(ctx, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE);
	codec = daedalus_codec_find(f->fmt.pix_mp.pixelformat);
	resized = f->fmt.pix_mp.width != ctx->src_fmt.width ||
		  f->fmt.pix_mp.height != ctx->src_fmt.height;
	if (vb2_is_streaming(output) || (resized && vb2_is_streaming(capture)))
		return -EBUSY;
	if (codec != ctx->codec && (vb2_is_busy(output) || vb2_is_busy(capture)))
		return -EBUSY;
	if (codec != ctx->codec) {
		ctx->bit_depth = 8;
		daedalus_bridge_tell(ctx, DAEDALUS_MSG_CTX_CLOSE);
	}
	ctx->codec = codec;
	ctx->src_fmt = f->fmt.pix_mp;
	if (resized || !vb2_is_busy(capture))
		daedalus_derive_picture(ctx);
	return 0;
}

static int daedalus_s_fmt_cap(struct file *file, void *priv,
			      struct v4l2_format *f)
{
	struct daedalus_ctx *ctx = daedalus_file_to_ctx(file);
	int ret;

	ret = daedalus_try_fmt_cap(file, priv, f);
	if (ret)
		return ret;
	if (vb2_is_busy(daedalus_vq(ctx, f->type)))
		return -EBUSY;
	ctx->dst_fmt = f->fmt.pix_mp;
	ctx->announced_format = false;
	return 0;
}

static int daedalus_subscribe_event(struct v4l2_fh *fh,
				    const struct v4l2_event_subscription *sub)
{
	return sub->type == V4L2_EVENT_CTRL ? v4l2_ctrl_subscribe_event(fh, sub) :
					      -EINVAL;
}

const struct v4l2_ioctl_ops daedalus_ioctl_ops = {
	.vidioc_querycap = daedalus_querycap,
	.vidioc_enum_framesizes = daedalus_enum_framesizes,

	.vidioc_enum_fmt_vid_out = daedalus_enum_fmt_out,
	.vidioc_g_fmt_vid_out_mplane = daedalus_g_fmt_out,
	.vidioc_try_fmt_vid_out_mplane = daedalus_try_fmt_out,
	.vidioc_s_fmt_vid_out_mplane = daedalus_s_fmt_out,

	.vidioc_enum_fmt_vid_cap = daedalus_enum_fmt_cap,
	.vidioc_g_fmt_vid_cap_mplane = daedalus_g_fmt_cap,
	.vidioc_try_fmt_vid_cap_mplane = daedalus_try_fmt_cap,
	.vidioc_s_fmt_vid_cap_mplane = daedalus_s_fmt_cap,

	.vidioc_reqbufs = v4l2_m2m_ioctl_reqbufs,
	.vidioc_querybuf = v4l2_m2m_ioctl_querybuf,
	.vidioc_qbuf = v4l2_m2m_ioctl_qbuf,
	.vidioc_dqbuf = v4l2_m2m_ioctl_dqbuf,
	.vidioc_prepare_buf = v4l2_m2m_ioctl_prepare_buf,
	.vidioc_create_bufs = v4l2_m2m_ioctl_create_bufs,
	.vidioc_expbuf = v4l2_m2m_ioctl_expbuf,
#ifdef DAEDALUS_SINCE_6_10
	.vidioc_remove_bufs = v4l2_m2m_ioctl_remove_bufs,
#endif
	.vidioc_streamon = v4l2_m2m_ioctl_streamon,
	.vidioc_streamoff = v4l2_m2m_ioctl_streamoff,

	.vidioc_try_decoder_cmd = v4l2_m2m_ioctl_stateless_try_decoder_cmd,
	.vidioc_decoder_cmd = v4l2_m2m_ioctl_stateless_decoder_cmd,

	.vidioc_subscribe_event = daedalus_subscribe_event,
	.vidioc_unsubscribe_event = v4l2_event_unsubscribe,
};
