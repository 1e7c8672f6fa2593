// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jobs: one access unit each, on its way to the daemon and back.
 *
 * A context has one job at a time. It is ended exactly once, by whoever takes
 * it: the daemon's answer, the timeout, the end of streaming, or the end of the
 * daemon. Nobody ever waits for the daemon.
 */
#include <linux/moduleparam.h>
#include <media/videobuf2-v4l2.h>

#include "compat.h"
#include "daedalus.h"

/* A client such as GStreamer gives up on a request after a second. */
static unsigned int job_timeout_ms = 800;
module_param(job_timeout_ms, uint, 0644);
MODULE_PARM_DESC(job_timeout_ms,
		 "Milliseconds a job may take, 100 to 60000 (default 800)");

/* Of a picture that failed: clients do not all look at the error flag. */
#define DAEDALUS_FAILED_PIXEL	0x80

unsigned int daedalus_job_timeout_ms(void)
{
	return clamp(READ_ONCE(job_timeout_ms), 100u, 60000u);
}

static void daedalus_paint_failed(struct vb2_v4l2_buffer *dst)
{
	void *pixels = vb2_plane_vaddr(&dst->vb2_buf, 0);

	if (pixels)
		memset(pixels, DAEDALUS_FAILED_PIXEL,
		       vb2_plane_size(&dst->vb2_buf, 0));
}

/* Takes the job with this cookie, if @bytesused fits its CAPTURE buffer. */
static int daedalus_job_take(struct daedalus_ctx *ctx, u64 cookie, u32 bytesused,
			     struct daedalus_job *job)
{
	int ret = 0;

	spin_lock(&ctx->job_lock);
	if (!cookie || ctx->job.cookie != cookie) {
		ret = -ESTALE;
	} else if (bytesused > vb2_plane_size(&ctx->job.dst->vb2_buf, 0)) {
		ret = -EINVAL;
	} else {
		*job = ctx->job;
		memset(&ctx->job, 0, sizeof(ctx->job));
	}
	spin_unlock(&ctx->job_lock);
	return ret;
}

static void daedalus_job_finish(struct daedalus_ctx *ctx,
				const struct daedalus_job *job, u32 status,
				u32 bytesused)
{
	enum vb2_buffer_state state = VB2_BUF_STATE_DONE;

	lockdep_assert_held(&ctx->finish);
	cancel_delayed_work(&ctx->timeout);
	if (status == DAEDALUS_DECODE_OK) {
		vb2_set_plane_payload(&job->dst->vb2_buf, 0, bytesused);
	} else {
		state = VB2_BUF_STATE_ERROR;
		daedalus_paint_failed(job->dst);
	}
	job->src->sequence = ctx->sequence_src++;
	job->dst->sequence = ctx->sequence_dst++;
	v4l2_ctrl_request_complete(job->src->vb2_buf.req_obj.req, &ctx->hdl);
	v4l2_m2m_buf_done_and_job_finish(ctx->slot->m2m_dev, ctx->fh.m2m_ctx,
					 state);
}

/*
 * Ends the job with this cookie. 0: this was the one end of it. -ESTALE: it is
 * not the context's job, or not any more. -EINVAL: its picture is larger than
 * its buffer.
 */
int daedalus_job_end(struct daedalus_ctx *ctx, u64 cookie, u32 status,
		     u32 bytesused)
{
	struct daedalus_job job;
	int ret;

	mutex_lock(&ctx->finish);
	ret = daedalus_job_take(ctx, cookie, bytesused, &job);
	if (!ret)
		daedalus_job_finish(ctx, &job, status, bytesused);
	mutex_unlock(&ctx->finish);
	return ret;
}

static u64 daedalus_job_cookie(struct daedalus_ctx *ctx)
{
	u64 cookie;

	spin_lock(&ctx->job_lock);
	cookie = ctx->job.cookie;
	spin_unlock(&ctx->job_lock);
	return cookie;
}

/* A unit will never come to the daemon: what follows may refer to it. */
static void daedalus_job_lost(struct daedalus_ctx *ctx)
{
	spin_lock(&ctx->job_lock);
	ctx->lost = true;
	spin_unlock(&ctx->job_lock);
}

static bool daedalus_job_was_lost(struct daedalus_ctx *ctx)
{
	bool lost;

	spin_lock(&ctx->job_lock);
	lost = ctx->lost;
	ctx->lost = false;
	spin_unlock(&ctx->job_lock);
	return lost;
}

static void daedalus_job_timeout(struct work_struct *work)
{
	struct daedalus_ctx *ctx = container_of(to_delayed_work(work),
						struct daedalus_ctx, timeout);
	u64 cookie = 0;
	bool unread;

	spin_lock(&ctx->job_lock);
	/* The job that this timer was for may be over, and the next begun. */
	if (ctx->job.cookie && time_after_eq(jiffies, ctx->job.deadline))
		cookie = ctx->job.cookie;
	spin_unlock(&ctx->job_lock);
	if (!cookie)
		return;
	/* Before its end, for then the next job may begin. */
	unread = daedalus_bridge_take_back(ctx->dev, cookie);
	if (unread)
		daedalus_job_lost(ctx);
	if (daedalus_job_end(ctx, cookie, DAEDALUS_DECODE_ERR_RECV, 0))
		return;
	if (!unread)
		daedalus_bridge_abort(ctx, cookie);
	dev_warn_ratelimited(ctx->dev->v4l2_dev.dev,
			     "context %u: no answer within %u ms\n",
			     ctx->id, daedalus_job_timeout_ms());
}

/*
 * Tells the daemon of the context, and what its CAPTURE buffers look like. After
 * a unit that it has not seen the context is another one to it.
 */
static int daedalus_announce(struct daedalus_ctx *ctx, u32 gen)
{
	int ret;

	if (daedalus_job_was_lost(ctx))
		daedalus_bridge_tell(ctx, DAEDALUS_MSG_CTX_CLOSE);
	if (ctx->announced_gen != gen) {
		ret = daedalus_bridge_send(ctx->dev, gen, daedalus_msg_open(ctx));
		if (ret)
			return ret;
		ctx->announced_gen = gen;
		ctx->announced_format = false;
	}
	if (!ctx->announced_format) {
		ret = daedalus_bridge_send(ctx->dev, gen, daedalus_msg_format(ctx));
		if (ret)
			return ret;
		ctx->announced_format = true;
	}
	return 0;
}

/*
 * Registers the job and starts its time, unless streaming is being stopped.
 * Whoever takes the job stops the timer, so none is running for a context that
 * is going.
 */
static bool daedalus_job_register(struct daedalus_ctx *ctx,
				  struct daedalus_job *job)
{
	unsigned long timeout = msecs_to_jiffies(daedalus_job_timeout_ms());
	bool registered;

	spin_lock(&ctx->job_lock);
	registered = !ctx->aborting;
	if (registered) {
		job->deadline = jiffies + timeout;
		ctx->job = *job;
		mod_delayed_work(system_wq, &ctx->timeout, timeout);
	}
	spin_unlock(&ctx->job_lock);
	return registered;
}

static void daedalus_device_run(void *priv)
{
	struct daedalus_ctx *ctx = priv;
	struct daedalus_job job = {
		.src = v4l2_m2m_next_src_buf(ctx->fh.m2m_ctx),
		.dst = v4l2_m2m_next_dst_buf(ctx->fh.m2m_ctx),
	};
	u32 gen = daedalus_bridge_gen(ctx->dev, ctx->codec->codec);
	struct daedalus_msg *msg = NULL;

	v4l2_ctrl_request_setup(job.src->vb2_buf.req_obj.req, &ctx->hdl);
	daedalus_copy_metadata(job.src, job.dst);
	job.cookie = atomic64_inc_return(&ctx->dev->cookie);

	/*
	 * Without a request there are no controls, and nothing to decode by. The
	 * format may have changed since the CAPTURE buffer was queued.
	 */
	if (gen && job.src->vb2_buf.req_obj.req &&
	    vb2_plane_size(&job.dst->vb2_buf, 0) >=
		    ctx->dst_fmt.plane_fmt[0].sizeimage &&
	    !daedalus_announce(ctx, gen))
		msg = daedalus_msg_decode(ctx, job.cookie, job.src, job.dst);
	ctx->begun = true;
	/* Once registered, the job may be ended by others, and the file closed. */
	kref_get(&ctx->ref);
	if (!msg || !daedalus_job_register(ctx, &job))
		goto fail;
	if (daedalus_bridge_send(ctx->dev, gen, msg))
		daedalus_job_end(ctx, job.cookie, DAEDALUS_DECODE_ERR_OPEN, 0);
	daedalus_ctx_put(ctx);
	return;

fail:
	daedalus_msg_free(msg);
	daedalus_job_lost(ctx);
	mutex_lock(&ctx->finish);
	daedalus_job_finish(ctx, &job, DAEDALUS_DECODE_ERR_OPEN, 0);
	mutex_unlock(&ctx->finish);
	daedalus_ctx_put(ctx);
}

static void daedalus_job_abort(void *priv)
{
	struct daedalus_ctx *ctx = priv;
	bool unread;
	u64 cookie;

	spin_lock(&ctx->job_lock);
	ctx->aborting = true;
	cookie = ctx->job.cookie;
	spin_unlock(&ctx->job_lock);
	if (!cookie)
		return;
	/* What streaming ended with is forgotten: no need to tell of a loss. */
	unread = daedalus_bridge_take_back(ctx->dev, cookie);
	if (!daedalus_job_end(ctx, cookie, DAEDALUS_DECODE_ERR_RECV, 0) && !unread)
		daedalus_bridge_abort(ctx, cookie);
}

const struct v4l2_m2m_ops daedalus_m2m_ops = {
	.device_run = daedalus_device_run,
	.job_abort = daedalus_job_abort,
};

/* What is decoded next does not refer to anything before. */
void daedalus_stream_forget(struct daedalus_ctx *ctx)
{
	daedalus_job_was_lost(ctx);
	ctx->begun = false;
}

void daedalus_job_init(struct daedalus_ctx *ctx)
{
	mutex_init(&ctx->finish);
	spin_lock_init(&ctx->job_lock);
	INIT_DELAYED_WORK(&ctx->timeout, daedalus_job_timeout);
}

/* Ends every job: the daemon is gone. */
void daedalus_jobs_fail(struct daedalus_dev *dev)
{
	struct daedalus_ctx *ctx;
	int id = 0;

	for (;;) {
		mutex_lock(&dev->lock);
		ctx = idr_get_next(&dev->contexts, &id);
		if (ctx)
			kref_get(&ctx->ref);
		mutex_unlock(&dev->lock);
		if (!ctx)
			return;
		daedalus_job_end(ctx, daedalus_job_cookie(ctx),
				 DAEDALUS_DECODE_ERR_RECV, 0);
		daedalus_ctx_put(ctx);
		id++;
	}
}
