#!/bin/bash
# A test of the lab: a scenario that hangs.
#: limit 5
#: must-fail longer than its limit
sleep infinity
