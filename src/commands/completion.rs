//! `kwo completion`

use crate::cli::{Cli, Completion};
use crate::failure::{Exit, Failure};

#[expect(clippy::unnecessary_wraps, reason = "all commands look alike")]
pub(crate) fn completion(args: &Completion) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::definition(), "kwo", &mut script);
    super::print::exactly(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}
