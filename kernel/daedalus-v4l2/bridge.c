// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon's end: a character device that carries messages both ways.
 *
 * Nothing that comes from the daemon is believed: a message that does not fit
 * what is known here has no effect.
 */
#include <asm/ioctls.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <media/videobuf2-v4l2.h>

#include "compat.h"
#include "daedalus.h"

/*
 * Messages that wait. A context has few at a time, so a daemon that leaves so
 * many unread reads no more.
 */
#define DAEDALUS_QUEUE_MAX	1024

static struct daedalus_dev *daedalus_bridge_dev(struct file *file)
{
	return container_of(file->private_data, struct daedalus_dev, bridge.misc);
}

static void daedalus_bridge_drop(struct daedalus_bridge *bridge,
				 struct daedalus_msg *msg, struct list_head *to)
{
	lockdep_assert_held(&bridge->lock);
	list_move_tail(&msg->node, to);
	bridge->queued--;
}

static void daedalus_bridge_free(struct list_head *dropped)
{
	struct daedalus_msg *msg, *next;

	list_for_each_entry_safe(msg, next, dropped, node)
		daedalus_msg_free(msg);
}

static void daedalus_bridge_append(struct daedalus_bridge *bridge,
				   struct daedalus_msg *msg)
{
	lockdep_assert_held(&bridge->lock);
	msg->header.gen = bridge->gen;
	list_add_tail(&msg->node, &bridge->queue);
	if (++bridge->queued > DAEDALUS_QUEUE_MAX)
		bridge->broken = true;
}

static bool daedalus_bridge_usable(struct daedalus_bridge *bridge, u32 gen)
{
	return gen && bridge->gen == gen && bridge->ready && !bridge->broken;
}

/* The present opening, if a daemon is there that decodes @codec; else 0. */
u32 daedalus_bridge_gen(struct daedalus_dev *dev, u32 codec)
{
	struct daedalus_bridge *bridge = &dev->bridge;
	u32 gen = 0;

	spin_lock(&bridge->lock);
	if (daedalus_bridge_usable(bridge, bridge->gen) &&
	    bridge->codecs & BIT(codec))
		gen = bridge->gen;
	spin_unlock(&bridge->lock);
	return gen;
}

/*
 * Sends a message to the daemon of the opening @gen, and takes it over whether
 * that succeeds or not. A null message is one that could not be made.
 */
int daedalus_bridge_send(struct daedalus_dev *dev, u32 gen,
			 struct daedalus_msg *msg)
{
	struct daedalus_bridge *bridge = &dev->bridge;
	bool sent;

	if (!msg)
		return -ENOMEM;
	spin_lock(&bridge->lock);
	sent = daedalus_bridge_usable(bridge, gen);
	if (sent)
		daedalus_bridge_append(bridge, msg);
	spin_unlock(&bridge->lock);
	if (!sent) {
		daedalus_msg_free(msg);
		return -EPIPE;
	}
	wake_up_interruptible(&bridge->wait);
	return 0;
}

/* Takes back a request; false if it has been read. */
bool daedalus_bridge_take_back(struct daedalus_dev *dev, u64 cookie)
{
	struct daedalus_bridge *bridge = &dev->bridge;
	struct daedalus_msg *msg, *next;
	LIST_HEAD(dropped);
	bool taken;

	spin_lock(&bridge->lock);
	list_for_each_entry_safe(msg, next, &bridge->queue, node)
		if (msg->header.cookie == cookie)
			daedalus_bridge_drop(bridge, msg, &dropped);
	spin_unlock(&bridge->lock);
	taken = !list_empty(&dropped);
	daedalus_bridge_free(&dropped);
	return taken;
}

/* Says that nobody waits for a request that has been read. */
void daedalus_bridge_abort(struct daedalus_ctx *ctx, u64 cookie)
{
	daedalus_bridge_send(ctx->dev, ctx->announced_gen,
			     daedalus_msg_news(DAEDALUS_MSG_ABORT, ctx->id, cookie));
}

/* Whether the last message about the context is of this type. */
static bool daedalus_bridge_said(struct daedalus_bridge *bridge, u32 ctx, u16 type)
{
	struct daedalus_msg *msg;

	lockdep_assert_held(&bridge->lock);
	list_for_each_entry_reverse(msg, &bridge->queue, node)
		if (msg->header.ctx == ctx)
			return msg->header.type == type;
	return false;
}

/* Drops what is unread about the context; true if the daemon knows of it. */
static bool daedalus_bridge_drop_ctx(struct daedalus_bridge *bridge, u32 ctx,
				     struct list_head *to)
{
	struct daedalus_msg *msg, *next;
	bool known = true, first = true;

	lockdep_assert_held(&bridge->lock);
	list_for_each_entry_safe(msg, next, &bridge->queue, node) {
		if (msg->header.ctx != ctx)
			continue;
		/* It may have been closed and opened again, unread. */
		if (first)
			known = msg->header.type != DAEDALUS_MSG_CTX_OPEN;
		first = false;
		daedalus_bridge_drop(bridge, msg, to);
	}
	return known;
}

/*
 * Tells the daemon of something about a context that it knows. At its end what
 * is still unread goes; if that includes its beginning, there is nothing to say.
 */
void daedalus_bridge_tell(struct daedalus_ctx *ctx, u16 type)
{
	struct daedalus_bridge *bridge = &ctx->dev->bridge;
	struct daedalus_msg *news;
	LIST_HEAD(dropped);
	bool needed;

	if (!ctx->announced_gen)
		return;
	news = daedalus_msg_news(type, ctx->id, 0);
	spin_lock(&bridge->lock);
	needed = daedalus_bridge_usable(bridge, ctx->announced_gen) &&
		 !daedalus_bridge_said(bridge, ctx->id, type);
	if (needed && type == DAEDALUS_MSG_CTX_CLOSE)
		needed = daedalus_bridge_drop_ctx(bridge, ctx->id, &dropped);
	if (needed)
		daedalus_bridge_append(bridge, news);
	spin_unlock(&bridge->lock);
	if (needed)
		wake_up_interruptible(&bridge->wait);
	else
		daedalus_msg_free(news);
	daedalus_bridge_free(&dropped);
	if (type == DAEDALUS_MSG_CTX_CLOSE)
		ctx->announced_gen = 0;
}

static int daedalus_bridge_open(struct inode *inode, struct file *file)
{
	struct daedalus_dev *dev = daedalus_bridge_dev(file);
	struct daedalus_bridge *bridge = &dev->bridge;
	struct daedalus_msg *hello = daedalus_msg_hello();
	int ret = 0;

	if (!hello)
		return -ENOMEM;
	spin_lock(&bridge->lock);
	if (bridge->gen) {
		ret = -EBUSY;
	} else {
		/* 0 is none, also after four thousand million. */
		if (!++bridge->last_gen)
			++bridge->last_gen;
		bridge->gen = bridge->last_gen;
		bridge->broken = false;
		daedalus_bridge_append(bridge, hello);
	}
	spin_unlock(&bridge->lock);
	if (ret)
		daedalus_msg_free(hello);
	return ret ? ret : stream_open(inode, file);
}

static int daedalus_bridge_release(struct inode *inode, struct file *file)
{
	struct daedalus_dev *dev = daedalus_bridge_dev(file);
	struct daedalus_bridge *bridge = &dev->bridge;
	LIST_HEAD(dropped);

	spin_lock(&bridge->lock);
	bridge->ready = false;
	bridge->codecs = 0;
	bridge->queued = 0;
	list_splice_init(&bridge->queue, &dropped);
	spin_unlock(&bridge->lock);
	daedalus_bridge_free(&dropped);

	/* Nothing new is sent any more, and no other daemon comes before this. */
	daedalus_jobs_fail(dev);
	daedalus_debugfs_forget(dev);
	spin_lock(&bridge->lock);
	bridge->gen = 0;
	spin_unlock(&bridge->lock);
	return 0;
}

static struct daedalus_msg *daedalus_bridge_first(struct daedalus_bridge *bridge)
{
	return list_first_entry_or_null(&bridge->queue, struct daedalus_msg, node);
}

/* The next message, or an error: -EAGAIN where there is none. */
static struct daedalus_msg *daedalus_bridge_take(struct daedalus_bridge *bridge,
						 size_t room)
{
	struct daedalus_msg *msg;

	spin_lock(&bridge->lock);
	msg = daedalus_bridge_first(bridge);
	if (bridge->broken) {
		msg = ERR_PTR(-EPIPE);
	} else if (!msg) {
		msg = ERR_PTR(-EAGAIN);
	} else if (msg->header.len > room) {
		msg = ERR_PTR(-EMSGSIZE);
	} else {
		list_del_init(&msg->node);
		bridge->queued--;
	}
	spin_unlock(&bridge->lock);
	return msg;
}

static bool daedalus_bridge_readable(struct daedalus_bridge *bridge)
{
	bool readable;

	spin_lock(&bridge->lock);
	readable = bridge->broken || !list_empty(&bridge->queue);
	spin_unlock(&bridge->lock);
	return readable;
}

static ssize_t daedalus_bridge_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct daedalus_dev *dev = daedalus_bridge_dev(iocb->ki_filp);
	struct daedalus_bridge *bridge = &dev->bridge;
	struct daedalus_msg *msg;
	ssize_t ret;

	for (;;) {
		msg = daedalus_bridge_take(bridge, iov_iter_count(to));
		if (!IS_ERR(msg))
			break;
		if (PTR_ERR(msg) != -EAGAIN ||
		    iocb->ki_filp->f_flags & O_NONBLOCK ||
		    iocb->ki_flags & IOCB_NOWAIT)
			return PTR_ERR(msg);
		ret = wait_event_interruptible(bridge->wait,
					       daedalus_bridge_readable(bridge));
		if (ret)
			return ret;
	}
	ret = msg->header.len;
	/* What is lost so fails by its time. */
	if (copy_to_iter(msg->data, ret, to) != ret)
		ret = -EFAULT;
	daedalus_msg_free(msg);
	return ret;
}

static int daedalus_take_hello(struct daedalus_dev *dev,
			       const struct daedalus_hello_reply *reply)
{
	struct daedalus_bridge *bridge = &dev->bridge;
	int ret = 0;

	spin_lock(&bridge->lock);
	if (bridge->ready || reply->version != DAEDALUS_PROTO_VERSION) {
		ret = -EPROTO;
	} else {
		bridge->ready = true;
		bridge->codecs = reply->codecs;
	}
	spin_unlock(&bridge->lock);
	return ret;
}

static bool daedalus_status_known(u32 status)
{
	return status <= DAEDALUS_DECODE_NO_FRAME ||
	       (status >= DAEDALUS_DECODE_ERR_OPEN &&
		status <= DAEDALUS_DECODE_ERR_CODEC);
}

static int daedalus_take_frame(struct daedalus_dev *dev,
			       const struct daedalus_resp_frame *resp)
{
	bool picture = resp->status == DAEDALUS_DECODE_OK;
	struct daedalus_ctx *ctx;
	int ret;

	if (!daedalus_status_known(resp->status))
		return -EINVAL;
	if (!resp->header.ctx)
		return daedalus_debugfs_response(dev, resp) ? 0 : -ESTALE;
	ctx = daedalus_ctx_get(dev, resp->header.ctx);
	if (!ctx)
		return -ESTALE;
	ret = daedalus_job_end(ctx, resp->header.cookie, resp->status,
			       picture ? resp->bytesused : 0);
	daedalus_ctx_put(ctx);
	return ret;
}

union daedalus_from_daemon {
	struct daedalus_msg_header header;
	struct daedalus_hello_reply hello;
	struct daedalus_resp_frame frame;
};

static size_t daedalus_expected_len(u16 type)
{
	switch (type) {
	case DAEDALUS_MSG_HELLO_REPLY:
		return sizeof(struct daedalus_hello_reply);
	case DAEDALUS_MSG_RESP_FRAME:
		return sizeof(struct daedalus_resp_frame);
	case DAEDALUS_MSG_PONG:
		return sizeof(struct daedalus_msg_header);
	default:
		return 0;
	}
}

static int daedalus_take_message(struct daedalus_dev *dev,
				 const union daedalus_from_daemon *msg)
{
	struct daedalus_bridge *bridge = &dev->bridge;
	const struct daedalus_msg_header *header = &msg->header;

	if (header->type == DAEDALUS_MSG_HELLO_REPLY)
		return daedalus_take_hello(dev, &msg->hello);
	if (!READ_ONCE(bridge->ready))
		return -EPROTO;
	if (header->gen != bridge->gen)
		return -ESTALE;
	if (header->type == DAEDALUS_MSG_RESP_FRAME)
		return daedalus_take_frame(dev, &msg->frame);
	return 0;
}

static ssize_t daedalus_bridge_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct daedalus_dev *dev = daedalus_bridge_dev(iocb->ki_filp);
	size_t len = iov_iter_count(from);
	union daedalus_from_daemon msg;
	int ret;

	if (len < sizeof(msg.header) || len > sizeof(msg))
		return -EINVAL;
	memset(&msg, 0, sizeof(msg));
	if (copy_from_iter(&msg, len, from) != len)
		return -EFAULT;
	if (msg.header.len != len ||
	    msg.header.version != DAEDALUS_PROTO_VERSION ||
	    len != daedalus_expected_len(msg.header.type))
		return -EINVAL;
	ret = daedalus_take_message(dev, &msg);
	return ret ? ret : len;
}

static __poll_t daedalus_bridge_poll(struct file *file, poll_table *wait)
{
	struct daedalus_bridge *bridge = &daedalus_bridge_dev(file)->bridge;
	__poll_t events = EPOLLOUT | EPOLLWRNORM;

	poll_wait(file, &bridge->wait, wait);
	if (daedalus_bridge_readable(bridge))
		events |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(bridge->broken))
		events |= EPOLLERR;
	return events;
}

/* The descriptor is of the process that asks. */
static int daedalus_export(struct vb2_queue *q, struct vb2_buffer *vb, int *fd)
{
	struct dma_buf *dbuf;

	if (q->memory == VB2_MEMORY_MMAP)
		return daedalus_expbuf(q, fd, vb, O_RDWR | O_CLOEXEC);
	dbuf = vb->planes[0].dbuf;
	if (!dbuf)
		return -ENOENT;
	get_dma_buf(dbuf);
	*fd = dma_buf_fd(dbuf, O_RDWR | O_CLOEXEC);
	if (*fd < 0) {
		dma_buf_put(dbuf);
		return *fd;
	}
	return 0;
}

static int daedalus_get_capture(struct daedalus_ctx *ctx,
				struct daedalus_capture_fd *arg)
{
	struct vb2_buffer *vb;
	struct vb2_queue *q;

	lockdep_assert_held(&ctx->lock);
	/* The file was closed meanwhile. */
	if (!ctx->fh.m2m_ctx)
		return -ENOENT;
	q = v4l2_m2m_get_dst_vq(ctx->fh.m2m_ctx);
	vb = daedalus_get_buffer(q, arg->index);
	if (!vb)
		return -ENOENT;
	if (daedalus_buffer(to_vb2_v4l2_buffer(vb))->serial != arg->serial)
		return -ESTALE;
	arg->size = vb2_plane_size(vb, 0);
	return daedalus_export(q, vb, &arg->fd);
}

static int daedalus_ioc_capture_fd(struct daedalus_dev *dev,
				   struct daedalus_capture_fd __user *user)
{
	struct daedalus_capture_fd arg;
	struct daedalus_ctx *ctx;
	int ret;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	ctx = daedalus_ctx_get(dev, arg.ctx);
	if (!ctx)
		return -ENOENT;
	mutex_lock(&ctx->lock);
	ret = daedalus_get_capture(ctx, &arg);
	mutex_unlock(&ctx->lock);
	daedalus_ctx_put(ctx);
	if (ret)
		return ret;
	return copy_to_user(user, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static int daedalus_ioc_pending(struct daedalus_bridge *bridge, int __user *user)
{
	struct daedalus_msg *msg;
	int len;

	spin_lock(&bridge->lock);
	msg = daedalus_bridge_first(bridge);
	len = msg ? min_t(u32, msg->header.len, INT_MAX) : 0;
	spin_unlock(&bridge->lock);
	return put_user(len, user);
}

static long daedalus_bridge_ioctl(struct file *file, unsigned int cmd,
				  unsigned long arg)
{
	struct daedalus_dev *dev = daedalus_bridge_dev(file);
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case DAEDALUS_IOC_GET_CAPTURE_FD:
		return daedalus_ioc_capture_fd(dev, user);
	case FIONREAD:
		return daedalus_ioc_pending(&dev->bridge, user);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations daedalus_bridge_fops = {
	.owner = THIS_MODULE,
	.open = daedalus_bridge_open,
	.release = daedalus_bridge_release,
	.read_iter = daedalus_bridge_read,
	.write_iter = daedalus_bridge_write,
	.poll = daedalus_bridge_poll,
	.unlocked_ioctl = daedalus_bridge_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

int daedalus_bridge_register(struct daedalus_dev *dev)
{
	struct daedalus_bridge *bridge = &dev->bridge;

	spin_lock_init(&bridge->lock);
	init_waitqueue_head(&bridge->wait);
	INIT_LIST_HEAD(&bridge->queue);
	bridge->misc.minor = MISC_DYNAMIC_MINOR;
	bridge->misc.name = "daedalus-v4l2";
	bridge->misc.mode = 0600;
	bridge->misc.fops = &daedalus_bridge_fops;
	bridge->misc.parent = dev->v4l2_dev.dev;
	return misc_register(&bridge->misc);
}

void daedalus_bridge_unregister(struct daedalus_dev *dev)
{
	misc_deregister(&dev->bridge.misc);
}
