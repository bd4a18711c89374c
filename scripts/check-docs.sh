#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: check-docs.sh [CHECK...]
#
# README.md, CONTRIBUTING.md and Documentation/ against the source: paths, commands,
# tables of numbers, states and flags, references to statements, the waits of the
# driver; names, callers and layers of files (check-docs-tree.sh). Compared both
# ways where both sides are lists. KTAP on stdout, one test per check; exit status
# 1 if one fails. Needs no root and no product.
#
# Only parsing the .rst needs a tool: python3 with docutils; skipped without.

set -u
export LC_ALL=C
cd "$(dirname -- "$0")/.." || exit 1

ALL_CHECKS="docs_paths docs_targets docs_variables docs_subcommands docs_series
	docs_support control_commands io_commands features tracepoints tag_states
	names statements differences waits parse man_targets man_functions
	man_options
	driver_files program_files callers journey layers pictures performance"

README=README.md
RST=Documentation/block/ublk.rst
ABI=Documentation/block/ublk-abi
UAPI=include/uapi/linux/ublk_cmd.h
DRIVER=drivers/block/ublk

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ublk-docs.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

# --- common parts of the checks

# rst_section TITLE [FILE]: the lines of a section of the document, subsections
# included if they are underlined with another character.
rst_section() {
	awk -v title="$1" '
		{ line[NR] = $0 }
		END {
			for (i = 1; i < NR && line[i] != title; i++)
				;
			mark = substr(line[i + 1], 1, 1)
			for (i += 2; i < NR; i++) {
				if (line[i + 1] ~ "^" mark mark mark "+$" &&
				    line[i] ~ /^[A-Z0-9]/)
					exit
				print line[i]
			}
		}' "${2:-$RST}"
}

# rst_commands TITLE: what the section's table of commands lists.
rst_commands() {
	rst_section "$1" | awk '
		/^command  / { on = 1; next }
		on && /^=/ && bars++ { exit }
		on && /^[A-Z]/ { print $1 }' | sort
}

# both WHAT FILE-A FILE-B NAME-A NAME-B: two sorted lists have to be equal.
both() {
	local rc=0 side file=$2

	if [ ! -s "$2" ] || [ ! -s "$3" ]; then
		echo "$1: found none to compare in $4 or $5"
		return 1
	fi
	while read -r side; do
		echo "$1: only in $4: $side"
		rc=1
	done < <(comm -23 "$file" "$3")
	while read -r side; do
		echo "$1: only in $5: $side"
		rc=1
	done < <(comm -13 "$file" "$3")
	return "$rc"
}

# Opcodes of the UAPI header: "NAME 0xNR 0xOPCODE" for UBLK_U_<$1>_ names.
uapi_opcodes() {
	awk -v prefix="UBLK_U_$1_" '
		function hex(s,  i, n) {
			n = 0
			s = tolower(substr(s, 3))
			for (i = 1; i <= length(s); i++)
				n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
			return n
		}
		$1 == "#define" { value[$2] = $3 }
		name != "" && match($0, /_IO[RW]+\(.u., *[A-Za-z0-9_]+/) {
			n = substr($0, RSTART, RLENGTH)
			dir = n ~ /^_IOWR/ ? 3 : 2
			sub(/.*, */, "", n)
			nr = n ~ /^0x/ ? hex(n) : hex(value[n])
			size = /ublksrv_ctrl_cmd/ ? 32 : 16
			printf "%s 0x%02x 0x%x0%02x75%02x\n", name, nr, dir * 4,
				size, nr
		}
		{ name = "" }
		index($2, prefix) == 1 && /\\$/ {
			name = substr($2, length(prefix) + 1)
		}' "$UAPI" | sort
}

# rst_opcodes TITLE FILE: "NAME 0xNR 0xOPCODE" rows of the tables in a section.
rst_opcodes() {
	rst_section "$1" "$2" |
		sed -nE 's/^([A-Z_0-9]+) +(0x[0-9a-f]{2}) +([RW]+ +)?(0x[0-9a-f]{8}) .*/\1 \2 \4/p' |
		sort
}

# Commands that the title of a section of control.rst names, if the section has an
# error number.
rst_errors() {
	awk '
		{ line[NR] = $0 }
		END {
			for (i = 1; i < NR; i++) {
				if (line[i + 1] ~ /^(===+|---+)$/)
					title = line[i]
				if (line[i] !~ /(^|[^A-Z_])E[A-Z]+([^A-Z_]|$)/)
					continue
				n = split(title, word, /[^A-Z_0-9]+/)
				while (n)
					print word[n--]
			}
		}' "$ABI/control.rst" | grep -E '^[A-Z]+_[A-Z_0-9]+$' | sort -u
}

# --- the checks; each prints what is wrong and returns 1, or 4 for a skip

# shellcheck source=scripts/check-docs-tree.sh
. scripts/check-docs-tree.sh

check_control_commands() {
	local rc=0

	sed -nE 's/.*\[_IOC_NR\(UBLK_U_CMD_([A-Z0-9_]+)\)\] = \{.*/\1/p' \
		"$DRIVER/ctrl.c" | sort >"$tmp/table"
	rst_commands "Control commands" >"$tmp/names"
	both "control command" "$tmp/names" "$tmp/table" "$RST" ctrl.c || rc=1
	rst_opcodes "2. Opcodes and dispatch" "$ABI/control.rst" >"$tmp/rst"
	uapi_opcodes CMD >"$tmp/uapi"
	cut -d' ' -f1 "$tmp/rst" >"$tmp/names"
	both "control command" "$tmp/names" "$tmp/table" control.rst ctrl.c || rc=1
	comm -23 "$tmp/rst" "$tmp/uapi" | sed 's/^/number or opcode not that of the header: /' |
		grep . && rc=1
	rst_errors >"$tmp/errors"
	both "errors of control command" "$tmp/errors" "$tmp/table" \
		"sections of control.rst" ctrl.c || rc=1
	return "$rc"
}

check_io_commands() {
	local rc=0 name

	rst_opcodes "3. I/O commands" "$ABI/data.rst" >"$tmp/rst"
	cut -d' ' -f1 "$tmp/rst" >"$tmp/opcodes"
	rst_commands "IO commands" >"$tmp/names"
	both "IO command" "$tmp/names" "$tmp/opcodes" "$RST" data.rst || rc=1
	uapi_opcodes IO >"$tmp/uapi"
	comm -23 "$tmp/rst" "$tmp/uapi" | sed 's/^/number or opcode not that of the header: /' |
		grep . && rc=1
	while read -r name _; do
		grep -qE "UBLK_(U_)?IO_$name\b" "$DRIVER"/*.c && continue
		echo "IO command that the driver does not know: $name"
		rc=1
	done <"$tmp/rst"
	return "$rc"
}

# The flags that are offered, with their bits.
check_features() {
	local name

	{ rst_section "3. Feature flags" "$ABI/index.rst" && cat "$ABI/extensions.rst"; } |
		sed -nE 's/^([0-9]+) +0x[0-9a-f]+ +([A-Z][A-Z_]+) .*/\2 \1/p' |
		sort >"$tmp/rst"
	while read -r name; do
		sed -nE "s/^#define UBLK_F_($name)[[:space:]]+\(1U?L*L << ([0-9]+)\).*/\1 \2/p" \
			"$UAPI"
	done < <(sed -n '/^#define UBLK_F_SUPPORTED/,/[^\\]$/p' "$DRIVER/ublk.h" |
		grep -oE 'UBLK_F_[A-Z_]+' | sed 's/^UBLK_F_//' |
		grep -vxE 'SUPPORTED|UNAVAILABLE') | sort >"$tmp/source"
	both "feature flag" "$tmp/rst" "$tmp/source" index.rst ublk.h
}

check_tracepoints() {
	rst_section Tracepoints | sed -nE 's/^(ublk_[a-z_]+) .*/\1/p' |
		sort -u >"$tmp/rst"
	sed -nE 's/^TRACE_EVENT\(([a-z_]+),.*/\1/p; s/^DEFINE_EVENT\([a-z_]+, ([a-z_]+),.*/\1/p' \
		"$DRIVER/trace.h" | sort >"$tmp/source"
	both tracepoint "$tmp/rst" "$tmp/source" "$RST" trace.h
}

# The table of tag states, cell by cell.
check_tag_states() {
	rst_section "A tag" | awk '
		/^event / { for (i = 2; i <= NF; i++) state[i] = $i; next }
		state[2] != "" && /^[A-Z]/ && NF == 9 {
			for (i = 2; i <= NF; i++)
				print $1, state[i], ($i == "-" ? "EPROTO" : $i)
		}' | sort >"$tmp/rst"
	awk '
		/\[UBLK_EV_[A-Z_]+\] = \{/ { gsub(/.*UBLK_EV_|\].*/, ""); event = $0; next }
		event != "" && /\[UBLK_TAG_/ {
			state = $0
			gsub(/.*\[UBLK_TAG_|\].*/, "", state)
			next_state = $0
			gsub(/.*= *|,.*/, "", next_state)
			sub(/^UBLK_TAG_|^-/, "", next_state)
			print event, state, next_state
		}
		/^\t};/ { event = "" }' "$DRIVER/logic/tag.h" | sort >"$tmp/source"
	both "tag state" "$tmp/rst" "$tmp/source" "$RST" tag.h
}

# Functions, structures and files that the document names.
check_names() {
	local name rc=0

	while read -r name; do
		grep -rqE "\b$name\(" drivers/block ublksrv && continue
		echo "no such function: $name()"
		rc=1
	done < <(grep -oE '\bublk_[a-z0-9_]+\(\)' "$RST" | tr -d '()' | sort -u)
	while read -r name; do
		grep -rqE "^$name \{" drivers/block include && continue
		echo "no such structure: $name"
		rc=1
	done < <(grep -oE 'struct ublk[a-z_]*' "$RST" | sort -u)
	while read -r name; do
		[ -e "$name" ] || [ -e "$DRIVER/$name" ] || [ -e "ublksrv/$name" ] ||
			[ -e "$ABI/$name" ] || { echo "no such file: $name"; rc=1; }
	done < <(grep -oE '\b([a-zA-Z_-]+/)*[a-zA-Z_-]+\.(c|h|rst|sh)\b' "$RST" | sort -u)
	return "$rc"
}

# Every statement that README, document, driver or tests refer to.
check_statements() {
	local id rc=0

	# As they are made: at the start of a paragraph or of a table's row.
	# C-75 stands for C-75a and so on, too.
	sed -nE 's/^([CDLIF]-[0-9]+[a-z]?)(\. |  ).*/\1/p' "$ABI"/*.rst |
		sed 'p; s/[a-z]$//' | sort -u >"$tmp/abi"
	while read -r id; do
		grep -qxF "$id" "$tmp/abi" || {
			echo "no such statement: $id in $(grep -rlwF -- "$id" \
				"$README" "$RST" drivers test tools ublksrv |
				tr '\n' ' ')"
			rc=1
		}
	done < <(grep -rhoE '\b[CDLI]-[0-9]+[a-z]?\b' "$README" "$RST" drivers \
		test tools ublksrv --include='*.[chS]' --include='*.md' \
		--include='*.rst' --include='*.sh' | sort -u)
	return "$rc"
}

# Deliberate differences: the tests of each are those that say they cover it.
check_differences() {
	awk '
		/^I-[0-9]+\. / { id = $1; sub(/\./, "", id) }
		/^$/ { tests = 0 }
		sub(/^:Tests:/, "") { tests = 1 }
		tests { gsub(/,/, ""); for (i = 1; i <= NF; i++) print id, $i }
	' "$ABI/differences.rst" | sort >"$tmp/rst"
	scripts/abi-coverage.sh --table | awk '
		sub(/:$/, "", $1) {
			sub(/.*\//, "", $1)
			for (i = 2; i <= NF; i++)
				if ($i ~ /^I-/)
					print $i, $1
		}' | sort >"$tmp/covers"
	both "test of a difference" "$tmp/rst" "$tmp/covers" differences.rst \
		"\"covers:\" of the tests"
}

# Every function of the driver that waits, but for taking ub->mutex so that a
# signal ends it, is named in the section about waits.
check_waits() {
	local name rc=0 waits

	waits=$(rst_section "Waits and what ends them")
	[ -n "$waits" ] || { echo "section about waits not found"; return 1; }
	awk '
		/^[a-z].*[ *]ublk_[a-z0-9_]+\(/ {
			match($0, /ublk_[a-z0-9_]+\(/)
			name = substr($0, RSTART, RLENGTH - 1)
		}
		/^ublk_[a-z0-9_]+\(/ { name = $0; sub(/\(.*/, "", name) }
		/wait_event|wait_for_completion|mutex_lock\(|guard\(mutex\)|\(mutex, |del_gendisk\(|cancel_(delayed_)?work_sync\(|flush_(work|workqueue)\(|kern_path\(|freeze_queue\(|quiesce_queue\(|msleep|schedule_timeout/ &&
			!/^ \*/ { print name }' "$DRIVER"/*.c drivers/block/ublk_drv.c |
		sort -u >"$tmp/waits"
	[ -s "$tmp/waits" ] || { echo "found no waits in the driver"; return 1; }
	while read -r name; do
		grep -qF "$name()" <<<"$waits" && continue
		echo "waits, and is not in the section about waits: $name()"
		rc=1
	done <"$tmp/waits"
	return "$rc"
}

check_parse() {
	python3 -c 'import docutils' 2>/dev/null || {
		echo "no python3 with docutils (package python3-docutils)"
		return 4
	}
	find Documentation ublksrv -name '*.rst' >"$tmp/rst"
	python3 - "$tmp/rst" <<-'PY'
		import os, sys, docutils.core, docutils.utils
		from docutils.parsers.rst import Directive, directives
		class Toctree(Directive):  # Sphinx's: each line names a document
		    option_spec = {"maxdepth": int}
		    has_content = True
		    def run(self):
		        folder = os.path.dirname(self.state.document["source"])
		        for name in filter(None, self.content):
		            if not os.path.exists(f"{folder}/{name}.rst"):
		                raise self.error(f"no such document: {name}")
		        return []
		directives.register_directive("toctree", Toctree)
		bad = 0
		for path in open(sys.argv[1]).read().split():
		    try:
		        docutils.core.publish_string(
		            open(path, encoding="utf-8").read(), source_path=path,
		            writer_name="null", settings_overrides={
		                "report_level": 1, "halt_level": 1,
		                "warning_stream": ""})
		    except docutils.utils.SystemMessage as message:
		        print(message)
		        bad = 1
		sys.exit(bad)
	PY
}

# Each target has a page with its options, all of them and no others, and with
# two examples at least; the selftest man_examples runs those.
check_man_targets() {
	local source page name rc=0 files=()

	while read -r name source; do
		read -ra files <<<"$source"
		page=ublksrv/man/ublk-$name.5.rst
		[ -e "$page" ] || { echo "no page $page"; rc=1; continue; }
		sed -nE "s/^\t\t\.name = \"([a-z0-9-]+)[|\"].* \.letter = '(.)',.*/-\2 --\1/p
			t
			s/^\t\t\.name = \"([a-z0-9-]+)[|\"].*/--\1/p" \
			"${files[@]}" | sed 's/ \\$//' | sort >"$tmp/source"
		sed -n '/^OPTIONS$/,/^SEE ALSO$/p' "$page" |
			sed -nE 's/^(-.) [A-Z]+, (--[a-z0-9-]+).*/\1 \2/p
				s/^(--[a-z0-9-]+).*/\1/p' | sort >"$tmp/page"
		both "option of $name" "$tmp/page" "$tmp/source" "$page" "$source" ||
			rc=1
		[ "$(sed -n '/^EXAMPLES$/,/^DESCRIPTION$/p' "$page" |
			grep -c '::$')" -ge 2 ] || {
			echo "$page: less than two examples"
			rc=1
		}
	done < <(sed -nE 's|^extern const struct ublk_target ([a-z]+)_target;|\1 ublksrv/targets/\1.c|p' \
		ublksrv/targets/targets.h
		sed -nE 's|^\t\{ "([a-z]+)", "[^"]*", "ublk-nbd" \},|\1 ublksrv/targets/nbd/\1.c ublksrv/targets/nbd/nbd.h|p' \
			ublksrv/targets/target_module.c
		echo rbd ublksrv/targets/rbd/rbd.c)
	return "$rc"
}

# The page of the library has every function of it, and no others.
check_man_functions() {
	local page=ublksrv/man/libublk.3.rst

	sed -nE 's/^\t\t(ublk_[a-z_]+);$/\1/p' ublksrv/lib/libublk.map | sort >"$tmp/source"
	sed -n '/^FUNCTIONS$/,/^SEE ALSO$/p' "$page" | grep -xE 'ublk_[a-z_]+' | sort >"$tmp/page"
	both "function of the library" "$tmp/page" "$tmp/source" "$page" libublk.map
}

# man_rows PAGE SECTION: "-x --long ARGUMENT" of each option in a section, one a line.
man_rows() {
	awk -v title="$2" '
		{ line[NR] = $0 }
		END {
			for (i = 1; i < NR; i++) {
				if (line[i + 1] ~ /^(---+|===+)$/)
					on = line[i] == title
				if (on && line[i] ~ /^--?[a-zA-Z]/)
					print line[i]
			}
		}' "$1" | sed 's/,//' | sort
}

# Every option is in the manual page and in the completions, and the reverse. What
# the program has comes from its own tables, "ublk help --json".
check_man_options() {
	local page=ublksrv/man/ublk.1.rst prog=ublksrv/ublk name shell rc=0

	command -v python3 >/dev/null || { echo "no python3"; return 4; }
	[ -x "$prog" ] || make -s -C ublksrv ublk >"$tmp/make" 2>&1 || {
		echo "the program cannot be compiled here: $(tail -n 1 "$tmp/make")"
		return 4
	}
	"$prog" help --json >"$tmp/help.json" || return 1
	# "SECTION -x --long ARGUMENT"; the page of each target has its own check
	python3 - "$tmp/help.json" >"$tmp/tables" <<-'PY'
		import json, sys
		doc = json.load(open(sys.argv[1], encoding="utf-8"))
		def rows(section, options):
		    for o in options:
		        letter = f"-{o['letter']} " if o["letter"] else ""
		        name = o["names"].split("|")[0]
		        argument = o["argument"]
		        # the page cannot have --name[=VALUE]
		        if argument.startswith("[="):
		            argument = f"--{name}{argument[1:-1]}"
		        print(f"{section} {letter}--{name} {argument}".rstrip())
		for command in doc["commands"]:
		    rows(command["name"], command["options"])
		rows("add", doc["device_options"])
		# recover takes them, too, and its section says so
		rows("recover", [o for o in doc["device_options"] if o["letter"] == "t"])
		rows("COMMANDS", doc["common_options"])
		print("COMMANDS -h --help")
	PY
	while read -r name; do
		sed -n "s/^$name //p" "$tmp/tables" | sort >"$tmp/source"
		man_rows "$page" "$name" |
			sed -E 's/^(-.) ([A-Z]+) (--[^ ]+).*/\1 \3 \2/' >"$tmp/page"
		if [ ! -s "$tmp/source" ] && [ ! -s "$tmp/page" ]; then
			grep -qx -- "$name" "$page" && continue
			echo "$page: no section $name"
			rc=1
			continue
		fi
		both "option of $name" "$tmp/page" "$tmp/source" "$page" "$prog" || rc=1
	done < <({
		"$prog" help | sed -nE '/^commands:/,/^$/s/^  ([a-z-]+) .*/\1/p'
		echo COMMANDS
	})
	for shell in bash zsh fish; do
		"$prog" completion "$shell" >"$tmp/completion"
		while read -r name; do
			grep -qE -e "(--|-l )$name\b" "$tmp/completion" && continue
			echo "completion of $shell: no option $name"
			rc=1
		done < <(grep -oE '"names": "[^"|]*' "$tmp/help.json" |
			sed 's/.*"//' | sort -u)
	done
	return "$rc"
}

# --- run them

checks=${*:-$ALL_CHECKS}
# shellcheck disable=SC2086
set -- $checks
echo "KTAP version 1"
echo "1..$#"
nr=0
failed=0
for name; do
	nr=$((nr + 1))
	if ! declare -F "check_$name" >/dev/null; then
		echo "not ok $nr $name # no such check"
		failed=$((failed + 1))
		continue
	fi
	"check_$name" >"$tmp/said" 2>&1
	case $? in
	0) echo "ok $nr $name" ;;
	4) echo "ok $nr $name # SKIP $(head -n 1 "$tmp/said")" ;;
	*)
		sed 's/^/# /' "$tmp/said"
		echo "not ok $nr $name"
		failed=$((failed + 1))
		;;
	esac
done
[ "$failed" -eq 0 ]
