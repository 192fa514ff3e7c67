//! A repository over https, at a git server behind TLS: only with the token, which nobody else gets to see.

use std::fs;
use std::process::Stdio;

use base64::Engine as _;

use crate::sync::served::{Answer, Served};
use crate::sync::world::{Ran, World, files};

const TOKEN: &str = "glpat-0123456789-never-to-be-seen";

fn server(world: &World) -> Served {
    let credentials = base64::engine::general_purpose::STANDARD.encode(format!("deploy:{TOKEN}"));
    Served::start(&world.path(""), &Answer::Repositories { below: world.path(""), credentials })
}

/// Runs with this server's authority among those that are trusted, and looks for the token in every process meanwhile.
fn sync(world: &World, server: &Served, variable: &str) -> Ran {
    let mut command = world.command(&["sync", "-v", "-v"]);
    command.env(variable, &server.ca).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = command.spawn().unwrap();
    let mut looks = 0;
    while run.try_wait().unwrap().is_none() {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&line).contains(TOKEN), "the process list shows the token");
        }
        looks += 1;
    }
    assert!(looks > 3);
    Ran::of(&run.wait_with_output().unwrap())
}

#[test]
fn a_token_opens_the_repository_and_is_seen_by_the_server_alone() {
    let world = World::new("tenants:\n  alice:\n");
    let server = server(&world);
    let set = |token: &str| {
        let url = format!("https://{}/cluster.git", server.address);
        world.settings_for(&format!("{{url: '{url}', user: deploy{token}, timeout: 20s}}"), "");
    };
    fs::write(world.path("token"), format!("{TOKEN}\n")).unwrap();
    let token = format!(", token: {{file: {}}}", world.path("token").display());

    // Nobody vouches for the server.
    set(&token);
    world
        .sync(&[])
        .expect(1)
        .says("cannot be fetched")
        .says("the authority behind the server's certificate")
        .conceals(TOKEN);
    assert_eq!(server.asked().len(), 0, "nothing was said to a server that could be anybody");
    set("");
    sync(&world, &server, "GIT_SSL_CAINFO").expect(1).says("give kwo a login for it: `token:` for https");
    fs::write(world.path("wrong"), "glpat-wrong\n").unwrap();
    set(&token.replace("/token}", "/wrong}"));
    sync(&world, &server, "GIT_SSL_CAINFO")
        .expect(1)
        .says("the token or the key was refused")
        .conceals("glpat-wrong");

    // The variable that all of kwo takes its authorities from is good for this as well.
    for (variable, tenant) in [("GIT_SSL_CAINFO", "bob"), ("SSL_CERT_FILE", "carol")] {
        set(&token);
        world.commit(&format!("tenants:\n  alice:\n  {tenant}:\n"));
        sync(&world, &server, variable).expect(0).conceals(TOKEN);
        assert!(world.has(tenant));
    }
    let encoded = base64::engine::general_purpose::STANDARD.encode(TOKEN);
    for file in files(&world.path("state")).into_iter().chain(files(&world.path("target"))) {
        let text = fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains(TOKEN) && !text.contains(&encoded), "{}", file.display());
    }
}

#[test]
fn another_host_is_not_followed_to_and_gets_no_token() {
    let world = World::new("tenants:\n  alice:\n");
    let server = server(&world);
    let to = format!("https://{}/cluster.git/info/refs?service=git-upload-pack", server.address);
    let other = Served::start(&world.path(""), &Answer::Redirect(to));
    fs::write(world.path("token"), TOKEN).unwrap();
    let token = world.path("token").display().to_string();
    let url = format!("https://{}/cluster.git", other.address);
    world.settings_for(&format!("{{url: '{url}', user: deploy, token: {{file: {token}}}}}"), "");
    // Whoever made the authorities of both, it is another server.
    let both = [&server, &other].map(|served| fs::read_to_string(&served.ca).unwrap()).concat();
    fs::write(world.path("both.pem"), both).unwrap();
    let output = world.command(&["sync"]).env("GIT_SSL_CAINFO", world.path("both.pem")).output().unwrap();
    Ran::of(&output).expect(1).says("cannot be fetched").says("302").conceals(TOKEN);
    assert_eq!(server.asked(), [""; 0]);
    assert!(other.asked().iter().all(|head| !head.to_lowercase().contains("authorization")));
}
