#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: picture.sh [--check] FILE.dot...
#
# Make FILE.svg with graphviz, in colours that suit the page: an SVG's style
# sheet can ask whether the reader prefers dark pages. The background stays
# transparent. Where the answer is wrong, text is in filled boxes, or in a grey
# that can be read on both.
#
# FILE.svg has the checksum of what it was made from; --check compares that, so
# it needs no graphviz, and no particular version of it.

set -eu

# Light first; what differs on dark pages follows.
style() {
	cat <<-'CSS'
		<style>
		text { fill: #1f2328 }
		.node text:first-of-type { font-weight: bold }
		.node path { fill: #ffffff; stroke-width: 1.3 }
		.user path { stroke: #b58a1b }
		.kernel path { stroke: #5a86c5 }
		.daemon path { stroke: #559a55 }
		.panel.user path { fill: #fbf3df }
		.panel.kernel path { fill: #e6eefa }
		.panel.daemon path { fill: #e5f4e5 }
		.edge text { fill: #6e7781 }
		.request path, .request polygon { stroke: #2f81f7 }
		.answer path, .answer polygon { stroke: #d9730d }
		.request polygon { fill: #2f81f7 }
		.answer polygon { fill: #d9730d }
		@media (prefers-color-scheme: dark) {
		text { fill: #e6edf3 }
		.node path { fill: #0d1117 }
		.panel.user path { fill: #2b2412 }
		.panel.kernel path { fill: #16223a }
		.panel.daemon path { fill: #142718 }
		.edge text { fill: #a5aeb9 }
		}
		</style>
	CSS
}

# made_from FILE.dot: the picture and everything here that decides on its looks.
made_from() {
	cat "$1" "$0" | sha256sum | cut -d' ' -f1
}

make_svg() {
	local svg=${1%.dot}.svg

	style >"$tmp/style"
	# graphviz names its version in a comment; the drawing starts at <svg.
	neato -n2 -Tsvg "$1" | awk -v style="$tmp/style" -v sum="$(made_from "$1")" \
		-v source="${1##*/}" '
		/^<svg/ {
			print "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
			print "<!-- SPDX-License-Identifier: GPL-2.0 -->"
			print "<!-- made by \"make pictures\" from " source ": " sum " -->"
			drawing = 1
		}
		drawing { print }
		drawing && /viewBox/ {
			while ((getline line < style) > 0)
				print line
		}' >"$tmp/svg"
	grep -q '</svg>' "$tmp/svg"
	cp "$tmp/svg" "$svg"
}

check=
[ "${1:-}" != --check ] || { check=1; shift; }
[ $# -gt 0 ] || { echo "usage: picture.sh [--check] FILE.dot..." >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0
for dot; do
	if [ -z "$check" ]; then
		make_svg "$dot"
	elif ! grep -qs "^<!-- made .* from .*: $(made_from "$dot") -->" "${dot%.dot}.svg"; then
		echo "not made from the present $dot: ${dot%.dot}.svg (make pictures)"
		status=1
	fi
done
exit "$status"
