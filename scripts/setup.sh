#!/usr/bin/env bash
# Makes sure that what hoof is built from is here: a Swift toolchain and Debian's OpenBLAS, PCRE2 and libevent. Installs the packages
# through apt where that is possible, and says what to do where it is not. Changes nothing when everything is there.
set -euo pipefail

if ! command -v swift >/dev/null; then
  echo "hoof needs a Swift 6.2 or newer toolchain: see https://www.swift.org/install/linux/" >&2
  exit 1
fi

packages=(libopenblas-dev libpcre2-dev libevent-dev "$@")
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "hoof needs ${missing[*]} (names of Debian 12); this machine has no apt-get: install what they are called here, then run this again" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "hoof needs packages that only root can install: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
install=("${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}")
"${install[@]}" >/dev/null 2>&1 || { "${as_root[@]}" apt-get update -qq && "${install[@]}" >/dev/null; } || {
  echo "apt-get could not install ${missing[*]}; run it by hand to see why: apt-get install ${missing[*]}" >&2
  exit 1
}
