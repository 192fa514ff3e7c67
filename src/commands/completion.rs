//! `kwo completion`: a script that asks kwo itself what could come next, so that the shell knows tenants, ids and
//! contexts too, and the answer to it.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap_complete::engine::complete;
use clap_complete::env::{CompleteEnv, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};

use super::candidates::with_candidates;
use super::print::exactly;
use crate::cli::{Cli, Completion, Shell};
use kwo_engine::failure::{Exit, Failure};

/// What the scripts set when they ask.
const ASKED: &str = "KWO_COMPLETE";

/// What `COMPLETE=bash kwo` sets.
const USUAL: &str = "COMPLETE";

const SHELLS: Shells<'static> = Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh]);

/// Answers a shell and ends the program, where it is a shell that asks.
pub fn answer_shell() {
    // The way of clap's other programs, too, whose variable others may have set for something else.
    let usual = std::env::var(USUAL).is_ok_and(|shell| SHELLS.names().any(|name| name == shell));
    for asked in [Some(ASKED), usual.then_some(USUAL)].into_iter().flatten() {
        CompleteEnv::with_factory(|| with_candidates(Cli::definition())).var(asked).shells(SHELLS).complete();
    }
}

pub(crate) fn completion(args: &Completion) -> Result<Exit, Failure> {
    let shell: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Elvish => &Elvish,
        Shell::Fish => &Fish,
        Shell::Powershell => &Powershell,
        Shell::Zsh => &Zsh,
    };
    let mut script = Vec::new();
    shell
        .write_registration(ASKED, "kwo", "kwo", "kwo", &mut script)
        .map_err(|error| Failure::new("cannot make the completions").because(&error))?;
    exactly(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}

/// Bash splits words at `:` and `=` too, and replaces only what comes after them. Ids have colons in them.
struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        asked: &str,
        name: &str,
        program: &str,
        completer: &str,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        write!(
            out,
            r#"_{name}() {{
    local candidate words=("${{COMP_WORDS[@]:0:COMP_CWORD}}")
    # Behind a colon or an equals sign a new word begins that is still empty.
    [[ "${{COMP_WORDS[COMP_CWORD]}}" == [:=] ]] && words+=("${{COMP_WORDS[COMP_CWORD]}}")
    COMPREPLY=()
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <({asked}=bash {completer} -- "${{words[@]}}" "$2" 2>/dev/null)
    [[ "${{COMPREPLY[0]-}}" == *[=/:] ]] && compopt -o nospace 2>/dev/null
    return 0
}}
complete -o bashdefault -o default -F _{name} {program}
"#
        )
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        let words = joined(words);
        let typed = words.last().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
        let kept = typed.rfind([':', '=']).map_or("", |at| &typed[..=at]);
        let at = words.len().saturating_sub(1);
        for candidate in complete(command, words, at, folder)? {
            let candidate = candidate.get_value().to_string_lossy();
            writeln!(out, "{}", candidate.strip_prefix(kept).unwrap_or(&candidate))?;
        }
        Ok(())
    }
}

/// The words as they were typed: no word of kwo begins or ends with a colon or an equals sign that stands alone.
fn joined(words: Vec<OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::with_capacity(words.len());
    let mut goes_on = false;
    for word in words {
        let splits = word == ":" || word == "=";
        match joined.last_mut().filter(|_| splits || goes_on) {
            Some(last) => last.push(&word),
            None => joined.push(word),
        }
        goes_on = splits;
    }
    joined
}
