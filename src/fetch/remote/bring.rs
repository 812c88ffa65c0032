//! From what the hub announced to a checked file in the cache.
//!
//! Order matters: the announced digest is held against the pin before the first byte; the lock is taken before the partial
//! file is touched, and whether another process has finished meanwhile is asked under it; digest and pin are checked
//! before the rename that makes the file exist.

use super::cache;
use super::download::Download;
use super::metadata::Metadata;
use super::retry::retrying;
use super::{Remote, Wanted, damaged};
use crate::fetch::digest::check_pin;
use crate::fetch::{FetchError, Fetched};
use std::path::Path;

impl Remote {
    /// Brings the announced file into the cache, unless it is there under another commit, and links it.
    pub(super) fn bring(&self, wanted: &Wanted, metadata: &Metadata) -> Result<Fetched, FetchError> {
        if let Some(sha256) = metadata.sha256() {
            // Known before the first byte: a file that will not be accepted is not downloaded.
            check_pin(&self.settings.pins, wanted.repository, wanted.file, sha256)?;
        }
        let blob = wanted.cache.blob(&metadata.etag);
        if !self.is_whole(&blob, metadata)? {
            let lock = wanted.cache.lock(&blob, wanted.observer)?;
            if !self.is_whole(&blob, metadata)? {
                self.download(wanted, metadata, &blob)?;
            }
            drop(lock);
        }
        let pointer = wanted.cache.pointer(&metadata.commit, wanted.file);
        wanted.cache.link(&blob, &pointer)?;
        self.handed_out(wanted, &metadata.commit, pointer)
    }

    fn is_whole(&self, blob: &Path, metadata: &Metadata) -> Result<bool, FetchError> {
        let right_size = std::fs::metadata(blob).is_ok_and(|file| file.is_file() && file.len() == metadata.size);
        Ok(right_size && cache::damage(&self.digests, blob)?.is_none())
    }

    /// Downloads to the partial file, checks it, and makes it the blob. What was left by an earlier process may be
    /// damaged, so that a wrong digest is final only for a file that was downloaded whole.
    fn download(&self, wanted: &Wanted, metadata: &Metadata, blob: &Path) -> Result<(), FetchError> {
        let part = blob.with_extension("part");
        let continued = std::fs::metadata(&part).is_ok_and(|file| file.len() > 0);
        match self.download_once(wanted, metadata, blob, &part) {
            Err(FetchError::Damaged { .. } | FetchError::PinMismatch { .. }) if continued => {
                self.download_once(wanted, metadata, blob, &part)
            }
            result => result,
        }
    }

    fn download_once(&self, wanted: &Wanted, metadata: &Metadata, blob: &Path, part: &Path) -> Result<(), FetchError> {
        let url = self.url(wanted, &metadata.commit);
        let mut download = Download {
            client: &self.client,
            url: &url,
            repository: wanted.repository,
            file: wanted.file,
            part,
            size: metadata.size,
            observer: wanted.observer,
            furthest: 0,
        };
        retrying(&self.settings.retry, &url, wanted.observer, || download.attempt())?;
        let (_, sha256) = self.digests.of(part)?;
        self.accept(wanted, metadata, &sha256).inspect_err(|_| _ = std::fs::remove_file(part))?;
        wanted.cache.publish(part, blob, &sha256)
    }

    fn accept(&self, wanted: &Wanted, metadata: &Metadata, sha256: &str) -> Result<(), FetchError> {
        if let Some(announced) = metadata.sha256()
            && announced != sha256
        {
            return Err(damaged(wanted, announced.to_string(), sha256.to_string()));
        }
        check_pin(&self.settings.pins, wanted.repository, wanted.file, sha256).map(|_| ())
    }
}
