//! The bytes of one file into one partial file, in as many attempts as it takes.
//!
//! An attempt asks for what is missing. A server that honours the range answers 206 from that offset; one that does not
//! answers 200 with everything, and the partial file is begun anew (appending there is how files get damaged). Each
//! attempt asks the endpoint again, because the signed link of a storage host expires.

use super::metadata::refusal;
use super::request::{Answer, Ask, Client};
use super::retry::Failure;
use crate::event::{Event, Observer, Stage};
use crate::fetch::digest::disk;
use crate::fetch::{FetchError, Repository};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

/// Bytes between two words to the observer.
const NEWS: u64 = 1 << 20;

/// One file on its way.
pub struct Download<'a> {
    /// Sends the requests.
    pub client: &'a Client,
    /// Address at the endpoint, at a commit.
    pub url: &'a str,
    /// Repository, for messages.
    pub repository: &'a Repository,
    /// Name in the repository, for messages.
    pub file: &'a str,
    /// Where the bytes go.
    pub part: &'a Path,
    /// Bytes of the whole file.
    pub size: u64,
    /// Hears of progress.
    pub observer: &'a dyn Observer,
    /// The most bytes that any attempt has reached.
    pub furthest: u64,
}

impl Download<'_> {
    /// One attempt: complete, or how it failed. What came is kept for the next.
    pub fn attempt(&mut self) -> Result<(), Failure> {
        let open = OpenOptions::new().append(true).create(true).open(self.part);
        let mut file = open.map_err(|source| disk("write", self.part, source))?;
        let have = self.usable_start(&file)?;
        self.furthest = self.furthest.max(have);
        if have == self.size {
            return Ok(());
        }
        let answer = self.client.send(Ask::Bytes(have), self.url)?;
        let start = self.accepted_start(&answer, have, &file)?;
        let body = answer.into_body().expect("a chain has at least one answer");
        self.receive(&mut body.into_reader(), &mut file, start)?;
        file.sync_data().map_err(|source| disk("write", self.part, source).into())
    }

    /// Bytes that are here and may be continued; a partial file longer than the whole is worthless.
    fn usable_start(&self, file: &File) -> Result<u64, FetchError> {
        let have = file.metadata().map_err(|source| disk("read", self.part, source))?.len();
        if have <= self.size {
            return Ok(have);
        }
        self.empty(file)?;
        Ok(0)
    }

    fn empty(&self, file: &File) -> Result<(), FetchError> {
        file.set_len(0).map_err(|source| disk("write", self.part, source))
    }

    /// The offset at which the answer's body begins.
    fn accepted_start(&self, answer: &Answer, have: u64, file: &File) -> Result<u64, Failure> {
        match answer.last().status().as_u16() {
            206 if range_start(answer) == Some(have) => Ok(have),
            200 => {
                self.empty(file)?;
                Ok(0)
            }
            206 | 416 => {
                self.empty(file)?;
                Err(Failure::again("the server sent another range than was asked for"))
            }
            404 if answer.at_endpoint => Err(self.refused("it vanished between two requests").into()),
            _ => Err(refusal(answer, self.url, self.repository, self.file)),
        }
    }

    fn refused(&self, reason: &str) -> FetchError {
        FetchError::Refused { url: self.url.to_string(), reason: reason.to_string() }
    }

    /// Writes the body from `start` on; too short a body is worth another attempt, too long a one is not.
    fn receive(&mut self, body: &mut dyn Read, file: &mut File, start: u64) -> Result<(), Failure> {
        let (mut have, mut told) = (start, start);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) if have == self.size => break,
                Ok(0) => return Err(self.cut(have, "the connection ended")),
                Ok(count) => count,
                Err(error) => return Err(self.cut(have, &error.to_string())),
            };
            have += count as u64;
            if have > self.size {
                self.empty(file)?;
                return Err(self.too_long(have).into());
            }
            file.write_all(&buffer[..count]).map_err(|source| disk("write", self.part, source))?;
            if have - told >= NEWS || have == self.size {
                told = have;
                self.tell(have);
            }
        }
        Ok(())
    }

    fn cut(&mut self, have: u64, reason: &str) -> Failure {
        let progressed = have > self.furthest;
        self.furthest = self.furthest.max(have);
        let reason = format!("{reason} after {have} of {} bytes", self.size);
        Failure::Again { reason, after: None, progressed }
    }

    fn too_long(&self, have: u64) -> FetchError {
        FetchError::Damaged {
            repository: Box::new(self.repository.clone()),
            file: self.file.to_string(),
            what: "its size",
            expected: format!("{} bytes", self.size),
            found: format!("at least {have}"),
        }
    }

    fn tell(&self, done: u64) {
        let what = format!("{} {}", self.repository.name, self.file);
        self.observer.observe(&Event::Progress { stage: Stage::Fetch, what, done, total: Some(self.size) });
    }
}

/// Start of `Content-Range: bytes 100-199/200`.
fn range_start(answer: &Answer) -> Option<u64> {
    let value = answer.last().headers().get("content-range")?.to_str().ok()?;
    value.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}
