//! The program: arguments in, exit code out.

use std::process::ExitCode;

use clap::error::ErrorKind;
use kwo::cli::Cli;
use kwo::failure::Exit;

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { Exit::Done.into() } else { Exit::Usage.into() };
        }
    };
    kwo::log::start(cli.verbose);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return Exit::Failed.into();
        }
    };
    let ended = runtime.block_on(kwo::commands::run(cli));
    // A question that nobody answered may still be waiting for its line.
    runtime.shutdown_background();
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            anstream::eprint!("{}", failure.text());
            failure.exit.into()
        }
    }
}
