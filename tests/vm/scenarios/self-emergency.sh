#!/bin/bash
# A test of the lab: the system gives up, as where a file system of its does not mount.
#: limit 30
#: must-fail no result
#: must-fail no dmesg.log
systemctl --no-block emergency
sleep infinity
