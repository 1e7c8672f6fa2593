// SPDX-License-Identifier: GPL-2.0-only
/* The codecs, and the controls that describe a picture of each. */
#include "daedalus.h"

static int daedalus_stream_ctrl(struct v4l2_ctrl *ctrl, unsigned int *width,
				unsigned int *height, unsigned int *bit_depth)
{
	switch (ctrl->id) {
	case V4L2_CID_STATELESS_VP9_FRAME: {
		const struct v4l2_ctrl_vp9_frame *frame = ctrl->p_new.p_vp9_frame;

		*width = frame->frame_width_minus_1 + 1;
		*height = frame->frame_height_minus_1 + 1;
		*bit_depth = frame->bit_depth;
		/* Of 4:2:0 only, which is what profiles 0 and 2 are. */
		return frame->profile == 0 || frame->profile == 2 ? 0 : -EINVAL;
	}
	case V4L2_CID_STATELESS_H264_SPS: {
		const struct v4l2_ctrl_h264_sps *sps = ctrl->p_new.p_h264_sps;

		*width = (sps->pic_width_in_mbs_minus1 + 1) * 16;
		*height = (sps->pic_height_in_map_units_minus1 + 1) * 16;
		if (!(sps->flags & V4L2_H264_SPS_FLAG_FRAME_MBS_ONLY))
			*height *= 2;
		*bit_depth = sps->bit_depth_luma_minus8 + 8;
		if (sps->chroma_format_idc != 1 ||
		    sps->bit_depth_luma_minus8 != sps->bit_depth_chroma_minus8)
			return -EINVAL;
		return 0;
	}
	default:
		return -ENOENT;
	}
}

static bool daedalus_bit_depth_ok(unsigned int bit_depth)
{
	return bit_depth == 8 || bit_depth == 10;
}

static int daedalus_try_ctrl(struct v4l2_ctrl *ctrl)
{
	unsigned int width, height, bit_depth;
	int ret;

	ret = daedalus_stream_ctrl(ctrl, &width, &height, &bit_depth);
	if (ret == -ENOENT)
		return 0;
	if (ret)
		return ret;
	return daedalus_bit_depth_ok(bit_depth) ? 0 : -EINVAL;
}

/* Outside of requests a client says so what the stream will need. */
static int daedalus_s_ctrl(struct v4l2_ctrl *ctrl)
{
	struct daedalus_ctx *ctx = container_of(ctrl->handler,
						struct daedalus_ctx, hdl);
	unsigned int width, height, bit_depth;

	if (daedalus_stream_ctrl(ctrl, &width, &height, &bit_depth))
		return 0;
	return daedalus_format_stream(ctx, bit_depth);
}

static const struct v4l2_ctrl_ops daedalus_ctrl_ops = {
	.try_ctrl = daedalus_try_ctrl,
	.s_ctrl = daedalus_s_ctrl,
};

static const struct daedalus_ctrl daedalus_vp9_ctrls[] = {
	{
		.cfg = {
			.ops = &daedalus_ctrl_ops,
			.id = V4L2_CID_STATELESS_VP9_FRAME,
		},
		.mandatory = true,
		.sent = true,
	}, {
		/* The probabilities are in the bitstream, too, and read there. */
		.cfg.id = V4L2_CID_STATELESS_VP9_COMPRESSED_HDR,
	}, {
		.cfg = {
			.id = V4L2_CID_MPEG_VIDEO_VP9_PROFILE,
			.min = V4L2_MPEG_VIDEO_VP9_PROFILE_0,
			.max = V4L2_MPEG_VIDEO_VP9_PROFILE_2,
			.def = V4L2_MPEG_VIDEO_VP9_PROFILE_0,
			.menu_skip_mask = BIT(V4L2_MPEG_VIDEO_VP9_PROFILE_1),
		},
	},
};

static const struct daedalus_ctrl daedalus_vp8_ctrls[] = {
	{
		.cfg.id = V4L2_CID_STATELESS_VP8_FRAME,
		.mandatory = true,
		.sent = true,
	},
};

/* Parameter sets hold until others come: clients send them when they change. */
static const struct daedalus_ctrl daedalus_h264_ctrls[] = {
	{
		.cfg = {
			.ops = &daedalus_ctrl_ops,
			.id = V4L2_CID_STATELESS_H264_SPS,
		},
		.sent = true,
	}, {
		.cfg.id = V4L2_CID_STATELESS_H264_PPS,
		.sent = true,
	}, {
		.cfg.id = V4L2_CID_STATELESS_H264_SCALING_MATRIX,
		.sent = true,
	}, {
		.cfg.id = V4L2_CID_STATELESS_H264_DECODE_PARAMS,
		.mandatory = true,
		.sent = true,
	}, {
		.cfg = {
			.id = V4L2_CID_STATELESS_H264_DECODE_MODE,
			.min = V4L2_STATELESS_H264_DECODE_MODE_FRAME_BASED,
			.max = V4L2_STATELESS_H264_DECODE_MODE_FRAME_BASED,
			.def = V4L2_STATELESS_H264_DECODE_MODE_FRAME_BASED,
		},
	}, {
		.cfg = {
			.id = V4L2_CID_STATELESS_H264_START_CODE,
			.min = V4L2_STATELESS_H264_START_CODE_ANNEX_B,
			.max = V4L2_STATELESS_H264_START_CODE_ANNEX_B,
			.def = V4L2_STATELESS_H264_START_CODE_ANNEX_B,
		},
	}, {
		.cfg = {
			.id = V4L2_CID_MPEG_VIDEO_H264_PROFILE,
			.min = V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE,
			.max = V4L2_MPEG_VIDEO_H264_PROFILE_HIGH_10,
			.def = V4L2_MPEG_VIDEO_H264_PROFILE_MAIN,
			/* Slice groups and data partitions are not decoded. */
			.menu_skip_mask = BIT(V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE) |
					  BIT(V4L2_MPEG_VIDEO_H264_PROFILE_EXTENDED),
		},
	}, {
		.cfg = {
			.id = V4L2_CID_MPEG_VIDEO_H264_LEVEL,
			.min = V4L2_MPEG_VIDEO_H264_LEVEL_1_0,
			.max = V4L2_MPEG_VIDEO_H264_LEVEL_6_2,
			.def = V4L2_MPEG_VIDEO_H264_LEVEL_4_0,
		},
	},
};

const struct daedalus_codec daedalus_codecs[] = {
	{
		.fourcc = V4L2_PIX_FMT_VP9_FRAME,
		.codec = DAEDALUS_CODEC_VP9,
		.ctrls = daedalus_vp9_ctrls,
		.num_ctrls = ARRAY_SIZE(daedalus_vp9_ctrls),
	}, {
		.fourcc = V4L2_PIX_FMT_H264_SLICE,
		.codec = DAEDALUS_CODEC_H264,
		.ctrls = daedalus_h264_ctrls,
		.num_ctrls = ARRAY_SIZE(daedalus_h264_ctrls),
	}, {
		.fourcc = V4L2_PIX_FMT_VP8_FRAME,
		.codec = DAEDALUS_CODEC_VP8,
		.ctrls = daedalus_vp8_ctrls,
		.num_ctrls = ARRAY_SIZE(daedalus_vp8_ctrls),
	},
};

const unsigned int daedalus_num_codecs = ARRAY_SIZE(daedalus_codecs);

int daedalus_ctrls_init(struct daedalus_ctx *ctx)
{
	struct v4l2_ctrl_handler *hdl = &ctx->hdl;
	unsigned int i, j;

	v4l2_ctrl_handler_init(hdl, 16);
	for (i = 0; i < daedalus_num_codecs; i++)
		for (j = 0; j < daedalus_codecs[i].num_ctrls; j++)
			v4l2_ctrl_new_custom(hdl, &daedalus_codecs[i].ctrls[j].cfg,
					     NULL);
	ctx->fh.ctrl_handler = hdl;
	if (!hdl->error)
		v4l2_ctrl_handler_setup(hdl);
	if (hdl->error) {
		int ret = hdl->error;

		v4l2_ctrl_handler_free(hdl);
		return ret;
	}
	return 0;
}

/* A request must bring what describes its picture. */
int daedalus_ctrls_validate(struct daedalus_ctx *ctx, struct media_request *req)
{
	const struct daedalus_codec *codec = ctx->codec;
	struct v4l2_ctrl_handler *hdl;
	unsigned int i;
	int ret = 0;

	hdl = v4l2_ctrl_request_hdl_find(req, &ctx->hdl);
	if (!hdl)
		return -ENOENT;
	for (i = 0; i < codec->num_ctrls && !ret; i++)
		if (codec->ctrls[i].mandatory &&
		    !v4l2_ctrl_request_hdl_ctrl_find(hdl, codec->ctrls[i].cfg.id))
			ret = -ENOENT;
	v4l2_ctrl_request_hdl_put(hdl);
	return ret;
}

static u32 daedalus_ctrl_bytes(const struct v4l2_ctrl *ctrl)
{
	return ctrl->elems * ctrl->elem_size;
}

/* Bytes that daedalus_ctrls_pack() will write. */
size_t daedalus_ctrls_size(struct daedalus_ctx *ctx)
{
	const struct daedalus_codec *codec = ctx->codec;
	size_t size = 0;
	unsigned int i;

	for (i = 0; i < codec->num_ctrls; i++)
		if (codec->ctrls[i].sent)
			size += sizeof(struct daedalus_control) +
				ALIGN(daedalus_ctrl_bytes(v4l2_ctrl_find(&ctx->hdl,
									 codec->ctrls[i].cfg.id)),
				      8);
	return size;
}

/* Writes the present values into zeroed memory. */
void daedalus_ctrls_pack(struct daedalus_ctx *ctx, u8 *to)
{
	const struct daedalus_codec *codec = ctx->codec;
	unsigned int i;

	for (i = 0; i < codec->num_ctrls; i++) {
		struct daedalus_control *head = (struct daedalus_control *)to;
		struct v4l2_ctrl *ctrl;

		if (!codec->ctrls[i].sent)
			continue;
		ctrl = v4l2_ctrl_find(&ctx->hdl, codec->ctrls[i].cfg.id);
		head->id = ctrl->id;
		head->size = daedalus_ctrl_bytes(ctrl);
		to += sizeof(*head);
		memcpy(to, ctrl->p_cur.p, head->size);
		to += ALIGN(head->size, 8);
	}
}
