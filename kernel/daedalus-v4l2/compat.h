/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that this module builds for: 6.1 to 7.2.
 * Kbuild says which of the releases named here it is at least.
 */
#ifndef DAEDALUS_COMPAT_H
#define DAEDALUS_COMPAT_H

#include <linux/device.h>
#include <media/v4l2-fh.h>
#include <media/v4l2-mem2mem.h>
#include <media/videobuf2-v4l2.h>

#ifndef DAEDALUS_SINCE_6_18
static inline struct v4l2_fh *daedalus_fh(struct file *file)
{
	return file->private_data;
}

static inline void daedalus_fh_add(struct v4l2_fh *fh, struct file *file)
{
	file->private_data = fh;
	v4l2_fh_add(fh);
}

static inline void daedalus_fh_del(struct v4l2_fh *fh, struct file *file)
{
	v4l2_fh_del(fh);
}
#else
#define daedalus_fh(file)		file_to_v4l2_fh(file)
#define daedalus_fh_add(fh, file)	v4l2_fh_add(fh, file)
#define daedalus_fh_del(fh, file)	v4l2_fh_del(fh, file)
#endif

#ifndef DAEDALUS_SINCE_7_2
#define daedalus_copy_metadata(src, dst)	v4l2_m2m_buf_copy_metadata(src, dst, true)
#else
#define daedalus_copy_metadata(src, dst)	v4l2_m2m_buf_copy_metadata(src, dst)
#endif

static inline void daedalus_set_dma_coherent(struct device *dev)
{
#ifndef CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE
	/* All devices are. */
#elif defined(DAEDALUS_SINCE_7_2)
	dev_set_dma_coherent(dev);
#else
	dev->dma_coherent = true;
#endif
}

static inline int daedalus_expbuf(struct vb2_queue *q, int *fd,
				  struct vb2_buffer *vb, unsigned int flags)
{
#ifndef DAEDALUS_SINCE_6_8
	return vb2_core_expbuf(q, fd, q->type, vb->index, 0, flags);
#else
	return vb2_core_expbuf(q, fd, q->type, vb, 0, flags);
#endif
}

static inline struct vb2_buffer *daedalus_get_buffer(struct vb2_queue *q, u32 index)
{
#ifndef DAEDALUS_SINCE_6_8
	return index < q->num_buffers ? q->bufs[index] : NULL;
#else
	return vb2_get_buffer(q, index);
#endif
}

#endif
