// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults of an encoder, made in vicodec: with `fail` set no picture can be coded, with `stall` set no
 * picture that is queued is ever looked at.
 */
#include <linux/kprobes.h>
#include <linux/module.h>

static bool fail;
module_param(fail, bool, 0644);
static bool stall;
module_param(stall, bool, 0644);

static int failing(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	if (fail)
		regs_set_return_value(regs, -EIO);
	return 0;
}

static struct kretprobe encode = {
	.kp.symbol_name = "v4l2_fwht_encode",
	.handler = failing,
};

/* Jumped to in place of another function: returns to that one's caller. */
static noinline void nothing(void)
{
	barrier();
}

static int stalling(struct kprobe *probe, struct pt_regs *regs)
{
	if (!stall)
		return 0;
	instruction_pointer_set(regs, (unsigned long)nothing);
	return 1;
}
NOKPROBE_SYMBOL(stalling);

static struct kprobe queue_job = {
	.symbol_name = "__v4l2_m2m_try_queue",
	.pre_handler = stalling,
};

static int __init livehal_fault_init(void)
{
	int ret = register_kretprobe(&encode);

	if (ret)
		return ret;
	ret = register_kprobe(&queue_job);
	if (ret)
		unregister_kretprobe(&encode);
	return ret;
}
module_init(livehal_fault_init);

static void __exit livehal_fault_exit(void)
{
	unregister_kprobe(&queue_job);
	unregister_kretprobe(&encode);
}
module_exit(livehal_fault_exit);

MODULE_DESCRIPTION("Faults of vicodec");
MODULE_LICENSE("GPL");
