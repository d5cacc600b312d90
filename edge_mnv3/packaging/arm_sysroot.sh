#!/bin/sh
# Makes the folder that `edge-mnv3 verify --arm` needs: qemu-user, an arm64 Python with its libraries, and LiteRT for
# aarch64. Uses Debian's packages (apt, dpkg) and pip; needs no root, and leaves the system's own packages alone.
#
#   sh arm_sysroot.sh [FOLDER] [PYTHON]
#
# FOLDER: by default $EDGE_MNV3_ARM, else ~/.cache/edge-mnv3/arm64. PYTHON: one with pip, by default python3.
set -eu
folder=${1:-${EDGE_MNV3_ARM:-${XDG_CACHE_HOME:-$HOME/.cache}/edge-mnv3/arm64}}
python=${2:-python3}
arm_packages="python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libc6 libgcc-s1 libstdc++6 zlib1g
  libexpat1 libffi8 libssl3 libbz2-1.0 liblzma5"
litert=$("$python" -c 'from importlib.metadata import version; print(version("ai-edge-litert"))')
numpy=$("$python" -c 'from importlib.metadata import version; print(version("numpy"))')

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
python=$(cd "$(dirname "$(command -v "$python")")" && pwd)/$(basename "$python")
work=$(mktemp -d "$folder/.making.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/debs" "$work/new/host"
cd "$work/debs"
# apt with the system's sources, but lists and caches of its own, so that arm64 need not be added to the system. Where
# these have no Python 3.11 (Debian 13), with Debian 12's: so the folder is the same there, with a qemu that shows
# every processor of edge-mnv3 cost.
debian12=
apt_of() {
  architecture=$1
  shift
  state=$work/$architecture
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  : > "$state/status"
  apt-get -qq -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
    -o APT::Sandbox::User=root -o Dir::State="$state" -o Dir::State::status="$state/status" \
    -o Dir::Cache="$state" \
    ${debian12:+-o Dir::Etc::sourcelist="$debian12" -o Dir::Etc::sourceparts=/dev/null} "$@"
}
host=$(dpkg --print-architecture)
apt_of arm64 update
if ! apt_of arm64 --print-uris download python3.11-minimal > "$work/found" 2>&1; then
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -r "$keys" ] || { echo "error: no Python 3.11 here and no $keys: install debian-archive-keyring" >&2; exit 1; }
  debian12=$work/debian12.list
  for suite in bookworm bookworm-updates; do
    echo "deb [signed-by=$keys] http://deb.debian.org/debian $suite main"
  done > "$debian12"
  echo "deb [signed-by=$keys] http://deb.debian.org/debian-security bookworm-security main" >> "$debian12"
  apt_of arm64 update
fi
apt_of "$host" update
# shellcheck disable=SC2086 # a list of names
apt_of arm64 download $arm_packages
for package in *.deb; do dpkg -x "$package" "$work/new/sysroot"; done
rm -f ./*.deb
apt_of "$host" download qemu-user-static # runs without further libraries
for package in *.deb; do
  dpkg --fsys-tarfile "$package" | tar -x -C "$work/new/host" --strip-components=3 ./usr/bin/qemu-aarch64-static
done
"$python" -m pip install -q --target "$work/new/site" --only-binary=:all: --implementation cp \
  --python-version 3.11 --platform manylinux2014_aarch64 --platform manylinux_2_27_aarch64 \
  --platform manylinux_2_28_aarch64 --platform manylinux_2_35_aarch64 "ai-edge-litert==$litert" "numpy==$numpy"
# LiteRT reads /proc/cpuinfo, and qemu 7.2 would show it the host's: an Arm Cortex-A76 with dot products.
mkdir -p "$work/new/sysroot/proc"
for cpu in 0 1; do
  printf 'processor\t: %s\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: 0xd0b\nCPU revision\t: 0\n\n' "$cpu"
done > "$work/new/sysroot/proc/cpuinfo"
rm -rf "$folder/sysroot" "$folder/host" "$folder/site"
mv "$work/new/sysroot" "$work/new/host" "$work/new/site" "$folder/"
echo "made $folder"
