//! The people of the shell scripts. A roster has people by their logins and no service accounts for them, so all that can
//! be done is to say who they are and what to do.

use std::collections::BTreeMap;

use kwo_planner::plain::shell_word;

use super::found::{Account, Binding, Found, UserFile, Written};
use super::page::{Page, names, quoted};

/// Comments about each of them.
pub(super) fn people(found: &Found) -> Page {
    let mut page = Page::default();
    let files = found.files.iter().flat_map(|files| &files.users);
    let mut told: BTreeMap<&str, Option<&UserFile>> = BTreeMap::new();
    let mut broken = Vec::new();
    for (file, said) in files {
        match said {
            Written::Says(user) => {
                told.insert(&user.name, Some(user));
            }
            Written::Broken(why) => broken.push((file, why)),
            Written::Nowhere => {}
        }
    }
    let accounts: BTreeMap<&str, &Account> =
        found.accounts.iter().map(|account| (account.name.as_str(), account)).collect();
    for name in accounts.keys() {
        told.entry(name).or_insert(None);
    }
    if told.is_empty() && broken.is_empty() {
        return page;
    }
    page.line(0, "");
    page.comment(
        0,
        "People of the shell scripts. A roster knows people by their logins, not by service accounts with tokens that \
         never end, so these are not in it. They keep their rights until their bindings are deleted; but what carries kwo's \
         mark, namespaces above all, they can no longer change. Give each a login (`cluster.oidc`) and a place:",
    );
    page.command(0, "members: [{identity: someone@example.com, access: deployer}]     # of a tenant");
    page.command(
        0,
        "operators: {someone: {identity: someone@example.com, role: power-user}}     # of the cluster",
    );
    page.comment(0, "and then delete what they have:");
    for (name, said) in told {
        page.comment(0, &format!("- {}", sentence(name, said, accounts.get(name).copied())));
        if let Some(account) = accounts.get(name) {
            for command in commands(account) {
                page.command(0, &command);
            }
        }
    }
    for (file, why) in broken {
        page.comment(0, &format!("- the file {} cannot be read: {why}", quoted(file)));
    }
    page
}

fn sentence(name: &str, said: Option<&UserFile>, account: Option<&Account>) -> String {
    let roles =
        account.iter().flat_map(|account| &account.bindings).map(|binding| match &binding.namespace {
            Some(namespace) => format!("{} in {}", quoted(&binding.role), quoted(namespace)),
            None => format!("{} in the whole cluster", quoted(&binding.role)),
        });
    let roles: Vec<String> = roles.collect();
    let bound = match account {
        None => "without a service account, so there is nothing to delete but the file".to_owned(),
        Some(_) if roles.is_empty() => "with a service account and no rights".to_owned(),
        Some(_) => roles.join(", "),
    };
    let told = said.map(|said| {
        let role = said.role_type.as_deref().map(quoted).unwrap_or_default();
        let place = if said.namespaces.is_empty() {
            said.scope.clone().unwrap_or_default()
        } else {
            format!("in {}", names(said.namespaces.iter().map(String::as_str)))
        };
        format!("; by its file {role} {place}")
    });
    format!("{}: {bound}{}", quoted(name), told.unwrap_or_default())
}

fn commands(account: &Account) -> Vec<String> {
    let binding = |Binding { name, namespace, .. }: &Binding| match namespace {
        Some(namespace) => {
            format!("kubectl -n {} delete rolebinding {}", shell_word(namespace), shell_word(name))
        }
        None => format!("kubectl delete clusterrolebinding {}", shell_word(name)),
    };
    let mut commands: Vec<String> = account.bindings.iter().map(binding).collect();
    commands.push(format!(
        "kubectl -n kube-system delete serviceaccount {}",
        shell_word(&format!("user-{}", account.name))
    ));
    commands
}
