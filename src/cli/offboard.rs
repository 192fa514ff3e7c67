//! `kwo offboard`: what can be typed. The doc comments are the help text.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use kwo_engine::archive::Recipient;
use kwo_planner::endings::word;

use super::again::{Leave, option_with};
use super::shared::{AgeArgs, ClusterArgs, TargetArgs};
use super::values::{Format, duration, filled, lock_duration, switch};

/// `kwo offboard`
#[derive(Args, Debug)]
#[expect(missing_docs, reason = "flattened")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(group(ArgGroup::new("who").args(["tenant", "person", "leftovers", "host"]).required(true)))]
#[command(group(ArgGroup::new("what").args(["stage", "undo", "status", "certificate"])))]
pub struct Offboard {
    /// The tenant that leaves.
    #[arg(value_name = "TENANT", value_parser = filled("write the name of a tenant"))]
    pub tenant: Option<String>,
    /// The person that leaves, or the group as `group:NAME`, by the name that the roster has.
    #[arg(long, value_name = "NAME", value_parser = filled("write a user such as `bob@example.com`, or `group:NAME`"))]
    pub person: Option<String>,
    /// With --person: also cut what bindings give the person that are not kwo's.
    #[arg(long, requires = "person")]
    pub everywhere: bool,
    /// Cut what the plan lists as left over.
    #[arg(long)]
    pub leftovers: bool,
    /// A host name or an address of the API server or of the registry that the roster no longer names. What kwo wrote for
    /// exactly this host is cut: with --node also in the files of the node.
    #[arg(long, value_name = "HOST", value_parser = filled("write a host such as `old.example.com`"))]
    pub host: Option<String>,
    /// With --leftovers: only what still gives somebody a right.
    #[arg(long, requires = "leftovers")]
    pub access: bool,
    /// Do this stage. Without it, kwo shows what each stage would do, and does nothing.
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<OffboardStage>,
    /// Bring back everything that was cut.
    #[arg(long)]
    pub undo: bool,
    /// Show which stages are done, when, and by whom.
    #[arg(long)]
    pub status: bool,
    /// Print, as a proof, what kwo cut and kept, and what it asked the API server: as Markdown or JSON.
    #[arg(long)]
    pub certificate: bool,
    /// Also cut the bindings in the tenant's namespaces that are not kwo's; with --stage destroy, also delete the objects
    /// that are not kwo's.
    #[arg(long, requires = "tenant")]
    pub with_foreign: bool,
    /// With --stage archive: encrypt the archive for the owner of this age key. Without it the archive holds no Secrets.
    #[arg(long, value_name = "age1…")]
    pub recipient: Vec<Recipient>,
    /// With --stage archive: the folder for the archive. Default: the current one.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// With --stage archive and --node: keep the data of the tenant's volumes, too. They have to be folders of this node.
    #[arg(long, requires = "node")]
    pub volumes: bool,
    /// With --stage destroy: the archive, if it is no longer where kwo wrote it.
    #[arg(long, value_name = "FILE")]
    pub archive: Option<PathBuf>,
    /// With --stage destroy: the key that opens the archive, if it is encrypted.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// With --stage destroy: lose the data of volumes that the archive does not hold.
    #[arg(long)]
    pub discard_volumes: bool,
    /// Cut the access of this person, although the person is an admin of the cluster, or you yourself. With --undo: give
    /// this person, service account or object back what it had beyond the tenant's namespaces.
    #[arg(long, value_name = "NAME", value_parser = filled("write the name of a person, or leave `--admin` out"))]
    pub admin: Vec<String>,
    /// Do not ask. Needs --confirm.
    #[arg(short, long, value_parser = switch, requires = "confirm")]
    pub yes: bool,
    /// The sentence that kwo would ask you to type, such as `offboard alice (2 namespaces, 14 GiB)`.
    #[arg(long, value_name = "TEXT", value_parser = filled("write the sentence that kwo asks for"))]
    pub confirm: Option<String>,
    /// How to print it.
    #[arg(short, long, default_value = "text", env = "KWO_OUTPUT", value_name = "FORMAT")]
    pub output: Format,
    /// The roster.
    #[arg(short, long, default_value = "roster.yaml", env = "KWO_ROSTER", value_name = "FILE")]
    pub file: PathBuf,
    /// What to write to: `kube`, a cluster, or `dir:PATH`, a directory of manifests.
    #[arg(long, default_value = "kube", env = "KWO_TARGET", value_name = "kube|dir:PATH")]
    pub target: String,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub age: AgeArgs,
    /// Include the node that kwo runs on. Moves the kubeconfigs that it keeps to the archive; with --host takes the host
    /// out of the files of k3s.
    #[arg(long, env = "KWO_NODE", value_parser = switch)]
    pub node: bool,
    /// The folder above the node's files.
    #[arg(long, default_value = "/", env = "KWO_ROOT", value_name = "DIR", requires = "node")]
    pub root: PathBuf,
    /// Restart k3s after a change of a file that it reads; without this kwo only shows the restart.
    #[arg(long, env = "KWO_ALLOW_RESTART", value_parser = switch)]
    pub allow_restart: bool,
    /// kwo's settings. An undo is also checked against the policy in them; nothing else in them counts here.
    #[arg(long, env = "KWO_SETTINGS", value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// The name of this roster in the cluster that it keeps, instead of the cluster's name in the roster.
    #[arg(long, env = "KWO_ROSTER_ID", value_name = "NAME")]
    pub roster_id: Option<String>,
    /// How long to wait for another run to end.
    #[arg(long, default_value = "0s", env = "KWO_LOCK_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    pub lock_timeout: Duration,
    /// How long the lock lasts after a run was killed.
    #[arg(long, default_value = "15s", env = "KWO_LOCK_DURATION", value_name = "DURATION", value_parser = lock_duration)]
    pub lock_duration: Duration,
}

/// The stages that can be asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum OffboardStage {
    /// End the access: rights first, then credentials. `--undo` brings it back.
    Cut,
    /// Write everything in the tenant's namespaces to one file, and read it back.
    Archive,
    /// Delete the tenant's namespaces for good. Needs the cut, the archive, and the end of the time to keep them.
    Destroy,
}

impl Offboard {
    /// The same command once more, up to what it is to do.
    #[must_use]
    pub fn again(&self) -> String {
        self.typed(self.everywhere, self.with_foreign)
    }

    /// The same, so that what others gave is cut as well.
    #[must_use]
    pub fn again_with_foreign(&self) -> String {
        self.typed(self.person.is_some(), self.tenant.is_some())
    }

    fn typed(&self, everywhere: bool, with_foreign: bool) -> String {
        let mut command = "kwo offboard".to_owned();
        if let Some(tenant) = &self.tenant {
            command += &format!(" {}", word(tenant));
        }
        if let Some(person) = &self.person {
            command += &option_with("--person", person);
        }
        if let Some(host) = &self.host {
            command += &option_with("--host", host);
        }
        let flags = [
            ("--everywhere", everywhere),
            ("--leftovers", self.leftovers),
            ("--access", self.access),
            ("--with-foreign", with_foreign),
        ];
        flags.iter().filter(|(_, set)| *set).for_each(|(flag, _)| command += &format!(" {flag}"));
        if self.file != Path::new("roster.yaml") {
            command += &option_with("--file", &self.file.to_string_lossy());
        }
        command + &self.target().again(Leave::Plan)
    }

    /// The command that does what the roster says, at the same place.
    #[must_use]
    pub fn apply(&self) -> String {
        let mut command = "kwo apply".to_owned();
        if self.file != Path::new("roster.yaml") {
            command += &format!(" {}", word(&self.file.to_string_lossy()));
        }
        command + &TargetArgs { allow_restart: self.node, ..self.target() }.again(Leave::Command)
    }

    /// The target, without what only a run that writes what the roster says has.
    #[must_use]
    pub fn target(&self) -> TargetArgs {
        TargetArgs {
            target: self.target.clone(),
            cluster: self.cluster.clone(),
            age: self.age.clone(),
            node: self.node,
            root: self.root.clone(),
            allow_restart: self.allow_restart,
            roster_id: self.roster_id.clone(),
            take_over_roster: false,
            settings: self.settings.clone(),
            adopt: Vec::new(),
        }
    }
}
