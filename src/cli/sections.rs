//! What can be typed after the commands of single sections: secrets, kubeconfigs, DNS, TLS, the registry.
//! The doc comments are the help text.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::roster::RosterArgs;
use super::shared::{AgeArgs, KubeArgs};
use super::values::{Format, duration, filled, for_kubernetes, lifetime, lock_duration, socket, switch};

/// `kwo secrets`
#[derive(Debug, Subcommand)]
pub enum Secrets {
    /// Encrypt standard input into an age file, for `{age: PATH}` in the roster.
    Encrypt(Encrypt),
    /// Make a key that opens age files, and print its recipient.
    Keygen(Keygen),
}

/// `kwo secrets encrypt`
#[derive(Args, Debug)]
pub struct Encrypt {
    /// Who can open it: the recipients that `kwo secrets keygen` printed on each node.
    #[arg(short, long, required = true, value_name = "age1…", value_parser = filled("write a recipient as `kwo secrets keygen` prints it"))]
    pub recipient: Vec<String>,
    /// The file to write. It must not exist. Default: standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `kwo secrets keygen`
#[derive(Args, Debug)]
pub struct Keygen {
    /// The file to write. It must not exist.
    #[arg(default_value = "/etc/kwo/age.key")]
    pub file: PathBuf,
}

/// `kwo kubeconfig`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct Kubeconfig {
    /// A namespace of a tenant. The kubeconfig works in it, as its service account `deployer`.
    #[arg(required_unless_present = "oidc", value_parser = filled("write the name of a namespace of a tenant"))]
    pub namespace: Option<String>,
    #[command(flatten)]
    pub roster: RosterArgs,
    /// For people: the kubeconfig holds no credentials, and kubectl logs in at `cluster.oidc` of the roster.
    #[arg(long, env = "KWO_OIDC", value_parser = switch)]
    pub oidc: bool,
    /// How long the token is valid, 10 minutes or more. The server may give less.
    #[arg(long, default_value = "1h", env = "KWO_DURATION", value_name = "DURATION", value_parser = lifetime)]
    #[arg(conflicts_with = "oidc")]
    pub duration: Duration,
    /// YAML, or JSON on one line.
    #[arg(short, long, default_value = "yaml", env = "KWO_KUBECONFIG_OUTPUT", value_name = "FORMAT", value_parser = for_kubernetes())]
    pub output: Format,
    /// Write it to this file, which only its owner can read, instead of standard output. kwo replaces only a
    /// kubeconfig that it wrote.
    #[arg(long, env = "KWO_KUBECONFIG_OUT", value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// `kwo dns`
#[derive(Debug, Subcommand)]
pub enum Dns {
    /// List the resolvers: their providers, whether their credentials are found, and which tenants use them.
    List(DnsList),
    /// Check that each provider accepts its credentials, and that each host leads to its target and may get its certificate:
    /// exit 1 if a check fails or gets no answer.
    Check(DnsCheck),
}

/// `kwo dns list`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct DnsList {
    #[command(flatten)]
    pub roster: RosterArgs,
    #[command(flatten)]
    pub kube: KubeArgs,
    #[command(flatten)]
    pub age: AgeArgs,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// `kwo dns check`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct DnsCheck {
    #[command(flatten)]
    pub roster: RosterArgs,
    /// Check only the credentials of this resolver, and the hosts of --host. Repeat it for several.
    #[arg(long, env = "KWO_RESOLVER", value_name = "NAME")]
    pub resolver: Vec<String>,
    /// Check only this host, as the roster has it, and the credentials of --resolver. Repeat it for several.
    #[arg(long, env = "KWO_HOST", value_name = "HOST")]
    pub host: Vec<String>,
    /// Ask this DNS resolver instead of those of the machine, which are in /etc/resolv.conf. Repeat it for one that is asked
    /// if the first does not answer.
    #[arg(long, env = "KWO_DNS_SERVER", value_name = "ADDRESS[:PORT]", value_parser = dns_server)]
    pub dns_server: Vec<SocketAddr>,
    #[command(flatten)]
    pub kube: KubeArgs,
    #[command(flatten)]
    pub age: AgeArgs,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// Where a DNS server listens: an IP address, with a port if that is not 53.
fn dns_server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<IpAddr>().map(|address| (address, 53).into());
    address.or_else(|_| text.parse()).map_err(|_| {
        "expected an IP address, with a port if that is not 53, such as 192.0.2.53 or [2001:db8::53]:5353"
            .to_owned()
    })
}

/// `kwo registry`
#[derive(Debug, Subcommand)]
pub enum Registry {
    /// Show which objects of the registry exist and which of its hosts answer: exit 1 if one does not.
    Status(RegistryStatus),
    /// Show who may push and pull, and how to log in.
    Credentials(RegistryCredentials),
    /// Make a new password for a user whose password kwo makes. The old one still works for a while, under the old
    /// name.
    Rotate(RegistryRotate),
    /// Show what each tenant's images take in the registry, and how much of its quota: exit 1 if a tenant takes more than its
    /// quota, or if something cannot be read.
    Usage(RegistryUsage),
}

/// `kwo registry status`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct RegistryStatus {
    #[command(flatten)]
    pub roster: RosterArgs,
    #[command(flatten)]
    pub kube: KubeArgs,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// `kwo registry credentials`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct RegistryCredentials {
    #[command(flatten)]
    pub roster: RosterArgs,
    /// Print the passwords.
    #[arg(long, env = "KWO_SHOW_PASSWORD", value_parser = switch)]
    pub show_password: bool,
    #[command(flatten)]
    pub kube: KubeArgs,
    #[command(flatten)]
    pub age: AgeArgs,
}

/// `kwo registry rotate`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct RegistryRotate {
    /// A user of the registry. Default: the one whose password kwo makes, if there is only one.
    #[arg(value_parser = filled("write the name of a user of the registry, or leave it out"))]
    pub user: Option<String>,
    #[command(flatten)]
    pub roster: RosterArgs,
    /// How long the old password still works. With 0s it ends at once, and so does one from an earlier rotation.
    #[arg(long, default_value = "72h", env = "KWO_ROTATE_GRACE", value_name = "DURATION", value_parser = duration)]
    pub grace: Duration,
    /// Do not ask.
    #[arg(short, long, env = "KWO_YES", value_parser = switch)]
    pub yes: bool,
    /// Print the passwords.
    #[arg(long, env = "KWO_SHOW_PASSWORD", value_parser = switch)]
    pub show_password: bool,
    /// How long to wait for another run to end.
    #[arg(long, default_value = "0s", env = "KWO_LOCK_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    pub lock_timeout: Duration,
    /// How long the lock lasts after a run was killed.
    #[arg(long, default_value = "15s", env = "KWO_LOCK_DURATION", value_name = "DURATION", value_parser = lock_duration)]
    pub lock_duration: Duration,
    #[command(flatten)]
    pub kube: KubeArgs,
}

/// `kwo registry usage`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
pub struct RegistryUsage {
    #[command(flatten)]
    pub roster: RosterArgs,
    /// Show only this tenant, and count the rest; you can give it several times. JSON and YAML always have everything.
    #[arg(long = "tenant", env = "KWO_TENANT", value_name = "NAME", value_delimiter = ',')]
    pub tenants: Vec<String>,
    /// Tell each tenant whose quota is full, or nearly, by an Event in its namespaces.
    #[arg(long, env = "KWO_EVENTS", value_parser = switch)]
    pub events: bool,
    #[command(flatten)]
    pub kube: KubeArgs,
    #[command(flatten)]
    pub age: AgeArgs,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}

/// `kwo tls`
#[derive(Debug, Subcommand)]
pub enum Tls {
    /// Show the certificate that a host serves, and whether it is right: exit 1 if it is not.
    Check(TlsCheck),
}

/// `kwo tls check`
#[derive(Args, Debug)]
pub struct TlsCheck {
    /// The host, and its port if that is not 443.
    #[arg(value_name = "HOST[:PORT]", value_parser = filled("write the name of a host"))]
    pub host: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub roster: RosterArgs,
    /// Connect to this address, instead of the one that the host's name leads to.
    #[arg(long, env = "KWO_ADDRESS", value_name = "IP:PORT", value_parser = socket)]
    pub address: Option<SocketAddr>,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
}
