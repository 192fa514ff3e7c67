//! How the cluster and its tenants are, as text: a line an answer, in columns. The JSON is the answers themselves.

use super::printed::Report;
use kwo_planner::plain::counted;
use kwo_planner::units::moment;
use std::fmt::Write as _;

use anstyle::Style;
use jiff::Timestamp;
use kwo_planner::plain::one_line;

use super::agreement;
use super::style::HOLD;
use super::upkeep::{backup, disk};
use kwo_engine::departed::Departed;
use kwo_engine::issued::{Issued, State};
use kwo_engine::providers::LastRun;
use kwo_engine::providers::{KeptToken, TokenState};
use kwo_engine::status::{
    Answer, Disk, Kept, LongLived, Node, OldPassword, Pod, Registry, Resolver, Space, Status, Tenant, Tokens,
    Use,
};
use kwo_engine::sync::Short;

const QUIET: Style = Style::new().dimmed();
/// How many amounts of a namespace are shown; there is JSON for the rest.
const SHOWN: usize = 3;

impl Report for Status {
    const KIND: Option<&'static str> = Some("Status");

    type Json<'a> = &'a Status;

    fn text(&self) -> String {
        text(self)
    }

    fn json(&self) -> &Status {
        self
    }
}

/// All of it.
fn text(status: &Status) -> String {
    let Status {
        format_version: _,
        kwo,
        roster,
        server,
        agreement,
        nodes,
        disks,
        backup: newest,
        k3s,
        traefik,
        resolvers,
        certificates,
        registry,
        tenants,
        tokens,
        departed,
        last_run,
        last_sync,
    } = status;
    let mut out = String::new();
    let mut section = |name: &str, lines: Vec<String>| {
        for (at, line) in lines.iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            let _ = writeln!(out, "{name:<11} {line}");
        }
    };
    section("kwo", vec![(*kwo).to_owned()]);
    section("server", one(&server.version, |version| format!("{version} at {}", server.address)));
    let unread = match roster {
        Answer::Found(_) => None,
        Answer::CouldNotLook(why) => Some(vec![unknown(&one_line(why))]),
    };
    section(
        "agreement",
        match agreement {
            Answer::Found(agreement) => agreement::lines(agreement),
            Answer::CouldNotLook(why) => vec![unknown(&one_line(why))],
        },
    );
    section("nodes", many(nodes, "there are none", node));
    let room = |disks: &Vec<Answer<Disk>>| disks.iter().flat_map(|answer| one(answer, disk)).collect();
    section("disk", disks.as_ref().map_or_else(|| vec![not_asked()], room));
    section("backup", newest.as_ref().map_or_else(|| vec![not_asked()], |newest| one(newest, backup)));
    section("k3s", k3s.as_ref().map_or_else(|| vec![not_asked()], |since| one(since, service)));
    section("Traefik", many(traefik, "there are no pods of it in kube-system", pod));
    if let Some(unread) = unread {
        for name in ["resolvers", "registry", "tenants"] {
            section(name, unread.clone());
        }
    } else {
        section("resolvers", columns(resolvers.iter().map(resolver), "the roster asks for no certificates"));
        if let Some(certificates) = certificates {
            section("TLS", issued(certificates));
        }
        section(
            "registry",
            registry.as_ref().map_or_else(|| vec!["the roster asks for none".to_owned()], store),
        );
        let parked = tenants.iter().filter(|tenant| tenant.parked).count();
        section(
            "tenants",
            vec![match parked {
                0 => tenants.len().to_string(),
                _ => format!("{}, {parked} of them parked", tenants.len()),
            }],
        );
        section("", columns(tenants.iter().flat_map(rows), ""));
    }
    section("tokens", logins(tokens));
    section("left", gone(departed));
    section("last run", one(last_run, |run| run.as_ref().map_or_else(none, last)));
    section("last sync", one(last_sync, |run| run.as_ref().map_or_else(none, sync)));
    out
}

fn none() -> String {
    "there was none".to_owned()
}

fn not_asked() -> String {
    format!("{QUIET}not looked at; --node on the node does{QUIET:#}")
}

fn unknown(why: &str) -> String {
    format!("{HOLD}could not look{HOLD:#}: {why}")
}

fn one<T>(answer: &Answer<T>, line: impl FnOnce(&T) -> String) -> Vec<String> {
    vec![match answer {
        Answer::Found(found) => line(found),
        Answer::CouldNotLook(why) => unknown(why),
    }]
}

fn many<T>(answer: &Answer<Vec<T>>, none: &str, line: impl Fn(&T) -> String) -> Vec<String> {
    match answer {
        Answer::Found(found) if found.is_empty() => vec![format!("{HOLD}{none}{HOLD:#}")],
        Answer::Found(found) => found.iter().map(line).collect(),
        Answer::CouldNotLook(why) => vec![unknown(why)],
    }
}

/// Rows of three cells, the last of which may be as long as it likes.
fn columns(rows: impl Iterator<Item = [String; 3]>, none: &str) -> Vec<String> {
    let rows: Vec<[String; 3]> = rows.collect();
    if rows.is_empty() && !none.is_empty() {
        return vec![none.to_owned()];
    }
    let width = |cell: usize| rows.iter().map(|row| row[cell].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    rows.iter().map(|[a, b, c]| format!("{a:<first$}  {b:<second$}  {c}").trim_end().to_owned()).collect()
}

fn node(node: &Node) -> String {
    let Node { name, ready, version, disk_pressure: _, memory_pressure: _, pid_pressure: _ } = node;
    let state = if *ready { "Ready".to_owned() } else { format!("{HOLD}not Ready{HOLD:#}") };
    let said = |wanted| node.pressures().into_iter().filter(move |(_, said)| *said == wanted);
    let mut out = format!("{name} {version} {state}");
    for (kind, _) in said(Some(true)) {
        let _ = write!(out, ", {HOLD}{kind}{HOLD:#}");
    }
    // Of one that is not ready, nobody expects an answer.
    let silent: Vec<&str> = said(None).map(|(kind, _)| kind).collect();
    if *ready && !silent.is_empty() {
        let _ = write!(out, ", {HOLD}does not say{HOLD:#}: {}", silent.join(", "));
    }
    out
}

fn pod(pod: &Pod) -> String {
    let Pod { name, phase, containers, ready, restarts } = pod;
    format!("{name} {phase}, {ready} of {containers} ready, restarts: {restarts}")
}

fn resolver(resolver: &Resolver) -> [String; 3] {
    let Resolver { name, provider, credentials } = resolver;
    let state = match (provider, credentials) {
        (None, _) => String::new(),
        (Some(_), Answer::CouldNotLook(why)) => unknown(why),
        (Some(_), Answer::Found(found)) => {
            let missing: Vec<&str> =
                found.iter().filter(|(_, there)| !**there).map(|(key, _)| key.as_str()).collect();
            match missing.as_slice() {
                [] => "credentials are there".to_owned(),
                missing => format!("{HOLD}missing{HOLD:#}: {}", missing.join(", ")),
            }
        }
    };
    [name.clone(), provider.clone().unwrap_or_else(|| "port 80".to_owned()), state]
}

/// A line a certificate, and one for each issuer that does not work.
fn issued(certificates: &Answer<Vec<Issued>>) -> Vec<String> {
    let all = match certificates {
        Answer::CouldNotLook(why) => return vec![unknown(&one_line(why))],
        Answer::Found(all) => all,
    };
    let told = |one: &&Issued| one.state != State::Ready || !one.namespace.is_empty();
    columns(
        all.iter().filter(told).map(|one| {
            let Issued { valid_until, days_left, renews_at, why, state, .. } = one;
            let until = valid_until.zip(*days_left).map(|(until, days)| {
                let until = moment(until);
                let renewed = renews_at.map_or_else(String::new, |at| format!(", renewed at {}", moment(at)));
                match days {
                    0.. => format!("valid until {until}, {}{renewed}", counted(days, "day", "days")),
                    _ => format!("{HOLD}ended{HOLD:#} at {until}"),
                }
            });
            let why = why.as_deref().map(one_line).unwrap_or_default();
            let said = match state {
                State::Ready => None,
                State::NotThere => Some(format!("{HOLD}is not there{HOLD:#}")),
                State::Waiting => Some(why.into_owned()),
                State::Failing => Some(format!("{HOLD}failing{HOLD:#}: {why}")),
            };
            let said = until.into_iter().chain(said).collect::<Vec<String>>().join("; ");
            let place = if one.namespace.is_empty() { one.kind.clone() } else { one.namespace.clone() };
            [place, one.name.clone(), said]
        }),
        "the issuers are ready, and no tenant has a host",
    )
}

/// The registry, and a line for each password from before a rotation.
fn store(registry: &Registry) -> Vec<String> {
    let Registry { hosts, replicas, old_passwords } = registry;
    let state = match replicas {
        Answer::CouldNotLook(why) => unknown(why),
        Answer::Found(None) => format!("{HOLD}its Deployment is not there{HOLD:#}"),
        Answer::Found(Some(replicas)) => {
            format!("{} of {} available", replicas.available, counted(replicas.wanted, "replica", "replicas"))
        }
    };
    let mut lines = vec![format!("{}  {state}", hosts.join(", "))];
    match old_passwords {
        Answer::CouldNotLook(why) => lines.push(format!("old passwords: {}", unknown(&one_line(why)))),
        Answer::Found(all) => lines.extend(all.iter().map(old_password)),
    }
    lines
}

fn old_password(old: &OldPassword) -> String {
    let OldPassword { user: _, name, old_name, until, over } = old;
    let until = moment(until);
    match over {
        false => format!("the password of {old_name} works until {until}; that of {name} is new"),
        true => format!(
            "the password of {old_name} {HOLD}still works{HOLD:#}, and its time ended at {until}; `kwo apply` ends it"
        ),
    }
}

fn rows(tenant: &Tenant) -> impl Iterator<Item = [String; 3]> {
    let Tenant { name, parked, namespaces } = tenant;
    let label = if *parked { format!("{name} (parked)") } else { name.clone() };
    namespaces.iter().enumerate().map(move |(at, namespace)| {
        let label = if at == 0 { label.clone() } else { String::new() };
        [label, namespace.name.clone(), state(namespace)]
    })
}

fn state(space: &Space) -> String {
    let Space { name: _, phase, quotas } = space;
    let phase = match phase {
        Answer::CouldNotLook(why) => return unknown(why),
        Answer::Found(None) => return format!("{HOLD}is not there{HOLD:#}"),
        Answer::Found(Some(phase)) if phase == "Active" => String::new(),
        Answer::Found(Some(phase)) => format!("{HOLD}{phase}{HOLD:#}  "),
    };
    let quotas = match quotas {
        Answer::CouldNotLook(why) => return format!("{phase}{}", unknown(why)),
        Answer::Found(quotas) if quotas.is_empty() => {
            return format!("{phase}{HOLD}has no ResourceQuota{HOLD:#}");
        }
        Answer::Found(quotas) => quotas,
    };
    let in_use: Vec<&Use> =
        quotas.iter().flat_map(|quota| &quota.uses).filter(|have| have.used != "0").collect();
    let mut said: Vec<String> = in_use.iter().take(SHOWN).map(|have| amount(have)).collect();
    match in_use.len() {
        0 => said.push("nothing used".to_owned()),
        count if count > SHOWN => said.push(format!("{} more", count - SHOWN)),
        _ => {}
    }
    format!("{phase}{}", said.join(", "))
}

fn amount(have: &Use) -> String {
    let Use { resource, used, hard, percent } = have;
    let percent = percent.map_or_else(String::new, |percent| format!(" {percent} %"));
    format!("{resource} {used}/{hard}{percent}")
}

fn service(since: &Option<Timestamp>) -> String {
    match since {
        Some(since) => format!("runs since {}", moment(since)),
        None => format!("{HOLD}does not run{HOLD:#}"),
    }
}

/// A line a kubeconfig and a Secret.
fn logins(tokens: &Tokens) -> Vec<String> {
    let Tokens { kubeconfigs, long_lived } = tokens;
    let kept = kubeconfigs.iter().flatten().map(|Kept { namespace, token }| {
        let state = match token {
            Answer::CouldNotLook(why) => unknown(why),
            Answer::Found(None) => format!("{HOLD}is not there{HOLD:#}"),
            Answer::Found(Some(token)) => ends(token),
        };
        [namespace.clone(), "kubeconfig".to_owned(), state]
    });
    let secrets = match long_lived {
        Answer::Found(found) => found.as_slice(),
        Answer::CouldNotLook(_) => &[],
    };
    let secrets = secrets.iter().map(|LongLived { namespace, secret, made, days }| {
        let days = counted(*days, "day", "days");
        let age = format!("never ends, {days} old (made {})", moment(made));
        [namespace.clone(), format!("Secret {secret}"), age]
    });
    let mut lines = columns(kept.chain(secrets), "");
    if let Answer::CouldNotLook(why) = long_lived {
        lines.push(unknown(why));
    }
    match (kubeconfigs, lines.is_empty()) {
        (None, true) => vec![format!("no Secret has a token that never ends; kubeconfigs: {}", not_asked())],
        (Some(_), true) => vec!["there are none".to_owned()],
        (_, false) => lines,
    }
}

/// Those who left, and what is waited for.
fn gone(departed: &Answer<Vec<Departed>>) -> Vec<String> {
    let departed = match departed {
        Answer::CouldNotLook(why) => return vec![unknown(why)],
        Answer::Found(departed) => departed,
    };
    let row = |Departed { who, stages, kept_until, archived, unreadable }: &Departed| {
        let last = stages.last().map_or_else(String::new, |stage| {
            let end = if stage.done { "" } else { " begun, not ended" };
            format!("{}{end} {} by {}", one_line(&stage.stage), moment(stage.at), one_line(&stage.by))
        });
        let last = match unreadable {
            Some(why) => format!("kwo cannot read its record: {}", one_line(why)),
            None => last,
        };
        let kept = kept_until.map_or_else(String::new, |until| {
            let archive = match archived {
                true => ", archived",
                false if Departed::can_be_archived(who) => ", no archive yet",
                false => "",
            };
            format!("kept until {} at least{archive}", moment(until))
        });
        [one_line(who).into_owned(), last, kept]
    };
    columns(departed.iter().map(row), "nobody did")
}

fn ends(token: &KeptToken) -> String {
    let KeptToken { made: _, ends, state } = token;
    let until = ends.map_or_else(String::new, moment);
    match state {
        TokenState::Good => format!("good until {until}"),
        TokenState::Aging => format!("good until {until}; the next run renews it"),
        TokenState::Ended => format!("{HOLD}ended{HOLD:#} at {until}"),
        TokenState::NeverEnds => "has a token that never ends".to_owned(),
    }
}

fn sync(run: &Short) -> String {
    let Short { host, number, digest: _, began, commit, told } = run;
    let commit = if commit.is_empty() { String::new() } else { format!(", {commit}") };
    // It may hold what others wrote, and on several lines.
    let told = told.replace(kwo_planner::plain::acts, " ");
    let began = moment(began);
    format!("began at {began} on {host} (entry {number}){commit}: {told}")
}

fn last(run: &LastRun) -> String {
    let LastRun { holder, running, since: _, heard } = run;
    let heard = heard.map_or_else(|| "an unknown time".to_owned(), moment);
    match (holder.as_deref().map(one_line), running) {
        (Some(holder), true) => format!("is active: {holder}, last seen at {heard}"),
        (Some(holder), false) => format!("{HOLD}broke off{HOLD:#}: {holder}, last seen at {heard}"),
        (None, _) => format!("ended at {heard}"),
    }
}
