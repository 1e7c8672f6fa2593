require recipes-kernel/linux/linux-livehal.inc
