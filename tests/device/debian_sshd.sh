#!/bin/sh
# Puts Debian's ssh server into a folder without installing it, with a library that tells it of a user `sshd`.
#
#     sh tests/device/debian_sshd.sh FOLDER
#     EDGE_MNV3_TEST_SSHD=FOLDER/sshd pytest tests/device
set -eu
mkdir -p "$1/packages"
folder=$(cd "$1" && pwd)
cd "$folder/packages"
apt-get download -q openssh-server libwrap0 libnsl2 libtirpc3 libnss-wrapper
for package in *.deb; do
  dpkg -x "$package" "$folder/root"
done
lib=$folder/root/usr/lib/$(uname -m)-linux-gnu
cp /etc/passwd "$folder/passwd"
grep -q '^sshd:' "$folder/passwd" || echo 'sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin' >> "$folder/passwd"
cp /etc/group "$folder/group"
cat > "$folder/sshd" <<END
#!/bin/sh
export LD_LIBRARY_PATH=$lib LD_PRELOAD=$lib/libnss_wrapper.so
export NSS_WRAPPER_PASSWD=$folder/passwd NSS_WRAPPER_GROUP=$folder/group
exec $folder/root/usr/sbin/sshd "\$@"
END
chmod +x "$folder/sshd"
"$folder/sshd" -V 2>&1 | head -1
