// SPDX-License-Identifier: GPL-2.0-only
/*
 * A V4L2 stateless decoder whose decoding is done by a daemon.
 *
 * This file: the module, its one device, the video node and the media
 * controller.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <media/media-request.h>
#include <media/v4l2-ioctl.h>

#include "compat.h"
#include "daedalus.h"

static struct platform_device *daedalus_pdev;

/*
 * A request outlives the files it was made and used with, and what it belongs to
 * is this module's: it keeps the module.
 */
static struct media_request *daedalus_request_alloc(struct media_device *mdev)
{
	struct media_request *req = kzalloc(sizeof(*req), GFP_KERNEL);

	if (req)
		__module_get(THIS_MODULE);
	return req;
}

static void daedalus_request_free(struct media_request *req)
{
	kfree(req);
	module_put(THIS_MODULE);
}

static const struct media_device_ops daedalus_media_ops = {
	.req_alloc = daedalus_request_alloc,
	.req_free = daedalus_request_free,
	.req_validate = daedalus_request_validate,
	.req_queue = v4l2_m2m_request_queue,
};

static const struct video_device daedalus_vfd = {
	.name = DAEDALUS_NAME,
	.vfl_dir = VFL_DIR_M2M,
	.fops = &daedalus_fops,
	.ioctl_ops = &daedalus_ioctl_ops,
	.minor = -1,
	.release = video_device_release_empty,
	.device_caps = V4L2_CAP_VIDEO_M2M_MPLANE | V4L2_CAP_STREAMING,
};

static int daedalus_media_init(struct daedalus_dev *dev, struct device *parent)
{
	dev->mdev.dev = parent;
	strscpy(dev->mdev.model, DAEDALUS_NAME, sizeof(dev->mdev.model));
	strscpy(dev->mdev.bus_info, "platform:" DAEDALUS_NAME,
		sizeof(dev->mdev.bus_info));
	media_device_init(&dev->mdev);
	dev->mdev.ops = &daedalus_media_ops;
	dev->v4l2_dev.mdev = &dev->mdev;

	dev->topology = v4l2_m2m_init(&daedalus_m2m_ops);
	if (IS_ERR(dev->topology)) {
		media_device_cleanup(&dev->mdev);
		return PTR_ERR(dev->topology);
	}
	return 0;
}

static void daedalus_media_exit(struct daedalus_dev *dev)
{
	v4l2_m2m_release(dev->topology);
	media_device_cleanup(&dev->mdev);
}

static int daedalus_video_register(struct daedalus_dev *dev)
{
	int ret;

	dev->vfd = daedalus_vfd;
	dev->vfd.lock = NULL;
	dev->vfd.v4l2_dev = &dev->v4l2_dev;
	video_set_drvdata(&dev->vfd, dev);
	ret = video_register_device(&dev->vfd, VFL_TYPE_VIDEO, -1);
	if (ret)
		return ret;
	ret = v4l2_m2m_register_media_controller(dev->topology, &dev->vfd,
						 MEDIA_ENT_F_PROC_VIDEO_DECODER);
	if (ret)
		goto unregister_video;
	ret = media_device_register(&dev->mdev);
	if (ret)
		goto unregister_controller;
	return 0;

unregister_controller:
	v4l2_m2m_unregister_media_controller(dev->topology);
unregister_video:
	video_unregister_device(&dev->vfd);
	return ret;
}

static void daedalus_video_unregister(struct daedalus_dev *dev)
{
	media_device_unregister(&dev->mdev);
	v4l2_m2m_unregister_media_controller(dev->topology);
	video_unregister_device(&dev->vfd);
}

static int daedalus_probe(struct platform_device *pdev)
{
	struct daedalus_dev *dev;
	int ret;

	dev = devm_kzalloc(&pdev->dev, sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return -ENOMEM;
	mutex_init(&dev->lock);
	idr_init(&dev->contexts);
	INIT_LIST_HEAD(&dev->slots);
	platform_set_drvdata(pdev, dev);

	ret = dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	/*
	 * The "device" is a processor: to write back or drop its caches for it
	 * costs time, and could drop what the daemon has just written.
	 */
	daedalus_set_dma_coherent(&pdev->dev);
	ret = v4l2_device_register(&pdev->dev, &dev->v4l2_dev);
	if (ret)
		return ret;
	ret = daedalus_media_init(dev, &pdev->dev);
	if (ret)
		goto unregister_v4l2;
	ret = daedalus_bridge_register(dev);
	if (ret)
		goto exit_media;
	ret = daedalus_video_register(dev);
	if (ret)
		goto unregister_bridge;
	daedalus_debugfs_init(dev);
	v4l2_info(&dev->v4l2_dev, "version " DAEDALUS_RELEASE ", /dev/video%d\n",
		  dev->vfd.num);
	return 0;

unregister_bridge:
	daedalus_bridge_unregister(dev);
	daedalus_slots_exit(dev);
exit_media:
	daedalus_media_exit(dev);
unregister_v4l2:
	v4l2_device_unregister(&dev->v4l2_dev);
	return ret;
}

static void daedalus_remove(struct platform_device *pdev)
{
	struct daedalus_dev *dev = platform_get_drvdata(pdev);

	daedalus_debugfs_exit(dev);
	daedalus_video_unregister(dev);
	daedalus_bridge_unregister(dev);
	daedalus_slots_exit(dev);
	daedalus_media_exit(dev);
	v4l2_device_unregister(&dev->v4l2_dev);
	idr_destroy(&dev->contexts);
}

#ifndef DAEDALUS_SINCE_6_11
static int daedalus_remove_int(struct platform_device *pdev)
{
	daedalus_remove(pdev);
	return 0;
}
#endif

static struct platform_driver daedalus_driver = {
	.probe = daedalus_probe,
#ifndef DAEDALUS_SINCE_6_11
	.remove = daedalus_remove_int,
#else
	.remove = daedalus_remove,
#endif
	.driver = {
		.name = DAEDALUS_NAME,
		/* Files that are open keep the module; nothing else would keep the device. */
		.suppress_bind_attrs = true,
	},
};

static int __init daedalus_init(void)
{
	int ret = platform_driver_register(&daedalus_driver);

	if (ret)
		return ret;
	daedalus_pdev = platform_device_register_simple(DAEDALUS_NAME,
							PLATFORM_DEVID_NONE,
							NULL, 0);
	if (IS_ERR(daedalus_pdev)) {
		platform_driver_unregister(&daedalus_driver);
		return PTR_ERR(daedalus_pdev);
	}
	/* Its probe may have failed, which is no failure of the registration. */
	if (!platform_get_drvdata(daedalus_pdev)) {
		platform_device_unregister(daedalus_pdev);
		platform_driver_unregister(&daedalus_driver);
		return -ENODEV;
	}
	return 0;
}
module_init(daedalus_init);

static void __exit daedalus_exit(void)
{
	platform_device_unregister(daedalus_pdev);
	platform_driver_unregister(&daedalus_driver);
}
module_exit(daedalus_exit);

MODULE_DESCRIPTION("V4L2 stateless decoder backed by a daemon");
MODULE_AUTHOR("The livehal authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(DAEDALUS_RELEASE);
#ifndef DAEDALUS_SINCE_6_13
MODULE_IMPORT_NS(DMA_BUF);
#else
MODULE_IMPORT_NS("DMA_BUF");
#endif
