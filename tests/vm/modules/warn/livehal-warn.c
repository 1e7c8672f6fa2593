// SPDX-License-Identifier: GPL-2.0-only
/* Warns when it is loaded, and does nothing else: the lab must notice. */
#include <linux/bug.h>
#include <linux/module.h>

static int __init livehal_warn_init(void)
{
	WARN(1, "livehal-warn: this warning is wanted\n");
	return 0;
}
module_init(livehal_warn_init);

static void __exit livehal_warn_exit(void)
{
}
module_exit(livehal_warn_exit);

MODULE_DESCRIPTION("Warns when it is loaded");
MODULE_LICENSE("GPL");
