// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory runs out: of what one process asks for from within the decoder's module
 * and what it is built on, the allocation with the number `at` fails. Debian's
 * kernels have no CONFIG_FAULT_INJECTION; these are kprobes on the functions that
 * allocate.
 */
#include <linux/gfp.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>

static int task;
module_param(task, int, 0644);
MODULE_PARM_DESC(task, "The process (tgid)");
static uint at;
module_param(at, uint, 0644);
MODULE_PARM_DESC(at, "Which of its allocations fails, counted from 1; 0: none");
static uint seen;
module_param(seen, uint, 0644);
MODULE_PARM_DESC(seen, "How many it has made");
static uint failed;
module_param(failed, uint, 0644);
MODULE_PARM_DESC(failed, "How many have failed");
static char where[KSYM_SYMBOL_LEN];
module_param_string(where, where, sizeof(where), 0444);
MODULE_PARM_DESC(where, "Who asked for the last that has failed");

static const char *const askers[] = {
	"[daedalus_v4l2]", "[v4l2_mem2mem]", "[videobuf2_common]", "[videobuf2_v4l2]",
	"[videobuf2_dma_sg]", "[videobuf2_memops]", "[videodev]", "[mc]",
};

static DEFINE_SPINLOCK(lock);

struct allocator {
	struct kprobe probe;
	long result;
	/* Which argument its flags are; negative: it has none. */
	int flags;
};

/* Jumped to in place of another function: returns to that one's caller. */
static noinline void nothing(void)
{
	barrier();
}

static unsigned long caller(struct pt_regs *regs)
{
#ifdef CONFIG_X86
	return regs_get_kernel_stack_nth(regs, 0);
#else
	return procedure_link_pointer(regs);
#endif
}

static bool counts(struct allocator *allocator, struct pt_regs *regs, char *asker)
{
	gfp_t flags = 0;
	unsigned int i;

	if (!in_task() || !task || current->tgid != task)
		return false;
	if (allocator->flags >= 0)
		flags = (__force gfp_t)regs_get_kernel_argument(regs, allocator->flags);
	if (flags & __GFP_NOFAIL)
		return false;
	sprint_symbol(asker, caller(regs));
	for (i = 0; i < ARRAY_SIZE(askers); i++)
		if (strstr(asker, askers[i]))
			return true;
	return false;
}
NOKPROBE_SYMBOL(counts);

static int allocating(struct kprobe *probe, struct pt_regs *regs)
{
	struct allocator *allocator = container_of(probe, struct allocator, probe);
	char asker[KSYM_SYMBOL_LEN];
	unsigned long irq;
	bool fails;

	if (!counts(allocator, regs, asker))
		return 0;
	spin_lock_irqsave(&lock, irq);
	fails = ++seen == at;
	if (fails) {
		failed++;
		strscpy(where, asker, sizeof(where));
	}
	spin_unlock_irqrestore(&lock, irq);
	if (!fails)
		return 0;
	regs_set_return_value(regs, allocator->result);
	instruction_pointer_set(regs, (unsigned long)nothing);
	return 1;
}
NOKPROBE_SYMBOL(allocating);

/* Its being there keeps kprobes from jumping without the registers. */
static void done(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

#define ALLOCATOR(name, value, argument) \
	{ \
		.probe = { \
			.symbol_name = #name, \
			.pre_handler = allocating, \
			.post_handler = done, \
		}, \
		.result = (value), \
		.flags = (argument), \
	}

#ifdef CONFIG_SLAB_BUCKETS
#define AFTER_SIZE	2
#else
#define AFTER_SIZE	1
#endif

static struct allocator allocators[] = {
	ALLOCATOR(__kmalloc_noprof, 0, 1),
	ALLOCATOR(__kmalloc_cache_noprof, 0, 1),
	ALLOCATOR(__kmalloc_large_noprof, 0, 1),
	ALLOCATOR(__kmalloc_node_noprof, 0, AFTER_SIZE),
	ALLOCATOR(__kvmalloc_node_noprof, 0, AFTER_SIZE),
	ALLOCATOR(alloc_pages_noprof, 0, 0),
	ALLOCATOR(vmap, 0, -1),
	ALLOCATOR(vm_map_ram, 0, -1),
	ALLOCATOR(sg_alloc_table, -ENOMEM, 2),
	ALLOCATOR(sg_alloc_table_from_pages_segment, -ENOMEM, -1),
	ALLOCATOR(dma_map_sgtable, -ENOMEM, -1),
	ALLOCATOR(dma_buf_export, -ENOMEM, -1),
	ALLOCATOR(idr_alloc_cyclic, -ENOMEM, 4),
};

static void remove(unsigned int count)
{
	while (count)
		unregister_kprobe(&allocators[--count].probe);
}

static int __init livehal_nomem_init(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(allocators); i++) {
		ret = register_kprobe(&allocators[i].probe);
		if (ret) {
			pr_err("no kprobe on %s: %d\n",
			       allocators[i].probe.symbol_name, ret);
			remove(i);
			return ret;
		}
	}
	return 0;
}
module_init(livehal_nomem_init);

static void __exit livehal_nomem_exit(void)
{
	remove(ARRAY_SIZE(allocators));
}
module_exit(livehal_nomem_exit);

MODULE_DESCRIPTION("Allocations that fail");
MODULE_LICENSE("GPL");
