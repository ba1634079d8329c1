#!/bin/sh
# From a git clone: makes ./configure.  A release has it already.
set -e
cd "$(dirname "$0")"
mkdir -p build-aux
exec autoreconf --install "$@"
