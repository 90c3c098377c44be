#!/bin/bash
# What a new machine runs once, as root (EC2 "user data", Amazon Linux 2023): docker, a name, swap to build in, and
# what writes the machine's public address down. `up` puts the machine's number for NUMBER, and files of deploy/systemd
# where they are to stand.
set -euxo pipefail

hostnamectl set-hostname chordial-NUMBER
echo 'preserve_hostname: true' > /etc/cloud/cloud.cfg.d/99-chordial.cfg

mkdir -p /srv/chordial/share
chown -R ec2-user: /srv/chordial

# The address is another one after every night, and swarm starts the peers before anybody has run `up`.
cat > /usr/local/sbin/chordial-address << 'SCRIPT'
#!/bin/bash
set -euo pipefail
meta=http://169.254.169.254/latest
token=$(curl -sf -m 5 --retry 10 --retry-connrefused -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" "$meta/api/token")
address=$(curl -sf -m 5 --retry 10 -H "X-aws-ec2-metadata-token: $token" "$meta/meta-data/public-ipv4")
echo "http://$address:8000" > /srv/chordial/public_url
chown ec2-user: /srv/chordial/public_url
SCRIPT
chmod 755 /usr/local/sbin/chordial-address
cat > /etc/systemd/system/chordial-address.service << 'UNIT'
[Unit]
Description=Writes this machine's public address down for Chordial
After=network-online.target
Wants=network-online.target
Before=docker.service

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/chordial-address
TimeoutStartSec=90

[Install]
WantedBy=multi-user.target
UNIT

cat > /usr/local/sbin/await-manager << 'SCRIPT'
AWAIT-MANAGER
SCRIPT
chmod 755 /usr/local/sbin/await-manager
mkdir -p /etc/systemd/system/docker.service.d
cat > /etc/systemd/system/docker.service.d/await-manager.conf << 'UNIT'
DOCKER-AWAITS
UNIT

dd if=/dev/zero of=/swapfile bs=1M count=2048
chmod 600 /swapfile
mkswap /swapfile
swapon /swapfile
echo '/swapfile none swap sw 0 0' >> /etc/fstab

for try in 1 2 3 4 5; do
    dnf install -y docker && break
    [ "$try" -lt 5 ]
    sleep 10
done
usermod -aG docker ec2-user
systemctl daemon-reload
systemctl enable --now chordial-address docker
