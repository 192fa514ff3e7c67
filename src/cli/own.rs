//! Which options the command that runs has. A hint that names one which it lacks would lead to an error of its own, so it is
//! not shown: the engine gives its hints without knowing who asked.

use clap::Command;

use super::command::Cli;

/// Does a hint name only options that the command of these words has? What stands in a whole command is that one's.
#[must_use]
pub fn fits(hint: &str, typed: &[String]) -> bool {
    let mut program = Cli::definition();
    program.build();
    let mut here = &program;
    for word in typed {
        let Some(below) = here.find_subcommand(word) else { return true };
        here = below;
    }
    // Programs of others have options, too.
    named(hint).all(|name| has(here, name) || !known(&program, name))
}

/// The options that a text names outside of whole commands.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split('`').enumerate();
    let parts = parts.filter(|(at, part)| at % 2 == 0 || part.starts_with('-')).map(|(_, part)| part);
    let words = parts.flat_map(|part| part.split([' ', ',', ';', ':', '=', '(', ')', '\n']));
    words.filter_map(|word| word.trim_end_matches('.').strip_prefix("--")).filter(|name| !name.is_empty())
}

fn has(command: &Command, name: &str) -> bool {
    command.get_arguments().any(|option| {
        let also = option.get_all_aliases().unwrap_or_default();
        option.get_long() == Some(name) || also.contains(&name)
    })
}

fn known(command: &Command, name: &str) -> bool {
    has(command, name) || command.get_subcommands().any(|below| known(below, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_fits_a_command_that_has_its_options() {
        let typed = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<String>>();
        for (command, hint, shown) in [
            ("plan", "use --target dir:PATH to work without a cluster", true),
            ("access who-can", "use --target dir:PATH to work without a cluster", false),
            ("capacity", "pass `--take-over-roster` once", false),
            ("apply", "pass `--take-over-roster` once", true),
            ("offboard", "run `kwo apply --take-over-roster` once", true),
            ("sync", "--kubeconfig and --context choose another", false),
            ("status", "--kubeconfig and --context choose another", true),
            ("access diff", "with --exit-code, it exits with 2.", true),
            ("sync", "the folder that `--collector.textfile.directory` names", true),
            ("validate", "nothing to name -- at all", true),
            ("validate", "is it --verbose, or `--help`?", true),
        ] {
            assert_eq!(fits(hint, &typed(command)), shown, "{command}: {hint}");
        }
    }
}
