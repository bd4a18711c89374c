# SPDX-License-Identifier: GPL-2.0
#
# The sources of libublk, of the targets and of the program, and the warnings
# that they are compiled with. Included by ublksrv/Makefile and by the tests that
# compile the same files. The names are relative to this directory. A file that
# is added is found.

ublksrv-dir := $(dir $(lastword $(MAKEFILE_LIST)))
ublksrv-src = $(sort $(patsubst $(ublksrv-dir)%,%,\
	$(wildcard $(ublksrv-dir)$(1)/*.c)))

LIB_SRC	:= $(call ublksrv-src,lib)
TGT_SRC	:= $(call ublksrv-src,targets)
CLI_SRC	:= $(call ublksrv-src,cli)

# Targets in files of their own, and the libraries that they need: a target is left
# out where pkg-config does not know its library.
NBD_SRC	:= $(call ublksrv-src,targets/nbd) targets/rundir.c targets/secret.c
NBD_PKG	:= libnbd >= 1.16
HAVE_NBD := $(shell pkg-config --exists '$(NBD_PKG)' 2>/dev/null && echo y)
# librbd has no file for pkg-config.
RBD_SRC	:= $(call ublksrv-src,targets/rbd) targets/rundir.c targets/secret.c
HAVE_RBD := $(if $(wildcard /usr/include/rbd/librbd.h),y)

WARN	:= -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes \
	   -Wstrict-prototypes
