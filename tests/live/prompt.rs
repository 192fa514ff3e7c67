//! `kwo apply` at a real terminal and for a real cluster: who leaves the prompt leaves the Lease as well.

use rexpect::process::WaitStatus;
use rexpect::session::spawn_command;
use testkit::apiserver::{kubectl, unique};
use testkit::run::Bench;

#[test]
fn ctrl_c_at_the_prompt_does_nothing_and_gives_the_lease_back() {
    let name = unique("prompt");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{}}\n")) else { return };
    let mut command = bench.command(&["apply", "--lock-timeout=2m", "--lock-duration=10m"]);
    command.stdin(std::process::Stdio::inherit());
    let mut terminal = spawn_command(command, Some(150_000)).unwrap();
    terminal.exp_string("Type `yes` to confirm: ").unwrap();
    bench.kwo(&["apply", "--yes"]).expect(4);
    terminal.send_control('c').unwrap();
    let said = terminal.exp_eof().unwrap();
    let code = terminal.process().wait().unwrap();
    assert!(matches!(code, WaitStatus::Exited(_, 1)), "{code:?}: {said}");
    assert!(said.contains("interrupted; nothing was changed"), "{said}");
    assert!(!kubectl(&["get", "namespace", &name]).status.success());
    // The Lease would be held far longer than this waits.
    bench.apply(&[]).expect(0);
}
