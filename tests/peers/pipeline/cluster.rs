//! From request to merge with a real API server, under the accounts that `kwo rbac` prints.

use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kwo_planner::domains::compile;
use kwo_planner::domains::parse;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::plan::{Adopt, Plan, plan};

use kwo_planner::roster::{SourceFile, Sources};
use serde_json::json;
use testkit::apiserver::{kubeconfig, kubectl, kubectl_ok, unique};

use crate::pipeline::forge::{Forge, Kind};
use crate::pipeline::stage::{Ran, Stage, System, and};

/// A plan on the default branch has to be the whole saved one, what is left over of other rosters included: one roster at
/// a time.
static ALONE: Mutex<()> = Mutex::new(());

/// A repository, and the two accounts of its pipelines.
pub(crate) struct Scene {
    _alone: MutexGuard<'static, ()>,
    pub(crate) stage: Stage,
    pub(crate) forge: Forge,
    accounts: [String; 2],
}

impl Scene {
    /// Nothing where the live tests cannot run.
    pub(crate) fn new(tenants: &str) -> Option<Scene> {
        Scene::with(tenants, &[])
    }

    /// The same with further rights of the accounts.
    pub(crate) fn with(tenants: &str, more: &[&str]) -> Option<Scene> {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let admin = std::fs::read_to_string(kubeconfig()?).unwrap();
        let (stage, namespace) = (Stage::new(tenants), unique("kwo-pipelines"));
        let manifests = stage.kwo(&[&["rbac", "--namespace", &namespace], more].concat(), &[]).expect(0).out;
        // The names of the roles are the cluster's, and other tests may have them too.
        let manifests = manifests.replace(": kwo-plan\n", &format!(": {namespace}-plan\n"));
        let manifests = manifests.replace(": kwo-apply\n", &format!(": {namespace}-apply\n"));
        std::fs::write(stage.path("rbac.yaml"), manifests).unwrap();
        kubectl_ok(&["apply", "-f", stage.path("rbac.yaml").to_str().unwrap()]);
        let accounts = ["plan", "apply"].map(|purpose| {
            let token = kubectl_ok(&["create", "token", &format!("{namespace}-{purpose}"), "-n", &namespace]);
            let mut config: serde_json::Value = serde_yaml::from_str(&admin).unwrap();
            config["users"][0]["user"] = json!({"token": token.trim()});
            config.to_string()
        });
        Some(Scene { _alone: alone, stage, forge: Forge::start(Kind::Forgejo, "group/rosters"), accounts })
    }

    pub(crate) fn request(&self) -> Ran {
        self.requested(&[])
    }

    /// The same with these options.
    pub(crate) fn requested(&self, more: &[&str]) -> Ran {
        let variables = self.stage.request(System::Woodpecker, &self.forge, "group/rosters");
        let given =
            [("PLUGIN_KUBECONFIG_DATA", self.accounts[0].as_str()), ("PLUGIN_PLAN_FILE", "plan.json")];
        self.stage.kwo(&[&["ci"], more].concat(), &and(variables, &given))
    }

    pub(crate) fn merged(&self, account: usize, more: &[&str]) -> Ran {
        let variables = self.stage.push(System::Woodpecker, &self.forge, "main");
        let data = [("KWO_KUBECONFIG_DATA", self.accounts[account].as_str()), ("KWO_LOCK_DURATION", "3s")];
        let ran = self.stage.kwo(&[&["ci"], more].concat(), &and(variables, &data));
        assert!(!format!("{}{}", ran.out, ran.err).contains("eyJ"), "a token is shown");
        ran
    }
}

#[test]
fn what_was_planned_for_a_request_is_applied_exactly_or_is_stale() {
    let name = unique("piped");
    let roster = |pods: u32| {
        format!("tenants:\n  {name}: {{owners: [{name}@example.com], quota: {{pods: {pods}}}}}\n")
    };
    let Some(scene) = Scene::new(&roster(5)) else { return };
    let pods = || {
        let quota = format!("{name}-quota");
        kubectl_ok(&["get", "resourcequota", &quota, "-n", &name, "-o", "jsonpath={.spec.hard.pods}"])
    };
    let plan = ["--plan-file", "plan.json"];
    let ran = scene.request().expect(0);
    assert!(ran.err.contains("saved to plan.json"), "{}", ran.err);
    assert!(scene.forge.comments()[0].contains(&format!("becomes admin of {name}")));
    assert!(!kubectl(&["get", "namespace", &name]).status.success());

    // Whoever may only plan cannot apply, whatever the branch.
    let ran = scene.merged(0, &plan).expect(1);
    assert!(ran.err.contains("cannot take the lock"), "{}", ran.err);
    let ran = scene.merged(1, &plan).expect(0);
    assert!(["In agreement", "Converged, but"].iter().any(|said| ran.err.contains(said)), "{}", ran.err);
    assert_eq!(pods(), "5");

    // The roster went on after the plan was made.
    scene.stage.write(&roster(6));
    let ran = scene.merged(1, &plan).expect(3);
    assert!(ran.err.contains("it was made from a different roster"), "{}", ran.err);
    assert_eq!(pods(), "5");
    // The cluster did.
    scene.request().expect(0);
    let quota = format!("{name}-quota");
    kubectl_ok(&[
        "patch",
        "resourcequota",
        &quota,
        "-n",
        &name,
        "--type=merge",
        "-p",
        r#"{"spec":{"hard":{"pods":"9"}}}"#,
    ]);
    let ran = scene.merged(1, &plan).expect(3);
    assert!(ran.err.contains(&format!("stale: kube:ResourceQuota/{name}/{name}-quota")), "{}", ran.err);
    assert_eq!(pods(), "9");
    // Planned anew, or without a plan, it is done.
    scene.request().expect(0);
    scene.merged(1, &plan).expect(0);
    assert_eq!(pods(), "6");
    scene.stage.write(&roster(7));
    scene.merged(1, &[]).expect(0);
    assert_eq!(pods(), "7");
}

#[test]
fn a_plan_that_asks_for_more_than_the_roster_is_refused() {
    let name = unique("forged");
    let Some(scene) = Scene::new(&format!("tenants:\n  {name}: {{}}\n")) else { return };
    scene.request().expect(0);
    let honest: Plan = serde_json::from_str(&scene.stage.read("plan.json")).unwrap();
    // A plan that is in order in itself, for the digest of the roster that was reviewed.
    let text = format!(
        "{{apiVersion: kwo/v1, kind: Roster, tenants: {{{name}: }}, operators: {{{name}: {{identity: m@example.com, role: admin}}}}}}"
    );
    let roster = parse(Sources::new(vec![SourceFile { name: "roster.yaml".into(), text }])).unwrap();
    let desired = compile(&roster).unwrap();
    let nothing: Observed =
        desired.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect();
    let forged = plan(&desired, &nothing, &Adopt::Nothing, honest.provenance);
    assert!(forged.is_intact());
    std::fs::write(scene.stage.path("plan.json"), serde_json::to_string(&forged).unwrap()).unwrap();
    let ran = scene.merged(1, &["--plan-file", "plan.json"]).expect(1);
    let why = format!("asks for kube:ClusterRoleBinding/kwo-admin-{name}, but the roster does not");
    assert!(ran.err.contains(&why), "{}", ran.err);
    assert!(!kubectl(&["get", "namespace", &name]).status.success());
}

#[test]
fn a_plan_without_the_bounds_of_its_tenants_is_not_what_was_merged() {
    let name = unique("unbound");
    let Some(scene) = Scene::new(&format!("tenants:\n  {name}: {{owners: [{name}@example.com]}}\n")) else {
        return;
    };
    scene.request().expect(0);
    let mut forged: Plan = serde_json::from_str(&scene.stage.read("plan.json")).unwrap();
    let bounds = ["Validating", "NetworkPolicy", "ResourceQuota", "LimitRange"];
    forged.steps.retain(|step| !bounds.iter().any(|kind| step.id.kind.starts_with(kind)));
    forged.steps.iter_mut().for_each(|step| Arc::make_mut(step).needs = Arc::default());
    std::fs::write(scene.stage.path("plan.json"), serde_json::to_string(&forged.sealed()).unwrap()).unwrap();
    let ran = scene.merged(1, &["--plan-file", "plan.json"]).expect(3);
    let missing = format!("stale: kube:ResourceQuota/{name}/{name}-quota: is not in the saved plan");
    assert!(ran.err.contains(&missing), "{}", ran.err);
    assert!(!kubectl(&["get", "namespace", &name]).status.success());
}
