#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# usage: apply.pl MUTANT TREE
#
# Apply the replacements of a mutant to a source tree and print the names of the
# files that have changed. Fails, with nothing changed, unless each old text is in
# exactly one place of the file, or of the .c and .h files of the directory, that
# "in:" names.

use strict;
use warnings;

my ($mutant, $tree) = @ARGV;
my (@edits, $in, $part);

open(my $fh, '<', $mutant) or die "$mutant: $!\n";
while (my $line = <$fh>) {
	if ($line eq "<<<<\n") {
		push(@edits, { in => $in, old => '', new => '' });
		$part = 'old';
	} elsif ($line eq "====\n") {
		$part = 'new';
	} elsif ($line eq ">>>>\n") {
		$part = undef;
	} elsif ($part) {
		$edits[-1]{$part} .= $line;
	} elsif ($line =~ /^in: (\S+)$/) {
		$in = $1;
	}
}
die "$mutant: no replacement\n" unless @edits;

my %text;
for my $edit (@edits) {
	my $path = "$tree/$edit->{in}";
	my @found;

	for my $file (-d $path ? sort(glob("$path/*.[ch]")) : ($path)) {
		unless (exists $text{$file}) {
			local $/;
			open(my $src, '<', $file) or die "$file: $!\n";
			$text{$file} = <$src>;
		}
		# Whole lines only.
		my $count = () = $text{$file} =~ /^\Q$edit->{old}\E/mg;
		push(@found, ($file) x $count);
	}
	die "$mutant: old text is in " . @found . " places of $edit->{in}\n"
		unless @found == 1;
	$text{$found[0]} =~ s/^\Q$edit->{old}\E/$edit->{new}/m;
	$edit->{file} = $found[0];
}

my %changed = map { $_->{file} => 1 } @edits;
for my $file (sort keys %changed) {
	open(my $dst, '>', $file) or die "$file: $!\n";
	print $dst $text{$file};
	close($dst) or die "$file: $!\n";
	print substr($file, length("$tree/")), "\n";
}
