//! An empty word where a name is expected is a mistake, in every command: it comes from a variable that was not set, and
//! would ask a wider question than the one that was meant. What a variable of the environment can say as well is left out:
//! an empty variable is none.

use clap::Command;
use clap::error::ErrorKind;

/// All that can be typed, without the commands that only hold others.
fn leaves<'c>(command: &'c Command, path: &[&'c str], found: &mut Vec<(Vec<&'c str>, &'c Command)>) {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let path = [path, &[below.get_name()]].concat();
        if below.get_subcommands().next().is_some() {
            leaves(below, &path, found);
        }
        found.push((path, below));
    }
}

#[test]
fn an_empty_word_is_a_mistake_in_every_command() {
    let mut program = kwo::cli::Cli::definition();
    program.build();
    let mut found = Vec::new();
    leaves(&program, &["kwo"], &mut found);
    let (mut seen, mut taken) = (0, Vec::new());
    for (path, command) in found {
        let takes = |arg: &&clap::Arg| arg.get_action().takes_values() && arg.get_env().is_none();
        for arg in command.get_arguments().filter(takes) {
            let mut words: Vec<String> = path.iter().map(|word| (*word).to_owned()).collect();
            for other in command.get_positionals() {
                if other.get_id() == arg.get_id() {
                    words.push(String::new());
                } else if other.is_required_set() || arg.get_index() > other.get_index() {
                    words.push("x".to_owned());
                }
            }
            if let Some(long) = arg.get_long() {
                words.extend([format!("--{long}"), String::new()]);
            }
            seen += 1;
            let typed = format!("{words:?}");
            match program.clone().try_get_matches_from(&words) {
                Err(error)
                    if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) => {}
                other => taken.push(format!("{typed}: {:?}", other.map_err(|error| error.kind()).err())),
            }
        }
    }
    assert!(taken.is_empty(), "{taken:#?}");
    assert!(seen > 60, "{seen} options and arguments were found");
}

#[test]
fn the_error_says_what_to_write_instead() {
    let folder = tempfile::tempdir().unwrap();
    for (args, said) in [
        (
            &["access", "who-can", "get", "secrets", "-n", ""][..],
            "it is empty; write the name of a namespace, or leave `--namespace` out for all of them",
        ),
        (
            &["access", "who-can", "", "secrets"],
            "it is empty; write a verb such as `get`, or `*` for everything",
        ),
        (&["access", "who-can", "get", " "], "it is empty; write a resource such as `secrets`"),
        (&["access", "who-can", "get", "secrets", ""], "leave it out to ask about all of them"),
        (&["access", "graph", "-n", "shop", "-n", ""], "it is empty; write the name of a namespace"),
        (&["access", "of", "bob@example.com", "-n", ""], "it is empty; write the name of a namespace"),
        (&["access", "of", "bob@example.com", "--group", ""], "write the name of a group"),
        (&["access", "of", ""], "expected a user such as `bob@example.com`, `group:NAME` or"),
        (&["access", "of", "group:"], "`group:` names nobody"),
        (&["access", "of", "serviceaccount:bad"], "expected `serviceaccount:NAMESPACE/NAME`"),
        (&["access", "of", "sa:shop/deployer"], "did you mean `serviceaccount:shop/deployer`?"),
        (&["access", "diff", ""], "write a file or a git revision"),
        (&["kubeconfig", ""], "write the name of a namespace of a tenant"),
        (&["explain", ""], "write a tenant, a namespace, a person, a line or an id"),
        (&["offboard", ""], "write the name of a tenant"),
        (&["offboard", "--person", ""], "write a user such as `bob@example.com`, or `group:NAME`"),
        (&["offboard", "--host", ""], "write a host such as `old.example.com`"),
        (&["member", "add", "shop", ""], "write a user such as `bob@example.com`, or `group:NAME`"),
    ] {
        let text = super::transcript(folder.path(), args);
        assert!(text.contains(said) && text.contains("---- exit 64 ----"), "{said}: {text}");
    }
}
