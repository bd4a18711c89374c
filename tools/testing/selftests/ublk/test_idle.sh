#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A server without requests waits for work, not for IO: it is not among the tasks that
# wait for IO, from which the kernel makes iowait and /proc/pressure/io. Kernels before
# 6.15 cannot be told so.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require python3

# Has io_uring IORING_FEAT_NO_IOWAIT? System call 425 is io_uring_setup().
can_be_told() {
	python3 - <<-'PY'
		import ctypes, struct, sys
		libc = ctypes.CDLL(None)
		params = ctypes.create_string_buffer(120)
		fd = libc.syscall(425, 1, params)
		features = struct.unpack_from("<I", params.raw, 20)[0]
		sys.exit(fd < 0 or not features & 1 << 17)
	PY
}

none_waits() {
	grep -qx "procs_blocked 0" /proc/stat
}

# For a moment other tasks may wait.
idle() {
	add_dev "$@" || return
	dd if="$BDEV" of=/dev/null bs=4k count=64 iflag=direct status=none &&
		busywait 10000 none_waits && del_dev
}

can_be_told || {
	skip "an idle server" "io_uring has no IORING_FEAT_NO_IOWAIT"
	finish
}
while read -r options; do
	# shellcheck disable=SC2086 # a list of options
	check "idle: $options" idle ${options/FILE/$(new_file img 16M)}
done <<END
-t null -q 2
-t null -q 2 --zerocopy --no-batch-io
-t loop -f FILE -q 2
-t loop -f FILE --copy
END
finish
