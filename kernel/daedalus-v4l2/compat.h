/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between the kernels that this module builds for: 6.1 to 7.2. */
#ifndef DAEDALUS_COMPAT_H
#define DAEDALUS_COMPAT_H

#include <linux/version.h>
#include <media/v4l2-fh.h>
#include <media/v4l2-mem2mem.h>
#include <media/videobuf2-v4l2.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
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

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#define daedalus_copy_metadata(src, dst)	v4l2_m2m_buf_copy_metadata(src, dst, true)
#else
#define daedalus_copy_metadata(src, dst)	v4l2_m2m_buf_copy_metadata(src, dst)
#endif

static inline int daedalus_expbuf(struct vb2_queue *q, int *fd,
				  struct vb2_buffer *vb, unsigned int flags)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	return vb2_core_expbuf(q, fd, q->type, vb->index, 0, flags);
#else
	return vb2_core_expbuf(q, fd, q->type, vb, 0, flags);
#endif
}

static inline struct vb2_buffer *daedalus_get_buffer(struct vb2_queue *q, u32 index)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	return index < q->num_buffers ? q->bufs[index] : NULL;
#else
	return vb2_get_buffer(q, index);
#endif
}

#endif
