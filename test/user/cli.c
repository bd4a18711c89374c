// SPDX-License-Identifier: GPL-2.0
/*
 * The program itself without a driver: exit status, and one line that names
 * cause and cure, for every kind of bad input; help and version.
 *
 * UBLK_PROG names the program. Where a driver is loaded the test is skipped:
 * other tests cover that, in a guest. Without CAP_SYS_MODULE, which the test gives
 * away, the program does not try to load one into this machine's kernel.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "ktap.h"
#include "libublk.h"

static char out[16384];

/* Run the program with @args. Return: exit status; stdout and stderr in out */
static int run(const char *args)
{
	char cmd[512];
	size_t len;
	FILE *p;

	/* @args may redirect stdout, after stderr */
	snprintf(cmd, sizeof(cmd), "cd /tmp && exec 2>&1 '%s' %s",
		 getenv("UBLK_PROG"), args);
	p = popen(cmd, "r");
	len = fread(out, 1, sizeof(out) - 1, p);
	out[len] = 0;
	return WEXITSTATUS(pclose(p));
}

static void test_bad_input(void)
{
	static const struct {
		const char *args;
		int status;
		const char *says;
	} rows[] = {
		{ "", 2,
		  "ublk: no command given; see \"ublk help\"\n" },
		{ "frob", 2,
		  "ublk: unknown command \"frob\"; see \"ublk help\"\n" },
		{ "help frob", 2,
		  "ublk: unknown command \"frob\"; see \"ublk help\"\n" },
		{ "add", 2,
		  "ublk: add: which target? give -t TARGET, or FILE for a disk in a file; see \"ublk help\"\n"
		},
		{ "add -t foo", 2,
		  "ublk: add: unknown target \"foo\"; see \"ublk help\"\n" },
		{ "add -t", 2,
		  "ublk: add: option \"-t\" needs an argument\n" },
		{ "add -t null -d 0", 2,
		  "ublk: add: --depth: \"0\" is out of range, it must be 1..4096\n" },
		{ "add -t null -d 4097", 2,
		  "ublk: add: --depth: \"4097\" is out of range, it must be 1..4096\n" },
		{ "add -t null -q 0", 2,
		  "ublk: add: --queues: \"0\" is out of range, it must be 1..4096\n" },
		{ "add -t null -q 1x", 2,
		  "ublk: add: --queues: \"1x\" is not a number\n" },
		{ "add -t null -n 1048576", 2,
		  "ublk: add: --number: \"1048576\" is out of range, it must be 0..1048575\n" },
		{ "add -t null --realtime=0", 2,
		  "ublk: add: --realtime: \"0\" is out of range, it must be 1..99\n" },
		{ "add -t null --realtime=100", 2,
		  "ublk: add: --realtime: \"100\" is out of range, it must be 1..99\n" },
		{ "add -t null --realtime", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null --frob", 2,
		  "ublk: add: null: unknown option \"--frob\"; see \"ublk help add\"\n" },
		{ "add -t loop --frob", 2,
		  "ublk: add: loop: unknown option \"--frob\"; see \"ublk help add\"\n" },
		{ "add -t null file", 2,
		  "ublk: add: null: unexpected argument \"file\"\n" },
		{ "add -t null --io-buf-size 5000", 2,
		  "ublk: add: --io-buf-size: 5000 is not a multiple of the page size\n" },
		{ "add -t loop", 2,
		  "ublk: add: loop needs --file FILE\n" },
		{ "add -t loop -f /no/such", 2,
		  "ublk: add: loop: /no/such: No such file or directory; check the name\n" },
		{ "add -t null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null --foreground", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "del", 2,
		  "ublk: del: which device? give -n ID or -a\n" },
		{ "del -a -n 3", 2,
		  "ublk: del: which device? give -n ID or -a\n" },
		{ "del -n 0", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "list", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "features", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null -i -e", 2,
		  "ublk: add: --user-recovery-reissue and --user-recovery-fail-io exclude each other\n"
		},
		{ "add -t null --unprivileged -r", 2,
		  "ublk: add: --unprivileged: such a device cannot be recovered, leave --user-recovery out\n"
		},
		{ "add -t null -z --usercopy", 2,
		  "ublk: add: --zerocopy and --usercopy exclude each other; leave one out\n"
		},
		{ "add -t null --copy --auto-zc", 2,
		  "ublk: add: --copy and --zerocopy exclude each other; leave one out\n"
		},
		{ "add -t null -b --no-batch", 2,
		  "ublk: add: --batch-io and --no-batch-io exclude each other; leave one out\n"
		},
		{ "add -t null -g --user_copy", 2,
		  "ublk: add: --need_get_data and --usercopy exclude each other; leave one out\n"
		},
		{ "add -t null -g --batch", 2,
		  "ublk: add: --need_get_data and --batch-io exclude each other; leave one out\n"
		},
		{ "add -t null -g --shmem-zc /dev/null", 2,
		  "ublk: add: --need_get_data and --shmem_zc exclude each other; leave one out\n"
		},
		{ "add -t null --zero_copy --shmem_zc /dev/null", 2,
		  "ublk: add: --zerocopy and --shmem_zc exclude each other; leave one out\n"
		},
		{ "add -t null --unprivileged --zero-copy", 2,
		  "ublk: add: --unprivileged and --zerocopy exclude each other; leave one out\n"
		},
		{ "add -t null --per_io_threads 65", 2,
		  "ublk: add: --per-io-threads: \"65\" is out of range, it must be 1..64\n"
		},
		{ "add -t null -z --batch_io --per-io-threads 2", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null -r", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "recover", 2,
		  "ublk: recover: which device? give -n ID\n" },
		{ "recover -n 0", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "recover -n 0 --force --quiet", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "recover -t null", 2,
		  "ublk: recover: which device? give -n ID\n" },
		{ "recover -n 0 -t foo", 2,
		  "ublk: recover: unknown target \"foo\"; see \"ublk help\"\n" },
		{ "recover -n 0 -t loop -f /no/such", 2,
		  "ublk: recover: loop: /no/such: No such file or directory; check the name\n" },
		{ "recover -n 0 --mlock", 2,
		  "ublk: recover: options of a device need -t TARGET; without it they come from the run-state file\n"
		},
		{ "recover -n 0 --realtime", 2,
		  "ublk: recover: options of a device need -t TARGET; without it they come from the run-state file\n"
		},
		{ "recover -n 0 -d 64", 2,
		  "ublk: recover: options of a device need -t TARGET; without it they come from the run-state file\n"
		},
		{ "recover -n 0 --offset 1M", 2,
		  "ublk: recover: unknown option \"--offset\"; see \"ublk help recover\"\n" },
		{ "recover -n 0 img", 2,
		  "ublk: recover: unexpected argument \"img\"\n" },
		{ "recover 0 -t loop -q 2 -r --mlock /dev/null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "recover -t stripe -n 0 /dev/null /dev/zero", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "stop", 2,
		  "ublk: stop: which device? give -n ID\n" },
		{ "stop -n 0 --if-unused", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "quiesce", 2,
		  "ublk: quiesce: which device? give -n ID\n" },
		{ "quiesce -n 0 --timeout 0", 2,
		  "ublk: quiesce: --timeout: \"0\" is out of range, it must be 1..86400000\n" },
		{ "resize -n 0", 2,
		  "ublk: resize: needs --size SIZE\n" },
		{ "resize -s 1M", 2,
		  "ublk: resize: which device? give -n ID\n" },
		{ "resize -n 0 -s 0", 2,
		  "ublk: resize: --size: \"0\" is out of range, it must be 1..9223372036854775807\n"
		},
		{ "resize -n 0 -s 1M", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "set-affinity -n 0 -q 0 --cpus 3-1", 2,
		  "ublk: set-affinity: --cpus: \"3-1\" is not a list of CPUs below 8192; give them as 0-3,6\n"
		},
		{ "set-affinity -n 0 -q 0 --cpus 1,", 2,
		  "ublk: set-affinity: --cpus: \"1,\" is not a list of CPUs below 8192; give them as 0-3,6\n"
		},
		{ "set-affinity -n 0 -q 0 --cpus 8192", 2,
		  "ublk: set-affinity: --cpus: \"8192\" is not a list of CPUs below 8192; give them as 0-3,6\n"
		},
		{ "set-affinity -n 0 -q 0 --cpus 0-3,8191", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null --shmem_zc /no/such", 2,
		  "ublk: add: /no/such: No such file or directory; check the name\n" },
		{ "add -t null --timeout 0", 2,
		  "ublk: add: --timeout: \"0\" is out of range, it must be 1..86400\n" },
		{ "del -a", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "del -n 0 --force", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "stop -n 0 --if-unused --force", 2,
		  "ublk: stop: --if-unused and --force exclude each other; leave one out\n" },
		{ "resize -n 0 -s 1M --timeout x", 2,
		  "ublk: resize: --timeout: \"x\" is not a number\n" },
		{ "help >/dev/full", 1,
		  "ublk: writing to standard output: No space left on device\n" },
		{ "help add >/dev/full", 1,
		  "ublk: writing to standard output: No space left on device\n" },
		{ "del -h >/dev/full", 1,
		  "ublk: writing to standard output: No space left on device\n" },
		{ "version >/dev/full", 1,
		  "ublk: writing to standard output: No space left on device\n" },
		{ "version >&-", 1,
		  "ublk: writing to standard output: Bad file descriptor\n" },
		{ "del -n 0 --async", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "udev-owner ublkx0", 2,
		  "ublk: udev-owner: \"ublkx0\" is not a node of a device\n" },
		{ "udev-owner ublkb", 2,
		  "ublk: udev-owner: \"ublkb\" is not a node of a device\n" },
		{ "udev-owner ublkb0p1", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null -u 0", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null -u 1 --unprivileged", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null --uring_comp 1", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null -g 0 -z", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null -r 0 --unprivileged", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null -r 1 --user_recovery_fail_io 0 --user_recovery_reissue 1", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null -e 1 -i 0", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null -zb", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -zbt null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null -bz -q 2 -d 64 -n 3 --debug_mask 3", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null --max_io_buf_bytes 1048576", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null --shmem_zc /dev/null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null --shmem_zc --htlb /dev/null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null --shmem_zc --htlb=/dev/null --rdonly_shmem_buf", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t loop --htlb /dev/null --shmem_zc /dev/zero", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null --eventfd 1 >/dev/null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t loop -f /dev/null --buffered_io --offset 4096s", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t loop -f /dev/null -o 2M", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t loop -f /dev/null --offset 0", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add /dev/null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add /dev/null --read-only -n 7", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "create /dev/null --show", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null --name scratch", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "recover -n 0 -t loop", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "recover -t loop -n 0 -q 2", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "recover -t null -n /dev/ublkb7", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "recover ublkc7", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "recover -n 0 --name other", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "rm 0", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "delete -n ublkb0", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "del -a --async", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "del /dev/ublkc0 --async", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "ls", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "list -v", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "list -n 0 -v", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "list 3", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "list ublkb3", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "list -j /dev/null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "show --verbose", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "set_affinity -n 0 -q 0 --cpuset 0-3", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "affinity -n /dev/ublkb0 -q 0 --cpus 1", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "stop /dev/ublkb1", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "quiesce 1", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "resize -n ublkb1 4096s", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "features", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "-f --show /dev/null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "--find --show /dev/null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "-f /dev/null -b 4096 -P -r --direct-io=off", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "/dev/ublkb5 /dev/null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "/dev/ublkb5", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "-d /dev/ublkb0", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "--detach /dev/ublkb0", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "-D", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "-j /dev/null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "-a", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "losetup -j /dev/null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "udev-name ublkb0", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t null -u", 2,
		  "ublk: add: option \"-u\" needs 0 or 1: no effect; an ordinary user needs --unprivileged\n"
		},
		{ "add -t null -u -q 2", 2,
		  "ublk: add: option \"-u\" needs 0 or 1: no effect; an ordinary user needs --unprivileged\n"
		},
		{ "add -u -t null", 2,
		  "ublk: add: option \"-u\" needs 0 or 1: no effect; an ordinary user needs --unprivileged\n"
		},
		{ "add -t null --uring_comp", 2,
		  "ublk: add: option \"--uring_comp\" needs 0 or 1: no effect; an ordinary user needs --unprivileged\n"
		},
		{ "add -t null -u 2", 2,
		  "ublk: add: option \"-u\" needs 0 or 1: no effect; an ordinary user needs --unprivileged\n"
		},
		{ "add -t null --uring_comp=yes", 2,
		  "ublk: add: --uring_comp: \"yes\" is not 0 or 1: no effect; an ordinary user needs --unprivileged\n"
		},
		{ "add -t null --user_recovery=2", 2,
		  "ublk: add: --user-recovery: \"2\" is not 0 or 1\n"
		},
		{ "add -t null -r 2", 2,
		  "ublk: add: null: unexpected argument \"2\"\n"
		},
		{ "add -t loop -f /dev/null --offset 4096", 2,
		  "ublk: add: --offset: \"4096\" could be bytes, as losetup counts: write 4K; or sectors, as ublksrv counts: write 4096s, which is 2M\n"
		},
		{ "add /dev/null -o 1048576", 2,
		  "ublk: add: --offset: \"1048576\" could be bytes, as losetup counts: write 1M; or sectors, as ublksrv counts: write 1048576s, which is 512M\n"
		},
		{ "-f -o 4096 --show /dev/null", 2,
		  "ublk: add: --offset: \"4096\" could be bytes, as losetup counts: write 4K; or sectors, as ublksrv counts: write 4096s, which is 2M\n"
		},
		{ "add --offset 2M", 2,
		  "ublk: add: loop needs --file FILE\n"
		},
		{ "add -q 2", 2,
		  "ublk: add: which target? give -t TARGET, or FILE for a disk in a file; see \"ublk help\"\n"
		},
		{ "add /no/such", 2,
		  "ublk: add: loop: /no/such: No such file or directory; check the name\n"
		},
		{ "add -t null --shmem_zc", 2,
		  "ublk: add: --shmem_zc: which file? give --shmem_zc FILE, or --shmem_zc --htlb FILE\n"
		},
		{ "add --shmem_zc -t null", 2,
		  "ublk: add: --shmem_zc: which file? give --shmem_zc FILE, or --shmem_zc --htlb FILE\n"
		},
		{ "add -t null --htlb /dev/null", 2,
		  "ublk: add: --htlb: /dev/null would be shared memory; give --shmem_zc, too\n"
		},
		{ "add -t null --rdonly_shmem_buf", 2,
		  "ublk: add: --rdonly_shmem_buf: there is no shared memory; give --shmem_zc FILE\n"
		},
		{ "add -t null --eventfd 99", 2,
		  "ublk: add: --eventfd: descriptor 99 is not open; give that of an eventfd\n"
		},
		{ "add -t null --name 7", 2,
		  "ublk: add: --name: \"7\" is the number or the node of a device; use another name\n"
		},
		{ "add -t null --name ublkb7", 2,
		  "ublk: add: --name: \"ublkb7\" is the number or the node of a device; use another name\n"
		},
		{ "add -t null --name Big", 2,
		  "ublk: add: --name: \"Big\" is no name; use up to 64 of a-z 0-9 . _ -, no - in front\n"
		},
		{ "add null", 2,
		  "ublk: add: there is no file \"null\"; did you mean -t null?\n"
		},
		{ "add mem --size 1M", 2,
		  "ublk: add: there is no file \"mem\"; did you mean -t mem?\n"
		},
		{ "add --name loop /dev/null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "add -t nul", 2,
		  "ublk: add: unknown target \"nul\"; did you mean \"null\"? see \"ublk help\"\n"
		},
		{ "add -t null --dpeth 3", 2,
		  "ublk: add: null: unknown option \"--dpeth\"; did you mean \"--depth\"? see \"ublk help add\"\n"
		},
		{ "add -t null --user_recvoery", 2,
		  "ublk: add: null: unknown option \"--user_recvoery\"; did you mean \"--user-recovery\"? see \"ublk help add\"\n"
		},
		{ "lsit", 2,
		  "ublk: unknown command \"lsit\"; did you mean \"list\"? see \"ublk help\"\n"
		},
		{ "help recovr", 2,
		  "ublk: unknown command \"recovr\"; did you mean \"recover\"? see \"ublk help\"\n"
		},
		{ "help -t lop", 2,
		  "ublk: help: unknown target \"lop\"; did you mean \"loop\"? see \"ublk help\"\n"
		},
		{ "recover -n 0 -t loop --offset 2M", 2,
		  "ublk: recover: loop needs --file FILE\n"
		},
		{ "del -n /dev/ublkb0p1", 2,
		  "ublk: del: \"/dev/ublkb0p1\" is not a whole disk; give /dev/ublkb0\n"
		},
		{ "stop /dev/null", 2,
		  "ublk: stop: \"/dev/null\" is no device; give its number, /dev/ublkbN or its name\n"
		},
		{ "list -j /no/such", 2,
		  "ublk: list: /no/such: No such file or directory; check the name\n"
		},
		{ "losetup", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "-l -n --raw", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "-c /dev/ublkb0", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "-l -O NAME,back-file,Log-Sec,REF", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "-l -O NAME,BACKFILE", 2,
		  "ublk: losetup: --output: \"BACKFILE\" is no column; did you mean \"BACK-FILE\"? see \"man ublk\"\n"
		},
		{ "-c x", 3,
		  "ublk: no device has the name \"x\"; see \"ublk list\"\n" },
		{ "--nooverlap -f /dev/null", 2,
		  "ublk: losetup: --nooverlap: a file that a device has is refused anyway, and \"ublk -j FILE\" prints that device; give -f FILE, DEVICE FILE, -d DEVICE, -c DEVICE, -j FILE, -a or -l\n"
		},
		{ "-f --loop-ref Big /dev/null", 2,
		  "ublk: add: --name: \"Big\" is no name; use up to 64 of a-z 0-9 . _ -, no - in front\n"
		},
		{ "losetup -v -f --show /dev/null", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "-f /dev/null /dev/zero", 2,
		  "ublk: losetup: -f takes one file; give -f FILE, DEVICE FILE, -d DEVICE, -c DEVICE, -j FILE, -a or -l\n"
		},
		{ "/dev/ublkb0 a b", 2,
		  "ublk: losetup: too many words; give -f FILE, DEVICE FILE, -d DEVICE, -c DEVICE, -j FILE, -a or -l\n"
		},
		{ "completion csh", 2,
		  "ublk: completion: \"csh\" is no shell that this program knows; give bash, zsh or fish\n"
		},
		{ "udev-name x", 2,
		  "ublk: udev-name: \"x\" is not a node of a device\n"
		},
		{ "del -n x", 3,
		  "ublk: no device has the name \"x\"; see \"ublk list\"\n"
		},
		{ "stop scratch", 3,
		  "ublk: no device has the name \"scratch\"; see \"ublk list\"\n"
		},
		{ "list scratch", 3,
		  "ublk: no device has the name \"scratch\"; see \"ublk list\"\n"
		},
		{ "recover /dev/disk/by-ublk/scratch", 3,
		  "ublk: no device has the name \"scratch\"; see \"ublk list\"\n"
		},
		{ "up", 2,
		  "ublk: up: which device? give NAME of /etc/ublk/NAME.conf, or --all\n" },
		{ "down x --all", 2,
		  "ublk: down: which device? give NAME of /etc/ublk/NAME.conf, or --all\n" },
		{ "up x/y", 1,
		  "ublk: /etc/ublk/x/y.conf: \"x/y\" is no name of a device; see \"man ublk.conf\"\n"
		},
		{ "apply now", 2,
		  "ublk: apply: unexpected argument \"now\"\n" },
		{ "serve", 2,
		  "ublk: serve: needs --name NAME\n" },
		{ "serve nothere", 3,
		  "ublk: /etc/ublk/nothere.conf: No such file or directory\n" },
		{ "gc", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "doctor >/dev/null now", 2,
		  "ublk: doctor: unexpected argument \"now\"\n" },
		{ "events", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "events 3 -p -c 1 --timeout 1", 5,
		  "ublk: /dev/ublk-control: driver not loaded; run \"modprobe ublk_drv\"\n" },
		{ "events -c -1", 2,
		  "ublk: events: --count: \"-1\" is not a number\n" },
		{ "events scratch", 3,
		  "ublk: no device has the name \"scratch\"; see \"ublk list\"\n" },
		{ "st", 2,
		  "ublk: unknown command \"st\"; did you mean \"stop\" or \"stat\" or \"stats\"? see \"ublk help\"\n"
		},
		{ "feat", 2,
		  "ublk: unknown command \"feat\"; did you mean \"features\"? see \"ublk help\"\n"
		},
		{ "re", 2,
		  "ublk: unknown command \"re\"; see \"ublk help\"\n" },
		{ "event", 2,
		  "ublk: unknown command \"event\"; did you mean \"events\"? see \"ublk help\"\n" },
		{ "features x", 2,
		  "ublk: features: unexpected argument \"x\"\n" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].args;
		ktap_eq(run(rows[i].args), rows[i].status);
		if (strcmp(out, rows[i].says))
			ktap_fail(__FILE__, __LINE__, "says: %s", out);
	}
}

static void test_help(void)
{
	static const char * const cmds[] = {
		"help add", "add --help", "add -h", "add -t loop -h",
	};
	size_t i;

	ktap_eq(run("help"), 0);
	ktap_true(strstr(out, "usage: ublk COMMAND"));
	ktap_true(strstr(out, "5 driver not loaded"));
	ktap_true(strstr(out, "6 not done in time"));
	ktap_true(strstr(out, "7 device or store in use"));
	ktap_eq(run("--help"), 0);
	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		ktap_row = cmds[i];
		ktap_eq(run(cmds[i]), 0);
		ktap_true(strstr(out, "usage: ublk add"));
		ktap_true(strstr(out, "-d, --depth N"));
		ktap_true(strstr(out, "options of -t loop"));
		ktap_true(strstr(out, "--buffered-io"));
	}
	ktap_row = NULL;
	ktap_eq(run("recover -h"), 0);
	ktap_true(strstr(out, "--force"));
	ktap_true(strstr(out, "-t, --type TARGET"));
	ktap_true(strstr(out, "options of -t loop"));
	ktap_eq(run("del -h"), 0);
	ktap_true(strstr(out, "--all"));
	ktap_eq(run("list --help"), 0);
	ktap_true(strstr(out, "--json"));
	ktap_eq(run("features -h"), 0);
	ktap_eq(run("help -t loop"), 0);
	ktap_true(strstr(out, "--sector-size"));
	ktap_true(!strstr(out, "--depth"));
	ktap_eq(run("losetup -h"), 0);
	ktap_true(strstr(out, "--associated FILE"));
	ktap_eq(run("help set_affinity"), 0);
	ktap_true(strstr(out, "usage: ublk set-affinity"));
}

/* Without a driver there is at least one thing wrong. */
static void test_doctor(void)
{
	ktap_eq(run("doctor"), 1);
	ktap_true(strstr(out, "BAD module: ublk_drv is not loaded; run \"modprobe ublk_drv\""));
	ktap_true(strstr(out, " wrong, see above\n"));
	ktap_true(strstr(out, "ok  kernel: ") || strstr(out, "BAD kernel: "));
}

static void test_version(void)
{
	static const char * const forms[] = { "version", "--version", "-V", "-v" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		ktap_row = forms[i];
		ktap_eq(run(forms[i]), 0);
		ktap_eq(strcmp(out, "ublk " UBLK_VERSION "\n"), 0);
	}
}

static const struct ktap_test tests[] = {
	{ "bad_input", test_bad_input },
	{ "help", test_help },
	{ "doctor", test_doctor },
	{ "version", test_version },
};

int main(void)
{
	if (!getenv("UBLK_PROG") || !access("/dev/ublk-control", F_OK)) {
		puts("KTAP version 1\n1..0 # SKIP no UBLK_PROG, or a driver is loaded");
		return 4;
	}
	if (!geteuid() && prctl(PR_CAPBSET_DROP, CAP_SYS_MODULE, 0, 0, 0))
		perror("PR_CAPBSET_DROP");
	return ktap_run(tests, ARRAY_SIZE(tests));
}
