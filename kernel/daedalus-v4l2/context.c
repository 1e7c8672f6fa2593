// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contexts: one for each time the video node is open.
 *
 * v4l2-mem2mem runs one job at a time for a struct v4l2_m2m_dev. A client that
 * waits for a slow decoder must stall nobody else, so every context has one of
 * its own. v4l2-mem2mem may have work queued on one when its user goes, so it is
 * not freed then but lent to the next.
 */
#include <linux/cpu.h>
#include <linux/cred.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <media/v4l2-ioctl.h>

#include "compat.h"
#include "daedalus.h"

static unsigned int max_contexts = 16;
module_param(max_contexts, uint, 0644);
MODULE_PARM_DESC(max_contexts, "Contexts that may decode at a time (default 16)");

static void daedalus_nothing(struct work_struct *work)
{
}

/*
 * v4l2-mem2mem looks for a slot's next job in a work item that nothing waits
 * for. It is on the system's queue, where a processor begins an item when the
 * one before has ended or sleeps, and that one does not sleep.
 */
static void daedalus_slots_settle(void)
{
	struct work_struct work;
	unsigned int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		INIT_WORK_ONSTACK(&work, daedalus_nothing);
		schedule_work_on(cpu, &work);
		flush_work(&work);
		destroy_work_on_stack(&work);
	}
	cpus_read_unlock();
}

void daedalus_slots_exit(struct daedalus_dev *dev)
{
	struct daedalus_slot *slot, *next;

	daedalus_slots_settle();
	list_for_each_entry_safe(slot, next, &dev->slots, node) {
		v4l2_m2m_release(slot->m2m_dev);
		kfree(slot);
	}
	INIT_LIST_HEAD(&dev->slots);
}

static struct daedalus_slot *daedalus_slot_new(void)
{
	struct daedalus_slot *slot = kzalloc(sizeof(*slot), GFP_KERNEL);
	struct v4l2_m2m_dev *m2m_dev;

	if (!slot)
		return ERR_PTR(-ENOMEM);
	m2m_dev = v4l2_m2m_init(&daedalus_m2m_ops);
	if (IS_ERR(m2m_dev)) {
		kfree(slot);
		return ERR_CAST(m2m_dev);
	}
	INIT_LIST_HEAD(&slot->node);
	slot->m2m_dev = m2m_dev;
	return slot;
}

/* One that a context gave back, or a new one. */
static struct daedalus_slot *daedalus_slot_take(struct daedalus_dev *dev)
{
	struct daedalus_slot *slot;

	lockdep_assert_held(&dev->lock);
	slot = list_first_entry_or_null(&dev->slots, struct daedalus_slot, node);
	if (!slot)
		return daedalus_slot_new();
	list_del_init(&slot->node);
	return slot;
}

static void daedalus_slot_give(struct daedalus_dev *dev, struct daedalus_slot *slot)
{
	lockdep_assert_held(&dev->lock);
	list_add(&slot->node, &dev->slots);
}

/* Makes the context known, which takes a slot and a number. */
static int daedalus_ctx_enter(struct daedalus_ctx *ctx)
{
	struct daedalus_dev *dev = ctx->dev;
	int id;

	mutex_lock(&dev->lock);
	ctx->slot = daedalus_slot_take(dev);
	if (IS_ERR(ctx->slot)) {
		mutex_unlock(&dev->lock);
		return PTR_ERR(ctx->slot);
	}
	id = idr_alloc_cyclic(&dev->contexts, ctx, 1, 0, GFP_KERNEL);
	if (id < 0)
		daedalus_slot_give(dev, ctx->slot);
	else
		ctx->id = id;
	mutex_unlock(&dev->lock);
	return id < 0 ? id : 0;
}

static void daedalus_ctx_leave(struct daedalus_ctx *ctx)
{
	struct daedalus_dev *dev = ctx->dev;

	mutex_lock(&dev->lock);
	idr_remove(&dev->contexts, ctx->id);
	daedalus_slot_give(dev, ctx->slot);
	mutex_unlock(&dev->lock);
}

/* The context with this number, with a reference of its own. */
struct daedalus_ctx *daedalus_ctx_get(struct daedalus_dev *dev, u32 id)
{
	struct daedalus_ctx *ctx;

	mutex_lock(&dev->lock);
	ctx = idr_find(&dev->contexts, id);
	if (ctx)
		kref_get(&ctx->ref);
	mutex_unlock(&dev->lock);
	return ctx;
}

static void daedalus_ctx_free(struct kref *ref)
{
	struct daedalus_ctx *ctx = container_of(ref, struct daedalus_ctx, ref);

	mutex_destroy(&ctx->finish);
	mutex_destroy(&ctx->lock);
	kfree(ctx);
}

void daedalus_ctx_put(struct daedalus_ctx *ctx)
{
	kref_put(&ctx->ref, daedalus_ctx_free);
}

struct daedalus_ctx *daedalus_file_to_ctx(struct file *file)
{
	return container_of(daedalus_fh(file), struct daedalus_ctx, fh);
}

/* Counts the context among those that decode, if there may be one more. */
int daedalus_ctx_begin_decoding(struct daedalus_ctx *ctx)
{
	struct daedalus_dev *dev = ctx->dev;
	int ret = 0;

	mutex_lock(&dev->lock);
	if (ctx->decoding) {
		/* Counted already. */
	} else if (dev->decoding >= READ_ONCE(max_contexts)) {
		ret = -EBUSY;
	} else {
		dev->decoding++;
		ctx->decoding = true;
	}
	mutex_unlock(&dev->lock);
	return ret;
}

void daedalus_ctx_end_decoding(struct daedalus_ctx *ctx)
{
	struct daedalus_dev *dev = ctx->dev;

	mutex_lock(&dev->lock);
	if (ctx->decoding)
		dev->decoding--;
	ctx->decoding = false;
	mutex_unlock(&dev->lock);
}

unsigned int daedalus_max_contexts(void)
{
	return READ_ONCE(max_contexts);
}

static int daedalus_open(struct file *file)
{
	struct daedalus_dev *dev = video_drvdata(file);
	struct v4l2_m2m_ctx *m2m_ctx;
	struct daedalus_ctx *ctx;
	int ret;

	ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);
	if (!ctx)
		return -ENOMEM;
	ctx->dev = dev;
	ctx->uid = current_fsuid();
	kref_init(&ctx->ref);
	mutex_init(&ctx->lock);
	daedalus_job_init(ctx);
	ret = daedalus_ctx_enter(ctx);
	if (ret)
		goto put;

	v4l2_fh_init(&ctx->fh, &dev->vfd);
	daedalus_format_reset(ctx);
	ret = daedalus_ctrls_init(ctx);
	if (ret)
		goto exit_fh;
	m2m_ctx = v4l2_m2m_ctx_init(ctx->slot->m2m_dev, ctx, daedalus_queues_init);
	if (IS_ERR(m2m_ctx)) {
		ret = PTR_ERR(m2m_ctx);
		goto free_ctrls;
	}
	/* A daemon that guesses numbers may look for its buffers already. */
	mutex_lock(&ctx->lock);
	ctx->fh.m2m_ctx = m2m_ctx;
	mutex_unlock(&ctx->lock);
	daedalus_fh_add(&ctx->fh, file);
	return 0;

free_ctrls:
	v4l2_ctrl_handler_free(&ctx->hdl);
exit_fh:
	v4l2_fh_exit(&ctx->fh);
	daedalus_ctx_leave(ctx);
put:
	daedalus_ctx_put(ctx);
	return ret;
}

static int daedalus_release(struct file *file)
{
	struct daedalus_ctx *ctx = daedalus_file_to_ctx(file);

	/* From here on no job begins. */
	mutex_lock(&ctx->lock);
	v4l2_m2m_streamoff(file, ctx->fh.m2m_ctx,
			   V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE);
	v4l2_m2m_streamoff(file, ctx->fh.m2m_ctx,
			   V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE);
	mutex_unlock(&ctx->lock);
	/* The end of the last one may still be touching the m2m context. */
	mutex_lock(&ctx->finish);
	mutex_unlock(&ctx->finish);
	cancel_delayed_work_sync(&ctx->timeout);

	/* No buffer is found by number any more, so none is while they go. */
	daedalus_ctx_leave(ctx);
	daedalus_bridge_tell(ctx, DAEDALUS_MSG_CTX_CLOSE);
	/* A look-up that was faster has the lock of the queues now. */
	mutex_lock(&ctx->lock);
	v4l2_m2m_ctx_release(ctx->fh.m2m_ctx);
	ctx->fh.m2m_ctx = NULL;
	mutex_unlock(&ctx->lock);

	daedalus_fh_del(&ctx->fh, file);
	v4l2_ctrl_handler_free(&ctx->hdl);
	v4l2_fh_exit(&ctx->fh);
	daedalus_ctx_put(ctx);
	return 0;
}

/*
 * Formats, and the controls they follow, are under the queues' lock: what is
 * decided by whether there are buffers holds until there are some.
 */
static long daedalus_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct daedalus_ctx *ctx = daedalus_file_to_ctx(file);
	long ret;

	switch (_IOC_NR(cmd)) {
	case _IOC_NR(VIDIOC_ENUM_FMT):
	case _IOC_NR(VIDIOC_G_FMT):
	case _IOC_NR(VIDIOC_S_FMT):
	case _IOC_NR(VIDIOC_TRY_FMT):
	case _IOC_NR(VIDIOC_S_CTRL):
	case _IOC_NR(VIDIOC_S_EXT_CTRLS):
		break;
	default:
		return video_ioctl2(file, cmd, arg);
	}
	if (mutex_lock_interruptible(&ctx->lock))
		return -ERESTARTSYS;
	ret = video_ioctl2(file, cmd, arg);
	mutex_unlock(&ctx->lock);
	return ret;
}

const struct v4l2_file_operations daedalus_fops = {
	.owner = THIS_MODULE,
	.open = daedalus_open,
	.release = daedalus_release,
	.poll = v4l2_m2m_fop_poll,
	.unlocked_ioctl = daedalus_ioctl,
	.mmap = v4l2_m2m_fop_mmap,
};
