#!/bin/bash
# A test of the lab: the machine dies, and there is never a result.
#: must-fail no result
#: must-fail no dmesg.log
#: must-fail kernel warning in console.log
echo c >/proc/sysrq-trigger
