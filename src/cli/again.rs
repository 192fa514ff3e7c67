//! What was typed, written back as words: a command that kwo names for later has to reach the same cluster or directory,
//! as the same user, with the same key. Every struct is taken apart whole, so that no new option is forgotten.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use kwo_planner::endings::word;

use kwo_engine::providers::KubeOptions;

use super::shared::{AgeArgs, ClusterArgs, KubeArgs, TargetArgs};

/// Who says what is taken over, and whether k3s may be restarted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Leave {
    /// The saved plan does.
    Plan,
    /// The command does.
    Command,
}

/// Options as a shell takes them, with a space in front of each.
#[derive(Default)]
struct Words(String);

impl Words {
    fn switch(&mut self, option: &str, set: bool) {
        if set {
            self.0 += &format!(" {option}");
        }
    }

    fn say(&mut self, option: &str, value: &str) {
        self.0 += &option_with(option, value);
    }

    fn path(&mut self, option: &str, path: Option<&Path>) {
        if let Some(path) = path {
            self.say(option, &path.to_string_lossy());
        }
    }

    fn unless<T: PartialEq + Display>(&mut self, usual: &T, option: &str, value: &T) {
        if value != usual {
            self.say(option, &value.to_string());
        }
    }

    fn kube(&mut self, args: &KubeArgs) {
        let KubeArgs { kubeconfig, context, as_user, as_group, timeout, api_wait, passing } = args;
        self.path("--kubeconfig", kubeconfig.as_deref().filter(|_| !passing));
        for (option, value) in [("--context", context), ("--as", as_user)] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                self.say(option, value);
            }
        }
        for group in as_group.iter().filter(|group| !group.is_empty()) {
            self.say("--as-group", group);
        }
        self.unless(&span(KubeOptions::default().timeout), "--timeout", &span(*timeout));
        if let Some(wait) = api_wait {
            self.say("--api-wait", &span(*wait));
        }
    }

    fn age(&mut self, args: &AgeArgs) {
        let AgeArgs { age_identity } = args;
        self.path("--age-identity", age_identity.as_deref());
    }
}

impl KubeArgs {
    /// The same options once more.
    #[must_use]
    pub fn again(&self) -> String {
        let mut words = Words::default();
        words.kube(self);
        words.0
    }
}

impl TargetArgs {
    /// The same options once more, for `kwo apply`.
    #[must_use]
    pub(super) fn again(&self, leave: Leave) -> String {
        let TargetArgs {
            target,
            cluster: ClusterArgs { kube, concurrency },
            age,
            node,
            root,
            allow_restart,
            roster_id,
            take_over_roster,
            settings,
            adopt,
        } = self;
        let mut words = Words::default();
        words.unless(&"kube", "--target", &target.as_str());
        words.kube(kube);
        words.unless(&KubeOptions::default().concurrency, "--concurrency", &usize::from(*concurrency));
        words.age(age);
        words.switch("--node", *node);
        words.path("--root", Some(root.as_path()).filter(|root| *root != Path::new("/")));
        if let Some(name) = roster_id {
            words.say("--roster-id", name);
        }
        words.switch("--take-over-roster", *take_over_roster);
        words.path("--settings", settings.as_deref());
        if leave == Leave::Command {
            words.switch("--allow-restart", *allow_restart);
            let names: Vec<&str> = adopt.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
            match names.as_slice() {
                [] => {}
                names if names.contains(&"*") => words.switch("--adopt", true),
                names => words.0 += &format!(" --adopt={}", word(&names.join(","))),
            }
        }
        words.0
    }
}

/// The option with its value, and a space in front. A value that looks like an option, or is none, has to be tied to
/// it.
#[must_use]
pub fn option_with(option: &str, value: &str) -> String {
    let tied = value.is_empty() || value.starts_with('-');
    format!(" {option}{}{}", if tied { '=' } else { ' ' }, word(value))
}

/// The roster as a word behind a command, with a space in front; nothing where it is the usual one.
#[must_use]
pub fn roster_again(roster: &Path) -> String {
    match roster.to_string_lossy().as_ref() {
        "roster.yaml" => String::new(),
        dash if dash.starts_with('-') && dash != "-" => format!(" {}", word(&format!("./{dash}"))),
        other => format!(" {}", word(other)),
    }
}

/// A span of time as it can be typed.
fn span(span: Duration) -> String {
    if span.subsec_nanos() == 0 { format!("{}s", span.as_secs()) } else { format!("{}ns", span.as_nanos()) }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Parser as _};

    use super::*;
    use crate::cli::{Cli, Command};

    const ALL: &str = "--target dir:x --kubeconfig ../kc --context a --as=-x --as-group g --as-group h \
                       --timeout 1500ms --api-wait 2m --concurrency 3 --age-identity k.txt --node --root n \
                       --roster-id r --take-over-roster --settings s.yaml --allow-restart --adopt=alice,bob";

    fn typed(words: &str) -> TargetArgs {
        // A word with a dash in front is quoted.
        let words = words.split_whitespace().map(|word| word.replace('\'', ""));
        let Command::Plan(args) =
            Cli::try_parse_from(["kwo".to_owned(), "plan".to_owned()].into_iter().chain(words))
                .unwrap()
                .command
        else {
            panic!("it is a plan")
        };
        args.target
    }

    #[test]
    fn every_option_comes_back_as_it_was_typed() {
        let args = typed(ALL);
        let said = args.again(Leave::Command);
        assert_eq!(format!("{:?}", typed(&said)), format!("{args:?}"), "{said}");
        for option in TargetArgs::augment_args(clap::Command::new("x")).get_arguments() {
            let option = format!("--{}", option.get_long().unwrap());
            assert!(said.split([' ', '=']).any(|word| word == option), "{option}: {said}");
        }
        assert!(!args.again(Leave::Plan).contains("--adopt"));
        assert!(!args.again(Leave::Plan).contains("--allow-restart"));
    }

    #[test]
    fn what_is_as_usual_is_not_said() {
        assert_eq!(typed("").again(Leave::Command), "");
        assert_eq!(typed("--adopt").again(Leave::Command), " --adopt");
        // A kubeconfig that ends with the run leads nowhere later.
        let mut args = typed("--kubeconfig x --context a");
        args.cluster.kube.passing = true;
        assert_eq!(args.again(Leave::Plan), " --context a");
        args.cluster.kube.context = Some("it's".to_owned());
        assert_eq!(args.cluster.kube.again(), r" --context 'it'\''s'");
        assert_eq!(roster_again(Path::new("roster.yaml")), "");
        assert_eq!(roster_again(Path::new("-x.yaml")), " ./-x.yaml");
        assert_eq!(roster_again(Path::new("a b.yaml")), " 'a b.yaml'");
    }
}
