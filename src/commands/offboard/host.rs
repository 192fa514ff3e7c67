//! The part of `kwo offboard --host` that is of hosts alone: who still names the host, what has to be in place first, and what
//! k3s has to do so that it is gone.

use std::path::Path;
use std::sync::Arc;

use kwo_engine::doctor::served_names;
use kwo_engine::execute::{Brakes, Outcome, execute};
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::offboard::Carried;
use kwo_planner::change::Hold;
use kwo_planner::domains::host_places::named_at;
use kwo_planner::domains::registry_objects::ingress_of;
use kwo_planner::endings::word;
use kwo_planner::kinds::Kind;
use kwo_planner::node::{K3S_CONFIG, NodeKind};
use kwo_planner::offboard::{Leaving, Offboarding};
use kwo_planner::origin::Origin;
use kwo_planner::plan::Plan;
use kwo_planner::resource::{Reason, ResourceId};
use kwo_planner::roster::same_host;

use super::Scene;
use crate::cli::Offboard;
use crate::commands::load::Loaded;
use crate::commands::print::talk;

/// What a run that does not look at the node says.
const NOT_ASKED: &str = "the files of the node: kwo looks at them only with `--node`, on the node";

/// Refuses a host that the roster still names: the next apply would bring it back, and somebody means to keep it.
pub(super) fn unnamed(loaded: &Loaded, args: &Offboard, host: &str) -> Result<(), Failure> {
    let places = named_at(&loaded.roster, host);
    if places.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::new(format!("the roster still names {host}; nothing was changed"));
    failure.exit = Exit::Held;
    let sources = loaded.roster.sources();
    failure.causes = places.iter().map(|at| Origin::of(&Reason::Roster(*at), sources).to_string()).collect();
    Err(failure.hint(format!("take the host out of the roster, and run `{}` first", args.apply())))
}

impl Scene<'_> {
    /// Is it about a host?
    pub(super) fn is_host(&self) -> bool {
        matches!(self.leaving, Leaving::Host(_))
    }

    /// What was found of the host, where anything is or was there of it.
    pub(super) async fn found_of_host(&self, mut found: Offboarding) -> Result<Offboarding, Failure> {
        let known = match self.record().await {
            Ok((record, _)) => record.is_some_and(|record| record.is_half() || record.is_cut()),
            Err(failure) if self.args.stage.is_some() => return Err(failure),
            Err(_) => false,
        };
        let looks = self.args.node;
        if found.is_empty() && found.unseen.is_empty() && !known {
            let failure = Failure::new(format!("nothing is there of {}", self.leaving.words()));
            let failure = match looks {
                true => failure,
                false => failure.hint("kwo looks at the files of the node only with `--node`, on the node"),
            };
            return Err(failure.hint("kwo takes only what it wrote for exactly this name or address"));
        }
        if !looks {
            found.unseen.push(NOT_ASKED.into());
        }
        Ok(found)
    }

    /// Refuses to take an old name away while what the roster has in its place is not there yet.
    pub(super) async fn in_step(&self, offboarding: &Offboarding) -> Result<(), Failure> {
        let Leaving::Host(host) = &self.leaving else { return Ok(()) };
        if offboarding.cut.is_empty() {
            return Ok(());
        }
        let (plan, ..) = self.seen(self.loaded.desired.clone()).await?;
        let ingress = ingress_of(host);
        let of = |id: &ResourceId, other: &ResourceId| match id.node_kind() {
            Some(_) => id == other,
            None => *id == ingress && other.known_kind() == Some(Kind::Ingress) && other.scope == id.scope,
        };
        let waits =
            pending(&plan).into_iter().find(|other| offboarding.cut.iter().any(|pick| of(&pick.id, other)));
        let Some(waits) = waits else { return Ok(()) };
        let what = format!(
            "{waits} is not as the roster says yet, so the new host may not work; nothing was changed"
        );
        let mut failure = Failure::new(what);
        failure.exit = Exit::Held;
        Err(failure.hint(format!("run `{}` first", self.args.apply())))
    }

    /// Sees that k3s reads its files without the host, and says what names it still. True where something is left to do.
    pub(super) async fn rest_of_host(
        &self,
        files: &[ResourceId],
        after: &Offboarding,
        brakes: &Brakes,
    ) -> Result<bool, Failure> {
        after.unseen.iter().filter(|why| *why != NOT_ASKED).for_each(|why| {
            talk(&format!("kwo could not look at {why}\n"));
        });
        let unseen = after.unseen.iter().any(|why| why != NOT_ASKED);
        let again = format!("{} --stage cut --allow-restart", self.args.again());
        let waits = !self.read_again(files, &again, brakes).await?;
        self.still_served(files).await;
        Ok(unseen || waits || !after.cut.is_empty())
    }

    /// The same for an undo; and what came back by no record.
    pub(super) async fn back_of_host(
        &self,
        ids: &[ResourceId],
        carried: &Carried,
        brakes: &Brakes,
    ) -> Result<bool, Failure> {
        for id in &carried.by_roster {
            talk(&format!(
                "{id} does not get the login back: no record holds a password. Name the host in the roster, and `{}` \
                 writes it; the file as it was is in /var/lib/kwo/archive\n",
                self.args.apply()
            ));
        }
        let files: Vec<ResourceId> =
            ids.iter().filter(|id| id.node_kind() == Some(NodeKind::File)).cloned().collect();
        let waits = !self.read_again(&files, &self.args.apply(), brakes).await?;
        Ok(waits || !carried.by_roster.is_empty())
    }

    /// Restarts k3s where it has not read these files since they changed, as an apply does, with the same leave; `again` is the
    /// command that has it. False where it still has to be restarted.
    async fn read_again(&self, files: &[ResourceId], again: &str, brakes: &Brakes) -> Result<bool, Failure> {
        if files.is_empty() {
            return Ok(true);
        }
        let (mut plan, _, wanted) = self.seen(self.loaded.desired.clone()).await?;
        let is_it = |id: &ResourceId| id.node_kind() == Some(NodeKind::Restart);
        // In an image no k3s runs that would have to read them.
        let is_image = self.args.node && self.args.root != Path::new("/");
        if !wanted.resources().iter().any(|resource| is_it(&resource.id)) {
            talk(
                "The roster has nothing for k3s to read any more. `sudo systemctl restart k3s` has it read its files again.\n",
            );
            return Ok(is_image);
        }
        if let Some(held) = plan.held.iter().find(|held| is_it(&held.id)) {
            return Ok(match &held.hold {
                Hold::LeftOut { why, .. } => {
                    talk(&format!("{why}, so k3s reads the files when somebody restarts it there.\n"));
                    is_image
                }
                Hold::NeedsLeave { .. } => {
                    talk(&format!(
                        "k3s has not read its files since. `{again}` restarts it: its API is \
                         away for a while, and pods keep running.\n"
                    ));
                    false
                }
                hold => {
                    talk(&format!("k3s has not read its files since, and kwo did not restart it: {hold}\n"));
                    false
                }
            });
        }
        let others = pending(&plan);
        if let Some(waits) = others.iter().find(|id| id.node_kind() == Some(NodeKind::File)) {
            talk(&format!(
                "{waits} is not as the roster says; `{}` writes it and restarts k3s\n",
                self.args.apply()
            ));
            return Ok(false);
        }
        plan.steps.retain(|step| is_it(&step.id));
        if plan.steps.is_empty() {
            return Ok(true);
        }
        let home = Arc::clone(&self.open.home);
        let done = execute(&plan, &home, 1, brakes, |result| match &result.outcome {
            Outcome::Refused(refusal) => talk(&format!("failed  {}: {refusal}\n", result.step.id)),
            Outcome::Skipped(_) => {}
            Outcome::Done | Outcome::Settled => talk(&format!("done    {}\n", result.step.id)),
        })
        .await;
        Ok(done.complete())
    }

    /// Says whether the certificate of the API server still names the host: k3s keeps each name that it was ever for.
    async fn still_served(&self, files: &[ResourceId]) {
        let Leaving::Host(host) = &self.leaving else { return };
        if !files.contains(&ResourceId::node(NodeKind::File, K3S_CONFIG)) {
            return;
        }
        let lead = match &self.open.kube {
            None => format!("The certificate that the API server serves may still name {host}"),
            Some(kube) => match served_names(kube).await {
                Ok(names) if names.iter().any(|name| same_host(name, host)) => {
                    format!("The certificate that the API server serves still names {host}")
                }
                Ok(_) => {
                    talk(&format!("The certificate that the API server serves does not name {host}.\n"));
                    return;
                }
                Err(why) => {
                    format!(
                        "kwo could not look at the certificate of the API server ({why}), which may still name {host}"
                    )
                }
            },
        };
        let context = self.open.home.context().map(|name| format!(" --context={}", word(name)));
        talk(&format!(
            "{lead}: k3s keeps each name in the Secret kube-system/k3s-serving until somebody deletes that. These commands \
             end it; the API is away for a while, and k3s makes a certificate for the names in its files:\n  \
             kubectl{} delete secret k3s-serving --namespace=kube-system\n  \
             sudo rm -f /var/lib/rancher/k3s/server/tls/dynamic-cert.json\n  sudo systemctl restart k3s\n",
            context.unwrap_or_default()
        ));
    }
}

/// What the plan would still do, or cannot.
fn pending(plan: &Plan) -> Vec<ResourceId> {
    let held = plan.held.iter().filter(|held| !held.is_left_out()).map(|held| &held.id);
    plan.steps.iter().map(|step| &step.id).chain(held).cloned().collect()
}
