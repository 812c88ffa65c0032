//! A local server that speaks the hub's protocol over HTTP/1.1, and misbehaves when told to.
//!
//! It serves a folder in the hub's layout (`models/owner/name/file`, `datasets/owner/name/file`) at
//! `/{owner}/{name}/resolve/{revision}/{file}` and `/datasets/…`. Every revision is taken for [`COMMIT`]. Files above a
//! kilobyte are "large": announced with `x-linked-etag` (their SHA-256) and `x-linked-size`, and redirected to a second
//! port, as the hub redirects to its storage host. What each port was asked, with which token, can be read afterwards.

mod http;

use http::{Request, Response};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The commit of every repository here.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Files longer than this are redirected to the second port.
const LARGE: u64 = 1024;

/// What goes wrong with the next request that the fault fits.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answer a HEAD with this status and these headers.
    Head(u16, Vec<(&'static str, String)>),
    /// Answer a GET for bytes with this status and these headers.
    Get(u16, Vec<(&'static str, String)>),
    /// Close the connection after so many bytes of the body.
    CutAfter(usize),
    /// Announce and send so many bytes only, as if that were the file.
    Truncate(usize),
    /// Send everything with status 200, whatever range was asked for.
    IgnoreRange,
    /// Send other bytes of the same length.
    WrongBytes,
    /// Say nothing for this long in the middle of the body.
    Stall(Duration),
    /// Wait this long before the body, but send it all.
    Delay(Duration),
}

impl Fault {
    fn fits(&self, head: bool) -> bool {
        matches!(self, Fault::Head(..)) == head
    }
}

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `HEAD` or `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Value of `Range`.
    pub range: Option<String>,
    /// Value of `Authorization`.
    pub authorization: Option<String>,
}

#[derive(Default)]
struct Shared {
    faults: Mutex<VecDeque<Fault>>,
    hub: Mutex<Vec<Seen>>,
    storage: Mutex<Vec<Seen>>,
}

/// A running server; its threads end with the process.
pub struct HubServer {
    root: PathBuf,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl HubServer {
    /// Serves a folder on two free local ports.
    pub fn start(root: impl Into<PathBuf>) -> Self {
        let (root, shared) = (root.into(), Arc::new(Shared::default()));
        let storage = listen({
            let (root, shared) = (root.clone(), shared.clone());
            move |request, stream| answer_storage(&root, &shared, request, stream)
        });
        let address = listen({
            let (root, shared) = (root.clone(), shared.clone());
            move |request, stream| answer_hub(&root, storage, &shared, request, stream)
        });
        HubServer { root, address, shared }
    }

    /// For `HF_ENDPOINT`, `--hub` and `RemoteSettings::endpoint`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts a file into the served folder: `models/owner/name/file`.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Queues a fault for the next fitting request.
    pub fn fault(&self, fault: Fault) {
        self.shared.faults.lock().unwrap().push_back(fault);
    }

    /// Requests that the endpoint has seen.
    pub fn hub_requests(&self) -> Vec<Seen> {
        self.shared.hub.lock().unwrap().clone()
    }

    /// Requests that the storage host has seen.
    pub fn storage_requests(&self) -> Vec<Seen> {
        self.shared.storage.lock().unwrap().clone()
    }
}

fn listen(answer: impl Fn(Request, &mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                if let Some(request) = http::read_request(&stream) {
                    answer(request, &mut stream);
                }
            });
        }
    });
    address
}

fn seen(request: &Request) -> Seen {
    Seen {
        method: request.method.clone(),
        path: request.path.clone(),
        range: request.header("range"),
        authorization: request.header("authorization"),
    }
}

fn take_fault(shared: &Shared, head: bool) -> Option<Fault> {
    let mut faults = shared.faults.lock().unwrap();
    let index = faults.iter().position(|fault| fault.fits(head))?;
    faults.remove(index)
}

fn answer_hub(root: &Path, storage: SocketAddr, shared: &Shared, request: Request, stream: &mut TcpStream) {
    shared.hub.lock().unwrap().push(seen(&request));
    let head = request.method == "HEAD";
    if head && let Some(Fault::Head(status, headers)) = take_fault(shared, true) {
        return Response::new(status).headers(headers).send(stream, head);
    }
    let Some(file) = served_file(root, &request.path) else {
        let missing = Response::new(404).header("x-error-code", "EntryNotFound").header("x-repo-commit", COMMIT);
        return missing.send(stream, head);
    };
    let bytes = std::fs::read(&file).unwrap();
    let response = Response::new(200).header("x-repo-commit", COMMIT).header("accept-ranges", "bytes");
    if bytes.len() as u64 > LARGE {
        let location = format!("http://{storage}{}?signature=once", request.path);
        let response = response.header("x-linked-etag", &format!("\"{}\"", sha256(&bytes)));
        let response = response.header("x-linked-size", &bytes.len().to_string()).header("location", &location);
        return response.status(302).send(stream, head);
    }
    // Stands for git's SHA-1 of the blob: 40 digits that say nothing of SHA-256.
    let response = response.header("etag", &format!("W/\"{}\"", &sha256(&bytes)[..40]));
    send_bytes(bytes, response, shared, &request, stream);
}

fn answer_storage(root: &Path, shared: &Shared, request: Request, stream: &mut TcpStream) {
    shared.storage.lock().unwrap().push(seen(&request));
    match served_file(root, request.path.split('?').next().unwrap()) {
        Some(file) => send_bytes(std::fs::read(file).unwrap(), Response::new(200), shared, &request, stream),
        None => Response::new(404).send(stream, request.method == "HEAD"),
    }
}

/// `/owner/name/resolve/revision/file` and `/datasets/…` to a path of the folder.
fn served_file(root: &Path, path: &str) -> Option<PathBuf> {
    let (repository, rest) = path.trim_start_matches('/').split_once("/resolve/")?;
    let (_revision, file) = rest.split_once('/')?;
    let folder = if repository.starts_with("datasets/") { root.into() } else { root.join("models") };
    Some(folder.join(repository).join(file)).filter(|path| path.is_file())
}

fn send_bytes(bytes: Vec<u8>, response: Response, shared: &Shared, request: &Request, stream: &mut TcpStream) {
    if request.method == "HEAD" {
        return response.body(bytes).send(stream, true);
    }
    let start = request.range_start().unwrap_or(0);
    let response = match start {
        0 => response.body(bytes.clone()),
        start => response.part(&bytes, start),
    };
    match take_fault(shared, false) {
        None | Some(Fault::Head(..)) => response.send(stream, false),
        Some(Fault::Get(status, headers)) => Response::new(status).headers(headers).send(stream, false),
        Some(Fault::CutAfter(count)) => response.send_some(stream, count),
        Some(Fault::Truncate(count)) => response.body(bytes[..count].to_vec()).send(stream, false),
        Some(Fault::IgnoreRange) => response.status(200).body(bytes).send(stream, false),
        Some(Fault::WrongBytes) => response.body(bytes.iter().map(|byte| byte ^ 1).collect()).send(stream, false),
        Some(Fault::Delay(time)) => {
            std::thread::sleep(time);
            response.send(stream, false);
        }
        Some(Fault::Stall(time)) => {
            response.send_some(stream, 10);
            std::thread::sleep(time);
        }
    }
}

/// SHA-256 in hexadecimal, by the crate directly rather than by the code under test.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
