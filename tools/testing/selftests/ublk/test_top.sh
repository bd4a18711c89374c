#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk top" on a terminal: it redraws, fits, ends by q and by Ctrl-C, and leaves the
# terminal as it was. Without one it prints one table.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require python3

cat >"$TMP/terminal.py" <<'PY'
# usage: terminal.py KEYS ROWS STATUS COMMAND...: run it on a terminal of so many rows, press
# the keys after the third picture. Prints what is wrong.
import fcntl, os, pty, re, select, struct, sys, termios, time

keys, rows, status = sys.argv[1].encode().decode("unicode_escape"), int(sys.argv[2]), int(sys.argv[3])
scale = int(os.environ.get("UBLK_TEST_SCALE", "1"))
columns = 80
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
before = termios.tcgetattr(slave)
pid = os.fork()
if not pid:
    os.close(master)
    os.login_tty(slave) if hasattr(os, "login_tty") else (
        os.setsid(), fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
        [os.dup2(slave, fd) for fd in range(3)])
    os.execvp(sys.argv[4], sys.argv[4:])
out, pressed, end = b"", False, time.monotonic() + 30 * scale
while time.monotonic() < end:
    if select.select([master], [], [], 0.1)[0]:
        out += os.read(master, 65536)
    if not pressed and out.count(b"\033[H") >= 3:
        os.write(master, keys.encode())
        pressed = True
    done, code = os.waitpid(pid, os.WNOHANG)
    if done:
        break
else:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    sys.exit("it did not end")
while select.select([master], [], [], 0.2)[0]:
    out += os.read(master, 65536)
text = out.decode()
sys.stdout.write(repr(text[:1500]) + "\n")
bad = []
if os.waitstatus_to_exitcode(code) != status:
    bad.append(f"status {os.waitstatus_to_exitcode(code)}")
if termios.tcgetattr(slave) != before:
    bad.append("the terminal's modes have changed")
if not text.startswith("\033[?1049h") or "\033[?1049l" not in text.split("\033[J")[-1]:
    bad.append("not on the second screen, or it stays there")
# Ctrl-C may end the last one early
pictures = [p for p in text.split("\033[H")[1:] if "\033[J" in p]
plain = [re.sub(r"\033\[[?0-9]*[A-Za-z]", "", p) for p in pictures]
for p in plain:
    lines = p.split("\r\n")
    if len(lines) > rows or max(map(len, lines)) > columns:
        bad.append(f"{len(lines)} lines, {max(map(len, lines))} columns")
if len(plain) < 2 or not all("mode " in p and "P99.9" in p for p in plain):
    bad.append("no device, or not all columns")
if rows > 10 and not any(re.search(r"^  0 +[1-9]", p, re.M) for p in plain):
    bad.append("no reads")
sys.exit("\n".join(bad) or 0)
PY

on_pty() {
	timeout "$((60 * SCALE))" python3 "$TMP/terminal.py" "$@"
}

for ((i = 0; i < 4; i++)); do
	add_dev -t null --name "disk$i"
done
# Reads, until the test ends.
(while dd if="$BDEV" of=/dev/null bs=4k count=1000 iflag=direct status=none; do :; done) &
defer kill -9 $!

check "q ends it" on_pty q 24 0 "$UBLK" top "disk3"
check "Ctrl-C ends it" on_pty '\x03' 24 0 "$UBLK" top disk3 -i 1
check "other keys do not, and all devices fit" on_pty 'xyzq' 30 0 "$UBLK" top
check "on a small terminal" on_pty q 5 0 "$UBLK" top
table() {
	"$UBLK" top disk3 >"$TMP/table"
}
check "without a terminal, one table" table
check "has rates" grep -Eq '^  0 +[1-9]' "$TMP/table"
check "and no sequences of a terminal" not grep -q "$(printf '\033')" "$TMP/table"
check "a device that does not exist" fails 3 "nodisk" -- "$UBLK" top nodisk
finish
