#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk top" on a terminal: it redraws, fits, ends by q and by Ctrl-C, and leaves the
# terminal as it was, also while Ctrl-Z has stopped it. Without one it prints one table.
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

cat >"$TMP/job.py" <<'PY'
# usage: job.py COMMAND...: run it as a shell does, as a job of a terminal; stop it in two
# ways, look at the terminal, continue it. Prints what is wrong.
import fcntl, os, pty, select, signal, struct, sys, termios, time

scale = int(os.environ.get("UBLK_TEST_SCALE", "1"))
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
before = termios.tcgetattr(slave)
to_shell, from_shell = os.pipe(), os.pipe()
shell = os.fork()
if not shell:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if not job:
        os.setpgid(0, 0)
        os.tcsetpgrp(slave, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        for fd in range(3):
            os.dup2(slave, fd)
        os.execvp(sys.argv[1], sys.argv[1:])
    os.write(from_shell[1], b"%d\n" % job)
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        os.tcsetpgrp(slave, os.getpid())
        if not os.WIFSTOPPED(status):
            os.write(from_shell[1], b"exit %d\n" % os.waitstatus_to_exitcode(status))
            os._exit(0)
        os.write(from_shell[1], b"stopped %d\n" % os.WSTOPSIG(status))
        os.read(to_shell[0], 1)
        os.tcsetpgrp(slave, job)
        os.killpg(job, signal.SIGCONT)

out = b""
def until(what, ready):
    global out
    end = time.monotonic() + 30 * scale
    while not ready():
        if time.monotonic() > end:
            os.killpg(job, signal.SIGKILL)
            sys.exit(f"not {what}: {out[-600:]!r}")
        for fd in select.select([master, from_shell[0]], [], [], 0.1)[0]:
            if fd == master:
                out += os.read(master, 65536)
            else:
                said.extend(os.read(fd, 4096).decode().splitlines())
def same(what):
    # what it printed before that
    while select.select([master], [], [], 0.3)[0]:
        globals()["out"] += os.read(master, 65536)
    if termios.tcgetattr(slave) != before:
        sys.exit(f"{what}: the modes are not as before")
    if not out.endswith(b"\033[?1049l"):
        sys.exit(f"{what}: not on the first screen: {out[-200:]!r}")
def pictures(nr):
    return lambda: out.count(b"\033[H") >= nr and b"\033[?1049h" in out
said = []
until("started", lambda: said)
job = int(said.pop(0))
until("a picture", pictures(2))
os.write(master, b"\x1a")
until("stopped by Ctrl-Z", lambda: said)
if said.pop(0) != f"stopped {int(signal.SIGTSTP)}":
    sys.exit("it did not stop by SIGTSTP")
same("stopped")
out = b""
os.write(to_shell[1], b"c")
until("a picture after it", pictures(2))
raw = termios.tcgetattr(slave)
os.kill(job, signal.SIGSTOP)
until("stopped by SIGSTOP", lambda: said)
if said.pop(0) != f"stopped {int(signal.SIGSTOP)}":
    sys.exit("it did not stop by SIGSTOP")
termios.tcsetattr(slave, termios.TCSANOW, before)
while select.select([master], [], [], 0.3)[0]:
    os.read(master, 65536)
out = b""
os.write(to_shell[1], b"c")
until("a picture after SIGCONT", pictures(1))
if termios.tcgetattr(slave) != raw:
    sys.exit("continued: the modes are not those of top")
os.write(master, b"q")
until("ended", lambda: said)
if said != ["exit 0"]:
    sys.exit(f"{said}")
same("at the end")
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
check "Ctrl-Z gives the terminal back, SIGCONT takes it again" \
	timeout "$((120 * SCALE))" python3 "$TMP/job.py" "$UBLK" top disk3
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
