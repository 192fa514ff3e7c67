//! `kwo member`

use kwo_engine::edit;
use kwo_engine::failure::{Exit, Failure};
use kwo_planner::endings::word;
use kwo_planner::plain::one_line;
use kwo_planner::roster::spelling::did_you_mean;
use kwo_planner::tree::Tree;

use super::edit::{again, one, open, refused, rewritten, tenant as found, there_already, today};
use crate::cli::{Level, Member, MemberAdd, MemberRemove};

pub(crate) async fn member(args: &Member) -> Result<Exit, Failure> {
    match args {
        Member::Add(args) => add(args).await,
        Member::Remove(args) => remove(args).await,
    }
}

async fn add(args: &MemberAdd) -> Result<Exit, Failure> {
    let MemberAdd { tenant, identity, access, cluster_role, role: _, namespace, edit } = args;
    let files = open(&edit.file)?;
    let (entry, number) = found(&files, tenant)?;
    let owner = entry.owners.iter().find(|owner| owner.value.to_string() == *identity).map(|owner| owner.at);
    let member = entry.members.iter().map(|member| &member.identity);
    let member =
        member.into_iter().find(|member| member.value.to_string() == *identity).map(|member| member.at);
    if let Some(at) = owner.or(member) {
        let what = format!("{} already has access to `{tenant}`", one_line(identity));
        let who = word(identity);
        let hint = format!("`kwo member remove {tenant} {who}{}` removes it first", again(edit));
        return Err(there_already(&files, at, &what, &hint));
    }
    let role = |kind: &str, name: &str| Tree::map([(kind, Tree::from(name.to_owned()))]);
    let access = match (cluster_role, &args.role, access) {
        (Some(name), _, _) => Some(role("clusterRole", name)),
        (None, Some(name), _) => Some(role("role", name)),
        (None, None, Level::Owner) if namespace.is_empty() => None,
        (None, None, Level::Owner) => Some(Tree::from("owner".to_owned())),
        (None, None, Level::Deployer) => Some(Tree::from("deployer".to_owned())),
        (None, None, Level::Viewer) => Some(Tree::from("viewer".to_owned())),
    };
    let member = edit::Member { identity: identity.clone(), access, namespaces: namespace.clone() };
    let text = files.roster().sources().files().get(number).map_or("", |file| file.text.as_str());
    let text = edit::add_member(text, tenant, &member).map_err(|fault| refused(&files, number, &fault))?;
    one(&files, rewritten(&files, number, text)?, edit, "").await
}

async fn remove(args: &MemberRemove) -> Result<Exit, Failure> {
    let MemberRemove { tenant, identity, edit } = args;
    let files = open(&edit.file)?;
    let (entry, number) = found(&files, tenant)?;
    let text = files.roster().sources().files().get(number).map_or("", |file| file.text.as_str());
    let note = format!("removed on {}:", today());
    let text = edit::remove_member(text, tenant, identity, &note)
        .map_err(|fault| refused(&files, number, &fault))?;
    let Some(text) = text else {
        let members = entry.members.iter().map(|member| &member.identity.value);
        let known: Vec<String> =
            entry.owners.iter().map(|owner| &owner.value).chain(members).map(ToString::to_string).collect();
        let failure = Failure::new(format!("`{tenant}` has no member `{}`", one_line(identity)));
        return Err(match did_you_mean(identity, known.iter().map(String::as_str)) {
            Some(hint) => failure.hint(hint),
            None => failure,
        });
    };
    let plan = format!("kwo plan{}", again(edit));
    let then = format!(
        "the right stays in the cluster; `{plan}` lists it as left over, with the command that ends it\n"
    );
    one(&files, rewritten(&files, number, text)?, edit, &then).await
}
