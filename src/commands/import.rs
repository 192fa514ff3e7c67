//! `kwo import`

use std::path::Path;
use std::sync::Arc;

use kwo_planner::domains::compile;
use kwo_planner::domains::parse;
use kwo_planner::plan::{Adopt, Provenance};
use kwo_planner::resource::Desired;

use kwo_planner::roster::{SourceFile, Sources};

use super::look::no_plan;
use super::print::{data, talk};
use crate::cli::Import;
use crate::import::{cluster, draft, files};
use crate::report::{diagnostic, import};
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::out::{self, Went};
use kwo_engine::references::Places;
use kwo_engine::run::{look, set_secrets};
use kwo_engine::target;

/// What a roster is called that has not been saved yet.
const UNSAVED: &str = "roster.yaml";

pub(crate) async fn import(args: &Import) -> Result<Exit, Failure> {
    let kube = target::connect(args.cluster.options()?).await?;
    let node = args.node.then(|| target::node(&args.root)).transpose()?;
    let found = node.as_ref().map(files).transpose().map_err(|why| {
        Failure::new(format!("cannot read the files of the node: {why}"))
            .hint("they are root's; without --node the roster is made from the cluster alone")
    })?;
    let found = cluster(&kube, found).await.map_err(|why| {
        Failure::new(format!("cannot read the cluster: {why}")).hint(
            "half a cluster makes a wrong roster, so nothing was written; use an admin's kubeconfig, on a node of k3s \
             --kubeconfig /etc/rancher/k3s/k3s.yaml",
        )
    })?;
    let Some(text) = draft(&found) else {
        return Err(Failure::new(format!("no KWO cluster found at {}", found.server))
            .hint(
                "there is no ConfigMap kwo-config in kube-system, and no namespace with a service account `deployer` \
                 and a Role `tenant-deployer`; --kubeconfig and --context choose another cluster",
            )
            .hint("`kwo init` writes a first roster for a cluster that no shell script set up"));
    };
    let desired = checked(&text)?;
    give(args.out.as_deref(), &text)?;
    let provider = target::composite(Arc::new(kube), node);
    let places = Places::default();
    let desired = set_secrets(desired, &places, &provider).await;
    let provenance = Provenance::default();
    let looked = look(&provider, &desired, &Adopt::Everything, &provenance, None).await;
    talk(&import::text(&looked.map_err(|none| no_plan(&none, &provenance))?.plan));
    Ok(Exit::Done)
}

/// What the roster wants. It has to be one that kwo itself takes.
fn checked(text: &str) -> Result<Desired, Failure> {
    let fault = || {
        Failure::new("kwo does not accept the roster that it drew up, and wrote nothing")
            .hint("this is a bug in kwo: please report it with the output above")
    };
    let file = SourceFile { name: UNSAVED.to_owned(), text: text.to_owned() };
    let roster = parse(Sources::new(vec![file])).map_err(|refused| {
        talk(&diagnostic::text(&refused));
        fault()
    })?;
    compile(&roster).map_err(|clash| fault().because(&clash))
}

/// Prints it, or writes it to a file that must not be there.
fn give(out: Option<&Path>, text: &str) -> Result<(), Failure> {
    let Some(path) = out else {
        data(text);
        return Ok(());
    };
    if out::write(path, text.as_bytes(), out::ROSTER)? == Went::ToFile {
        talk(&format!("wrote {}\n", path.display()));
    }
    Ok(())
}
