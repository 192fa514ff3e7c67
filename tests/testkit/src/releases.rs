//! A server on loopback with releases of k3s, which answers as the test says, and what plays their program: a script that tells a
//! version, or one that also starts and has an API server. No k3s is started.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use sha2::{Digest as _, Sha256};

/// A program that tells this version.
pub fn program(version: &str) -> String {
    format!("#!/bin/sh\necho 'k3s version {version} (abcdef12)'\necho 'go version go1.25'\n")
}

/// The line of a list of sums.
pub fn sum(name: &str, content: &str) -> String {
    let hex: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}  {name}\n")
}

/// The architecture as k3s calls it, and the name of its program.
pub fn arch() -> (&'static str, &'static str) {
    if std::env::consts::ARCH == "aarch64" { ("arm64", "k3s-arm64") } else { ("amd64", "k3s") }
}

/// An answer with this status, these further lines of its head, and this body.
pub fn answer(status: u16, head: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Played\r\n{head}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// What is at which path, and what was asked for.
#[derive(Clone, Default)]
pub struct Server {
    /// Whole answers, by path.
    pub files: Arc<Mutex<BTreeMap<String, String>>>,
    /// The paths, in order.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Whole answers, as they go over the wire.
    pub fn set(&self, path: &str, answer: String) {
        self.files.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// Begins to serve.
    pub fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        address
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut first = String::new();
        let _ = reader.read_line(&mut first);
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            line.clear();
        }
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        self.asked.lock().unwrap().push(path.clone());
        let found = self.files.lock().unwrap().get(&path).cloned();
        let _ = stream.write_all(found.unwrap_or_else(|| answer(404, "", "")).as_bytes());
    }
}

impl Server {
    /// Puts a release there, with the sums that fit.
    pub fn release(&self, version: &str, content: &str) {
        let tag = version.replace('+', "%2B");
        let (arch, name) = arch();
        self.set(&format!("/{tag}/{name}"), answer(200, "", content));
        self.set(&format!("/{tag}/sha256sum-{arch}.txt"), answer(200, "", &sum(name, content)));
    }
}

/// A program with the arguments, files and behaviour of k3s as far as kwo knows them: its objects are in SQLite behind kine, and
/// it does not start on a database that a newer one wrote to. The API server of the tests, its kine and a kubectl have to be in
/// `/stand-in`. As long as `/stand-in/hold` is there it does not come up, and with `/stand-in/hold-stop` it does not end. The version
/// that `/stand-in/fails` names ends as soon as it is started. `/stand-in/flags` has more options for the API server. What plays
/// a pod outlives it, and writes the time to `/stand-in/pod`.
#[must_use]
pub fn stand_in(version: &str) -> String {
    format!(
        r#"#!/bin/sh
set -eu
version='{version}'
case ${{1-}} in
--version)
    echo "k3s version $version (abcdef12)"
    exit
    ;;
server) ;;
*) exit 64 ;;
esac
[ "$(cat /stand-in/fails 2>/dev/null)" != "$version" ] || {{
    echo "played: $version does not start" >&2
    exit 1
}}
data=/var/lib/rancher/k3s/server
mkdir -p "$data/db" "$data/tls" "$data/cred" /etc/rancher/node
[ -e "$data/token" ] || echo K10played::server:played >"$data/token"
for file in tls/server-ca.crt cred/passwd; do [ -e "$data/$file" ] || echo played >"$data/$file"; done
echo played >/etc/rancher/node/password
: >/stand-in/begun
while [ -e /stand-in/hold ]; do sleep 0.1; done
kill -0 "$(cat /stand-in/pod.pid 2>/dev/null)" 2>/dev/null || {{
    setsid sh -c 'while :; do date +%s >/stand-in/pod; sleep 0.2; done' >/dev/null 2>&1 </dev/null &
    echo $! >/stand-in/pod.pid
}}
kubeconfig=/etc/rancher/k3s/k3s.yaml
rm -f /run/k3s.in /run/k3s.out
mkfifo /run/k3s.in /run/k3s.out
exec 3<>/run/k3s.in 4<>/run/k3s.out
env -u NOTIFY_SOCKET /stand-in/kwo-test-apiserver --datastore kine --dir "$data" --kubeconfig "$kubeconfig" $(cat /stand-in/flags 2>/dev/null) <&3 >&4 &
server=$!
end() {{
    : >/stand-in/ending
    while [ -e /stand-in/hold-stop ]; do sleep 0.1; done
    kill "$server"
    wait "$server" || :
    exit 0
}}
trap end TERM
read -r said <&4
case $said in ready*) ;; *) exit 1 ;; esac
name=$(sed -n 's/^node-name: "\(.*\)"$/\1/p' /etc/rancher/k3s/config.yaml.d/00-kwo-install.yaml)
kubectl() {{ /stand-in/kubectl --kubeconfig "$kubeconfig" "$@"; }}
wrote=$(kubectl get configmap played -n kube-system -o 'jsonpath={{.data.version}}' 2>/dev/null || :)
[ "$(printf '%s\n%s\n' "$wrote" "$version" | sort -V | tail -1)" = "$version" ] || {{
    kill "$server"
    exit 1
}}
create() {{ kubectl create "$@" --dry-run=client -o yaml | kubectl apply -f - ; }}
create configmap played -n kube-system --from-literal="version=$version"
kubectl get node "$name" >/dev/null 2>&1 ||
    printf '{{"apiVersion": "v1", "kind": "Node", "metadata": {{"name": "%s"}}}}' "$name" | kubectl create -f -
kubectl patch node "$name" --subresource=status     -p '{{"status": {{"nodeInfo": {{"kubeletVersion": "'"$version"'"}}, "conditions": [{{"type": "Ready", "status": "True", "reason": "Played", "message": ""}}]}}}}'
renew() {{
    kubectl apply -f - <<EOF
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {{name: "$name", namespace: kube-node-lease}}
spec: {{holderIdentity: "$name", renewTime: "$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)"}}
EOF
}}
renew
[ ! -e /stand-in/after ] || . /stand-in/after
systemd-notify --ready
# As a kubelet does every ten seconds, and as long as this is there.
{{ while sleep 2 && kill -0 $$; do renew || :; done; }} >/dev/null 2>&1 3>&- 4>&- &
wait "$server"
"#
    )
}
