//! The program: arguments in, exit code out.

use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;
use kwo::cli::Cli;
use kwo::report::failure::text;
use kwo_engine::failure::Exit;

fn main() -> ExitCode {
    kwo::commands::answer_shell();
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return match error.print() {
                Err(lost) if asked && lost.kind() != io::ErrorKind::BrokenPipe => {
                    kwo::log::say(&format!("error: cannot write to standard output: {lost}\n"));
                    Exit::Failed.into()
                }
                _ if asked => Exit::Done.into(),
                _ => Exit::Usage.into(),
            };
        }
    };
    kwo::log::start(cli.verbose);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            kwo::log::say(&format!("error: cannot start: {error}\n"));
            return Exit::Failed.into();
        }
    };
    let ended = runtime.block_on(kwo::commands::run(cli));
    // A question that nobody answered may still be waiting for its line.
    runtime.shutdown_background();
    let exit = match ended {
        Ok(exit) => exit,
        Err(failure) => {
            kwo::log::say(&text(&failure));
            failure.exit
        }
    };
    match kwo::commands::lost() {
        Some(lost) => {
            kwo::log::say(&text(&lost));
            // A run that ended badly says so first.
            if exit == Exit::Done || exit == Exit::Changes { lost.exit.into() } else { exit.into() }
        }
        None => exit.into(),
    }
}
