#!/bin/bash
# demo.sh: what Catena does, on one page. Runs in namespaces of its own, without root, and leaves nothing.
set -euo pipefail

stage=${CATENA_STAGE:?set CATENA_STAGE to the built tree, or run make demo}
here=$(cd "$(dirname "$0")" && pwd)

if [ "${CATENA_DEMO_PRIVATE:-}" != 1 ]; then
    echo "Entering a private host: new user, network and mount namespaces. This machine's own network is not touched."
   
    exec env CATENA_DEMO_PRIVATE=1 unshare -Urnm --kill-child --fork bash "$here/demo.sh"
fi

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }
fail() { echo "demo: $*" >&2; exit 1; }
# A container's command: in NAME COMMAND…
at() { local name=$1; shift; printf '%s$ %s\n' "$name" "$*"; ip netns exec "$name" "$@"; }

mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mkdir -p /run/netns /run/demo
cd /run/demo
export PATH=/usr/sbin:/sbin:$PATH
ip link set lo up

# Something outside: a neighbour of the host at 192.0.2.2, which knows no way to the containers.
for name in web client outside; do ip netns add "$name"; ip -n "$name" link set lo up; done
ip link add uplink type veth peer name eth0 netns outside
ip address add 192.0.2.1/24 dev uplink
ip link set uplink up
ip -n outside address add 192.0.2.2/24 dev eth0
ip -n outside link set eth0 up

cat >net.json <<'JSON'
{
  "cniVersion": "1.0.0",
  "name": "demo",
  "type": "catena",
  "capabilities": { "portMappings": true },
  "chain": [
    {
      "type": "bridge",
      "bridge": "demo0",
      "isDefaultGateway": true,
      "ipMasq": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{ "subnet": "10.22.0.0/24" }], [{ "subnet": "fd00:22::/64" }]]
      }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } }
  ]
}
JSON

# What a runtime does: the configuration, with what it knows of this container, on standard input; who and where in the environment.
cni() {
    local command=$1 container=$2 config=$3
    echo "\$ CNI_COMMAND=$command CNI_CONTAINERID=$container CNI_NETNS=/run/netns/$container CNI_IFNAME=eth0 catena <$config" >&2
    CNI_COMMAND=$command CNI_CONTAINERID=$container CNI_NETNS=/run/netns/$container CNI_IFNAME=eth0 CNI_PATH=$stage/lib/cni \
        "$stage/lib/cni/catena" <"$config"
}
with() { python3 -c '
import json, sys
config = json.load(open("net.json"))
for argument in sys.argv[1:]:
    key, _, value = argument.partition("=")
    config[key] = json.load(open(value[1:])) if value.startswith("@") else json.loads(value)
print(json.dumps(config, indent=2))' "$@"; }

step "The network: bridge (addresses by host-local) and portmap, as one chain in one process"
cat net.json

step "ADD: the container \"web\", with port 8080 of the host leading to its port 80"
with 'runtimeConfig={"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}' >web.json
cni ADD web web.json >web.result || { cat web.result; fail "ADD of web failed"; }
cat web.result; echo

step "ADD: the container \"client\""
cp net.json client.json
cni ADD client client.json >client.result || { cat client.result; fail "ADD of client failed"; }
echo "(a result like the one above)"

step "What is in the container now"
at web ip -brief address show eth0
at web ip route
at web ip -6 route show default
at client ip -brief address show eth0
run ip -brief link show master demo0

address() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["ips"][int(sys.argv[2])]["address"].split("/")[0])' "$@"; }
web4=$(address web.result 0); web6=$(address web.result 1)

step "Container to container, by IPv4 and IPv6"
at client ping -n -c 1 -W 2 "$web4" | sed -n "1p; 3p"
at client ping -n -c 1 -W 2 "$web6" | sed -n "1p; 3p"

step "Container to host, and out: \"outside\" answers the host's address, since the network is masqueraded"
at client ping -n -c 1 -W 2 10.22.0.1 | sed -n "1p; 3p"
at client ping -n -c 1 -W 2 192.0.2.2 | sed -n "1p; 3p"

step "The published port: a server in \"web\", asked from outside, from the host by 127.0.0.1, and from \"client\""
cat >server.py <<'PY'
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(f"hello from web; you are {self.client_address[0]}\n".encode())
    def log_message(self, *_): pass
server = http.server.HTTPServer(("", 80), Handler)
print("ready", flush=True)
server.serve_forever()
PY
coproc SERVER { exec ip netns exec web python3 server.py; }
read -r ready <&"${SERVER[0]}" && [ "$ready" = ready ] || fail "the server did not start"
fetch='import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode(), end="")'
at outside python3 -c "$fetch" http://192.0.2.1:8080/ | sed 's/python3 -c .* http/fetch http/'
echo '$ fetch http://127.0.0.1:8080/'; python3 -c "$fetch" http://127.0.0.1:8080/
at client python3 -c "$fetch" http://192.0.2.1:8080/ | sed 's/python3 -c .* http/fetch http/'

step "All of it in nftables: one table, an element for each port and address, with whose it is"
run nft list ruleset

step "DHCP: a LAN with a server (dnsmasq), the daemon, and a container that gets its address there"
ip netns add leased; ip netns add router
ip link add lan0 type bridge
ip link set lan0 up
ip link add lan1 type veth peer name eth0 netns router
ip link set lan1 master lan0 up
ip -n router address add 10.23.0.1/24 dev eth0
ip -n router link set eth0 up
ip netns exec router dnsmasq --no-daemon --port=0 --conf-file=/dev/null --interface=eth0 --bind-interfaces --dhcp-authoritative \
    --dhcp-range=10.23.0.50,10.23.0.99,2m --dhcp-leasefile=/run/demo/leases --pid-file= 2>dnsmasq.log &
jobs="$!"
mkfifo daemon.log
"$stage/lib/cni/catena-dhcpd" 2>daemon.log &
jobs="$jobs $!"
sed '/listening/q' <daemon.log; cat daemon.log >/dev/null &
cat >lan.json <<'JSON'
{ "cniVersion": "1.0.0", "name": "lan", "type": "catena", "chain": [{ "type": "bridge", "bridge": "lan0", "ipam": { "type": "dhcp" } }] }
JSON
cni ADD leased lan.json >leased.result || { cat leased.result; fail "ADD of leased failed"; }
at leased ip -brief address show eth0
at leased ping -n -c 1 -W 2 10.23.0.1 | sed -n "1p; 3p"
run "$stage/bin/catenactl" dhcp leases
cni DEL leased lan.json
run "$stage/bin/catenactl" dhcp leases
kill $jobs; wait $jobs 2>/dev/null || true

step "CHECK: is all still as it was made?"
with 'runtimeConfig={"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}' prevResult=@web.result >web.check
cni CHECK web web.check && echo "yes"

step "DEL of both"
kill "$SERVER_PID"; wait "$SERVER_PID" 2>/dev/null || true
cni DEL web web.check
with prevResult=@client.result >client.del
cni DEL client client.del
echo "(DEL prints nothing when it succeeds)"

step "What is left: the bridge, which is shared, and empty maps"
at web ip -brief link
run ip -brief link
run ls /var/lib/cni/networks/demo
[ -z "$(ip -n web -brief link show type veth)" ] || fail "web still has an interface"
[ -z "$(ip -brief link show master demo0)" ] || fail "the bridge still has a port"
ls /var/lib/cni/networks/demo | grep -E '^(10\.22|fd00)' && fail "an address is still reserved"
nft list ruleset | grep -q elements && fail "nftables elements are left"
printf '\nNo interface, no reservation, no nftables element is left. The private host ends here.\n'
