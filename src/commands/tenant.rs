//! `kwo tenant`

use kwo_engine::edit::{self, assignment, value};
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::rewrite::{Files, Rewrite};
use kwo_engine::yaml::Fault;
use kwo_planner::endings::word;
use kwo_planner::roster::SourceFile;
use kwo_planner::tree::{SmolStr, Tree};

use super::edit::{again, one, open, refused, rewritten, tenant as found, there_already, today};
use crate::cli::{EditArgs, Tenant, TenantAdd, TenantNamed, TenantSet};

pub(crate) async fn tenant(args: &Tenant) -> Result<Exit, Failure> {
    match args {
        Tenant::Add(args) => add(args).await,
        Tenant::Set(args) => set(args).await,
        Tenant::Park(args) => park(args).await,
        Tenant::Unpark(args) => unpark(args).await,
        Tenant::Remove(args) => remove(args).await,
    }
}

async fn add(args: &TenantAdd) -> Result<Exit, Failure> {
    let TenantAdd { name, owner, tier, namespace, into: _, edit } = args;
    let files = open(&edit.file)?;
    if let Some(entry) = files.roster().tenants().get(name.as_str()) {
        let hint = format!("`kwo tenant set {} KEY=VALUE{}` changes it", word(name), again(edit));
        return Err(there_already(
            &files,
            entry.key,
            &format!("the roster already has a tenant `{name}`"),
            &hint,
        ));
    }
    let texts = |texts: &[String]| Tree::texts(texts.iter().cloned());
    let mut fields = Vec::new();
    if let Some(tier) = tier {
        fields.push(("tier", value(tier).map_err(Failure::usage)?));
    }
    if !namespace.is_empty() {
        fields.push(("namespaces", texts(namespace)));
    }
    if !owner.is_empty() {
        fields.push(("owners", texts(owner)));
    }
    let rewrite = added(&files, args, fields)?;
    one(&files, rewrite, edit, "").await
}

/// The text with the new tenant, in the file that is meant.
fn added(files: &Files, args: &TenantAdd, fields: Vec<(&str, Tree)>) -> Result<Rewrite, Failure> {
    let TenantAdd { name, into, .. } = args;
    let sources = files.roster().sources().files();
    let number = match into {
        Some(path) => match files.number(path) {
            Some(number) => number,
            None => {
                let text = edit::add_tenant("", name, fields).map_err(|fault| refused(files, 0, &fault))?;
                return files.create(path, text).ok_or_else(|| {
                    Failure::usage(format!("the roster does not include {}", path.display()))
                        .hint("name a file of the roster, or one that a pattern under `include:` names")
                });
            }
        },
        None => with_tenants(files).ok_or_else(|| {
            let names: Vec<&str> = sources.iter().take(20).map(|file| file.name.as_str()).collect();
            Failure::usage(
                "the roster has several files, and kwo does not know which one should get the tenant",
            )
            .hint(format!("name it with `--into FILE`; its files are: {}", names.join(", ")))
        })?,
    };
    let text = sources.get(number).map_or("", |file: &SourceFile| file.text.as_str());
    let text = edit::add_tenant(text, name, fields).map_err(|fault| refused(files, number, &fault))?;
    rewritten(files, number, text)
}

/// The one file in which tenants stand, or the roster itself where that is its only file.
fn with_tenants(files: &Files) -> Option<usize> {
    let mut numbers: Vec<usize> =
        files.roster().tenants().values().map(|entry| usize::from(entry.key.file)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    match (numbers.as_slice(), files.roster().sources().files().len()) {
        ([one], _) => Some(*one),
        ([], 1) => Some(0),
        _ => None,
    }
}

async fn set(args: &TenantSet) -> Result<Exit, Failure> {
    let TenantSet { tenant, fields, edit } = args;
    let fields: Result<Vec<(Vec<SmolStr>, Tree)>, String> =
        fields.iter().map(|field| assignment(field)).collect();
    let fields = fields.map_err(Failure::usage)?;
    changed(edit, tenant, "", |text| edit::set_fields(text, tenant, &fields)).await
}

/// Changes the text in which the entry of this tenant stands.
async fn changed(
    args: &EditArgs,
    tenant: &str,
    then: &str,
    change: impl FnOnce(&str) -> Result<String, Fault>,
) -> Result<Exit, Failure> {
    let files = open(&args.file)?;
    let (_, number) = found(&files, tenant)?;
    let text = files.roster().sources().files().get(number).map_or("", |file| file.text.as_str());
    let text = change(text).map_err(|fault| refused(&files, number, &fault))?;
    one(&files, rewritten(&files, number, text)?, args, then).await
}

async fn park(args: &TenantNamed) -> Result<Exit, Failure> {
    let TenantNamed { tenant, edit } = args;
    let apply = format!("kwo apply{}", again(edit));
    let then = format!("next: `{apply}` lets no new pods of it start; those that run go on\n");
    changed(edit, tenant, &then, |text| edit::park(text, tenant)).await
}

async fn unpark(args: &TenantNamed) -> Result<Exit, Failure> {
    let TenantNamed { tenant, edit } = args;
    let is_parked = |files: &Files| found(files, tenant).map(|(tenant, _)| tenant.parked.is_some());
    if !is_parked(&open(&edit.file)?)? {
        return Err(Failure::new(format!("the tenant `{tenant}` is not parked")));
    }
    let note = format!("unparked on {}:", today());
    changed(edit, tenant, "", |text| edit::unpark(text, tenant, &note)).await
}

async fn remove(args: &TenantNamed) -> Result<Exit, Failure> {
    let TenantNamed { tenant, edit } = args;
    let note = format!("removed on {}:", today());
    let plan = format!("kwo plan{}", again(edit));
    let then = format!(
        "`{tenant}` stays in the cluster; `{plan}` lists what is left over, and the commands that end it\n"
    );
    changed(edit, tenant, &then, |text| edit::remove_tenant(text, tenant, &note)).await
}
