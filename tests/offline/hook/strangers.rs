//! What others send who do not mean well: too much, too slowly, or nonsense.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use kwo::hook::Bounds;

use crate::hook::listener::{Listener, SECRET, answered, get, hmac, post, raw, request};
use crate::hook::runs::Inside;

#[test]
fn too_large_a_body_is_refused_however_it_comes() {
    let listener = Listener::with_trigger(SECRET);
    let signature = format!("sha256={}", hmac(SECRET.as_bytes(), "{}"));
    let head = format!("POST /hook HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: {signature}\r\n");
    let (status, _) =
        raw(listener.address, format!("{head}Content-Length: 26214401\r\n\r\n{{}}").as_bytes()).unwrap();
    assert_eq!(status, 413);
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..27 {
        chunked.extend(b"100000\r\n");
        chunked.extend(std::iter::repeat_n(b' ', 0x10_0000));
        chunked.extend(b"\r\n");
    }
    assert_eq!(raw(listener.address, &chunked).unwrap().0, 413);
    assert!(!listener.triggered());
}

#[test]
fn a_body_of_some_size_is_taken() {
    let listener = Listener::with_trigger(SECRET);
    let body = " ".repeat(8 * 1024 * 1024);
    let headers = [("X-Gitlab-Token", SECRET), ("X-Gitlab-Event", "Push Hook")];
    assert_eq!(post(listener.address, &headers, &body).0, 202);
}

#[test]
fn nonsense_is_answered_and_the_listener_stays() {
    let listener = Listener::with_trigger(SECRET);
    let status = |text: &str| raw(listener.address, text.as_bytes()).map(|(status, _)| status);
    assert_eq!(status("\0\0\0\0\r\n\r\n"), Some(400));
    assert_eq!(status("POST /hook HTTP/9.9\r\n\r\n"), Some(400));
    assert_eq!(status("POST /hook HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), Some(400));
    assert_eq!(status(&format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000))), Some(431));
    assert_eq!(status(&format!("GET / HTTP/1.1\r\n{}\r\n", "X-Y: z\r\n".repeat(200))), Some(431));
    assert_eq!(status("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Some(404));
    assert_eq!(status("GET /hook HTTP/1.1\r\nHost: x\r\n\r\n"), Some(405));
    assert_eq!(status("POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), Some(405));
    assert_eq!(status("POST /hook/../healthz HTTP/1.1\r\nHost: x\r\n\r\n"), Some(404));
    let headers = "X-Gitlab-Token: \u{e9}\r\nX-Hub-Signature-256: sha256=\u{e9}\u{e9}";
    assert_eq!(status(&format!("POST /hook HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n")), Some(401));
    assert_eq!(status(""), None);
    // A body that breaks off.
    let mut stream = TcpStream::connect(listener.address).unwrap();
    let cut = request(&[("X-Gitlab-Token", SECRET)], "{\"much\": \"more\"}");
    stream.write_all(&cut.as_bytes()[..cut.len() - 5]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(answered(&mut stream).is_none_or(|(status, _)| status == 400));
    assert_eq!(get(listener.address, "/healthz").0, 200);
    assert!(!listener.triggered());
}

#[test]
fn who_is_slow_is_cut_off_and_keeps_nobody_waiting() {
    let half = Duration::from_millis(500);
    let bounds = Bounds { head: half, patience: half, connections: 4, ..Bounds::default() };
    let inside = Inside::start("true", bounds);
    let slow = || {
        let mut stream = TcpStream::connect(inside.address).unwrap();
        stream.write_all(b"POST /hook HTTP/1.1\r\nX-Slow").unwrap();
        stream
    };
    let slow: Vec<TcpStream> = (0..4).map(|_| slow()).collect();
    assert_eq!(get(inside.address, "/healthz").0, 200);
    for mut stream in slow {
        assert!(answered(&mut stream).is_none_or(|(status, _)| status == 408));
    }
    let mut stream = TcpStream::connect(inside.address).unwrap();
    let whole = request(&[("X-Gitlab-Token", SECRET)], "a body that never ends");
    stream.write_all(&whole.as_bytes()[..whole.len() - 4]).unwrap();
    assert_eq!(answered(&mut stream).unwrap().0, 408);
}

#[test]
fn many_who_only_connect_keep_no_signed_push_out() {
    let listener = Listener::with_trigger(SECRET);
    let push = |body: &str| {
        let began = Instant::now();
        let headers = [("X-Gitlab-Token", SECRET), ("X-Gitlab-Event", "Push Hook")];
        assert_eq!(post(listener.address, &headers, body).0, 202);
        // All others have their places for 5 s at least.
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    };
    let hold = |head: &str| -> Vec<TcpStream> {
        let one = || {
            let mut stream = TcpStream::connect(listener.address).unwrap();
            let _ = stream.write_all(head.as_bytes());
            stream
        };
        (0..400).map(|_| one()).collect()
    };
    // A delivery that is still on its way when they come stays.
    let headers = [("X-Gitlab-Token", SECRET), ("X-Gitlab-Event", "Push Hook")];
    let whole = request(&headers, "{\"begun\": \"before\"}");
    let mut begun = TcpStream::connect(listener.address).unwrap();
    begun.write_all(&whole.as_bytes()[..whole.len() - 4]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let nothing = hold("");
    push("{\"nothing\": 1}");
    let halves = hold("POST /hook HTTP/1.1\r\nX-Gitlab-Token: ");
    push("{\"half\": 1}");
    begun.write_all(&whole.as_bytes()[whole.len() - 4..]).unwrap();
    assert_eq!(answered(&mut begun).unwrap().0, 202);
    // Whoever claims to be a forge, and then sends no body.
    let signature = "0".repeat(64);
    let forged = format!(
        "POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nX-Hub-Signature-256: sha256={signature}\r\n\r\n"
    );
    let claims = hold(&forged);
    push("{\"claims\": 1}");
    let (_, figures) = get(listener.address, "/metrics");
    assert!(figures.contains("kwo_hook_requests_total{outcome=\"pushed_out\"} "), "{figures}");
    drop((nothing, halves, claims));
}
