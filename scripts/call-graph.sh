#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: call-graph.sh [OPTION...] [driver] [lib]
#
# Which file of the driver calls which, and the same for libublk, from the
# source alone. Layers and the calls that are allowed to go up are stated in the
# head comments of drivers/block/ublk/ublk.h and ublksrv/lib/private.h:
#
#	 * Layers, from top to bottom; a file calls files of lower lines only:
#	 *
#	 *   ctrl
#	 *   stop recover
#	 *
#	 * Calls that go up, and why:
#	 *
#	 *   recover -> stop	the reason
#
# ("Calls that go up, and why: none." where there are none.) An arrow A -> B
# means: the code of A.c has the name of a function or variable that B.c defines
# and that is not static. A function in a table of operations counts as called.
# Inline functions and macros of headers belong to no file: their user calls what
# they call, which is printed as "function<inline". So these are the arrows of the
# object files' symbol tables, but for tracepoints, which trace.h declares.
#
#   --check      say what is wrong with the layers only; exit status 1 if
#                something is: a file in no layer or in two, a layer with a file
#                that does not exist, a call that goes up without a reason, a
#                reason without a call
#   --summary    the last line for each of the two only
#   --arrows     for scripts: "driver|lib A B up|down|- NAME..." per arrow
#   --no-tables  count a name only where "(" follows
#   --tree DIR   of another checkout
#
# Needs awk only.

set -u
export LC_ALL=C

usage() {
	sed -n 's/^# \{0,1\}//; 3,/^Needs/p' "$0"
}

tree=$(dirname -- "$0")/..
print=all
tables=1
parts=()
while [ $# -gt 0 ]; do
	case $1 in
	--check | --summary | --arrows) print=${1#--} ;;
	--no-tables) tables=0 ;;
	--tree)
		[ $# -ge 2 ] || { usage >&2; exit 2; }
		tree=$2
		shift
		;;
	driver | lib) parts+=("$1") ;;
	--help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[ ${#parts[@]} -gt 0 ] || parts=(driver lib)
cd "$tree" || exit 2

# graph PART LAYERS FILE...: LAYERS is the header with the comment about layers.
graph() {
	awk -v part="$1" -v layers="$2" -v print_what="$print" -v tables="$tables" '
	function base(path) {
		sub(/.*\//, "", path)
		return path
	}

	# --- names: which file defines one, which file or inline function uses it

	function define(name) {
		if (name == "" || is_extern)
			return
		if (header)
			inline_fn[name] = 1
		else if (is_static)
			own[file, name] = 1
		else
			owner[name] = file
	}

	function use(name, called,  user) {
		user = header ? in_macro ? macro : func_name : file
		if (user == "" || user == name || (user, name) in used &&
		    (called <= used[user, name]))
			return
		if (!((user, name) in used))
			uses[user, ++nr_uses[user]] = name
		used[user, name] = called
	}

	# --- a declaration outside of functions: what does it define?

	function start_declaration() {
		is_static = is_extern = has_value = is_type = starred = 0
		nr_words = 0
		first = last = callee = func_name = ""
	}

	# Words that are no names of what is declared.
	function noise(word) {
		return word ~ /^(__attribute__|__init|__exit|__thread|const|volatile|inline|__always_inline)$/
	}

	function outer_word(word) {
		if (word == "static")
			is_static = 1
		else if (word == "extern" || word == "typedef")
			is_extern = 1
		else if (!noise(word) && !has_value && parens == 0) {
			if (!nr_words++)
				first = word
			last = word
		}
	}

	function is_variable() {
		if (has_value)
			return 1
		if (callee != "" || last == "")
			return 0
		return nr_words > 2 || starred && nr_words > 1 || nr_words == 2 &&
		       first !~ /^(struct|union|enum)$/
	}

	function outer_mark(mark, before) {
		if (mark == "(") {
			if (parens++ == 0 && !has_value && !callee &&
			    before == last && !is_type)
				callee = last
		} else if (mark == ")") {
			parens--
		} else if (mark == "*") {
			starred = 1
		} else if (parens) {
			return
		} else if (mark == "=") {
			if (!has_value && !header)
				define(last)
			has_value = 1
		} else if (mark == "{") {
			braces = 1
			if (!has_value && callee != "") {
				func_name = callee
				define(func_name)
			} else if (!has_value) {
				is_type = 1
			}
		} else if (mark == ";") {
			if (!header && !has_value && is_variable())
				define(last)
			start_declaration()
		}
	}

	# --- tokens

	function token(t, is_word) {
		if (pending != "") {
			use(pending, t == "(")
			pending = ""
		}
		if (is_word && before !~ /^(\.|->|struct|union|enum|goto)$/)
			pending = t
		if (!in_macro && braces == 0) {
			if (is_word)
				outer_word(t)
			else
				outer_mark(t, before)
		} else if (!in_macro && t == "{") {
			braces++
		} else if (!in_macro && t == "}" && --braces == 0) {
			if (func_name != "")
				start_declaration()
			else if (is_type)
				first = last = ""
		}
		before = t
	}

	function tokens(line,  t) {
		while (match(line, /[A-Za-z_][A-Za-z0-9_]*|[0-9][A-Za-z0-9_.]*|->|[^ \t]/)) {
			t = substr(line, RSTART, RLENGTH)
			line = substr(line, RSTART + RLENGTH)
			token(t, t ~ /^[A-Za-z_]/)
		}
	}

	# The line without comments and without what is in quotes.
	function code(line,  out, i, c, two) {
		out = ""
		for (i = 1; i <= length(line); i++) {
			c = substr(line, i, 1)
			two = substr(line, i, 2)
			if (in_comment) {
				if (two == "*/") {
					in_comment = 0
					i++
				}
			} else if (two == "/*") {
				in_comment = 1
				out = out " "
				i++
			} else if (two == "//") {
				break
			} else if (c == "\"" || c == "\047") {
				for (i++; i <= length(line) &&
				     substr(line, i, 1) != c; i++)
					if (substr(line, i, 1) == "\\")
						i++
				out = out "0"
			} else {
				out = out c
			}
		}
		return out
	}

	function start_file() {
		in_comment = in_macro = goes_on = braces = parens = 0
		before = pending = macro = ""
		header = FILENAME ~ /\.h$/
		file = base(FILENAME)
		sub(/\.[ch]$/, "", file)
		if (!header)
			files[++nr_files] = file
		start_declaration()
	}

	# --- the comment about layers; only its first lines are one

	function head(line) {
		if (line ~ /\*\//)
			head_is = "over"
		else if (line ~ /^ \* Layers, /)
			head_is = "layers"
		else if (line ~ /^ \* Calls that go up, and why/)
			head_is = "reasons"
		else if (line ~ /^ \* [^ \t]/)
			head_is = "other"
		else if (head_is == "layers" && line ~ /^ \* +[a-z]/)
			layer_line(substr(line, 3))
		else if (head_is == "reasons" && line ~ /^ \*[ \t]+[^ \t]/)
			reason_line(substr(line, 3))
	}

	function layer_line(line,  n, i, name) {
		sub(/^ +/, "", line)
		layer_text[++nr_layers] = line
		n = split(line, name)
		for (i = 1; i <= n; i++) {
			if (name[i] in layer)
				wrong("in two layers: " name[i])
			layer[name[i]] = nr_layers
			listed[++nr_listed] = name[i]
		}
	}

	function reason_line(line,  word) {
		split(line, word)
		if (word[2] == "->") {
			reason_of = word[1] " -> " word[3]
			reasons[++nr_reasons] = reason_of
			sub(/^[ \t]*[^ \t]+[ \t]+->[ \t]+[^ \t]+[ \t]*/, "", line)
			reason[reason_of] = line
		} else {
			sub(/^[ \t]+/, "", line)
			reason[reason_of] = reason[reason_of] " " line
		}
	}

	# --- arrows

	function arrow(from, name, through,  to) {
		to = owner[name]
		if (to == from || (from, name) in own)
			return
		if (!((from, to) in names)) {
			nr_arrows++
			names[from, to] = ""
		}
		if (through != "" && index(names[from, to] " ", " " name " "))
			return
		names[from, to] = names[from, to] " " name through
	}

	# What user does: by itself, or by an inline function that it uses.
	function follow(from, user, through,  i, name) {
		seen[from, user] = 1
		for (i = 1; i <= nr_uses[user]; i++) {
			name = uses[user, i]
			if (name in owner) {
				if (tables || used[user, name])
					arrow(from, name, through)
			} else if (name in inline_fn && !((from, name) in own) &&
				   !((from, name) in seen) &&
				   (tables || used[user, name])) {
				follow(from, name, "<" name)
			}
		}
	}

	function direction(from, to) {
		if (!nr_layers || !(from in layer) || !(to in layer))
			return "-"
		return layer[from] < layer[to] ? "down" : "up"
	}

	# Circles: two files are in one if each is reached from the other.
	function reach(  i, j, k) {
		for (i = 1; i <= nr_files; i++)
			for (j = 1; j <= nr_files; j++)
				if ((files[i], files[j]) in names)
					way[i, j] = 1
		for (k = 1; k <= nr_files; k++)
			for (i = 1; i <= nr_files; i++)
				if ((i, k) in way)
					for (j = 1; j <= nr_files; j++)
						if ((k, j) in way)
							way[i, j] = 1
	}

	function circle(i,  j, k, n, size, list, member) {
		for (j = 1; j <= nr_files; j++)
			if (j == i || ((i, j) in way && (j, i) in way)) {
				member[++size] = files[j]
				in_circle[j] = 1
				list = list " " files[j]
			}
		if (size < 2)
			return
		for (j = 1; j <= size; j++)
			for (k = 1; k <= size; k++)
				if ((member[j], member[k]) in names)
					n++
		circles = circles (circles == "" ? "" : ", ") size " files, " \
			n " arrows (" substr(list, 2) ")"
	}

	function wrong(what) {
		complaints[++nr_complaints] = what
	}

	function judge(  i, j, pair, exists) {
		if (!nr_layers) {
			wrong("states no layers")
			return
		}
		for (i = 1; i <= nr_files; i++) {
			exists[files[i]] = 1
			if (!(files[i] in layer))
				wrong("in no layer: " files[i])
		}
		for (i = 1; i <= nr_listed; i++)
			if (!(listed[i] in exists))
				wrong("in a layer, but no such file: " listed[i])
		for (i = 1; i <= nr_files; i++)
			for (j = 1; j <= nr_files; j++) {
				if (!((files[i], files[j]) in names) ||
				    direction(files[i], files[j]) != "up")
					continue
				pair = files[i] " -> " files[j]
				nr_up++
				if (reason[pair] == "")
					wrong("goes up without a reason: " pair \
					      " (" substr(names[files[i], files[j]], 2) ")")
			}
		for (i = 1; i <= nr_reasons; i++) {
			split(reasons[i], pair_of, / -> /)
			if (!((pair_of[1], pair_of[2]) in names))
				wrong("reason without a call: " reasons[i])
			else if (direction(pair_of[1], pair_of[2]) == "down")
				wrong("reason for a call that goes down: " reasons[i])
		}
	}

	# --- what is printed

	function print_arrows(  i, j, way_of, why) {
		for (i = 1; i <= nr_files; i++)
			for (j = 1; j <= nr_files; j++) {
				if (!((files[i], files[j]) in names))
					continue
				way_of = direction(files[i], files[j])
				if (print_what == "arrows") {
					print part, files[i], files[j], \
						way_of names[files[i], files[j]]
					continue
				}
				why = reason[files[i] " -> " files[j]]
				printf "  %-28s %-4s%s%s\n", \
					files[i] " -> " files[j], \
					nr_layers ? way_of : "", \
					names[files[i], files[j]], \
					why == "" ? "" : " -- " why
			}
	}

	FNR == 1 { start_file(); head_is = "other" }
	FILENAME == layers && head_is != "over" && FNR > 1 { head($0) }
	{
		line = code($0)
		in_macro = goes_on || line ~ /^[ \t]*#/
		goes_on = in_macro && line ~ /\\$/
		if (line ~ /^[ \t]*#[ \t]*include/)
			next
		if (in_macro && line ~ /^[ \t]*#/) {
			macro = ""
			if (match(line, /^[ \t]*#[ \t]*define[ \t]+[A-Za-z_0-9]+/)) {
				macro = substr(line, RSTART, RLENGTH)
				sub(/.*[ \t]/, "", macro)
				if (header)
					inline_fn[macro] = 1
			}
			sub(/^[ \t]*#[ \t]*[a-z]+/, "", line)
		}
		tokens(line)
	}
	END {
		for (i = 1; i <= nr_files; i++)
			follow(files[i], files[i], "")
		reach()
		for (i = 1; i <= nr_files; i++)
			if (!(i in in_circle))
				circle(i)
		judge()
		if (print_what == "check") {
			for (i = 1; i <= nr_complaints; i++)
				print layers ": " complaints[i]
			exit nr_complaints > 0
		}
		if (print_what == "all") {
			print part ", layers from top to bottom:"
			for (i = 1; i <= nr_layers; i++)
				printf "  %2d %s\n", i, layer_text[i]
			if (!nr_layers)
				print "  none stated in " layers
			print part ", arrows:"
		}
		if (print_what != "summary")
			print_arrows()
		if (print_what != "arrows")
			print part ": " nr_files " files, " nr_arrows + 0 " arrows, " \
				(nr_layers ? nr_up + 0 " up" : "no layers") \
				"; circles: " (circles == "" ? "none" : circles)
	}' "${@:3}"
}

status=0
for part in "${parts[@]}"; do
	case $part in
	driver)
		# Not what a build leaves there.
		mapfile -t files < <(printf '%s\n' drivers/block/ublk/*.c |
			grep -v '\.mod\.c$')
		graph driver drivers/block/ublk/ublk.h drivers/block/ublk/*.h \
			drivers/block/ublk_drv.c "${files[@]}"
		;;
	lib)
		graph lib ublksrv/lib/private.h ublksrv/include/libublk.h \
			ublksrv/lib/*.h ublksrv/lib/*.c
		;;
	esac || status=1
done
exit "$status"
