#!/bin/bash
# A test of the lab: the scenario is content, the kernel is not.
#: modules tests/vm/modules/warn
#: must-fail kernel warning in dmesg.log
insmod modules/livehal-warn.ko
