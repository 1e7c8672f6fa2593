/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the module share. */
#ifndef DAEDALUS_H
#define DAEDALUS_H

#include <linux/idr.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/stddef.h>
#include <linux/spinlock.h>
#include <linux/videodev2.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <media/media-device.h>
#include <media/v4l2-ctrls.h>
#include <media/v4l2-device.h>
#include <media/v4l2-fh.h>
#include <media/v4l2-mem2mem.h>

#include "daedalus_v4l2_proto.h"

#define DAEDALUS_NAME		"daedalus_v4l2"
#define DAEDALUS_RELEASE	"0.1.0"

#define DAEDALUS_MIN_SIZE	16u
#define DAEDALUS_MAX_SIZE	8192u
/* Of a bitstream buffer. An access unit is smaller than its picture. */
#define DAEDALUS_MIN_BITSTREAM	(64u << 10)
#define DAEDALUS_MAX_BITSTREAM	(64u << 20)
/* P010 of the largest size. */
#define DAEDALUS_MAX_PICTURE	(DAEDALUS_MAX_SIZE * DAEDALUS_MAX_SIZE * 3)

/* One control of a codec. */
struct daedalus_ctrl {
	struct v4l2_ctrl_config cfg;
	/* A request without it is refused. */
	bool mandatory;
	/* Sent to the daemon with each request. */
	bool sent;
};

/* One coded format. */
struct daedalus_codec {
	u32 fourcc;
	u32 codec;
	const struct daedalus_ctrl *ctrls;
	unsigned int num_ctrls;
};

/* A message on its way to the daemon. */
struct daedalus_msg {
	struct list_head node;
	union {
		struct daedalus_msg_header header;
		DECLARE_FLEX_ARRAY(u8, data);
	} __aligned(8);
};

/*
 * One end of the character device. @wait is woken when a message comes or the
 * device goes.
 */
struct daedalus_bridge {
	struct miscdevice misc;
	/* Guards all that follows. */
	spinlock_t lock;
	wait_queue_head_t wait;
	struct list_head queue;
	unsigned int queued;
	/* Of this opening; 0 while closed. */
	u32 gen;
	u32 last_gen;
	/* The daemon has said HELLO_REPLY, and reads. */
	bool ready;
	/* It did not read, and is given up; or the device goes. */
	bool broken;
	u32 codecs;
};

/* A decode that debugfs asked for; ctx is 0 in its messages. */
#define DAEDALUS_TESTS	16

/* What runs the jobs of one context at a time. */
struct daedalus_slot {
	struct list_head node;
	struct v4l2_m2m_dev *m2m_dev;
};

struct daedalus_dev {
	struct v4l2_device v4l2_dev;
	struct video_device vfd;
	struct media_device mdev;
	/* For the topology only: every context has a scheduler of its own. */
	struct v4l2_m2m_dev *topology;
	struct daedalus_bridge bridge;
	/* Guards @contexts, @slots and @decoding. */
	struct mutex lock;
	struct idr contexts;
	/* Those that no context has. */
	struct list_head slots;
	unsigned int decoding;
	atomic64_t cookie;
	atomic_t serial;
	/* Cookies of debugfs's decodes that have no answer yet; 0: free. */
	atomic64_t tests[DAEDALUS_TESTS];
	struct dentry *debugfs;
};

/* The job of a context that the daemon has. */
struct daedalus_job {
	/* 0: none. */
	u64 cookie;
	struct vb2_v4l2_buffer *src;
	struct vb2_v4l2_buffer *dst;
	/* In jiffies. */
	unsigned long deadline;
};

struct daedalus_ctx {
	struct v4l2_fh fh;
	struct kref ref;
	struct daedalus_dev *dev;
	struct daedalus_slot *slot;
	struct v4l2_ctrl_handler hdl;
	u32 id;
	kuid_t uid;

	/* Of both queues, as vb2 wants it, and of the formats. */
	struct mutex lock;
	const struct daedalus_codec *codec;
	struct v4l2_pix_format_mplane src_fmt;
	struct v4l2_pix_format_mplane dst_fmt;
	/* Bits per sample that the stream needs. */
	unsigned int bit_depth;
	u32 sequence_src;
	u32 sequence_dst;
	/* It is one of those that decode. */
	bool decoding;

	/*
	 * Held by whoever ends a job, from taking it to the last touch of the
	 * m2m context: release() waits for that.
	 */
	struct mutex finish;
	/* Guards @job, @aborting and @lost. */
	spinlock_t job_lock;
	struct daedalus_job job;
	/* Streaming is being stopped: a job that is being prepared ends at once. */
	bool aborting;
	struct delayed_work timeout;
	/* Which opening of the bridge knows of this context; 0: none. */
	u32 announced_gen;
	/* It has been told what CAPTURE buffers look like. */
	bool announced_format;
	/* A unit of the stream has been taken, by whatever daemon or none. */
	bool begun;
	/* A unit never came to the daemon, which does not know. By @job_lock. */
	bool lost;
};

struct daedalus_buffer {
	/* First: v4l2-mem2mem casts. */
	struct v4l2_m2m_buffer m2m;
	/* Which buffer this is, among all that ever were. */
	u32 serial;
};

static inline struct daedalus_buffer *daedalus_buffer(struct vb2_v4l2_buffer *vbuf)
{
	return container_of(vbuf, struct daedalus_buffer, m2m.vb);
}

/* context.c */
extern const struct v4l2_file_operations daedalus_fops;
struct daedalus_ctx *daedalus_ctx_get(struct daedalus_dev *dev, u32 id);
void daedalus_ctx_put(struct daedalus_ctx *ctx);
struct daedalus_ctx *daedalus_file_to_ctx(struct file *file);
void daedalus_slots_exit(struct daedalus_dev *dev);
unsigned int daedalus_max_contexts(void);
int daedalus_ctx_begin_decoding(struct daedalus_ctx *ctx);
void daedalus_ctx_end_decoding(struct daedalus_ctx *ctx);

/* format.c */
extern const struct v4l2_ioctl_ops daedalus_ioctl_ops;
void daedalus_format_reset(struct daedalus_ctx *ctx);
int daedalus_format_stream(struct daedalus_ctx *ctx, unsigned int bit_depth);
u32 daedalus_format_uv_offset(const struct v4l2_pix_format_mplane *fmt);

/* control.c */
extern const struct daedalus_codec daedalus_codecs[];
extern const unsigned int daedalus_num_codecs;
int daedalus_ctrls_init(struct daedalus_ctx *ctx);
int daedalus_ctrls_validate(struct daedalus_ctx *ctx, struct media_request *req);
size_t daedalus_ctrls_size(struct daedalus_ctx *ctx);
void daedalus_ctrls_pack(struct daedalus_ctx *ctx, u8 *to);

/* queue.c */
int daedalus_queues_init(void *priv, struct vb2_queue *src, struct vb2_queue *dst);
int daedalus_request_validate(struct media_request *req);

/* job.c */
extern const struct v4l2_m2m_ops daedalus_m2m_ops;
unsigned int daedalus_job_timeout_ms(void);
void daedalus_job_init(struct daedalus_ctx *ctx);
void daedalus_stream_forget(struct daedalus_ctx *ctx);
int daedalus_job_end(struct daedalus_ctx *ctx, u64 cookie, u32 status,
		     u32 bytesused);
void daedalus_jobs_fail(struct daedalus_dev *dev);

/* message.c */
struct daedalus_msg *daedalus_msg_alloc(u16 type, size_t len, u32 ctx, u64 cookie);
struct daedalus_msg *daedalus_msg_news(u16 type, u32 ctx, u64 cookie);
void daedalus_msg_free(struct daedalus_msg *msg);
struct daedalus_msg *daedalus_msg_hello(void);
struct daedalus_msg *daedalus_msg_bytes(u32 codec, u64 cookie,
					const void __user *from, size_t len);
struct daedalus_msg *daedalus_msg_open(struct daedalus_ctx *ctx);
struct daedalus_msg *daedalus_msg_format(struct daedalus_ctx *ctx);
struct daedalus_msg *daedalus_msg_decode(struct daedalus_ctx *ctx, u64 cookie,
					 struct vb2_v4l2_buffer *src,
					 struct vb2_v4l2_buffer *dst);

/* bridge.c */
int daedalus_bridge_register(struct daedalus_dev *dev);
void daedalus_bridge_unregister(struct daedalus_dev *dev);
u32 daedalus_bridge_gen(struct daedalus_dev *dev, u32 codec);
int daedalus_bridge_send(struct daedalus_dev *dev, u32 gen, struct daedalus_msg *msg);
bool daedalus_bridge_take_back(struct daedalus_dev *dev, u64 cookie);
void daedalus_bridge_abort(struct daedalus_ctx *ctx, u64 cookie);
void daedalus_bridge_tell(struct daedalus_ctx *ctx, u16 type);

/* debugfs.c */
void daedalus_debugfs_init(struct daedalus_dev *dev);
void daedalus_debugfs_exit(struct daedalus_dev *dev);
void daedalus_debugfs_forget(struct daedalus_dev *dev);
bool daedalus_debugfs_response(struct daedalus_dev *dev,
			       const struct daedalus_resp_frame *resp);

#endif
