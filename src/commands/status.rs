//! `kwo status`

use std::time::Duration;

use super::load::load;
use super::print::{data, json};
use crate::cli::{Status, TextOrJson};
use crate::failure::{Exit, Failure};
use crate::report::status::text;
use crate::status::look;
use crate::target;

pub(crate) async fn status(args: &Status) -> Result<Exit, Failure> {
    let loaded = load(&args.roster.roster)?;
    let kube = target::kube(&args.cluster, Duration::ZERO).await?;
    let node = args.node.then(|| (args.root.as_path(), target::node(&args.root).ok()));
    let (status, away) = look(&kube, &loaded.roster, node).await;
    match args.output {
        TextOrJson::Text => data(&text(&status)),
        TextOrJson::Json => json(&status)?,
    }
    match away {
        None => Ok(Exit::Done),
        Some(why) => Err(Failure::new(format!("cannot reach the cluster: {why}"))
            .hint("is it up, and is it the one you mean? --kubeconfig and --context choose another")),
    }
}
