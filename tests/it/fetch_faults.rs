//! What goes wrong on the way from the hub, and that nothing wrong is ever used.

use crate::fetch::{Heard, Scene, WEIGHTS, large, repository};
use crate::hub_server::{Fault, sha256};
use repro::event::Silent;
use repro::fetch::{FetchError, Hub, Remote, Repository};
use std::time::{Duration, Instant};

/// Fetches the large file, under faults, and says what the storage host was asked for.
fn ranges_under(faults: Vec<Fault>) -> (Scene, Vec<Option<String>>) {
    let scene = Scene::new();
    faults.into_iter().for_each(|fault| scene.server.fault(fault));
    let fetched = scene.remote().fetch(&repository(), WEIGHTS, &Silent).unwrap();
    assert_eq!(fetched.sha256, sha256(&large()));
    let ranges = scene.server.storage_requests().into_iter().map(|seen| seen.range).collect();
    (scene, ranges)
}

fn error_under(faults: Vec<Fault>) -> (Scene, FetchError) {
    let scene = Scene::new();
    faults.into_iter().for_each(|fault| scene.server.fault(fault));
    let error = scene.remote().fetch(&repository(), WEIGHTS, &Silent).unwrap_err();
    assert!(scene.offline().fetch(&repository(), WEIGHTS, &Silent).is_err(), "something was left that passes for it");
    (scene, error)
}

#[test]
fn cut_connection_is_continued_where_it_ended() {
    let (_, ranges) = ranges_under(vec![Fault::CutAfter(70_000), Fault::CutAfter(50_000)]);
    let continued = [None, Some("bytes=70000-".to_string()), Some("bytes=120000-".to_string())];
    assert_eq!(ranges, continued);
}

#[test]
fn many_cuts_are_survived_as_long_as_each_attempt_brings_something() {
    // 200,000 bytes in pieces of 15,000: 13 cuts, far more than the 5 attempts without progress.
    let (_, ranges) = ranges_under(vec![Fault::CutAfter(15_000); 13]);
    assert_eq!(ranges.len(), 14);
}

#[test]
fn server_that_ignores_ranges_is_not_appended() {
    let (_, ranges) = ranges_under(vec![Fault::CutAfter(70_000), Fault::IgnoreRange]);
    assert_eq!(ranges.len(), 2);
}

#[test]
fn partial_file_of_another_process_is_continued_or_replaced() {
    for (part, first) in [
        (large()[..1000].to_vec(), Some("bytes=1000-")),
        (vec![9; 1000], Some("bytes=1000-")),
        (vec![9; 300_000], None),
    ] {
        let scene = Scene::new();
        std::fs::create_dir_all(scene.blobs()).unwrap();
        std::fs::write(scene.blobs().join(format!("{}.part", sha256(&large()))), part).unwrap();
        let fetched = scene.remote().fetch(&repository(), WEIGHTS, &Silent).unwrap();
        assert_eq!(fetched.sha256, sha256(&large()));
        assert_eq!(scene.server.storage_requests()[0].range.as_deref(), first);
    }
}

#[test]
fn busy_server_is_waited_for_as_long_as_it_says() {
    let scene = Scene::new();
    scene.server.fault(Fault::Head(429, vec![("retry-after", "1".into())]));
    scene.server.fault(Fault::Head(503, vec![]));
    scene.server.fault(Fault::Get(503, vec![]));
    let (start, heard) = (Instant::now(), Heard::default());
    scene.remote().fetch(&repository(), WEIGHTS, &heard).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    let heard = heard.0.lock().unwrap();
    assert!(heard[0].starts_with("status 429; trying") && heard[0].ends_with("again in 1.0 s"), "{heard:?}");
}

#[test]
fn server_that_stays_down_is_given_up_with_its_address() {
    let (scene, error) = error_under(vec![Fault::Head(503, vec![]); 5]);
    let url = format!("{}/owner/name/resolve/main/{WEIGHTS}", scene.server.endpoint());
    assert_eq!(error.to_string(), format!("could not get `{url}` in 5 attempts: status 503"));
}

#[test]
fn nobody_listening_is_an_error_that_says_so() {
    let scene = Scene::new();
    let mut settings = scene.settings();
    settings.endpoint = "http://127.0.0.1:1".to_string();
    let error = Remote::new(settings).unwrap().fetch(&repository(), WEIGHTS, &Silent).unwrap_err().to_string();
    assert!(error.contains("in 5 attempts") && error.to_lowercase().contains("refused"), "{error}");
}

#[test]
fn refusals_are_told_apart() {
    let code = |code: &str| vec![("x-error-code", code.to_string())];
    for (status, headers, expected) in [
        (401, code("RepoNotFound"), "model `owner/name` does not exist at "),
        (404, code("RepoNotFound"), "model `owner/name` does not exist at "),
        (404, code("RevisionNotFound"), "model `owner/name` has no revision `main`"),
        (401, code("GatedRepo"), "model `owner/name`: the hub refused `model.safetensors` (status 401)"),
        (403, vec![], "model `owner/name`: the hub refused `model.safetensors` (status 403)"),
        (404, vec![], "`model.safetensors` is not in model `owner/name`"),
        (418, vec![], "could not get `"),
    ] {
        let error = error_under(vec![Fault::Head(status, headers)]).1.to_string();
        assert!(error.starts_with(expected), "{status}: {error}");
    }
}

#[test]
fn wrong_bytes_are_refused_with_both_digests() {
    let (scene, error) = error_under(vec![Fault::WrongBytes]);
    let wrong: Vec<u8> = large().iter().map(|byte| byte ^ 1).collect();
    let text = error.to_string();
    assert!(text.contains(&sha256(&wrong)) && text.contains(&sha256(&large())), "{text}");
    assert!(!scene.blobs().join(sha256(&large())).exists());
}

#[test]
fn body_shorter_than_announced_by_the_hub_is_never_used() {
    // Each attempt is told that 150,000 bytes are all; the next continues there and gets the same short file again.
    let (_, error) = error_under(vec![Fault::Truncate(150_000); 12]);
    assert!(matches!(error, FetchError::Unreachable { .. } | FetchError::Damaged { .. }), "{error}");
}

#[test]
fn silent_server_is_left_after_the_timeout_and_asked_again() {
    let scene = Scene::new();
    scene.server.fault(Fault::Stall(Duration::from_secs(20)));
    let mut settings = scene.settings();
    settings.timeout = Duration::from_millis(300);
    let start = Instant::now();
    Remote::new(settings).unwrap().fetch(&repository(), WEIGHTS, &Silent).unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn server_without_the_hubs_headers_is_named_as_such() {
    let (_, error) = error_under(vec![Fault::Head(200, vec![("etag", "x".into())])]);
    assert!(error.to_string().ends_with("did not answer as a hub does: no usable `x-repo-commit`"), "{error}");
}

#[test]
fn two_at_once_download_once() {
    let scene = Scene::new();
    scene.server.fault(Fault::Delay(Duration::from_millis(300)));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            // Two hubs with locks of their own, as two processes have.
            scope.spawn(|| scene.remote().fetch(&repository(), WEIGHTS, &Silent).unwrap());
        }
    });
    assert_eq!(scene.server.storage_requests().len(), 1);
}

#[test]
fn cache_that_cannot_be_written_is_an_error_with_the_path() {
    let scene = Scene::new();
    // A file where the folder should be: root ignores permissions, but not this.
    std::fs::write(scene.cache(), "").unwrap();
    let error = scene.remote().fetch(&repository(), WEIGHTS, &Silent).unwrap_err();
    assert!(matches!(&error, FetchError::Disk { .. }), "{error}");
    assert!(error.to_string().contains(&scene.blobs().display().to_string()), "{error}");
}

#[test]
fn hostile_names_are_refused_before_any_request() {
    let scene = Scene::new();
    let remote = scene.remote();
    assert!(remote.fetch(&repository(), "../../etc/passwd", &Silent).is_err());
    assert!(remote.fetch(&Repository::model("../../x", None), "config.json", &Silent).is_err());
    assert_eq!(scene.server.hub_requests(), []);
}
