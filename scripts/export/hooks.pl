#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# usage: hooks.pl DIR
#
# Resolve the hooks of the driver in DIR, a copy of drivers/block/ublk: in a kernel
# tree there is one kernel, and so no need for ublk_hooks.h. What each name of that
# file stands for takes its place:
#
#   a macro or a function of one statement is written where it was called;
#   a longer function becomes a static one of the only file that calls it, without
#   "hook" in its name.
#
# The header is removed. It is an error if a name is left.
use strict;
use warnings;

my $dir = shift // die "usage: hooks.pl DIR\n";
my $header = "$dir/ublk_hooks.h";
my (%macro, %statement, %function);

sub slurp {
	my ($path) = @_;
	open my $file, '<', $path or die "hooks.pl: $path: $!\n";
	local $/;
	return scalar <$file>;
}

sub spew {
	my ($path, $text) = @_;
	open my $file, '>', $path or die "hooks.pl: $path: $!\n";
	print $file $text;
	close $file or die "hooks.pl: $path: $!\n";
}

# The header: macros, and functions with the comment before them.
sub read_hooks {
	my $text = slurp($header);

	while ($text =~ /^#define (UBLK_HOOK_\w+|ublk_hook_\w+)\s+(\S+)$/mg) {
		$macro{$1} = $2;
	}
	while ($text =~ m{(/\*\*\n(?:(?!\*/).)*?\*/\n)static inline ([\w ]+?[ *])(ublk_hook_\w+)\(([^)]*)\)\n\{\n(.*?)^\}\n}msg) {
		my ($doc, $type, $name, $params, $body) = ($1, $2, $3, $4, $5);
		my @names = map { /(\w+)$/ } split /,/, $params;

		if ($body =~ /^\t(?:return )?([^;]*);\n$/) {
			$statement{$name} = { body => $1, params => \@names };
		} else {
			$function{$name} = { type => $type, params => $params,
					     doc => $doc, body => $body };
		}
	}
}

# The arguments of a call: what stands between these parentheses, at its commas.
sub arguments {
	my ($inner) = @_;
	my ($depth, @args) = (0, '');

	for my $char (split //, $inner) {
		$depth += $char eq '(' ? 1 : $char eq ')' ? -1 : 0;
		if ($char eq ',' && !$depth) {
			push @args, '';
		} else {
			$args[-1] .= $char;
		}
	}
	s/^\s+|\s+$//g for @args;
	return @args;
}

sub expand {
	my ($name, $inner) = @_;
	my %value;

	@value{@{$statement{$name}{params}}} = arguments($inner);
	return $statement{$name}{body} =~ s/\b(\w+)\b/$value{$1} \/\/ $1/ger;
}

# The function goes before the first one of the file.
sub move_in {
	my ($text, $name) = @_;
	my %f = %{$function{$name}};
	my $plain = $name =~ s/_hook_/_/r;
	my $doc = $f{doc} =~ s/\b$name\b/$plain/gr;

	$text =~ s/\b$name\b/$plain/g;
	$text =~ s{^((?:/\*(?:(?!\*/).)*?\*/\n)?(?:static )?\w[\w ]*[ *]\w+\([^;]*?\)\n\{)}
		  {$doc . "static $f{type}$plain($f{params})\n{\n$f{body}}\n\n$1"}mse
		or die "hooks.pl: no place for $plain()\n";
	return $text;
}

sub resolve {
	my ($path) = @_;
	my $old = my $text = slurp($path);

	$text =~ s/^#include <ublk_hooks\.h>\n\n?//m;
	$text =~ s/^ \*   ublk_hooks\.h\t.*\n//m;
	# Nothing is unavailable: no mask either.
	$text =~ s/\(\((.*?)\) & \\\n\t ~UBLK_HOOK_UNAVAILABLE\)/"(" . ($1 =~ s,\n\t  ,\n\t ,gr) . ")"/se
		if ($macro{UBLK_HOOK_UNAVAILABLE} // '') eq '0ULL';
	$text =~ s/\b$_\b/$macro{$_}/g for keys %macro;
	for my $name (keys %statement) {
		$text =~ s/\b$name(\((?:[^()]++|(?1))*\))/expand($name, substr($1, 1, -1))/ge;
	}
	for my $name (keys %function) {
		$text = move_in($text, $name) if $text =~ /\b$name\(/;
	}
	die "hooks.pl: $path: cannot resolve $1\n" if $text =~ /\b(\w*hook_\w+|\w*HOOK_\w+)/;
	spew($path, $text) if $text ne $old;
}

read_hooks();
unlink $header or die "hooks.pl: $header: $!\n";
resolve($_) for glob("$dir/*.[ch]"), "$dir/../ublk_drv.c";
