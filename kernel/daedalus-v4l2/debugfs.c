// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs: daedalus_v4l2/test_decode. What is written is decoded as one VP9
 * frame, and the kernel's log says what came of it. It proves the bridge without
 * a V4L2 client.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>

#include "daedalus.h"

static bool daedalus_test_add(struct daedalus_dev *dev, u64 cookie)
{
	unsigned int i;

	for (i = 0; i < DAEDALUS_TESTS; i++)
		if (!atomic64_cmpxchg(&dev->tests[i], 0, cookie))
			return true;
	return false;
}

static bool daedalus_test_end(struct daedalus_dev *dev, u64 cookie)
{
	unsigned int i;

	for (i = 0; cookie && i < DAEDALUS_TESTS; i++)
		if (atomic64_cmpxchg(&dev->tests[i], cookie, 0) == cookie)
			return true;
	return false;
}

void daedalus_debugfs_forget(struct daedalus_dev *dev)
{
	unsigned int i;

	for (i = 0; i < DAEDALUS_TESTS; i++)
		atomic64_set(&dev->tests[i], 0);
}

/* Logs the answer to a test; false if there is none with its cookie. */
bool daedalus_debugfs_response(struct daedalus_dev *dev,
			       const struct daedalus_resp_frame *resp)
{
	if (!daedalus_test_end(dev, resp->header.cookie))
		return false;
	v4l2_info(&dev->v4l2_dev,
		  "test_decode: cookie=%llu status=%u %ux%u fourcc=%p4cc digest=%08x\n",
		  resp->header.cookie, resp->status, resp->width, resp->height,
		  &resp->fourcc, resp->digest);
	return true;
}

static ssize_t daedalus_test_decode(struct file *file, const char __user *from,
				    size_t len, loff_t *pos)
{
	struct daedalus_dev *dev = file->private_data;
	u32 gen = daedalus_bridge_gen(dev, DAEDALUS_CODEC_VP9);
	u64 cookie = atomic64_inc_return(&dev->cookie);
	struct daedalus_msg *msg;
	int ret;

	if (!gen)
		return -ENOTCONN;
	if (!len || len > DAEDALUS_MAX_BITSTREAM)
		return -EINVAL;
	msg = daedalus_msg_bytes(DAEDALUS_CODEC_VP9, cookie, from, len);
	if (IS_ERR(msg))
		return PTR_ERR(msg);
	if (!daedalus_test_add(dev, cookie)) {
		daedalus_msg_free(msg);
		return -EBUSY;
	}
	ret = daedalus_bridge_send(dev, gen, msg);
	if (ret) {
		daedalus_test_end(dev, cookie);
		return ret;
	}
	return len;
}

static const struct file_operations daedalus_test_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = daedalus_test_decode,
};

void daedalus_debugfs_init(struct daedalus_dev *dev)
{
	dev->debugfs = debugfs_create_dir(DAEDALUS_NAME, NULL);
	debugfs_create_file("test_decode", 0200, dev->debugfs, dev,
			    &daedalus_test_fops);
}

void daedalus_debugfs_exit(struct daedalus_dev *dev)
{
	debugfs_remove_recursive(dev->debugfs);
}
