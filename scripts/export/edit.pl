#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# usage: edit.pl EDIT TREE [ARGUMENT]
#
# Change one of the kernel's own files that list drivers, tests, documents and
# maintainers. EDIT is the name of a function below. A file in which the place is
# not found is an error.
use strict;
use warnings;

my ($edit, $tree, $argument) = @ARGV;

# change FILE, FUNCTION: it gets the text in $_.
sub change {
	my ($file, $function) = @_;
	my $path = "$tree/$file";

	open my $in, '<', $path or die "export: $path: $!\n";
	local $_ = do { local $/; <$in> };
	my $old = $_;
	$function->();
	return if $_ eq $old;
	open my $out, '>', "$path.new" or die "export: $path.new: $!\n";
	print $out $_;
	close $out or die "export: $path.new: $!\n";
	chmod((stat $path)[2] & 07777, "$path.new");
	rename "$path.new", $path or die "export: $path: $!\n";
}

sub place {
	my ($found, $file) = @_;
	die "export: $tree/$file: the place for ublk is not found; " .
	    "is this the source of a supported kernel?\n" if !$found;
}

my %edits = (
	# A configuration option ends where the next line begins in column one.
	'remove-kconfig' => sub {
		change('drivers/block/Kconfig', sub {
			s/^config (BLK_DEV_UBLK|BLKDEV_UBLK_\w+)\n(?:[ \t].*\n|\n)*//mg;
		});
	},
	'add-kconfig' => sub {
		my $file = 'drivers/block/Kconfig';
		change($file, sub {
			place(s{^(?=source "drivers/block/rnbd/Kconfig")}
			       {source "drivers/block/ublk/Kconfig"\n\n}m, $file);
		});
	},
	'remove-object' => sub {
		change('drivers/block/Makefile', sub {
			s/^obj-\$\(CONFIG_BLK_DEV_UBLK\).*\n//mg;
		});
	},
	# After the driver that stands before it in the alphabet, or nearly.
	'add-object' => sub {
		my $file = 'drivers/block/Makefile';
		change($file, sub {
			place(s/^(obj-\$\(CONFIG_BLK_DEV_NULL_BLK\).*\n)/$1obj-\$(CONFIG_BLK_DEV_UBLK)\t\t\t+= ublk\/\n/m,
			      $file);
		});
	},
	'remove-target' => sub {
		change('tools/testing/selftests/Makefile', sub {
			s/^TARGETS \+= ublk\n//mg;
		});
	},
	'add-target' => sub {
		my $file = 'tools/testing/selftests/Makefile';
		change($file, sub {
			my ($next) = grep { $_ gt 'ublk' } /^TARGETS \+= (\S+)$/mg;
			place(defined $next, $file);
			s/^(?=TARGETS \+= \Q$next\E$)/TARGETS += ublk\n/m;
		});
	},
	'remove-document' => sub {
		change('Documentation/block/index.rst', sub {
			s/^   ublk(-abi\/index)?\n//mg;
		});
	},
	'add-document' => sub {
		my $file = 'Documentation/block/index.rst';
		change($file, sub {
			place(s/^(   switching-sched\n)/$1   ublk\n   ublk-abi\/index\n/m, $file);
		});
	},
	'remove-maintainers' => sub {
		change('MAINTAINERS', sub {
			my @entries = split /(?<=\n\n)/;
			$_ = join '', grep { !m{^F:\tinclude/uapi/linux/ublk_cmd\.h$}m } @entries;
		});
	},
	# The entry, in the file ARGUMENT, goes before the first title behind its own.
	'add-maintainers' => sub {
		my $file = 'MAINTAINERS';
		change($file, sub {
			open my $in, '<', $argument or die "export: $argument: $!\n";
			my $entry = do { local $/; <$in> };
			my ($title) = split /\n/, $entry;
			my @entries = split /(?<=\n\n)/;
			my ($at) = grep {
				$entries[$_] =~ /^([A-Z0-9][^\n]*)\n[A-Z]:\t/ && $1 gt $title
			} grep { $entries[$_ - 1] =~ /^[^\n]+\n[A-Z]:\t/ } 1 .. $#entries;
			place(defined $at, $file);
			splice @entries, $at, 0, "$entry\n";
			$_ = join '', @entries;
		});
	},
);

my $function = $edits{$edit // ''} // die "edit.pl: no such edit: " . ($edit // '') . "\n";
$function->();
