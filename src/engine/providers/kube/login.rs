//! What a kubeconfig says about the login, and why it cannot work, in words. The output of a login program may be a
//! token, and its arguments a password, so kwo shows neither.

use std::process::Output;

use ::kube::client::AuthError;
use ::kube::config::{AuthInfo, Kubeconfig};
use http::Uri;
use kwo_planner::plain::one_line;

use super::causes::{ConnectError, chain};

/// How much of what the program says is told.
const MOST: usize = 200;

/// Why there is no client for this server. What the kubeconfig says about a program that is missing is for whoever
/// reads this.
pub(super) fn unusable(server: &str, auth: &AuthInfo, error: &::kube::Error) -> ConnectError {
    let ::kube::Error::Auth(error) = error else {
        return ConnectError { why: format!("cannot use {server}: {}", chain(error)), hint: None };
    };
    if let Some(provider) = &auth.auth_provider {
        let provider = one_line(&provider.name);
        return ConnectError {
            why: format!(
                "the kubeconfig logs in to {server} through the auth provider `{provider}`, which kwo does not know"
            ),
            hint: Some(
                "let its user log in with a program, under `exec:`, or choose another user or --context"
                    .to_owned(),
            ),
        };
    }
    let program = auth.exec.as_ref().and_then(|exec| exec.command.as_deref());
    let hint = match (error, program) {
        (AuthError::AuthExecStart(_), Some(program)) => {
            let said = auth.exec.as_ref().and_then(|exec| exec.install_hint.as_deref());
            said.map(|hint| hint.trim().to_owned())
                .or_else(|| Some(format!("install `{program}`, or choose another user or --context")))
        }
        (AuthError::AuthExecRun { .. }, Some(program)) => Some(format!(
            "log in with `{}` first, as its manual says, or choose another user or --context",
            one_line(program)
        )),
        _ => None,
    };
    ConnectError { why: failed(server, program, error), hint }
}

/// Stands before how a login program ended and what it said last. Its arguments may be in that.
pub const FAILED: &str = "which failed: ";

/// Why nobody could log in.
pub(super) fn failed(server: &str, program: Option<&str>, error: &AuthError) -> String {
    let with = match program {
        Some(program) => format!("with the program `{}`", one_line(program)),
        None => "with a program".to_owned(),
    };
    let login = format!("the kubeconfig logs in to {server} {with}, which");
    match error {
        AuthError::AuthExecStart(why) => format!("{login} cannot be started: {why}"),
        AuthError::AuthExecRun { cmd: _, out } => {
            format!("the kubeconfig logs in to {server} {with}, {FAILED}{}", ended(out))
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            format!("{login} printed no ExecCredential with a status")
        }
        _ => format!("could not log in to {server}: {}", chain(error)),
    }
}

/// How it ended, and what it says of that.
fn ended(output: &Output) -> String {
    let Output { status, stdout: _, stderr } = output;
    let said = String::from_utf8_lossy(stderr);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    match last {
        Some(line) => format!("{status}: {}", one_line(&line.chars().take(MOST).collect::<String>())),
        None => status.to_string(),
    }
}

/// The user whom the context names is there: without one kwo would come as nobody.
pub(super) fn check_user(kubeconfig: &Kubeconfig, context: &str, files: &str) -> Result<(), ConnectError> {
    let found = kubeconfig.contexts.iter().find(|have| have.name == context);
    let user = found.and_then(|have| have.context.as_ref()?.user.as_deref()).filter(|user| !user.is_empty());
    let Some(user) = user else { return Ok(()) };
    if kubeconfig.auth_infos.iter().any(|have| have.name == user) {
        return Ok(());
    }
    let users: Vec<&str> = kubeconfig.auth_infos.iter().map(|have| have.name.as_str()).collect();
    Err(ConnectError {
        why: format!(
            "the context `{}` of {files} names the user `{}`, and there is no such user",
            one_line(context),
            one_line(user)
        ),
        hint: Some(match users.as_slice() {
            [] => "it has no users at all: add this one under `users:`, or choose another file with --kubeconfig"
                .to_owned(),
            users => format!("its users are: {}", one_line(&users.join(", "))),
        }),
    })
}

/// The server can be spoken to.
pub(super) fn check_server(server: &Uri, context: &str, files: &str) -> Result<(), ConnectError> {
    if matches!(server.scheme_str(), Some("http" | "https")) {
        return Ok(());
    }
    let bare = server.authority().map_or_else(|| server.to_string(), ToString::to_string);
    Err(ConnectError {
        why: format!(
            "the server `{}` of the context `{}` in {files} has neither https:// nor http:// in front",
            server.to_string().trim_end_matches('/'),
            one_line(context)
        ),
        hint: Some(format!("write `server: https://{bare}` there")),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn what_a_program_printed_is_never_told() {
        let out = Output {
            status: ExitStatus::from_raw(256),
            stdout: b"a-token".to_vec(),
            stderr: b"first\n\x1b[2Jlog in again\n\n".to_vec(),
        };
        let error = AuthError::AuthExecRun { cmd: "login --secret=s3cret".to_owned(), out: Box::new(out) };
        assert_eq!(
            failed("https://x", None, &error),
            "the kubeconfig logs in to https://x with a program, which failed: exit status: 1: \\u{1b}[2Jlog in again"
        );
    }
}
