#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: compile-commands.sh
#
# Print compile_commands.json for clangd and its like: how each C file of this
# tree is compiled. For the driver that is in the files Kbuild leaves beside its
# products, so "make modules" has to have been there; for library, program and
# host tests it is what "make" would do. KSFT= is the tools/testing/selftests
# directory of a kernel source, for the kselftests.

set -eu
cd -- "$(dirname -- "$0")/.."
: "${KSFT:=${KSELFTEST_DIR:-}}"

# One line per file: directory, tab, command, tab, file.
driver_commands() {
	# shellcheck disable=SC2016
	find drivers -name '.*.o.cmd' ! -name '*.mod.o.cmd' -exec \
		sed -nE "s|^savedcmd_[^ ]* := *|$PWD\t|p" {} + |
		sed 's/ ; .*//; s/\$(pound)/#/g'
}

# make_commands DIR [VARIABLE=VALUE...]
make_commands() {
	make -C "$1" -nB --no-print-directory "${@:2}" 2>/dev/null |
		sed -e ':join' -e '/\\$/{N;s/\\\n//;b join' -e '}' |
		grep -E '^[^ ]*(cc|gcc|clang)[^ ]* .*\.c( |$)' |
		tr '\t' ' ' | sed "s|^|$PWD/$1\t|" || :
}

commands() {
	driver_commands
	make_commands ublksrv
	for dir in test/unit test/model test/fuzz test/user; do
		make_commands "$dir"
	done
	[ -z "$KSFT" ] || make_commands tools/testing/selftests/ublk "KSFT=$KSFT"
}

# A command may compile and link several files at once; each gets its own, and
# the first one wins.
commands | awk -F '\t' '
	function quoted(s) {
		gsub(/\\/, "\\\\", s)
		gsub(/"/, "\\\"", s)
		return "\"" s "\""
	}
	BEGIN { print "[" }
	{
		n = split($2, word, " ")
		command = ""
		nr = 0
		for (i = 1; i <= n; i++) {
			if (word[i] == "-o")
				i++
			else if (word[i] ~ /^[^-].*\.c$/)
				source[++nr] = word[i]
			else if (word[i] !~ /^-(c|MMD|MP|Wp,-MMD,.*|l.*)$|\.[ao]$/)
				command = command (command == "" ? "" : " ") word[i]
		}
		for (i = 1; i <= nr; i++) {
			path = source[i] ~ /^\// ? source[i] : $1 "/" source[i]
			while (sub(/\/[^\/]+\/\.\.\//, "/", path))
				;
			if (path in seen)
				continue
			seen[path] = 1
			printf "%s{ \"directory\": %s,\n  \"file\": %s,\n  \"command\": %s }", \
				comma, quoted($1), quoted(path), \
				quoted(command " -c " path)
			comma = ",\n"
		}
	}
	END { print "\n]" }'
