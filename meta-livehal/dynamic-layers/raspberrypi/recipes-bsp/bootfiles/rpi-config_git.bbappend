# Lines of config.txt: the firmware reads up to 80 characters of each.
# camera_auto_detect finds the official cameras; another sensor needs its overlay, appended to
# RPI_EXTRA_CONFIG (docs/boards/raspberrypi5.md).
# nooelint: oelint.vars.inconspaces - a blank would begin a line of config.txt
RPI_EXTRA_CONFIG:append:livehal = "\
\n# livehal\
\ncamera_auto_detect=1\
\ndtparam=watchdog=on\
\n[boot_partition=2]\
\ncmdline=cmdline-a.txt\
\n[boot_partition=3]\
\ncmdline=cmdline-b.txt\
\n[all]\
"
